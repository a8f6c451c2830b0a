"""One repository in Hugging Face's cache: its revisions, whose files are links to blobs that several may share.

Layout of huggingface_hub 2.4 (file_download.py: blobs/, refs/, snapshots/, `_download_to_tmp_and_move` for what is
``.incomplete``; utils/_shared_blobs.py: blobs that are links to a store for all repositories). llama.cpp writes the
same (common/hf-cache.cpp), and where links can't be made both put files into the snapshot.
"""

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from estimator.folder_walk import Budget, Listing
from estimator.found_model import MODEL, FoundModel
from estimator.hub_cache import repository_name, revision_of_main
from estimator.shelf_rows import download_row, rows_of, stored

_MOST_REVISIONS = 50
_MOST_FOLDERS = 500
"""Of one revision; a folder a quant is usual, a pipeline of images has a dozen."""
_TAG = re.compile(r"[-.]([A-Za-z0-9_]+)$")
"""`get_gguf_split_info` of llama.cpp's common/download.cpp: what stands behind the colon of ``owner/name:Q4_K_M``."""


def is_repository(listing: Listing) -> bool:
    """Whether a folder is one."""
    return "snapshots" in listing.folders and repository_name(os.path.basename(listing.path)) is not None


def models_of_repository(path: str, source: str, budget: Budget) -> Iterator[FoundModel]:
    """Of each revision what no earlier one has, that of ``main`` first, and what is still being fetched."""
    name = repository_name(os.path.basename(path)) or os.path.basename(path)
    revisions = budget.listing(os.path.join(path, "snapshots"))
    main = revision_of_main(path)
    others = [] if revisions is None else [each for each in revisions.folders if each != main]
    main = main if revisions is not None and main in revisions.folders else None
    known: set[frozenset[tuple[int, int]]] = set()
    is_broken = False
    for number, revision in enumerate([*([main] if main else []), *others[:_MOST_REVISIONS]]):
        called = name if number == 0 else f"{name}@{revision[:8]}"
        for model in _models_of_revision(os.path.join(path, "snapshots", revision), called, source, budget):
            is_broken |= bool(model.trouble)
            if model.identity not in known:
                known.add(model.identity)
                yield model
    blobs = budget.listing(os.path.join(path, "blobs"))
    if blobs is not None:
        coming = [stored(blobs.path, each) for each in blobs.files if each.endswith(".incomplete")]
        row = download_row(name, path, source, coming)
        if row is not None:
            yield row if is_broken or not known else replace(row, names=(f"{name} (another file)",))


def _models_of_revision(path: str, name: str, source: str, budget: Budget) -> list[FoundModel]:
    waiting, found = [path], []
    is_pipeline, n_folders = False, 0
    while waiting and n_folders < _MOST_FOLDERS:
        listing = budget.listing(waiting.pop())
        if listing is None:
            continue
        n_folders += 1
        is_pipeline |= "model_index.json" in listing.files
        found += rows_of(listing, source)
        waiting += [os.path.join(listing.path, each) for each in reversed(listing.folders)]
    if is_pipeline and found:
        return [pipeline_of(path, name, source, found)]
    checkpoint = next((model for model in found if model.path == path), None)
    if (
        checkpoint is not None
    ):  # Meta's own weights in original/, an ONNX export: of the same repository, not a model each
        beside = [model for model in found if model is not checkpoint and model.format in ("pytorch", "safetensors")]
        files = tuple(file for model in beside for file in (*model.files, *model.companions))
        rest = [model for model in found if model is not checkpoint and model not in beside]
        found = [replace(checkpoint, companions=(*checkpoint.companions, *files)), *rest]
    return _named(path, name, found)


def pipeline_of(path: str, name: str, source: str, parts: Sequence[FoundModel]) -> FoundModel:
    """A pipeline of diffusers: its networks lie in folders of their own."""
    files = {file.identity: file for part in parts for file in part.files}
    troubles = [part.trouble for part in parts if part.trouble]
    return FoundModel(
        names=(name,),
        key=path,
        path=path,
        sources=(source,),
        format="diffusers",
        files=tuple(files.values()),
        trouble=troubles[0] if troubles else "",
        is_partial=any(part.is_partial for part in parts),
    )


def _named(path: str, name: str, models: Sequence[FoundModel]) -> list[FoundModel]:
    """By the repository alone where it is the only one there; else as llama.cpp tells files apart, or by the file."""
    alone = sum(model.role == MODEL for model in models) == 1
    tags = [_tag(model) for model in models]
    named = []
    for model, tag in zip(models, tags, strict=True):
        inner = os.path.relpath(model.path, path)
        if model.path == path or (alone and model.role == MODEL):
            called = name
        elif model.format == "gguf" and model.role == MODEL and tag and tags.count(tag) == 1:
            called = f"{name}:{tag}"
        else:
            called = f"{name}/{inner}"
        named.append(replace(model, names=(called,)))
    return named


def _tag(model: FoundModel) -> str:
    found = _TAG.search(model.names[0])
    return found[1].upper() if found is not None else ""
