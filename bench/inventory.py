"""How long it takes to list the models of a large library: for the first time, and again.

    python bench/inventory.py [--files 2000] [--entries 100000] [--vocabulary 32000]

Files are GGUF headers with a vocabulary, whose weights are holes; ``--entries`` adds files that are no models.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from gguf_files import header_bytes, llama_metadata, llama_tensors, vocabulary

from estimator.facts_cache import FactsCache
from estimator.inventory import Inventory, take_inventory
from estimator.model_roots import FOLDER, Root


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=2000)
    parser.add_argument("--entries", type=int, default=0)
    parser.add_argument("--vocabulary", type=int, default=32_000)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        library = Path(folder) / "library"
        _fill(library, given.files, given.entries, given.vocabulary)
        cache = str(Path(folder) / "cache" / "models.json")
        roots = [Root(source=FOLDER, path=str(library))]
        print(f"{given.files} GGUF files, {given.entries} others")
        for label, is_reading in (("names alone", False), ("first time", True), ("again", True), ("once more", True)):
            found = _timed(label, lambda: take_inventory(roots, FactsCache(cache), is_reading=is_reading, seconds=600))  # noqa: B023
            print(f"    {len(found.models)} models, {found.n_unread} unread, {len(found.complaints)} complaints")
        print(f"cache {Path(cache).stat().st_size / 1024:.0f} KiB")


def _timed(label: str, work: Callable[[], Inventory]) -> Inventory:
    began, cpu = time.perf_counter(), time.process_time()
    found = work()
    print(f"{label:12} {time.perf_counter() - began:6.2f} s, {time.process_time() - cpu:6.2f} s CPU")
    return found


def _fill(library: Path, n_files: int, n_others: int, vocabulary_size: int) -> None:
    metadata = llama_metadata() | vocabulary(vocabulary_size, 0)
    metadata.pop("tokenizer.ggml.merges")
    head, needed = header_bytes(metadata, llama_tensors())
    for number in range(n_files):
        folder = library / f"owner-{number % 40}" / f"model-{number}"
        folder.mkdir(parents=True)
        with (folder / f"model-{number}-Q4_K_M.gguf").open("wb") as file:
            file.write(head)
            file.truncate(len(head) + needed)
    for number in range(n_others):
        folder = library / f"others-{number // 1000}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{number}.txt").touch()


if __name__ == "__main__":
    main()
