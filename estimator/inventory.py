"""Every model on this machine, each once: all places looked through side by side, on threads of their own.

A place on a network that hangs costs its own rows and a sentence, not the others'.
"""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from threading import Thread

from estimator.facts_cache import FactsCache
from estimator.file_facts import READ_FORMATS, read_facts
from estimator.folder_shelf import models_in_folder
from estimator.folder_walk import MOST_ENTRIES, MOST_SECONDS, Budget
from estimator.found_model import MODEL, Facts, FoundModel, held_bytes
from estimator.model_roots import SOURCES, Root
from records.record import record

_GRACE_SECONDS = 2.0
"""Beyond its budget, for a place that is in the middle of something."""


@record(frozen=True, slots=True, kw_only=True)
class Inventory:
    """What was found."""

    models: tuple[FoundModel, ...] = ()
    complaints: tuple[str, ...] = ()
    """What could not be looked at and why, a sentence each."""
    n_unread: int = 0
    """Models whose headers were not read, since nobody wanted to wait for that."""

    @property
    def n_bytes(self) -> int:
        """Of the disk, each file counted once however many models and names share it."""
        held = {file.identity: held_bytes(model, file) for model in self.models for file in model.files}
        for model in self.models:
            for file in model.companions:
                held.setdefault(file.identity, held_bytes(model, file))
        return sum(held.values())


@dataclass(slots=True)
class _Search:
    """One place, and what its thread has found so far."""

    root: Root
    models: list[FoundModel] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    n_unread: int = 0


def take_inventory(
    roots: Iterable[Root],
    cache: FactsCache | None = None,
    *,
    is_reading: bool = True,
    rest_ratio: float = 0.0,
    n_entries: int = MOST_ENTRIES,
    seconds: float = MOST_SECONDS,
    clock: Callable[[], float] = time.monotonic,
) -> Inventory:
    """Look through all places; headers that are not known yet are read.

    Args:
        roots: where to look.
        cache: what is known from the last time; what is new is written to it.
        is_reading: False lists what is there and takes from the cache what it has.
        rest_ratio: of the time that a header takes, to rest after it: a screen wants to be drawn in between.
        n_entries: files and folders that a place may have, for what lies beyond is not looked at.
        seconds: how long each place may take.
        clock: of these.
    """
    cache = cache or FactsCache(None)
    searches = [_Search(root) for root in roots]
    threads = []
    for search in searches:
        budget = Budget(n_entries, seconds, clock)

        def work(search: _Search = search, budget: Budget = budget) -> None:
            _search(search, budget, cache, rest_ratio if is_reading else None)

        threads.append(Thread(target=work, name=f"inventory of {search.root.path}", daemon=True))
        threads[-1].start()
    end = clock() + seconds + _GRACE_SECONDS
    for thread, search in zip(threads, searches, strict=True):
        thread.join(max(0.0, end - clock()))
        if thread.is_alive():
            search.complaints.append(f"no answer within {seconds + _GRACE_SECONDS:g} seconds")
    found = [model for search in searches for model in tuple(search.models)]
    models = joined(found)
    if is_reading:
        cache.keep(models)
    return Inventory(
        models=tuple(models),
        complaints=tuple(f"{each.root.path}: {sentence}" for each in searches for sentence in tuple(each.complaints)),
        n_unread=sum(search.n_unread for search in searches),
    )


def _search(search: _Search, budget: Budget, cache: FactsCache, rest_ratio: float | None) -> None:
    try:
        for model in models_in_folder(search.root, budget):
            facts = None
            if _is_readable(model):
                facts = cache.find(model)
                if facts is None and rest_ratio is None:
                    search.n_unread += 1
                elif facts is None:
                    if budget.is_spent:
                        search.n_unread += 1
                    else:
                        facts = _read(model, rest_ratio or 0.0)
            search.models.append(with_facts(model, facts))
    except OSError as error:  # a disk that was taken away
        budget.complaints.append(error.strerror or str(error))
    if search.root.is_named and not search.models and not budget.complaints:
        budget.complaints.append("no models there, or no such folder")
    search.complaints += budget.complaints


def _is_readable(model: FoundModel) -> bool:
    return model.format in READ_FORMATS and bool(model.files) and not model.trouble and not model.is_partial


def _read(model: FoundModel, rest_ratio: float) -> Facts:
    began = time.perf_counter()
    facts = read_facts(model)
    if rest_ratio:
        time.sleep(rest_ratio * (time.perf_counter() - began))
    return facts


def with_facts(model: FoundModel, facts: Facts | None) -> FoundModel:
    """The model as its headers have it."""
    if facts is None:
        return model
    return replace(
        model,
        facts=facts,
        format=facts.format or model.format,
        role=facts.role or model.role,
        trouble=facts.trouble,
    )


def joined(models: Sequence[FoundModel]) -> list[FoundModel]:
    """Those with the same weights as one, with all names; in the order of the sources, then by name."""
    ranks = {source: number for number, source in enumerate(SOURCES)}
    ordered = sorted(models, key=lambda model: ranks.get(model.sources[0], len(ranks)))
    found: dict[object, FoundModel] = {}
    for model in ordered:
        key = (model.identity, model.is_partial) if model.files else (model.sources, model.names)
        before = found.get(key)
        found[key] = model if before is None else _merged(before, model)
    return sorted(found.values(), key=lambda model: (model.role != MODEL, model.names[0].casefold()))


def _merged(first: FoundModel, second: FoundModel) -> FoundModel:
    companions = {file.identity: file for file in (*second.companions, *first.companions)}
    return replace(
        first,
        names=tuple(dict.fromkeys((*first.names, *second.names))),
        sources=tuple(dict.fromkeys((*first.sources, *second.sources))),
        companions=tuple(companions.values()),
    )
