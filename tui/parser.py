"""A parser of words that were typed: help as wide as the terminal, and wrong use in one sentence."""

from __future__ import annotations

import argparse
import os

from tui.usage import UsageError

TYPE_CHECKING = False  # as typing's, whose import takes 3 ms
if TYPE_CHECKING:
    from typing import Any, NoReturn

    from estimator.engine import Engine


class _Formatter(argparse.HelpFormatter):
    """Help as wide as the terminal, at most 100 columns."""

    def __init__(self, prog: str, indent_increment: int = 2, max_help_position: int = 26, width: int | None = None):
        # argparse asks shutil for the width, at every option that is added, and shutil's import takes 5 ms.
        super().__init__(prog, indent_increment, max_help_position, width or _width())


def _width() -> int:
    try:
        return min(100, max(40, int(os.environ.get("COLUMNS") or os.get_terminal_size().columns) - 2))
    except (OSError, ValueError):
        return 78


class Parser(argparse.ArgumentParser):
    """Wrong use is one sentence."""

    def __init__(self, prog: str, engine: Engine | None = None, **settings: Any) -> None:
        super().__init__(prog=prog, formatter_class=_Formatter, allow_abbrev=False, **settings)
        self.engine_name = "" if engine is None else engine.NAME

    def error(self, message: str) -> NoReturn:
        unknown = "unrecognized arguments: -"
        if self.engine_name and message.startswith(unknown):
            engine = self.engine_name.replace(" ", "")  # one word of the shell, which is understood as well
            raise UsageError(
                f"{self.engine_name} has no -{message.removeprefix(unknown)}; see {self.prog} --engine {engine} --help"
            )
        raise UsageError(f"{message}; see {self.prog} --help")
