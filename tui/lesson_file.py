"""What predictions are corrected by, in one small JSON file beside the store: whoever judges a load reads only that.

Reading the store itself would cost each start 6 to 12 ms for sqlite3. The file is written anew from the store with
every load that is kept or forgotten, and can be removed at any time. What it says is not trusted: each figure is
checked, and a file that is no such thing is not used at all.
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict, fields
from typing import TYPE_CHECKING, NamedTuple

from estimator.calibration import CALIBRATED_ENGINES, MOST_RUNTIME_BYTES, Calibration
from tui.kept_load import NAME_LENGTH
from tui.small_file import read_small_file
from tui.steadiness import LEAST_LOADS, LEAST_SPREAD_BYTES, MOST_SPREAD_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from tui.kept_load import KeptLoad

SCHEMA = 2
"""The first one had no family of versions."""
_MOST_BYTES = 256 * 1024
_MOST_HOSTS, _MOST_EACH = 64, 64
_MOST_COUNT = 1000
_FAMILY = re.compile(r"(?:\d{1,4}\.\d{1,4})?", re.ASCII)
"""As ``lesson.version_family`` makes it."""


class ReadCalibrations(NamedTuple):
    """What was learned on this machine, or what the matter is with the file: one sentence, empty where nothing is."""

    calibrations: tuple[Calibration, ...] = ()
    trouble: str = ""


def read_calibrations(path: str | Path, host: str) -> ReadCalibrations:
    """Of this machine, as ``machine_digest`` calls it."""
    try:
        return ReadCalibrations(_of_host(json.loads(read_small_file(path, _MOST_BYTES)), host))
    except FileNotFoundError:
        return ReadCalibrations()
    except OSError as error:
        return ReadCalibrations(trouble=f"{path} cannot be read ({error.strerror or error}): {_CONSEQUENCE}")
    except (ValueError, RecursionError):
        return ReadCalibrations(trouble=f"{path} is damaged: {_CONSEQUENCE}; the next load that is kept writes it anew")


_CONSEQUENCE = "predictions are not corrected by what loads took here"


def write_calibrations(path: Path, loads: Iterable[KeptLoad]) -> None:
    """Anew, from all loads that are kept; without any that tells something the file goes.

    Raises:
        OSError: it cannot be written; what was there is unharmed.
    """
    from tui.lesson import lessons_of  # noqa: PLC0415  # with the store, which the reader of the file never opens
    from tui.settings_file import replace_file  # noqa: PLC0415

    loads = tuple(loads)
    hosts = {}
    for host in list(dict.fromkeys(load.host for load in loads))[:_MOST_HOSTS]:  # the newest ones
        found = [lesson.calibration for lesson in lessons_of(loads, host)]
        kept = [asdict(one) for one in found if one is not None][:_MOST_EACH]
        if kept:
            hosts[host] = kept
    if hosts:
        replace_file(path, json.dumps({"schema": SCHEMA, "hosts": hosts}, indent=1))
    else:
        remove_calibrations(path)


def remove_calibrations(path: Path) -> None:
    """Nothing is corrected any more.

    Raises:
        OSError: it is there still.
    """
    path.unlink(missing_ok=True)


def _of_host(found: object, host: str) -> tuple[Calibration, ...]:
    """Raises ValueError where it is not what this program writes; another one's is left alone."""
    if not isinstance(found, dict) or not isinstance(found.get("schema"), int):
        raise ValueError("no such file")
    if found["schema"] != SCHEMA:
        return ()
    hosts = found.get("hosts")
    entries = hosts.get(host, []) if isinstance(hosts, dict) else None
    if not isinstance(entries, list) or len(entries) > _MOST_EACH:
        raise ValueError("no list")
    return tuple(_calibration(entry) for entry in entries)


def _calibration(entry: object) -> Calibration:
    names = [each.name for each in fields(Calibration)]
    if not isinstance(entry, dict) or set(entry) != set(names):
        raise ValueError("other fields")
    texts = ("engine_name", "product", "driver")
    if not all(isinstance(entry[name], str) and 0 < len(entry[name]) <= NAME_LENGTH for name in texts):
        raise ValueError("no names")
    if not (isinstance(entry["family"], str) and _FAMILY.fullmatch(entry["family"])):
        raise ValueError("no versions")
    if not all(_is_whole_number(entry[name]) for name in ("n_bytes", "low_bytes", "high_bytes", "n_loads")):
        raise ValueError("no numbers")
    made = Calibration(**entry)
    is_known = made.engine_name in CALIBRATED_ENGINES and LEAST_LOADS <= made.n_loads <= _MOST_COUNT
    if not (is_known and _can_be_learned(made)):
        raise ValueError("figures that make no sense")
    return made


def _can_be_learned(found: Calibration) -> bool:
    """Whether ``steadiness`` could have said so."""
    spreads = found.n_bytes - found.low_bytes, found.high_bytes - found.n_bytes
    are_spreads = all(LEAST_SPREAD_BYTES <= spread <= MOST_SPREAD_BYTES for spread in spreads)
    return are_spreads and abs(found.n_bytes) <= MOST_RUNTIME_BYTES


def _is_whole_number(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
