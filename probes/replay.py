"""Recorded snapshots played back as if they were hardware: ``--replay recording.jsonl``.

A recording is what ``plimsoll snapshot --follow`` printed, one snapshot a line. It is played at the speed at which it
was taken, from the moment of opening, and stays at its last snapshot. Only the snapshot that is shown and the next one
are in memory, so a recording may be as long as it likes.

Which probes had not answered yet (``pending``) is not played back.
"""

import json
import time
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO, NoReturn

from probes.errors import ProbeLost, ProbeUnavailable
from probes.probe import Probe, ProbeSource, TellCommand
from probes.process_titles import COMMAND_BYTES
from probes.recording import RecordingError, snapshot_from_json
from probes.snapshot import Fault, Reading, Snapshot

_MOST_LINE_BYTES = 8 * 1024**2
"""Assumed: two thousand processes with command lines of 4 KiB. A longer line is not read into memory."""
_MOST_TOLD = 256
"""Commands that are kept as they are told: most stay the same from line to line."""
_MOST_BROKEN_LINES = 100
"""A file with so many is something else; it is not searched to its end."""
_HINT = 'record one with "plimsoll snapshot --follow > FILE"'


def replay_sources(
    path: Path, *, tell_command: TellCommand, clock: Callable[[], float] = time.monotonic
) -> tuple[ProbeSource, ...]:
    """One source, which gives everything that was recorded: machine, pools, devices, processes, faults.

    Args:
        path: of the recording.
        tell_command: how commands are told, as in ``real_sources``.
        clock: seconds that only go forward.
    """

    def open_replay() -> Probe:
        return ReplayProbe(path, tell_command=tell_command, clock=clock)

    return (ProbeSource(name="replay", open=open_replay),)


class ReplayProbe:
    """Reads forward through the file, as far as time has come."""

    def __init__(self, path: Path, *, tell_command: TellCommand, clock: Callable[[], float] = time.monotonic) -> None:
        """Reads the first snapshot.

        Raises:
            ProbeUnavailable: the file cannot be read, or does not begin with a snapshot.
        """
        self._name = path.name
        self._clock = clock
        self._told = lru_cache(maxsize=_MOST_TOLD)(lambda command: tell_command(command.split(" ")))
        """Of texts that were cut (``_as_told``): it keeps them."""
        self._n_lines = 0
        self._n_broken = 0
        self._broken: str | None = None
        """What is the matter with the first broken line."""
        self._file = _opened(path)
        self._is_ended = False
        self._shown = self._first()
        self._next: Snapshot | None = None
        self._start_seconds = clock()
        self._due_seconds = 0.0
        """When, since the start, ``_next`` is to be shown."""

    def sample(self) -> Reading:
        now_seconds = self._clock() - self._start_seconds
        while (following := self._lookahead()) is not None and self._due_seconds <= now_seconds:
            self._shown, self._next = following, None
        shown = self._shown
        return Reading(
            pools=shown.pools,
            devices=shown.devices,
            processes=shown.processes,
            faults=shown.faults + self._own_faults(),
            versions=shown.versions,
            machine=shown.machine,
        )

    def close(self) -> None:
        self._file.close()

    def _first(self) -> Snapshot:
        try:
            first = self._snapshot()
        except RecordingError as error:
            self._refuse(f"is no recording: line {self._n_lines}: {error}; {_HINT}")
        except ProbeLost as error:
            self._file.close()
            raise ProbeUnavailable(str(error)) from error
        if first is None:
            self._refuse(f"is empty; {_HINT}")
        return first

    def _refuse(self, why: str) -> NoReturn:
        self._file.close()
        raise ProbeUnavailable(f"{self._name} {why}")

    def _lookahead(self) -> Snapshot | None:
        """The snapshot after the one that is shown, read once."""
        if self._next is None:
            self._next = self._following()
        return self._next

    def _following(self) -> Snapshot | None:
        """The next snapshot that can be read, and when it is due. None at the end."""
        while not self._is_ended:
            try:
                following = self._snapshot()
            except RecordingError as error:
                self._note_broken(str(error))
                continue
            if following is None:
                self._is_ended = True
                return None
            # A clock that was set back in between plays on without waiting.
            self._due_seconds += max(0.0, following.taken_seconds - self._shown.taken_seconds)
            return following
        return None

    def _note_broken(self, why: str) -> None:
        self._n_broken += 1
        self._broken = self._broken or f"line {self._n_lines} is not played: {why}"
        self._is_ended = self._is_ended or self._n_broken >= _MOST_BROKEN_LINES

    def _own_faults(self) -> tuple[Fault, ...]:
        if self._broken is None:
            return ()
        others = f"; {self._n_broken} lines are broken so far" if self._n_broken > 1 else ""
        return (Fault(probe="replay", message=f"{self._name}: {self._broken}{others}"),)

    def _snapshot(self) -> Snapshot | None:
        """The snapshot of the next line, or None at the end of the file.

        Raises:
            RecordingError: the line is broken.
            ProbeLost: the file cannot be read any more.
        """
        line = self._line()
        return self._as_told(snapshot_from_line(line)) if line else None

    def _as_told(self, snapshot: Snapshot) -> Snapshot:
        """A recording may be another program's, or an older version's: they keep what may be a secret."""

        def told(text: str | None) -> str | None:
            return None if text is None else self._told(text[:COMMAND_BYTES])

        processes = snapshot.processes
        return replace(
            snapshot,
            processes=tuple(replace(one, name=told(one.name), command=told(one.command)) for one in processes),
        )

    def _line(self) -> bytes:
        try:
            line = self._file.readline(_MOST_LINE_BYTES + 1)
        except OSError as error:
            raise ProbeLost(f"{self._name} cannot be read any more: {error.strerror or error}") from error
        self._n_lines += bool(line)
        if len(line) > _MOST_LINE_BYTES:
            self._is_ended = True
            raise RecordingError("it is too long, and what follows is not read")
        return line.removeprefix(b"\xef\xbb\xbf") if self._n_lines == 1 else line


def _opened(path: Path) -> BinaryIO:
    try:
        if path.exists() and not path.is_file():
            raise ProbeUnavailable(f"{path.name} is no file; {_HINT}")  # opening a pipe would wait for its other end
        file = path.open("rb")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ProbeUnavailable(f"the recording {path} cannot be read: {reason}") from error
    return file


def snapshot_from_line(line: bytes) -> Snapshot:
    """The snapshot of one line of a recording.

    Raises:
        RecordingError: it is none, or cut off.
    """
    if not line.strip():
        raise RecordingError("it is blank")
    if line.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise RecordingError(
            "it is UTF-16, as PowerShell's > writes it; record from cmd, or with Out-File -Encoding utf8"
        )
    try:
        value = json.loads(line.decode("utf-8"), parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        cut_off = "" if line.endswith(b"\n") else ", it may be cut off"
        raise RecordingError(f"it is not JSON ({_reason(error)}){cut_off}") from error
    return snapshot_from_json(value)


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number")


def _reason(error: Exception) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg} at column {error.colno}"
    if isinstance(error, RecursionError):
        return "nested too deep"
    return "not UTF-8" if isinstance(error, UnicodeDecodeError) else "not a number where one should be"
