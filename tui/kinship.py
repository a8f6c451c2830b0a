"""Whose process is whose: which engines stand for themselves, and which processes count with each. Pure."""

from collections.abc import Iterable, Mapping, Sequence

from probes.process_facts import ProcessFacts


def ancestors(pid: int, by_pid: Mapping[int, ProcessFacts]) -> Iterable[int]:
    """Its parent, the parent of that, and so on; of a loop each once."""
    seen = {pid}
    while (facts := by_pid.get(pid)) is not None and facts.parent_pid not in seen and facts.parent_pid > 1:
        pid = facts.parent_pid
        seen.add(pid)
        yield pid


def heads(names_model: Mapping[int, bool], by_pid: Mapping[int, ProcessFacts]) -> tuple[int, ...]:
    """Engines that stand for themselves: no child of one that names a model, and no server whose children do.

    Args:
        names_model: of each engine, by its number.
        by_pid: all processes.
    """
    with_children = {
        ancestor
        for pid, is_named in names_model.items()
        if is_named
        for ancestor in ancestors(pid, by_pid)
        if ancestor in names_model and not names_model[ancestor]
    }
    return tuple(
        pid
        for pid in names_model
        if pid not in with_children and not any(names_model.get(above) for above in ancestors(pid, by_pid))
    )


def groups(heads: Sequence[int], by_pid: Mapping[int, ProcessFacts]) -> dict[int, frozenset[int]]:
    """Each one's own processes: children count with the nearest of these above them."""
    found: dict[int, set[int]] = {pid: {pid} for pid in heads}
    nearest: dict[int, int | None] = {pid: pid for pid in heads}
    for pid in by_pid:
        if pid not in nearest:
            passed, head = [pid], None
            for above in ancestors(pid, by_pid):
                if above in nearest:
                    head = nearest[above]
                    break
                passed.append(above)
            nearest.update(dict.fromkeys(passed, head))
        if (head := nearest[pid]) is not None:
            found[head].add(pid)
    return {pid: frozenset(members) for pid, members in found.items()}


def server_above(pid: int, names_model: Mapping[int, bool], by_pid: Mapping[int, ProcessFacts]) -> int | None:
    """The server above a process that was started to hold one model."""
    return next((above for above in ancestors(pid, by_pid) if names_model.get(above) is False), None)
