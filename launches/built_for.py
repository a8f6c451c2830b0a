"""Whose devices an image of a container is built for, by its name and tag."""

import re
from collections.abc import Mapping
from types import MappingProxyType

VENDORS: Mapping[str, str] = MappingProxyType(
    {
        "cuda": "nvidia",
        "cu": "nvidia",
        "rocm": "amd",
        "hip": "amd",
        "intel": "intel",
        "sycl": "intel",
        "xpu": "intel",
        "musa": "mthreads",
        "cann": "ascend",
    }
)
"""A word in an image's name or tag -> whose devices it is built for; one for Vulkan runs on any. Tags of
ggml-org/llama.cpp (docs/docker.md), ollama/ollama, vllm-project/vllm, sgl-project/sglang, 2026-11."""
_BACKEND = re.compile(rf"(?:^|[/:._-])({'|'.join(VENDORS)})\d*(?=[-_.:/@]|$)")


def vendor_of(image: str) -> str:
    """Whose devices an image is built for, by its name; empty where nothing says so. The tag counts first."""
    found = _BACKEND.findall(image.partition("@")[0].casefold())
    return VENDORS[found[-1]] if found else ""
