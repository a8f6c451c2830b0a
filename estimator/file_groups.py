"""Which files of one folder are one model: parts of a split one, shards of a checkpoint, or a file alone.

Names of parts: `llama_split_path` of llama.cpp (src/llama.cpp) and `SAFETENSORS_WEIGHTS_FILE_PATTERN` of
huggingface_hub (constants.py). Marks of unfinished downloads: llama.cpp's common/download.cpp
(``.downloadInProgress``), huggingface_hub's file_download.py and ModelScope's _download.py (``.incomplete``),
LM Studio 0.4 (``.part``, ``downloading_*.part``: lmstudio-bug-tracker issues 1477 and 2291), GPT4All's modellist.cpp
(``incomplete-``, `ModelList::incompleteDownloadPath`), Ollama's server/download.go (``-partial``), browsers
(``.crdownload``, ``.download``), aria2 (``.aria2`` beside the file).
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace

from records.record import record

GGUF_SUFFIX = ".gguf"
SAFETENSORS_SUFFIXES = (".safetensors", ".sft")
"""The second as ComfyUI has it (folder_paths.py, `supported_pt_extensions`)."""
PICKLE_SUFFIXES = (".ckpt", ".pt", ".pth", ".bin")
"""Weights only where nothing else is kept: in the folders of ComfyUI."""
LLAMAFILE_SUFFIX = ".llamafile"
UNFINISHED_SUFFIXES = (".downloadinprogress", ".incomplete", ".part", ".partial", ".crdownload", ".download", ".tmp")
UNFINISHED_PREFIXES = ("incomplete-", "downloading_")

_PART = re.compile(
    r"(?P<stem>.+)-(?P<number>\d{5})-of-(?P<n>\d{5})(?P<suffix>\.gguf|\.safetensors|\.bin)", re.IGNORECASE
)
_PYTORCH = re.compile(r"(?:pytorch_model|consolidated)[\w.-]*\.(?:bin|pth)")
_MOST_PARTS = 4096


@record(frozen=True, slots=True, kw_only=True)
class Group:
    """Names of one model's files in a folder."""

    stem: str
    """What is left without the number of the part and the suffix."""
    format: str
    names: tuple[str, ...]
    missing: tuple[str, ...] = ()
    """Parts that the others' names tell of."""
    is_unfinished: bool = False


def groups_of(names: Iterable[str], *, has_pickles: bool = False) -> list[Group]:
    """The models among a folder's files.

    Args:
        names: of the files.
        has_pickles: every file with a name like PyTorch's is one.
    """
    names = list(names)
    being_fetched = {name[: -len(".aria2")] for name in names if name.endswith(".aria2")}
    whole: dict[tuple[str, str, int], list[tuple[int, str]]] = {}
    found: list[Group] = []
    for name in names:
        final = _final_name(name)
        if final is not None or name in being_fetched:
            found += _unfinished(name, final or name, has_pickles=has_pickles)
            continue
        form = _format(name, has_pickles=has_pickles)
        if form:
            part = _PART.fullmatch(name)
            key = (part["stem"], form, int(part["n"])) if part is not None else (_stem(name), form, 0)
            whole.setdefault(key, []).append((int(part["number"]) if part is not None else 0, name))
    found += [_group(stem, form, n, sorted(parts)) for (stem, form, n), parts in whole.items()]
    return _with_parts_that_come(sorted(found, key=lambda group: group.names[:1]))


def _group(stem: str, form: str, n: int, parts: Sequence[tuple[int, str]]) -> Group:
    have = dict(parts)
    if not 0 < n <= _MOST_PARTS:
        return Group(stem=stem, format=form, names=tuple(name for _, name in parts))
    suffix = parts[0][1][parts[0][1].rindex(".") :]
    missing = [f"{stem}-{number:05}-of-{n:05}{suffix}" for number in range(1, n + 1) if number not in have]
    return Group(stem=stem, format=form, names=tuple(name for _, name in parts), missing=tuple(missing))


def _with_parts_that_come(groups: Sequence[Group]) -> list[Group]:
    """A part that is still being fetched belongs to the parts that are there."""
    by_missing = {name: group for group in groups for name in group.missing}
    joined: dict[int, list[str]] = {}
    kept: list[Group] = []
    for group in groups:
        final = _final_name(group.names[0]) if group.is_unfinished else None
        owner = by_missing.get(final) if final is not None else None
        if owner is None:
            kept.append(group)
        else:
            joined.setdefault(id(owner), []).extend(group.names)
    return [
        replace(group, names=(*group.names, *joined[id(group)]), is_unfinished=True) if id(group) in joined else group
        for group in kept
    ]


def _unfinished(name: str, final: str, *, has_pickles: bool) -> list[Group]:
    form = _format(final, has_pickles=has_pickles)
    return [Group(stem=_stem(final), format=form, names=(name,), is_unfinished=True)] if form else []


def _final_name(name: str) -> str | None:
    """What a download will be called once it is whole; None of what is no download."""
    folded = name.casefold()
    final = name
    for suffix in UNFINISHED_SUFFIXES:
        if folded.endswith(suffix):
            final = name[: -len(suffix)]
            break
    for prefix in UNFINISHED_PREFIXES:
        final = final.removeprefix(prefix)
    return final if final != name and final else None


def _format(name: str, *, has_pickles: bool) -> str:
    folded = name.casefold()
    if folded.endswith(GGUF_SUFFIX):
        return "gguf"
    if folded.endswith(SAFETENSORS_SUFFIXES):
        return "safetensors"
    if folded.endswith(LLAMAFILE_SUFFIX):
        return "llamafile"
    if _PYTORCH.fullmatch(folded) or (has_pickles and folded.endswith(PICKLE_SUFFIXES)):
        return "pytorch"
    return ""


def _stem(name: str) -> str:
    return name.rpartition(".")[0] or name
