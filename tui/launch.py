"""Opens the app: the sampler first, on its own threads, and only then the libraries that draw."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from probes.sampler import Sampler
from tui.calibrations_here import learned_here
from tui.courtesy import Courtesy
from tui.feed import SnapshotFeed
from tui.lean_imports import LEFT_OUT_RUNNING, import_textual, without
from tui.plan_memory import PlanMemory, store_path
from tui.terminal import (
    has_true_colours,
    leave_at_once,
    leave_on_signals,
    leave_with_parent,
    leave_with_terminal,
    wants_mouse,
)
from tui.usage import DEFAULT_INTERVAL_SECONDS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from estimator.model import Model
    from probes.access import Attention
    from probes.probe import ProbeSource
    from tui.app import PlimsollApp
    from tui.aside import Aside
    from tui.request import Request

_FIRST_SECONDS = 0.12
"""The first picture waits so long for the last of the drivers; most have answered while textual was imported."""


def run_app(
    sources: Sequence[ProbeSource],
    request: Request | None = None,
    *,
    interval_seconds: float | None = None,
    attention: Attention | None = None,
    is_read_only: bool = False,
) -> int:
    """Show the full-screen app until it is left, and return the exit status.

    Args:
        sources: of the hardware meant.
        request: the load to begin with; None for the one of last time.
        interval_seconds: between two readings; None as the settings say.
        attention: told what is looked at; None where the hardware is not this machine's: then no process is ended.
        is_read_only: no key ends a process or writes a file.
    """
    feed = SnapshotFeed()
    sampler = Sampler(sources, feed, DEFAULT_INTERVAL_SECONDS if interval_seconds is None else interval_seconds)
    sampler.start()
    reading = _read(request) if request is not None else None
    import_textual()  # 90 ms, in which the drivers answer
    from tui.app import PlimsollApp  # noqa: PLC0415
    from tui.settings_file import read_settings, settings_path, write_settings  # noqa: PLC0415

    path = settings_path()
    found = read_settings(path)
    if interval_seconds is None:
        interval_seconds = found.settings.interval_seconds
        sampler.interval_seconds = interval_seconds
    is_in_browser = "web_driver" in os.environ.get("TEXTUAL_DRIVER", "")
    if has_true_colours(os.environ):
        os.environ["COLORTERM"] = "truecolor"  # by which the library that draws decides
    elif not is_in_browser:
        os.environ.pop("COLORTERM", None)
    terminal = sys.__stdout__.fileno() if sys.__stdout__ is not None else 1
    leave_with_terminal(terminal)
    if is_in_browser:
        leave_with_parent()
    courtesy = Courtesy()
    app = PlimsollApp(
        sampler=sampler,
        feed=feed,
        snapshot=feed.wait(_FIRST_SECONDS),
        interval_seconds=interval_seconds,
        request=request,
        reading=reading,
        attention=attention,
        is_read_only=is_read_only,
        is_elsewhere=attention is None,
        settings=found,
        memory=PlanMemory() if found.settings.remember_plan and attention is not None and not is_read_only else None,
        store=store_path() if attention is not None and not is_read_only else None,
        learned=learned_here if attention is not None else tuple,
        courtesy=courtesy,
        keep_settings=None if is_read_only else lambda settings: write_settings(settings, path),
    )
    leave_on_signals(lambda status: app.call_from_thread(app.exit, None, status), terminal)
    try:
        with without(LEFT_OUT_RUNNING):
            _run(app, courtesy, wants_mouse=wants_mouse(found.settings.mouse, os.environ))
    finally:
        feed.close()
        is_stopped = sampler.stop()
    if not is_stopped:  # a driver hangs in a call
        leave_at_once(app.return_code or 0)
    return app.return_code or 0


def _run(app: PlimsollApp, courtesy: Courtesy, *, wants_mouse: bool) -> None:
    if os.name == "nt":
        app.run(mouse=wants_mouse)
        return
    import asyncio  # noqa: PLC0415  # textual has it imported by now

    from tui.hasty_loop import hasty_loop  # noqa: PLC0415  # the same

    with asyncio.Runner(loop_factory=lambda: hasty_loop(courtesy)) as runner:
        runner.run(app.run_async(mouse=wants_mouse))


def _read(request: Request) -> Aside[Model]:
    from estimator.reader import read_model  # noqa: PLC0415  # only where a model was named
    from tui.aside import Aside  # noqa: PLC0415

    return Aside(lambda: read_model(request.source, request.quant))
