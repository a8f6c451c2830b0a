"""What is installed here: Python packages and engines, found by their files, so that nothing is imported or started."""

import os
import re
import sys
from collections.abc import Iterable, Mapping, Sequence

from probes.access import Run
from records.record import record

OWN_PACKAGES = ("textual", "rich", "pydantic", "psutil", "nvidia-ml-py")
"""What Plimsoll stands on."""
ENGINE_PACKAGES = (
    "llama-cpp-python", "vllm", "sglang", "tensorrt-llm", "transformers", "accelerate", "torch", "mlx", "mlx-lm",
    "exllamav2", "exllamav3",
)  # fmt: skip
SAME_MODULE = ("pynvml", "nvidia-ml-py3")
"""They put a module of the same name in the place of nvidia-ml-py's (github.com/wookayin/gpustat/issues/107)."""
PROGRAMS = (
    "llama-server", "llama-cli", "llama-fit-params", "ollama", "lms", "koboldcpp", "llamafile", "vllm", "sglang",
    "trtllm-serve", "mlx_lm.server", "tabbyapi",
)  # fmt: skip
ASKED = {"llama-server": "--version", "llama-cli": "--version", "ollama": "--version", "lms": "version"}
"""How a program that is no Python package is asked for its version; only where somebody wants to wait for that."""
_VERSION = re.compile(r"\d+(?:\.\d+){1,3}(?:[-+.]?[\w.]{1,20})?|(?<=version: )\d+|\bb\d{4,6}\b")
_DISTRIBUTION = re.compile(r"(?P<name>[A-Za-z0-9_.]{1,80})-(?P<version>[0-9][\w.+!]{0,60})\.(?:dist|egg)-info")
_MOST_ENTRIES = 20_000
"""Of a folder of packages, which has two for each."""


@record(frozen=True, slots=True, kw_only=True)
class Program:
    """A program on the path."""

    name: str
    path: str
    version: str | None = None
    """None where nobody asked, or it did not answer."""


def packages(folders: Iterable[str] | None = None) -> dict[str, str]:
    """Distribution -> version, names as the index writes them (``nvidia-ml-py``), of this Python."""
    found: dict[str, str] = {}
    for folder in dict.fromkeys(sys.path if folders is None else folders):
        try:
            with os.scandir(folder or ".") as entries:
                names = [entry.name for _, entry in zip(range(_MOST_ENTRIES), entries, strict=False)]
        except OSError:
            continue
        for name in names:
            if name.endswith("-info") and (matched := _DISTRIBUTION.fullmatch(name)):
                found.setdefault(_normal(matched["name"]), matched["version"])
    return found


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def programs(environment: Mapping[str, str], run: Run | None = None) -> tuple[Program, ...]:
    """Engines on the path, the first of each name; with ``run`` their versions, within its time limit each."""
    folders = [folder for folder in environment.get("PATH", "").split(os.pathsep) if os.path.isabs(folder)]
    found = []
    for name in PROGRAMS:
        path = _on_path(name, folders)
        if path is not None:
            version = _version(run, path, name) if run is not None and name in ASKED else None
            found.append(Program(name=name, path=path, version=version))
    return tuple(found)


def _on_path(name: str, folders: Sequence[str]) -> str | None:
    endings = (".exe", ".cmd", ".bat") if os.name == "nt" else ("",)
    for folder in folders:
        for ending in endings:
            path = os.path.join(folder, f"{name}{ending}")
            if os.path.isfile(path) and os.access(path, os.X_OK):
                return path
    return None


def _version(run: Run, path: str, name: str) -> str | None:
    try:
        printed = run((path, ASKED[name]))
    except OSError:
        return None
    matched = _VERSION.search(printed[:4096].decode(errors="replace"))
    return None if matched is None else matched[0]
