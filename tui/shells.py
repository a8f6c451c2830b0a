"""``plimsoll completions`` and ``plimsoll alias``: scripts for the shell, printed."""

import os
from collections.abc import Sequence
from importlib import import_module
from shutil import which

from tui.shell_flags import SHELLS, alias_parser, completions_parser
from tui.usage import UsageError


def run_completions(words: Sequence[str]) -> int:
    """Print the script of one shell, and return the exit status."""
    shell = completions_parser().parse_args(words).shell
    from tui.completion_table import completion_table  # noqa: PLC0415  # 80 ms: all engines' options

    module = import_module(f"tui.completion_{shell}")
    print(getattr(module, f"{shell}_script")(completion_table()), end="")
    return 0


def run_alias(words: Sequence[str]) -> int:
    """Print the wrappers, and return the exit status."""
    given = alias_parser().parse_args(words)
    shell = given.shell or os.path.basename(os.environ.get("SHELL", ""))
    if shell not in SHELLS:
        raise UsageError(f"which shell? Say one of {', '.join(SHELLS)}, as in: plimsoll alias bash")
    from tui.wrappers import WRAPPED, wrapper_lines  # noqa: PLC0415

    names = WRAPPED if given.is_all else [name for name in WRAPPED if which(name) is not None]
    print("\n".join(wrapper_lines(shell, names)))
    return 0
