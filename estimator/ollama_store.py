"""Ollama's store: from ``llama3.1:8b``, as people type it, to the file with the weights.

Layout and names as of Ollama 0.12 (types/model/name.go, server/manifest.go): a manifest per name and tag lists layers
by digest, and each layer is a file among the blobs. Since 2026 (manifest/manifest.go) names may lead to manifests among
the blobs, and one manifest may list others, one for each runner.
"""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice

from estimator.errors import UnreadableModel
from estimator.file_cursor import shown
from estimator.json_file import read_json_object
from records.record import record

REGISTRY, NAMESPACE, TAG = "registry.ollama.ai", "library", "latest"
"""What a name leaves out."""
MANIFESTS = ("manifests-v2", "manifests")
"""A name of the first hides the same one of the second (`namedManifestRefs`)."""
MAX_MANIFEST_BYTES = 1 << 20
MAX_NAMES = 2000
"""Listed of one store."""

_PART = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
_DIGEST = re.compile("sha256[:-]([0-9a-f]{64})")
_LAYER = "application/vnd.ollama.image."
_LIST = "application/vnd.ollama.manifest.list.v2+json"


@record(frozen=True, slots=True, kw_only=True)
class OllamaModel:
    """One name of the store, and its files."""

    name: str
    """As Ollama lists it: ``llama3.1:8b``."""
    path: str
    """The GGUF file."""
    projectors: tuple[str, ...]
    """Image or sound parts that are loaded with it."""
    adapters: tuple[str, ...]


def store_roots(environment: Mapping[str, str]) -> tuple[str, ...]:
    """Where stores are that exist: the one that is set, or a person's own and the service's."""
    stated = environment.get("OLLAMA_MODELS")
    places = (stated,) if stated else ("~/.ollama/models", "/usr/share/ollama/.ollama/models")
    roots = map(os.path.expanduser, places)
    return tuple(root for root in roots if any(os.path.isdir(os.path.join(root, name)) for name in MANIFESTS))


def find_in_store(text: str, roots: Sequence[str]) -> OllamaModel | None:
    """The model of that name; None where no store has it.

    Raises:
        UnreadableModel: it is there, and its manifest is damaged or its weights are missing.
    """
    found = _found(text, roots)
    return None if found is None else _read_manifest(*found)


def stored_parameters(text: str, roots: Sequence[str]) -> Mapping[str, object]:
    """What the Modelfile of that name sets (``num_ctx``, ``num_gpu`` ...); empty where it is not in a store.

    Raises:
        UnreadableModel: its manifest, or what it sets, is damaged.
    """
    found = _found(text, roots)
    if found is None:
        return {}
    path, root, name = found
    layers = runnable(read_json_object(path, MAX_MANIFEST_BYTES), os.path.join(root, "blobs")).get("layers")
    for layer in layers if isinstance(layers, list) else ():
        if isinstance(layer, dict) and layer.get("mediaType") == f"{_LAYER}params":
            return read_json_object(_blob_path(root, layer.get("digest"), name), MAX_MANIFEST_BYTES)
    return {}


def _found(text: str, roots: Sequence[str]) -> tuple[str, str, str] | None:
    """(manifest, store, name as Ollama shows it)."""
    parts = _parts(text)
    for root in roots if parts is not None else ():
        for manifests in MANIFESTS:
            path = _manifest_path(os.path.join(root, manifests), parts or ())
            if path is not None:
                return path, root, shown_name(path, os.path.join(root, manifests))
    return None


def _parts(text: str) -> tuple[str, str, str, str] | None:
    """(host, namespace, model, tag); None for what can't be a name."""
    before, slash, last = text.rpartition("/")
    model, colon, tag = last.partition(":")
    named = [*before.split("/"), model] if slash else [model]
    parts = [REGISTRY, NAMESPACE][: max(0, 3 - len(named))] + named + [tag if colon else TAG]
    if len(parts) != 4 or not all(_PART.fullmatch(part) for part in parts) or ".." in text:
        return None
    return parts[0], parts[1], parts[2], parts[3]


def _manifest_path(path: str, parts: Sequence[str]) -> str | None:
    """In the spelling that is stored; names don't differ by case alone."""
    for part in parts:
        exact = os.path.join(path, part)
        if not os.path.exists(exact):
            alike = [name for name in _listed(path) if name.casefold() == part.casefold()]
            if not alike:
                return None
            exact = os.path.join(path, alike[0])
        path = exact
    return path if os.path.isfile(path) else None


