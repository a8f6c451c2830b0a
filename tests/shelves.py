"""Libraries of models as their programs lay them out, with small files."""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from gguf_files import llama_metadata, llama_tensors, write_gguf

from estimator.facts_cache import FactsCache
from estimator.found_model import FoundModel
from estimator.inventory import Inventory, take_inventory
from estimator.model_roots import FOLDER, Root


def write_model(path: Path, **metadata: object) -> Path:
    """A small Llama."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_gguf(path, llama_metadata(**metadata), llama_tensors())
    return path


def write_split(folder: Path, stem: str, n: int) -> list[Path]:
    """The same in parts."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors = llama_tensors()
    paths = []
    for i in range(n):
        path = folder / f"{stem}-{i + 1:05}-of-{n:05}.gguf"
        metadata = llama_metadata() if i == 0 else {}
        write_gguf(path, metadata | {"split.no": i, "split.count": n}, tensors[i::n])
        paths.append(path)
    return paths


class OllamaStore:
    """A store that names are pulled into."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.blobs = root / "blobs"
        self.blobs.mkdir(parents=True)

    def blob(self, digit: str) -> Path:
        """The file of the digest that is this digit 64 times."""
        return self.blobs / f"sha256-{digit * 64}"

    def weights(self, digit: str) -> Path:
        return write_model(self.blob(digit))

    def layer(self, digit: str, kind: str = "model", size: int | None = None) -> dict[str, object]:
        path = self.blob(digit)
        size = size if size is not None else path.stat().st_size if path.exists() else 1
        return {"mediaType": f"application/vnd.ollama.image.{kind}", "digest": f"sha256:{digit * 64}", "size": size}

    def name(self, name: str, layers: Sequence[Mapping[str, object]], folder: str = "manifests") -> Path:
        """``library/qwen3/8b`` of the usual registry."""
        path = self.root / folder / "registry.ollama.ai" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"schemaVersion": 2, "layers": list(layers)}))
        return path


class Repository:
    """One of Hugging Face's cache."""

    def __init__(self, hub: Path, name: str) -> None:
        self.root = hub / f"models--{name.replace('/', '--')}"
        for inner in ("blobs", "refs", "snapshots"):
            (self.root / inner).mkdir(parents=True)

    def revision(self, letter: str, *, is_main: bool = True) -> Path:
        if is_main:
            (self.root / "refs" / "main").write_text(letter * 40)
        path = self.root / "snapshots" / (letter * 40)
        path.mkdir(exist_ok=True)
        return path

    def link(self, revision: Path, name: str, blob: str) -> Path:
        """A name in a revision for a blob, which need not be there."""
        path = revision / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to(os.path.relpath(self.root / "blobs" / blob, path.parent))
        return path


def inventory_of(*folders: Path, source: str = FOLDER, cache: Path | None = None, **settings: object) -> Inventory:
    roots = [Root(source=source, path=str(folder)) for folder in folders]
    return take_inventory(roots, FactsCache(None if cache is None else str(cache)), **settings)  # type: ignore[arg-type]


def only(found: Inventory) -> FoundModel:
    assert len(found.models) == 1, [model.names for model in found.models]
    return found.models[0]
