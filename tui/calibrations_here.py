"""What predictions on this machine are corrected by, for whoever judges a load; where nothing is, it costs one look.

Imports nothing that a short command does not have, until there is something to read.
"""

from __future__ import annotations

import os

from tui.own_folders import config_folder, state_folder

TYPE_CHECKING = False  # as typing's, whose import takes 3 ms
if TYPE_CHECKING:
    import argparse

    from estimator.calibration import Calibration
    from tui.lesson_file import ReadCalibrations

FILE_NAME = "calibrations.json"


def calibrations_here() -> tuple[Calibration, ...]:
    """None where nothing was learned, or the setting ``calibrate`` is off."""
    found = learned_here()
    return found if found and is_wanted() else ()


def learned_here() -> tuple[Calibration, ...]:
    """Whatever the settings say."""
    found = _read()
    return () if found is None else found.calibrations


def trouble_here() -> str:
    """What the matter is with the file, in a sentence; empty where nothing is."""
    found = _read()
    return "" if found is None else found.trouble


def _read() -> ReadCalibrations | None:
    path = calibrations_path()
    if not os.path.exists(path):
        return None
    from tui.lesson_file import read_calibrations  # noqa: PLC0415  # 4 ms, for who has learned something
    from tui.machine_digest import machine_digest  # noqa: PLC0415

    return read_calibrations(path, machine_digest())


def calibrations_for(given: argparse.Namespace) -> tuple[Calibration, ...]:
    """None where hardware that is described or recorded stands in for this machine's."""
    return calibrations_here() if given.simulate is None and given.replay is None else ()


def calibrations_path() -> str:
    """Beside the store."""
    return os.path.join(state_folder(), FILE_NAME)


def is_wanted() -> bool:
    """As the settings say."""
    if not os.path.exists(os.path.join(config_folder(), "config.toml")):
        return True
    from tui.settings_file import read_settings, settings_path  # noqa: PLC0415  # 15 ms, where there is such a file

    return read_settings(settings_path()).settings.calibrate