def _listed(directory: str) -> list[str]:
    try:
        return sorted(name for name in os.listdir(directory) if _PART.fullmatch(name))[:MAX_NAMES]
    except OSError:  # a store that others may not read
        return []


def _read_manifest(path: str, root: str, name: str) -> OllamaModel:
    layers = runnable(read_json_object(path, MAX_MANIFEST_BYTES), os.path.join(root, "blobs")).get("layers")
    if not isinstance(layers, list):
        raise UnreadableModel(f"Ollama's manifest of {name} lists no layers; pull the model again")
    blobs: dict[str, list[str]] = {"model": [], "projector": [], "adapter": [], "tensor": []}
    for layer in layers:
        if isinstance(layer, dict) and isinstance(kind := layer.get("mediaType"), str):
            kind = kind.removeprefix(_LAYER)
            if kind in blobs:
                blobs[kind].append(_blob_path(root, layer.get("digest"), name))
    if not blobs["model"]:
        what = "is stored tensor by tensor" if blobs["tensor"] else "has no weights in this store"
        raise UnreadableModel(f"Ollama's {name} {what}; give a file of the model instead")
    return OllamaModel(
        name=name,
        path=blobs["model"][0],
        projectors=(*blobs["model"][1:], *blobs["projector"]),
        adapters=tuple(blobs["adapter"]),
    )


def runnable(manifest: Mapping[str, object], blobs: str) -> Mapping[str, object]:
    """Of a list of manifests the one for llama.cpp's runner, else the first: as it stands there, or from its blob.

    Raises:
        UnreadableModel: its blob is missing or damaged.
    """
    children = manifest.get("manifests")
    if manifest.get("mediaType") != _LIST or not isinstance(children, list):
        return manifest
    ranks = {"ollama": 0, "llamacpp": 1}
    maps = [child for child in children if isinstance(child, dict)]
    child = min(maps, key=lambda one: ranks.get(str(one.get("runner")), len(ranks)), default={})
    digest = _DIGEST.fullmatch(str(child.get("digest")))
    if "layers" in child or digest is None:
        return child
    return read_json_object(os.path.join(blobs, f"sha256-{digest[1]}"), MAX_MANIFEST_BYTES)


def _blob_path(root: str, digest: object, name: str) -> str:
    found = _DIGEST.fullmatch(digest) if isinstance(digest, str) else None
    if found is None:
        raise UnreadableModel(
            f"Ollama's manifest of {name} is damaged (a layer's digest is none); pull the model again"
        )
    path = os.path.join(root, "blobs", f"sha256-{found[1]}")
    if not os.path.isfile(path):
        raise UnreadableModel(f"Ollama's {name} is not all there: {shown(path)} is missing; pull the model again")
    return path


def shown_name(path: str, manifests: str) -> str:
    """As ``ollama list`` writes it, without what may be left out.

    Args:
        path: of the manifest.
        manifests: the folder that it lies in, four deep.
    """
    host, namespace, model, tag = os.path.relpath(path, manifests).split(os.sep)
    before = "" if (host, namespace) == (REGISTRY, NAMESPACE) else f"{namespace}/"
    return shown(f"{'' if host == REGISTRY else f'{host}/'}{before}{model}:{tag}")


def names_in_store(roots: Sequence[str]) -> Iterator[str]:
    """Every name and tag, as Ollama lists them."""
    folders = [os.path.join(root, manifests) for root in roots for manifests in MANIFESTS]
    names = (shown_name(path, folder) for folder in folders for path in _manifests_in(folder))
    yield from dict.fromkeys(islice(names, MAX_NAMES))


def _manifests_in(folder: str) -> Iterator[str]:
    for host in _listed(folder):
        for namespace in _listed(os.path.join(folder, host)):
            for model in _listed(os.path.join(folder, host, namespace)):
                for tag in _listed(os.path.join(folder, host, namespace, model)):
                    yield os.path.join(folder, host, namespace, model, tag)


def name_of_blob(path: str) -> str | None:
    """The first name whose weights are that file: ``llama3.1:8b`` of ``.../blobs/sha256-...``; None where none is."""
    blobs, _, file = path.rpartition("/")
    root, _, folder = blobs.rpartition("/")
    if folder != "blobs" or _DIGEST.fullmatch(file) is None:
        return None
    for name in names_in_store((root,)):
        try:
            found = find_in_store(name, (root,))
        except UnreadableModel:
            continue
        if found is not None and os.path.basename(found.path) == file:
            return name
    return None
