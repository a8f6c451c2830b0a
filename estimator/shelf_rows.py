"""Rows of the inventory, made of a folder's files: looked at, and what is missing or empty said."""

import os
from collections.abc import Iterable, Sequence

from estimator.errors import UnreadableModel
from estimator.file_groups import Group, groups_of
from estimator.folder_walk import Listing
from estimator.found_model import ADAPTER, MODEL, PROJECTOR, FoundModel
from estimator.json_file import read_json_object
from estimator.stored_file import StoredFile, look_at

UNFINISHED = "unfinished download"
CONFIG_NAMES = ("config.json", "adapter_config.json", "hf_quant_config.json", "quantize_config.json")
INDEX_SUFFIX = ".safetensors.index.json"
_MOST_INDEX_BYTES = 64 << 20
_N_LISTED = 2


def rows_of(listing: Listing, source: str, *, has_pickles: bool = False) -> list[FoundModel]:
    """The models of one folder's files, by the names of these."""
    names = (*listing.files, *listing.broken_links)
    groups = groups_of(names, has_pickles=has_pickles)
    checkpoint = _checkpoint(listing, groups)
    found = [_file_row(listing, group, source) for group in groups if group not in (checkpoint or ())]
    if checkpoint is not None:
        found.insert(0, _checkpoint_row(listing, checkpoint, source))
    return found


def _file_row(listing: Listing, group: Group, source: str) -> FoundModel:
    files, trouble = looked_at(listing.path, group)
    is_projector = group.format == "gguf" and "mmproj" in group.stem.casefold()
    path = os.path.join(listing.path, group.names[0])
    return FoundModel(
        names=(group.stem,),
        key=path,
        path=path,
        sources=(source,),
        format=group.format,
        files=files,
        role=PROJECTOR if is_projector else MODEL,
        trouble=trouble,
        is_partial=group.is_unfinished or bool(group.missing),
    )


def _checkpoint(listing: Listing, groups: Sequence[Group]) -> tuple[Group, ...] | None:
    """The groups that a configuration beside them makes one model; None where none does, or several may be meant."""
    has_index = any(name.endswith(INDEX_SUFFIX) for name in listing.files)
    if not has_index and not {"config.json", "adapter_config.json"} & set(listing.files):
        return None
    safe = [group for group in groups if group.format == "safetensors"]
    pickled = [group for group in groups if group.format == "pytorch"]
    main = [group for group in safe if not group.stem.startswith("consolidated")] or safe
    if len(main) > 1:
        main = [group for group in main if group.stem == "model"]
    if len(main) == 1:  # the same weights once more, as the maker's own program or an older library wants them
        return (main[0], *(group for group in safe if group.stem.startswith("consolidated")), *pickled)
    if not safe and pickled:
        return tuple(pickled)
    return () if has_index and not safe else None


def _checkpoint_row(listing: Listing, groups: Sequence[Group], source: str) -> FoundModel:
    main = groups[0] if groups else Group(stem="model", format="safetensors", names=())
    files, trouble = looked_at(listing.path, main)
    others = [name for group in groups[1:] for name in group.names]
    beside = [name for name in listing.files if name in CONFIG_NAMES or name.endswith(INDEX_SUFFIX)]
    missing = trouble or _missing_by_index(listing, main)
    is_adapter = "adapter_config.json" in listing.files
    return FoundModel(
        names=(os.path.basename(listing.path),),
        key=listing.path,
        path=listing.path,
        sources=(source,),
        format=main.format,
        files=files,
        companions=tuple(file for name in (*beside, *others) if (file := stored(listing.path, name)) is not None),
        role=ADAPTER if is_adapter else MODEL,
        trouble=missing,
        is_partial=main.is_unfinished or bool(main.missing) or (bool(missing) and not files),
    )


def _missing_by_index(listing: Listing, main: Group) -> str:
    """Of shards whose own names don't tell how many there are."""
    if main.names and (main.missing or "-of-" in main.names[0]):
        return ""  # which spares some 10 MB of JSON
    index = next((name for name in listing.files if name.endswith(INDEX_SUFFIX)), None)
    if index is None:
        return ""
    try:
        weights = read_json_object(os.path.join(listing.path, index), _MOST_INDEX_BYTES).get("weight_map")
    except UnreadableModel:
        return f"{index} is damaged; download it again"
    wanted = {str(name) for name in weights.values()} if isinstance(weights, dict) else set()
    return missing_parts(sorted(wanted - set(listing.files)), len(wanted))


def looked_at(folder: str, group: Group) -> tuple[tuple[StoredFile, ...], str]:
    """(its files, what the matter is with them)."""
    found = {name: stored(folder, name) for name in group.names}
    files = tuple(file for file in found.values() if file is not None)
    gone = [name for name, file in found.items() if file is None]
    if group.is_unfinished:
        return files, UNFINISHED
    if group.missing:
        return files, missing_parts(group.missing, len(group.names) + len(group.missing))
    if gone:
        return files, f"{gone[0]} leads to a file that is not there; download it again"
    empty = [file for file in files if not file.n_bytes]
    return files, "empty; download it again" if empty else ""


def missing_parts(missing: Sequence[str], n: int) -> str:
    """A sentence; nothing where none is missing."""
    if not missing:
        return ""
    more = f" and {len(missing) - _N_LISTED} more" if len(missing) > _N_LISTED else ""
    return f"{len(missing)} of {n} parts are missing ({', '.join(missing[:_N_LISTED])}{more})"


def download_row(name: str, path: str, source: str, files: Iterable[StoredFile | None]) -> FoundModel | None:
    """What is being fetched under a name that does not tell what it will be; None of nothing."""
    found = tuple(file for file in files if file is not None)
    if not found:
        return None
    return FoundModel(
        names=(name,),
        key=path,
        path=path,
        sources=(source,),
        format="unknown",
        files=found,
        trouble=UNFINISHED,
        is_partial=True,
    )


def stored(folder: str, name: str) -> StoredFile | None:
    """The file, or None where it is gone or may not be looked at."""
    try:
        return look_at(os.path.join(folder, name))
    except OSError:
        return None
