"""What all tests share."""

import os

import pytest
import textual._wait
from hypothesis import settings

settings.register_profile("quick", max_examples=40, deadline=None)
settings.load_profile("quick")

# What this machine has downloaded must not decide what a name means.
os.environ |= {"OLLAMA_MODELS": os.devnull, "HF_HUB_CACHE": os.devnull}


@pytest.fixture(autouse=True, scope="session")
def _quick_pilot() -> None:
    """Textual's pilot looks every 20 ms whether the app has come to rest, several times a key; each 2 ms is as sure."""
    textual._wait.SLEEP_GRANULARITY = 1 / 500
    textual._wait.SLEEP_IDLE = 1 / 5000
