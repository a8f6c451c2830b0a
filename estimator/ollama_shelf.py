"""A store of Ollama: names by their manifests, weights among the blobs, and blobs that are still being fetched.

Layout as of 2026-11: manifest/paths.go and manifest/manifest.go (``manifests-v2`` has links to manifests that are
blobs, a list has one manifest for each runner), server/download.go (``-partial``, laid out in full, filled in pieces).
"""

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from estimator.errors import UnreadableModel
from estimator.folder_walk import Budget, Listing
from estimator.found_model import FoundModel
from estimator.json_file import read_json_object
from estimator.ollama_store import MANIFESTS, MAX_MANIFEST_BYTES, runnable, shown_name
from estimator.shelf_rows import UNFINISHED, download_row, stored
from estimator.stored_file import StoredFile

_LAYER = "application/vnd.ollama.image."
_DIGEST = re.compile(r"sha256[:-]([0-9a-fA-F]{64})")
_PARTIAL = re.compile(r"sha256-([0-9a-f]{64})-partial")
_MOST_LAYERS = 20_000
"""One a tensor, of models for MLX."""


@dataclass(slots=True)
class _Layers:
    """Of one manifest, by what they are."""

    weights: list[StoredFile]
    companions: list[StoredFile]
    missing: list[str]
    wrong: list[str]
    is_tensors: bool = False


def is_store(listing: Listing) -> bool:
    """Whether a folder is one."""
    return "blobs" in listing.folders and any(name in listing.folders for name in MANIFESTS)


def models_of_store(path: str, source: str, budget: Budget) -> Iterator[FoundModel]:
    """A row a name; names that share their weights are joined by the inventory."""
    blobs = os.path.join(path, "blobs")
    listing = budget.listing(blobs)
    partial = {found[1]: name for name in (listing.files if listing else ()) if (found := _PARTIAL.fullmatch(name))}
    wanted: set[str] = set()
    known: set[str] = set()
    for root in MANIFESTS:
        for manifest in _manifests(os.path.join(path, root), budget):
            name = shown_name(manifest, os.path.join(path, root))
            if name in known:
                continue
            known.add(name)
            model = _model(manifest, name, blobs, source, partial)
            if model is not None:
                wanted |= {os.path.basename(file.path)[7:71] for file in model.files}
                yield model
    for digest, partial_name in partial.items():
        if digest not in wanted:
            row = download_row(f"sha256-{digest[:12]}", blobs, source, [stored(blobs, partial_name)])
            if row is not None:
                yield row


def _manifests(path: str, budget: Budget) -> Iterator[str]:
    """Files four deep: host, namespace, model, tag."""
    level = [path]
    for _ in range(3):
        listings = [budget.listing(folder) for folder in level]
        level = [os.path.join(each.path, name) for each in listings if each is not None for name in each.folders]
    for folder in level:
        listing = budget.listing(folder)
        if listing is not None:
            yield from (os.path.join(folder, name) for name in listing.files if not name.startswith("."))


def _model(manifest: str, name: str, blobs: str, source: str, partial: Mapping[str, str]) -> FoundModel | None:
    """None of what runs elsewhere: a name of Ollama's cloud has no weights here."""
    try:
        found = runnable(read_json_object(manifest, MAX_MANIFEST_BYTES), blobs)
    except UnreadableModel:
        return _broken(manifest, name, source, "its manifest is damaged; pull the model again")
    layers = _layers(found, blobs, partial)
    if not layers.weights and not layers.missing:
        return None
    is_coming = bool(layers.missing) and any(digest in partial for digest in layers.missing)
    trouble = UNFINISHED if is_coming else ""
    if layers.missing and not is_coming:
        trouble = f"weights are missing (blob sha256-{layers.missing[0][:12]}); pull the model again"
    elif layers.wrong and not trouble:
        trouble = (
            f"weights are not as long as its manifest says (blob sha256-{layers.wrong[0][:12]}); pull the model again"
        )
    return FoundModel(
        names=(name,),
        key=name,
        path=layers.weights[0].path if layers.weights else manifest,
        sources=(source,),
        format="safetensors" if layers.is_tensors else "gguf",
        files=tuple(layers.weights),
        companions=tuple(layers.companions),
        trouble=trouble,
        is_partial=is_coming,
    )


def _layers(found: Mapping[str, object], blobs: str, partial: Mapping[str, str]) -> _Layers:
    made = _Layers(weights=[], companions=[], missing=[], wrong=[])
    layers = found.get("layers")
    for layer in layers[:_MOST_LAYERS] if isinstance(layers, list) else []:
        digest = _DIGEST.fullmatch(str(layer.get("digest"))) if isinstance(layer, dict) else None
        if digest is None:
            continue
        kind = str(layer.get("mediaType")).removeprefix(_LAYER)
        is_weights = kind in ("model", "tensor")
        made.is_tensors |= kind == "tensor"
        file = stored(blobs, f"sha256-{digest[1]}")
        if file is None and is_weights:
            made.missing.append(digest[1])
            file = stored(blobs, partial.get(digest[1], "")) if digest[1] in partial else None
        elif file is not None and is_weights and layer.get("size") != file.n_bytes:
            made.wrong.append(digest[1])
        if file is not None:
            (made.weights if is_weights else made.companions).append(file)
    return made


def _broken(manifest: str, name: str, source: str, trouble: str) -> FoundModel:
    return FoundModel(
        names=(name,), key=name, path=manifest, sources=(source,), format="gguf", files=(), trouble=trouble
    )
