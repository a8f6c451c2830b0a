"""What a name means on this machine: a model that Ollama, Hugging Face's cache or LM Studio has.

In that order, and only where the name is one of theirs as a whole; part of a name is never enough to choose a file by.
"""

import os
from collections.abc import Mapping

from estimator.hub_cache import (
    cache_roots,
    find_in_cache,
    find_in_studio,
    names_in_cache,
    studio_roots,
)
from estimator.ollama_store import find_in_store, names_in_store, store_roots
from records.record import record


@record(frozen=True, slots=True, kw_only=True)
class LocalModel:
    """A name's files."""

    path: str
    """A file or a directory."""
    quant: str = ""
    """Which of several files in the directory: what stood behind the colon (``owner/model:Q4_K_M``)."""
    name: str = ""
    """As Ollama lists it; empty where the files say theirs."""
    doubts: tuple[str, ...] = ()


def find_local(text: str, environment: Mapping[str, str]) -> LocalModel | None:
    """The model of that name; None where nothing here has it.

    Raises:
        UnreadableModel: Ollama has the name, and not all of its files.
    """
    ollama = find_in_store(text, store_roots(environment))
    if ollama is not None:
        doubts = []
        if ollama.projectors:
            n_bytes = sum(map(os.path.getsize, ollama.projectors))
            doubts.append(
                f"Ollama loads its image part (mmproj, {n_bytes >> 20} MiB) with it, which is not counted here"
            )
        if ollama.adapters:
            n_bytes = sum(map(os.path.getsize, ollama.adapters))
            doubts.append(f"Ollama loads an adapter ({n_bytes >> 20} MiB) with it, which is not counted here")
        return LocalModel(path=ollama.path, name=ollama.name, doubts=tuple(doubts))
    name, _, quant = text.partition(":")
    path = find_in_cache(name, cache_roots(environment)) or find_in_studio(name, studio_roots(environment))
    return None if path is None else LocalModel(path=path, quant=quant)


def local_names_with(text: str, environment: Mapping[str, str]) -> list[str]:
    """Names on this machine that this may be part of."""
    wanted = _plain(text)
    if not wanted:
        return []
    names = [*names_in_store(store_roots(environment)), *names_in_cache(cache_roots(environment))]
    return [name for name in names if wanted in _plain(name)]


def _plain(text: str) -> str:
    return "".join(c for c in text.casefold() if c.isalnum())
