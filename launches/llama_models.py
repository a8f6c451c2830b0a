"""Which model a llama.cpp command means: a path, a repository, or an address, and where its file lies when it is here.

common/arg.cpp (`common_models_handler_apply`), common/download.cpp (`find_best_model`) and common/hf-cache.cpp of
0c1e57098; files of earlier builds' cache are called ``owner_repository_file.gguf`` (common/arg.cpp of 2025).
"""

import os
import re
from collections.abc import Mapping

from estimator.hub_cache import cache_roots, find_in_cache
from launches.command import Command
from launches.wrappers import base_name
from records.record import record

USUAL_TAGS = ("Q4_K_M", "Q8_0")
"""What is taken of a repository where no quant is named, before its first file."""
QUANT = re.compile(
    r"(?i)(?:^|[-_.])((?:UD-)?(?:I?Q[1-8](?:_[A-Z0-9]+)*|TQ[12]_0|MXFP4(?:_MOE)?|NVFP4|BF16|F16|F32))(?=[-_.]|$)"
)
_HUB = re.compile(r"https?://(?:huggingface\.co|hf\.co)/([\w.-]{1,96}/[\w.-]{1,96})/(?:resolve|blob)/[^/]+/(.+)")
_REPOSITORY = re.compile(r"[\w.-]{1,96}/[\w.-]{1,96}", re.ASCII)
_NO_MODEL = ("mmproj", "imatrix", "mtp-", "eagle3-", "dflash-", "dspark-")
_LATER_PART = re.compile(r"-(?!00001)\d{5}-of-\d{5}\.gguf$")
_MOST_FILES = 4000


@record(frozen=True, slots=True, kw_only=True)
class Meant:
    """A model, and what comes with it."""

    source: str
    projector: str | None = None
    """The image part that is loaded with it without being asked for."""
    is_here: bool = True
    """Its file was found, or its path is what was given."""


def from_repository(repository: str, file: str, command: Command, environment: Mapping[str, str]) -> Meant | None:
    """``owner/name:quant``, and a file of it where one is named; None where that is no repository's name."""
    name, _, tag = repository.partition(":")
    if not _REPOSITORY.fullmatch(name):
        return None
    found = find_in_cache(name, _roots(environment))
    if found is not None:
        files = _models_below(found)
        chosen = file if file in files else _chosen(files, tag) if not file else ""
        if chosen:
            return Meant(source=os.path.join(found, chosen), projector=_projector(found, chosen))
    earlier = _in_earlier_cache(name, file, tag, command, environment)
    if earlier is not None:
        return Meant(source=earlier)
    wanted = tag or quant_in(file)
    return Meant(source=f"{name}:{wanted}" if wanted else name, is_here=False)


def from_address(address: str, command: Command, environment: Mapping[str, str]) -> Meant:
    """A file that is fetched by its address into the cache.

    Where it is not there yet: the repository that it is of, or what its name says.
    """
    plain = re.split("[?#]", address)[0]
    path = os.path.join(cache_folder(command, environment), base_name(plain))
    hub = _HUB.fullmatch(plain)
    if os.path.isfile(path):
        return Meant(source=path)
    here = from_repository(hub[1], hub[2], command, environment) if hub is not None else None
    return here or Meant(source=base_name(plain).removesuffix(".gguf") or path, is_here=False)


def cache_folder(command: Command, environment: Mapping[str, str]) -> str:
    """Where files go that are fetched by address (`fs_get_cache_directory`)."""
    stated = environment.get("LLAMA_CACHE")
    home = environment.get("XDG_CACHE_HOME") or "~/.cache"
    return command.path(stated or os.path.join(home, "llama.cpp"))


def quant_in(file: str) -> str:
    """The quant that a file's name says; empty where none."""
    found = list(QUANT.finditer(base_name(file).removesuffix(".gguf")))
    return found[-1][1].upper() if found else ""


def _roots(environment: Mapping[str, str]) -> tuple[str, ...]:
    """Since 2026 the cache is the hub's own, unless LLAMA_CACHE says otherwise (common/hf-cache.cpp)."""
    stated = environment.get("LLAMA_CACHE")
    return (*((os.path.expanduser(stated),) if stated else ()), *cache_roots(environment))


def _models_below(folder: str) -> list[str]:
    """GGUF files of a revision, at most two folders deep, by their names in it."""
    found: list[str] = []
    for path, folders, files in os.walk(folder):
        inner = os.path.relpath(path, folder)
        if inner.count(os.sep) >= 1:
            folders.clear()
        found += [os.path.normpath(os.path.join(inner, name)) for name in files if name.endswith(".gguf")]
        if len(found) > _MOST_FILES:
            break
    return sorted(found)


def _is_model(name: str) -> bool:
    base = os.path.basename(name)
    return not any(part in base for part in _NO_MODEL) and _LATER_PART.search(base) is None


def _chosen(files: list[str], tag: str) -> str:
    models = [name for name in files if _is_model(name)]
    for wanted in (tag,) if tag else USUAL_TAGS:
        pattern = re.compile(re.escape(wanted) + "[.-]", re.IGNORECASE)
        for name in models:
            if pattern.search(name):
                return name
    return "" if tag or not models else models[0]


def _projector(folder: str, model: str) -> str | None:
    """The image part beside a model, where there is one: in its folder, else in the one above."""
    names = [name for name in _models_below(folder) if "mmproj" in os.path.basename(name)]
    near = [name for name in names if os.path.dirname(name) == os.path.dirname(model)] or names
    return os.path.join(folder, near[0]) if near else None


def _in_earlier_cache(name: str, file: str, tag: str, command: Command, environment: Mapping[str, str]) -> str | None:
    folder = cache_folder(command, environment)
    prefix = name.replace("/", "_") + "_"
    try:
        files = sorted(entry for entry in os.listdir(folder)[:_MOST_FILES] if entry.startswith(prefix))
    except OSError:
        return None
    ggufs = [entry for entry in files if entry.endswith(".gguf")]
    chosen = prefix + file.replace("/", "_") if file else _chosen(ggufs, tag)
    return os.path.join(folder, chosen) if chosen in ggufs else None
