"""What a launch announced that it will take, before it has taken it: figures and numbers, as they are written down.

Nothing of its command line, its model or its user is in it. Who reads one believes no figure that could not be.
"""

import json
import re
from collections.abc import Mapping

from records.record import record

MOST_BYTES = 8192
"""Of one as it is written: 64 pools of some 100 characters."""
_MOST_POOLS = 64
_MOST_MEMORY = 1 << 50
_VERSION = 1
_NAME = re.compile(r"[\w. -]{1,40}", re.ASCII)
_BOOT = re.compile(r"[0-9a-f-]{0,64}")


@record(frozen=True, slots=True, kw_only=True)
class Claim:
    """Of one process, which becomes the engine (exec), or starts it."""

    boot: str
    """Which start of the machine, as ``boot_name`` has it."""
    pid: int
    started_ticks: int
    """As ``ProcessFacts`` has it."""
    made_seconds: float
    """By the clock that all processes of one start of the machine share (``time.monotonic``)."""
    lasts_seconds: float
    """After which it says nothing any more."""
    program: str
    """As people call it: ``llama-server``."""
    n_bytes: Mapping[str, int]
    """By pool."""

    def text(self) -> str:
        """As it is written down."""
        return json.dumps(
            {
                "version": _VERSION,
                "boot": self.boot,
                "pid": self.pid,
                "started_ticks": self.started_ticks,
                "made_seconds": self.made_seconds,
                "lasts_seconds": self.lasts_seconds,
                "program": self.program,
                "bytes": dict(self.n_bytes),
            }
        )


def claim_in(content: bytes) -> Claim | None:
    """The one that is written there; None where none is, whatever it may be."""
    try:
        told = json.loads(content)
    except (ValueError, RecursionError):
        return None
    if not isinstance(told, dict) or told.get("version") != _VERSION:
        return None
    boot, program, pools = told.get("boot"), told.get("program"), told.get("bytes")
    pid, ticks = _whole(told.get("pid")), _whole(told.get("started_ticks"))
    made, lasts = _seconds(told.get("made_seconds")), _seconds(told.get("lasts_seconds"))
    if pid is None or ticks is None or made is None or lasts is None or not isinstance(pools, dict):
        return None
    if not isinstance(boot, str) or not _BOOT.fullmatch(boot):
        return None
    if not isinstance(program, str) or not _NAME.fullmatch(program) or len(pools) > _MOST_POOLS:
        return None
    n_bytes = {key: n for key, value in pools.items() if (n := _whole(value)) is not None and n <= _MOST_MEMORY}
    return Claim(
        boot=boot,
        pid=pid,
        started_ticks=ticks,
        made_seconds=made,
        lasts_seconds=lasts,
        program=program,
        n_bytes=n_bytes,
    )


def program_named(name: str) -> str:
    """A program's name as a claim has it."""
    return "".join(_NAME.findall(name))[:40] or "an engine"


def _whole(found: object) -> int | None:
    return found if isinstance(found, int) and not isinstance(found, bool) and 0 <= found < 1 << 63 else None


def _seconds(found: object) -> float | None:
    is_number = isinstance(found, int | float) and not isinstance(found, bool)
    return float(found) if is_number and 0 <= found < 1e12 else None  # type: ignore[operator,arg-type]  # a number
