"""The load that was planned last, kept between two runs of the app. Imports the estimator only when it is asked."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from tui.own_folders import state_folder

if TYPE_CHECKING:
    from estimator.model import Model
    from tui.plan import Plan
    from tui.request import Request


_NAME = "last-plans.json"
_STORE_NAME = "loads.sqlite3"


def state_path() -> Path:
    """Where the file is, or would be."""
    return Path(state_folder(), _NAME)


def store_path() -> Path:
    """Where watched loads are kept, or would be: beside it."""
    return state_path().with_name(_STORE_NAME)


class Recalled(NamedTuple):
    """What was asked for last, with its model read again."""

    request: Request
    model: Model


class PlanMemory:
    """Of this machine, in the platform's place for state."""

    def recall(self) -> Recalled | None:
        """What was planned last; None where nothing was.

        Raises:
            EstimatorError: its model cannot be read any more.
        """
        path = state_path()
        if not path.is_file():
            return None
        from estimator.reader import read_model  # noqa: PLC0415  # 35 ms, for who has planned something before
        from tui.remembered import host_name, last_request  # noqa: PLC0415

        request = last_request(path, host_name())
        if request is None:
            return None
        return Recalled(request=request, model=read_model(request.source, request.quant))

    def keep(self, plan: Plan, quant: str | None) -> None:
        """Keep the plan; ``quant`` where it is not the file's own.

        Raises:
            OSError: it cannot be written.
        """
        from tui.remembered import host_name, remember  # noqa: PLC0415

        remember(plan, quant, state_path(), host_name())
