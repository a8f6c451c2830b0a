"""A folder with models in it, however deep: GGUF files, checkpoints, pipelines, and what of them is not all there.

A folder in it that is laid out as Ollama's store or as a repository of Hugging Face's cache is read as such.
"""

import os
from collections.abc import Iterator
from dataclasses import replace

from estimator.folder_walk import MOST_DEPTH, PASSED_BY, Budget, Listing
from estimator.found_model import MODEL, FoundModel
from estimator.hub_shelf import is_repository, models_of_repository, pipeline_of
from estimator.model_roots import COMFY_UI, Root, comfy_role
from estimator.ollama_shelf import is_store, models_of_store
from estimator.shelf_rows import download_row, rows_of, stored

_DOWNLOADS = os.path.join(".cache", "huggingface", "download")
"""Where huggingface_hub keeps what it has not fetched yet, with ``local_dir`` (_local_folder.py 2.4)."""


def models_in_folder(root: Root, budget: Budget) -> Iterator[FoundModel]:
    """Everything below the root, as far as the budget goes."""
    waiting = [(root.path, 0)]
    while waiting:
        path, depth = waiting.pop()
        listing = budget.listing(path) if budget.enters(path) else None
        if listing is None:
            continue
        if is_store(listing):
            yield from models_of_store(path, root.source, budget)
        elif is_repository(listing):
            yield from models_of_repository(path, root.source, budget)
        elif "model_index.json" in listing.files:
            yield from _pipeline(listing, root, budget)
        else:
            yield from _models_here(listing, root, budget)
            if depth < MOST_DEPTH:
                inner = [name for name in listing.folders if name not in PASSED_BY and not name.startswith(".")]
                waiting += [(os.path.join(path, name), depth + 1) for name in reversed(inner)]


def _models_here(listing: Listing, root: Root, budget: Budget) -> Iterator[FoundModel]:
    role = _role(listing.path, root)
    for model in rows_of(listing, root.source, has_pickles=root.has_pickles):
        named = _named(model, listing, root)
        yield named if role == MODEL or model.role != MODEL else replace(named, role=role)
    if ".cache" in listing.folders:
        inner = budget.listing(os.path.join(listing.path, _DOWNLOADS))
        names = [] if inner is None else [name for name in inner.files if name.endswith(".incomplete")]
        folder = os.path.join(listing.path, _DOWNLOADS)
        row = download_row(
            os.path.basename(listing.path), listing.path, root.source, [stored(folder, name) for name in names]
        )
        if row is not None:
            yield _named(row, listing, root)


def _pipeline(listing: Listing, root: Root, budget: Budget) -> Iterator[FoundModel]:
    inner = (budget.listing(os.path.join(listing.path, name)) for name in listing.folders)
    parts = [row for each in (listing, *inner) if each is not None for row in rows_of(each, root.source)]
    if parts:
        made = pipeline_of(listing.path, os.path.basename(listing.path), root.source, parts)
        yield replace(_named(made, listing, root), role=_role(listing.path, root))


def _role(path: str, root: Root) -> str:
    if root.role != MODEL or root.source != COMFY_UI:
        return root.role
    first = os.path.relpath(path, root.path).partition(os.sep)[0]
    return MODEL if first == os.curdir else comfy_role(first)


def _named(model: FoundModel, listing: Listing, root: Root) -> FoundModel:
    """A checkpoint is called as its folder and that one's owner, a file as it is called."""
    if model.path != listing.path:
        return model
    parts = [part for part in os.path.relpath(listing.path, root.path).split(os.sep) if part != os.curdir]
    if "snapshots" in parts:  # ModelScope's layout since 1.38: owner--name/snapshots/revision
        parts = parts[: parts.index("snapshots")]
    parts = parts or [os.path.basename(listing.path)]
    return replace(model, names=("/".join(parts[-2:]).replace("--", "/").replace("___", "."),))
