"""A command with settings replaced and added, wherever in it the engine's own words stand."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from estimator.shell import quoted
from launches.command import Command
from launches.launch import Span
from launches.line import pieces_of
from launches.opened import Opened, opened_of
from records.record import record

Words = Mapping[str, tuple[str, ...]]
"""First name of a flag -> its words."""


@record(frozen=True, slots=True, kw_only=True)
class Edit:
    """What changes among the engine's own words."""

    told: Words
    """Each stands where its flag stood first, or behind all others."""
    gone: frozenset[str] = frozenset()
    """Flags that are left out."""


def rewritten_words(command: Command, spans: Sequence[Span], edit: Edit) -> tuple[str, ...]:
    """The words of the command with the edit made: before a lone ``--``, and within the script of a ``bash -c``.

    Args:
        command: as it was typed.
        spans: where the engine's settings stand, as ``read_launches`` has them.
        edit: what changes.

    Raises:
        LaunchError: it is no command that can be read.
    """
    opened = opened_of(command)
    changes = _changes(_end(opened, spans), spans, edit)
    if opened.scripts:
        return _in_script(command.arguments, opened, changes)
    changed = list(command.arguments)
    for change in reversed(changes):
        changed[change.first : change.end] = change.words
    return tuple(changed)


_TASK_BEHIND = frozenset({"trtllm-eval", "tensorrt_llm.commands.eval"})
"""Programs whose task takes options of its own, behind those of the engine."""


@dataclass(frozen=True, slots=True)
class _Change:
    """Words in place of those from ``first`` to before ``end``; of none where it only adds some."""

    first: int
    end: int
    words: tuple[str, ...]


def _end(opened: Opened, spans: Sequence[Span]) -> int:
    """Where the program's options end."""
    words = opened.command.arguments
    places = range(opened.program.offset, len(words))
    if opened.program.name in _TASK_BEHIND:
        told = {n for span in spans for n in range(span.first, span.first + max(1, span.n_words))}
        return next((n for n in places if n not in told), len(words))
    return next((n for n in places if words[n] == "--"), len(words))


def _changes(end: int, spans: Sequence[Span], edit: Edit) -> list[_Change]:
    """In the order in which they stand."""
    left = dict(edit.told)
    found = [
        _Change(span.first, span.first + max(1, span.n_words), left.pop(span.flag, ()))
        for span in sorted(spans, key=lambda span: span.first)
        if span.flag in edit.told or span.flag in edit.gone
    ]
    if added := tuple(word for told in left.values() for word in told):
        found = [*(change for change in found if change.first < end), _Change(end, end, added)]
    return found


def _in_script(words: Sequence[str], opened: Opened, changes: Sequence[_Change]) -> tuple[str, ...]:
    """The words of a shell's command, its script changed; what it does besides stays as it was written."""
    index = opened.scripts[0]
    changed = _changed_script(words[index], opened.scripts[1:], changes, opened.program.environment)
    return (*words[:index], changed, *words[index + 1 :])


def _changed_script(
    script: str, scripts: Sequence[int], changes: Sequence[_Change], environment: Mapping[str, str]
) -> str:
    text, pieces = pieces_of(script, environment)
    if scripts:
        piece = pieces[scripts[0]]
        inner = quoted(_changed_script(piece.word, scripts[1:], changes, environment))
        return text[: piece.start] + inner + text[piece.end :]
    for change in reversed(changes):
        told = " ".join(map(quoted, change.words))
        if change.first == change.end:
            at = pieces[change.first - 1].end
            text = f"{text[:at]} {told}{text[at:]}"
            continue
        start, end = pieces[change.first].start, pieces[change.end - 1].end
        # Of a flag that is left out, the blank before it goes as well.
        text = (text[:start] if told else text[:start].rstrip(" ")) + told + text[end:]
    return text
