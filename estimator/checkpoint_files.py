"""Which files of a directory hold a checkpoint's weights, and what people call the model in it."""

import os
import re
from collections.abc import Sequence

from estimator.errors import AmbiguousModel, UnreadableModel
from estimator.file_cursor import shown
from estimator.json_file import read_json_object

SUFFIX = ".safetensors"
INDEX_NAME = "model.safetensors.index.json"
MAX_INDEX_BYTES = 64 << 20
"""DeepSeek V3's has 9 MB."""
MAX_SHARDS = 4096
N_LISTED = 3

_SHARD = re.compile(r"(?P<stem>.+)-\d{5}-of-(?P<n>\d{5})\.safetensors")
_CACHED = re.compile(r"models--(?P<owner>.+?)--(?P<name>.+)")
_REVISION = re.compile("[0-9a-f]{40}")


def weight_files(source: str) -> tuple[str, ...]:
    """All files of the checkpoint that a file or a directory belongs to.

    Raises:
        UnreadableModel: there are none, or some are missing.
        AmbiguousModel: several checkpoints lie in the directory.
    """
    if os.path.isdir(source):
        return _in_directory(source)
    directory, name = os.path.split(source)
    shard = _SHARD.fullmatch(name)
    if shard is None:
        return (source,)
    return _numbered(directory, shard["stem"], int(shard["n"]), source)


def _in_directory(directory: str) -> tuple[str, ...]:
    index = os.path.join(directory, INDEX_NAME)
    if os.path.isfile(index):
        return _indexed(directory, index)
    try:
        names = sorted(name for name in os.listdir(directory) if name.endswith(SUFFIX))
    except OSError as error:
        raise UnreadableModel(f"{shown(directory)}: cannot be listed ({error.strerror}); check the path") from error
    if "model.safetensors" in names:
        return (os.path.join(directory, "model.safetensors"),)
    # The whole of a Mistral model a second time, in the maker's own names.
    names = [name for name in names if not name.startswith("consolidated")] or names
    stems = {found["stem"]: int(found["n"]) for name in names if (found := _SHARD.fullmatch(name))}
    if len(stems) == 1:
        stem, n = next(iter(stems.items()))
        return _numbered(directory, stem, n, directory)
    if not names:
        raise UnreadableModel(f"{shown(directory)} has no {SUFFIX} file in it; name a file or a model")
    if len(names) > 1:
        raise AmbiguousModel(
            f"{shown(directory)} has several models: {', '.join(map(shown, names[:8]))}; name one of them",
            [os.path.join(directory, name) for name in names[:8]],
        )
    return (os.path.join(directory, names[0]),)


def _indexed(directory: str, index: str) -> tuple[str, ...]:
    weights = read_json_object(index, MAX_INDEX_BYTES).get("weight_map")
    if not isinstance(weights, dict) or not weights:
        raise UnreadableModel(f"{shown(index)}: lists no weights; download it again")
    names = sorted({str(name) for name in weights.values()})
    is_beside = all(os.path.basename(name) == name and name.endswith(SUFFIX) and name[0] != "." for name in names)
    if len(names) > MAX_SHARDS or not is_beside:
        raise UnreadableModel(f"{shown(index)}: names files that are not beside it; download it again")
    return _present(directory, names, index)


def _numbered(directory: str, stem: str, n: int, source: str) -> tuple[str, ...]:
    if not 0 < n <= MAX_SHARDS:
        raise UnreadableModel(f"{shown(source)}: one of {n} parts, more than any model has; check the name")
    return _present(directory, [f"{stem}-{i + 1:05}-of-{n:05}{SUFFIX}" for i in range(n)], source)


def _present(directory: str, names: Sequence[str], source: str) -> tuple[str, ...]:
    paths = [os.path.join(directory, name) for name in names]
    missing = [name for name, path in zip(names, paths, strict=True) if not os.path.isfile(path)]
    if missing:
        more = f" and {len(missing) - N_LISTED} more" if len(missing) > N_LISTED else ""
        raise UnreadableModel(
            f"{shown(source)}: {len(missing)} of {len(names)} parts are missing beside it "
            f"({', '.join(map(shown, missing[:N_LISTED]))}{more}); download them"
        )
    return tuple(paths)


def checkpoint_name(source: str) -> str:
    """What to call the model: its directory's name, or the repository's where it lies in Hugging Face's cache."""
    path = os.path.abspath(source)
    directory = path if os.path.isdir(path) else os.path.dirname(path)
    name = os.path.basename(directory)
    if _REVISION.fullmatch(name):
        repository = os.path.basename(os.path.dirname(os.path.dirname(directory)))
        cached = _CACHED.fullmatch(repository)
        if cached is not None:
            return shown(cached["name"])
    return shown(name) or "model"
