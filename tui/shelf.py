"""What lies on this machine: all places that programs keep models in, and the folders of the settings."""

import os
from collections.abc import Sequence
from pathlib import Path

from estimator.facts_cache import FactsCache
from estimator.inventory import Inventory, take_inventory
from estimator.model_roots import model_roots
from tui import __version__
from tui.settings_file import read_settings, settings_path


def find_models(folders: Sequence[str] = (), *, is_reading: bool = True, rest_ratio: float = 0.0) -> Inventory:
    """Everything that is here now.

    Args:
        folders: to look through as well as those of the settings.
        is_reading: False leaves out headers that are not known from the last time.
        rest_ratio: as of ``take_inventory``.
    """
    own = read_settings(settings_path()).settings.model_folders
    roots = model_roots(os.environ, (*filter(None, own.split(os.pathsep)), *folders))
    return take_inventory(
        roots, FactsCache(str(cache_path()), __version__), is_reading=is_reading, rest_ratio=rest_ratio
    )


def cache_path() -> Path:
    """Where what headers said is kept."""
    from platformdirs import user_cache_path  # noqa: PLC0415  # 3 ms

    return user_cache_path("plimsoll", appauthor=False) / "models.json"
