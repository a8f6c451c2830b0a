"""The load that was typed: its engine, and what is asked of it."""

from __future__ import annotations

import os

from tui.usage import UsageError

TYPE_CHECKING = False  # as typing's, whose import takes 3 ms
if TYPE_CHECKING:
    import argparse

    from estimator.engine import Engine
    from tui.request import Request

DEFAULT_ENGINE = "llamacpp"
"""Whose options are declared where no engine is named; a model that it does not run gets its usual one."""


def typed_engine(given: argparse.Namespace) -> Engine:
    """The one that was named, or whose options are declared where none was."""
    from estimator.engine import load_engine
    from estimator.errors import EstimatorError

    try:
        return load_engine(given.engine or DEFAULT_ENGINE)
    except EstimatorError as error:
        raise UsageError(f"--engine: {error}") from error


def typed_request(given: argparse.Namespace, engine: Engine) -> Request | None:
    """What was asked for, or None where no model was named."""
    from tui.load_flags import flagged  # loaded already
    from tui.request import Request

    if given.model is not None and given.model_option is not None:
        raise UsageError("one model at a time: give it as it is, or with --model")
    source = given.model if given.model_option is None else given.model_option
    if source is None:
        return None
    chosen = {field.name: getattr(given, field.name) for field in flagged(engine) if hasattr(given, field.name)}
    return Request(
        source=source,
        quant=given.quant,
        context_tokens=given.context,
        n_sequences=given.sequences,
        kv_type=given.kv_type,
        ram_bytes_per_second=None if given.ram_bandwidth is None else given.ram_bandwidth * 1e9,
        engine_name=given.engine or DEFAULT_ENGINE,
        is_engine_given=given.engine is not None or bool(chosen),
        options=engine.Options(**chosen),
        device=given.device,
        has_hidden=given.has_hidden,
        settings=_settings(given),
    )


def _settings(given: argparse.Namespace) -> frozenset[str]:
    """What this shell's environment says of a load without room; nothing of hardware that is not here."""
    from tui.places import spill_settings

    is_here = getattr(given, "simulate", None) is None and getattr(given, "replay", None) is None
    return spill_settings(os.environ) if is_here else frozenset()
