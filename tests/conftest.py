"""What all tests share."""

import gc
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import machines
import pytest
import textual._wait
from hypothesis import settings

settings.register_profile("quick", max_examples=40, deadline=None)
settings.load_profile("quick")

# What this machine has downloaded must not decide what a name means.
os.environ |= {"OLLAMA_MODELS": os.devnull, "HF_HUB_CACHE": os.devnull, "HOME": "/nonexistent"}
# Nor must the console it is tested on decide what is drawn with.
os.environ |= {"TERM": "xterm-256color", "LC_ALL": "C.UTF-8"}


@pytest.fixture(autouse=True, scope="session")
def _quick_pilot() -> None:
    """Textual's pilot looks every 20 ms whether the app has come to rest, several times a key; each 2 ms is as sure."""
    textual._wait.SLEEP_GRANULARITY = 1 / 500
    textual._wait.SLEEP_IDLE = 1 / 5000


@pytest.fixture
def shown(request: pytest.FixtureRequest, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """What ``plimsoll snapshot --json`` prints on the machine that the test names."""
    return machines.printed(request.param, tmp_path, capsys)


@pytest.fixture
def printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[[str], dict[str, Any]]:
    """The same for a machine that is named in the test."""
    return lambda name: machines.printed(name, tmp_path, capsys)


@pytest.fixture
def no_collector() -> Iterator[None]:
    """Python does not look for circles of objects: what nobody holds is gone at once, or else it is in one."""
    gc.disable()
    yield
    gc.enable()
