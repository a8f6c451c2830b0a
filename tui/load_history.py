"""``plimsoll history`` and ``plimsoll forget``: what the store has of watched loads, and how it goes again."""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from estimator.engine import ENGINES
from tui.calibrations_here import FILE_NAME, is_wanted
from tui.check import complain
from tui.history_flags import forget_parser, history_parser, number_of
from tui.humanize import plain
from tui.kept_load import KeptLoad
from tui.lesson import lessons_of
from tui.lesson_file import write_calibrations
from tui.load_table import counted_loads, history_json, history_lines, lesson_lines
from tui.machine_digest import machine_digest
from tui.plan_memory import store_path
from tui.store import MOST_LOADS, Store
from tui.store_file import StoreError
from tui.usage import UsageError

DONE, UNREADABLE = 0, 3
_ALL = "all"


def run_history(words: Sequence[str], path: Path | None = None, host: str | None = None) -> int:
    """Print the newest loads of a store, and what was learned from all of them; return the exit status.

    Args:
        words: as they were typed.
        path: of the store; None: this user's.
        host: whose loads teach; None: this machine's.
    """
    given = history_parser().parse_args(words)
    store = Store(path or store_path())
    try:
        everything = store.loads()
    except StoreError as error:
        complain(str(error))
        return UNREADABLE
    loads, lessons = everything[: given.n_loads], lessons_of(everything, host or machine_digest())
    if given.is_json:
        import json  # noqa: PLC0415  # 3 ms, which only those pay who ask for it

        print(json.dumps(history_json(loads, lessons), indent=2))
    else:
        print("\n".join([*history_lines(loads), *lesson_lines(lessons, is_used=not lessons or is_wanted())]))
    return _status(store)


def run_forget(words: Sequence[str], path: Path | None = None, ask: Callable[[str], str] | None = None) -> int:
    """Remove loads of the store at ``path`` (None: this user's), and return the exit status.

    Args:
        words: as they were typed.
        path: of the store.
        ask: puts the question; None: on the terminal, where there is one.
    """
    given = forget_parser().parse_args(words)
    store = Store(path or store_path())
    try:
        loads = _chosen(given.which, store)
        is_agreed = given.is_agreed or (not loads and given.which != _ALL)
        if not is_agreed and not _agrees(f"forget {_told(given.which, loads)}? [y/N] ", ask):
            print("nothing is forgotten")
            return _status(store)
        n_gone = store.forget_all() if given.which == _ALL else store.forget(loads)
        _forget_lessons(path or store_path(), store)
    except StoreError as error:
        complain(str(error))
        return UNREADABLE
    except OSError as error:
        complain(f"{error.filename}: {error.strerror or error}; what was learned is there still")
        return UNREADABLE
    print(f"{counted_loads(n_gone)} forgotten")
    return _status(store)


def _chosen(which: str, store: Store) -> Sequence[KeptLoad]:
    """The newest so many, those of an engine, or all that can be read."""
    if which[:1].isdigit() or which[:1] in ("-", "+"):
        return store.loads(_number(which))
    loads = store.loads(MOST_LOADS)
    if which == _ALL:
        return loads
    found = [load for load in loads if load.engine_name == which]
    if not found and which not in ENGINES:
        raise UsageError(f"forget {plain(which, 40)}: say all, a number of loads, or an engine: {', '.join(ENGINES)}")
    return found


def _forget_lessons(path: Path, store: Store) -> None:
    """What was corrected by loads that are gone is corrected no more."""
    write_calibrations(path.with_name(FILE_NAME), store.loads())


def _number(text: str) -> int:
    from argparse import ArgumentTypeError  # noqa: PLC0415  # loaded already

    try:
        return number_of(text)
    except ArgumentTypeError as error:
        raise UsageError(f"forget: {error}") from error


def _told(which: str, loads: Sequence[KeptLoad]) -> str:
    if which == _ALL:
        return f"all {counted_loads(len(loads))}" if loads else "all that is kept of loads"
    return counted_loads(len(loads))


def _agrees(question: str, ask: Callable[[str], str] | None) -> bool:
    if ask is None:
        if sys.stdin is None or not sys.stdin.isatty() or not sys.stderr.isatty():
            raise UsageError("forget asks on a terminal, and there is none; --yes forgets without a question")
        ask = _ask
    try:
        return ask(question).strip().casefold() in ("y", "yes")
    except EOFError:
        return False


def _ask(question: str) -> str:
    """On the standard error output; input() would write to the standard output."""
    sys.stderr.write(question)
    sys.stderr.flush()
    line = sys.stdin.readline()
    if not line:
        raise EOFError
    return line


def _status(store: Store) -> int:
    """What was damaged is said where it was found."""
    if store.notice:
        complain(store.notice)
    return UNREADABLE if store.notice else DONE
