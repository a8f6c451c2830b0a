"""Launches that were let through a moment ago, and hold nothing yet: two at once must not both count on the same room.

``plimsoll run`` writes down what its command will take before it becomes the engine (exec keeps number and start of the
process), one small file each in the state folder, and takes turns with others that judge: a lock is held from the
reading to the claim. A claim counts as used what its process and those below it do not hold yet; it is dropped once
they do, when the process is gone, or when its time is over. A folder that cannot be read or written, or a lock that
cannot be had, is as if nobody had claimed anything.
"""

import os
import re
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field
from itertools import islice

from probes.processes import Processes
from probes.snapshot import HOST_POOL, Snapshot
from records.record import record
from tui.beside import beside
from tui.claim import MOST_BYTES, Claim, claim_in, program_named
from tui.humanize import duration, plain, size
from tui.kinship import ancestors, groups
from tui.places import HOST_NAME, device_label
from tui.small_file import TooLongError, read_small_file
from tui.turn import turn

TYPE_CHECKING = False  # as typing's, whose import takes 3 ms
if TYPE_CHECKING:
    from tui.neighbours import Neighbours
    from tui.recognised import Recognised

LASTING_SECONDS = 900.0
"""At most: as a load is taken to last (``tui.engine_process``)."""
ELSEWHERE_SECONDS = 15.0
"""Where no child of this process will hold the memory (a container's does): until it is seen there (ASSUMED)."""
_EMPTY_SECONDS = 180.0
"""Who holds nothing on its devices after that takes something else (ASSUMED: vLLM imports for a minute from a slow
disk)."""
_TAKEN_RATIO = 0.9
"""Of what was claimed: from here on all is taken (ASSUMED; predictions that are shown were within 5 %)."""
_LEAST_BYTES = 64 << 20
"""As of an early warning."""
_MOST_FILES = 256
_NAME = re.compile(r"[0-9a-fx-]{1,16}-\d{1,10}\.json(?:\.part)?")
_OLD_SECONDS = 86_400.0
"""A file of another start of the machine, or of another machine that shares the folder, is nobody's by then."""


@record(frozen=True, slots=True, kw_only=True)
class Outstanding:
    """One claim, as far as it is not taken yet."""

    claim: Claim
    pids: frozenset[int]
    """Its process and those below it."""
    left: Mapping[str, int]
    """By pool: bytes that it will still take."""
    age_seconds: float


@dataclass(frozen=True, slots=True)
class Reserved:
    """All that is claimed and not taken."""

    outstanding: tuple[Outstanding, ...] = ()

    def beside(self, snapshot: Snapshot) -> Snapshot:
        """The machine once all of it is taken."""
        return beside(snapshot, [one.left for one in self.outstanding]) if self.outstanding else snapshot

    def others(self, launching: "Neighbours") -> "Neighbours":
        """Engines that load, without those whose claims count already."""
        claimed = frozenset().union(*(one.pids for one in self.outstanding))

        def look(snapshot: Snapshot) -> "tuple[Recognised, ...]":
            return tuple(engine for engine in launching(snapshot) if not engine.pids & claimed)

        return look if claimed else launching

    def sentences(self, snapshot: Snapshot) -> tuple[str, ...]:
        """What counts as used, a sentence for each."""
        names = _pool_names(snapshot)
        found = []
        for one in self.outstanding:
            left = [f"{size(n)} of {names[key]}" for key, n in one.left.items() if key in names]
            if left:
                found.append(
                    f"{plain(one.claim.program, 40)} {one.claim.pid} was let through {duration(one.age_seconds)} ago: "
                    f"{', '.join(left)} that it has not taken yet count as used"
                )
        return tuple(found)


