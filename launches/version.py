"""Which version of an engine a command starts, as far as names of files tell: nothing is run."""

import re
from collections.abc import Mapping
from types import MappingProxyType

from launches.command import Command, Program
from launches.installed import installed_version
from launches.launch import Launch
from launches.llama_defaults import build_named, is_fork_path
from launches.wrappers import base_name

PACKAGES: Mapping[str, str] = MappingProxyType(
    {
        "vllm": "vllm",
        "sglang": "sglang",
        "transformers": "transformers",
        "mlx": "mlx_lm",
        "trtllm": "tensorrt_llm",
    }
)
"""Engine -> the package whose ``.dist-info`` has its version, underscores in place of dashes."""
_NAMED = re.compile(r"(?:koboldcpp|llamafile|ollama)[-_]?v?(\d{1,3}(?:\.\d{1,4}){1,3})(?=[-_/\\.]|$)", re.IGNORECASE)
"""``ollama-0.12.6``, ``koboldcpp-1.98``, ``llamafile-0.9.3``: folders and programs named as they were released."""


def version_of(command: Command, program: Program, launch: Launch) -> str:
    """``0.11.0``, ``b6168``; empty where no name tells it."""
    if launch.engine_name in PACKAGES:
        return installed_version(command, program, PACKAGES[launch.engine_name]) or ""
    words = command.arguments
    path = command.path(words[program.offset - 1] if 0 < program.offset <= len(words) else program.name)
    if launch.program.startswith("llama-"):
        build = build_named(path, base_name(path), is_fork=is_fork_path(path))
        return build if re.fullmatch(r"b\d+", build) else ""
    named = _NAMED.search(path)
    return named[1] if named is not None else ""