@dataclass(slots=True)
class Claims:
    """The folder of claims, as one process uses it."""

    folder: str
    boot: str
    processes: Callable[[], Processes]
    """Opened where there are claims only, or one is made."""
    clock: Callable[[], float] = time.monotonic
    """That all processes share."""
    sleep: Callable[[float], object] = time.sleep
    own_pid: int = field(default_factory=os.getpid)
    tell: Callable[[str], object] = lambda _: None
    """Is given a sentence where another one's turn has to be waited for."""

    def turn(self) -> AbstractContextManager[bool]:
        """Alone among those that judge here; without that where it cannot be had in time."""
        return turn(self.folder, clock=self.clock, sleep=self.sleep, tell=self.tell)

    def reserved(self, snapshot: Snapshot) -> Reserved:
        """What others will still take; a claim that is over is removed."""
        claims = self._read()
        if not claims:
            return Reserved()
        by_pid = {facts.pid: facts for facts in self.processes().all_facts()}
        own = {self.own_pid, *ancestors(self.own_pid, by_pid)}
        alive = {}
        for path, claim in claims.items():
            facts = by_pid.get(claim.pid)
            if facts is not None and facts.started_ticks == claim.started_ticks:
                alive[claim.pid] = path, claim
            else:
                _remove(path)
        below = groups(tuple(alive), by_pid)
        # Of a script that starts another guard, that one says more exactly what is loaded.
        outer = {above for pid in alive for above in ancestors(pid, by_pid)}
        found = []
        for pid, (path, claim) in alive.items():
            one = self._outstanding(claim, below[pid], snapshot)
            if one is None:
                _remove(path)
            elif pid not in own and pid not in outer:
                found.append(one)
        return Reserved(tuple(found))

    def add(self, n_bytes: Mapping[str, int], program: str, *, is_elsewhere: bool = False) -> None:
        """Say what the command will take that this process becomes, or starts.

        Args:
            n_bytes: by pool.
            program: which it becomes, or starts.
            is_elsewhere: no child of this process will hold it.
        """
        n_bytes = {key: n for key, n in n_bytes.items() if n >= _LEAST_BYTES}
        if not n_bytes:
            return
        ticks = next((one.started_ticks for one in self.processes().all_facts() if one.pid == self.own_pid), None)
        if ticks is None:
            return
        claim = Claim(
            boot=self.boot,
            pid=self.own_pid,
            started_ticks=ticks,
            made_seconds=self.clock(),
            lasts_seconds=ELSEWHERE_SECONDS if is_elsewhere else LASTING_SECONDS,
            program=program_named(program),
            n_bytes=n_bytes,
        )
        path = self._path()
        with suppress(OSError):
            _write(path, claim.text().encode())

    def drop(self) -> None:
        """The command was not started after all, or is over."""
        _remove(self._path())

    def _path(self) -> str:
        start = re.sub(r"[^0-9a-f-]", "", self.boot)[:13] or "x"
        return os.path.join(self.folder, f"{start}-{self.own_pid}.json")

    def _read(self) -> dict[str, Claim]:
        """Path -> claim of this start of the machine."""
        found = {}
        try:
            with os.scandir(self.folder) as entries:
                names = list(islice((one.name for one in entries if _NAME.fullmatch(one.name)), _MOST_FILES))
        except OSError:
            return {}
        for name in names:
            path = os.path.join(self.folder, name)
            try:
                claim = claim_in(read_small_file(path, MOST_BYTES))
            except (OSError, TooLongError):
                claim = None
            if claim is not None and claim.boot == self.boot:
                found[path] = claim
            elif _is_old(path):
                _remove(path)
        return found

    def _outstanding(self, claim: Claim, pids: frozenset[int], snapshot: Snapshot) -> Outstanding | None:
        """None where nothing of it is outstanding."""
        age_seconds = self.clock() - claim.made_seconds
        held = self._held(pids, snapshot)
        totals = {pool.key: pool.total_bytes for pool in snapshot.pools}  # anything may stand in a file
        claimed = {key: min(n, totals.get(key, n)) for key, n in claim.n_bytes.items()}
        on_devices = {key: n for key, n in claimed.items() if key != HOST_POOL}
        counted = on_devices or claimed
        n_held = sum(min(held.get(key, 0), n) for key, n in counted.items())
        is_over = not 0 <= age_seconds <= min(claim.lasts_seconds, LASTING_SECONDS)
        if is_over or (age_seconds > _EMPTY_SECONDS and n_held < _LEAST_BYTES):
            return None
        if n_held >= _TAKEN_RATIO * sum(counted.values()):
            return None
        left = {key: n - held.get(key, 0) for key, n in claimed.items()}
        left = {key: n for key, n in left.items() if n >= _LEAST_BYTES}
        return Outstanding(claim=claim, pids=pids, left=left, age_seconds=age_seconds) if left else None

    def _held(self, pids: frozenset[int], snapshot: Snapshot) -> dict[str, int]:
        """Pool -> what these processes hold there."""
        pools = {device.key: device.pool_key for device in snapshot.devices}
        processes = self.processes()
        held = {HOST_POOL: sum(processes.own_bytes(pid) or 0 for pid in pids)}
        for one in snapshot.processes:
            key = pools.get(one.device_key)
            if one.pid in pids and key is not None and not one.is_outside:
                held[key] = held.get(key, 0) + (one.used_bytes or 0)
        return held


def _pool_names(snapshot: Snapshot) -> dict[str, str]:
    """As places are called."""
    names = {device.pool_key: device_label(device, snapshot.devices) for device in reversed(snapshot.devices)}
    return {**names, HOST_POOL: HOST_NAME}


def _write(path: str, content: bytes) -> None:
    """Whole or not at all."""
    os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
    part = f"{path}.part"
    _remove(part)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
    try:
        with os.fdopen(os.open(part, flags, 0o600), "wb") as file:
            file.write(content)
        os.replace(part, path)
    except OSError:
        _remove(part)
        raise


def _remove(path: str) -> None:
    with suppress(OSError):
        os.unlink(path)


def _is_old(path: str) -> bool:
    try:
        return time.time() - os.lstat(path).st_mtime > _OLD_SECONDS
    except OSError:
        return False
