"""What can be typed of a load. An engine's flags come from its ``Options``."""

from __future__ import annotations

import argparse

from tui.flag_values import (
    parse_bandwidth,
    parse_context,
    parse_count,
    parse_layers,
    parse_number,
    parse_sequences,
    parse_shares,
)

TYPE_CHECKING = False  # as typing's, whose import takes 3 ms
if TYPE_CHECKING:
    from dataclasses import Field
    from typing import Any

    from estimator.engine import Engine

_MODEL_HELP = (
    "a .gguf file (of a split one, any part), a checkpoint's directory or config.json, a name that Ollama or the "
    "Hugging Face cache has here, or the name of a known model"
)


def add_model(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", nargs="?", metavar="MODEL", help=_MODEL_HELP)
    parser.add_argument("--model", dest="model_option", metavar="MODEL", help="the same, for a name like an option")


def add_load(parser: argparse.ArgumentParser, engine: Engine) -> None:
    load = parser.add_argument_group("load")
    load.add_argument(
        "--quant",
        metavar="NAME",
        help="as if the model were quantised so: Q4_K_M, IQ4_XS, UD-Q4_K_XL, AWQ, FP8, MLX-4bit, 4.0bpw ...",
    )
    load.add_argument(
        "--context",
        type=parse_context,
        metavar="TOKENS",
        help="of all sequences together: 8192, 8k, 1M, or native for all that the model has (default: 8k)",
    )
    load.add_argument("--sequences", type=parse_sequences, default=1, metavar="N", help="side by side (default: 1)")
    load.add_argument(
        "--kv-type",
        type=lambda text: _kv_type(text, engine),
        metavar="TYPE",
        help=f"{engine.KV_TYPES[0]} (default), {', '.join(engine.KV_TYPES[1:])}",
    )
    load.add_argument(
        "--ram-bandwidth",
        type=parse_bandwidth,
        metavar="GB/s",
        help="of the RAM, for the speed of what lies there (assumed if not given): channels x 8 x MT/s / 1000",
    )
    load.add_argument(
        "--device",
        default="auto",
        metavar="DEVICES",
        help='auto (default: one if it fits there, else all), all, cpu, or some: 0 or "0,1" or "GPU 0"',
    )
    load.add_argument(
        "--all-devices",
        dest="has_hidden",
        action="store_true",
        help="plan for devices that CUDA_VISIBLE_DEVICES or its like hides from this shell, too",
    )
    load.add_argument(
        "--engine",
        metavar="NAME",
        help="what runs the model: llama.cpp for GGUF files and names, vLLM for safetensors, or any of "
        f"{', '.join(known_engines())}",
    )
    options = parser.add_argument_group(engine.NAME)
    for field in flagged(engine):
        _add_option(options, field)


def _add_option(group: Any, field: Field[Any]) -> None:
    """The flag of one field: what it takes follows from the field's type and its ``choices``."""
    # "%" is argparse's own in help texts.
    settings: dict[str, Any] = {
        "dest": field.name,
        "default": argparse.SUPPRESS,
        "help": str(field.metadata["help"]).replace("%", "%%"),
    }
    flag, choices = str(field.metadata["flag"]), field.metadata.get("choices")
    if field.type is bool:
        group.add_argument(flag, action=_Switch, **settings)
    elif choices:
        group.add_argument(flag, choices=choices, metavar="|".join(map(str, choices)), **settings)
    elif field.name == "n_gpu_layers":
        group.add_argument(flag, type=parse_layers, metavar="N|all|auto", **settings)
    elif field.type in (int, int | None):
        minimum = int(field.metadata.get("minimum", 0))
        group.add_argument(flag, type=lambda text: parse_count(text, minimum), metavar="N", **settings)
    elif field.type in (float, float | None):
        low, high = (float(field.metadata.get(name, limit)) for name, limit in (("minimum", 0.0), ("maximum", 1e12)))
        group.add_argument(flag, type=lambda text: parse_number(text, low, high), metavar="X", **settings)
    elif field.type in (tuple[float, ...], tuple[float, ...] | None):
        group.add_argument(flag, type=parse_shares, metavar="N,N", **settings)
    else:
        group.add_argument(flag, metavar="TEXT", **settings)


class _Switch(argparse.BooleanOptionalAction):
    """``--flag`` and ``--no-flag``; the text stays as it was declared."""


def flagged(engine: Engine) -> list[Field[Any]]:
    """The engine's options that have a flag."""
    from dataclasses import fields  # noqa: PLC0415

    return [field for field in fields(engine.Options) if field.metadata.get("flag")]


def _kv_type(text: str, engine: Engine) -> str:
    if text.lower() not in engine.KV_TYPES:
        raise argparse.ArgumentTypeError(
            f"{engine.NAME} stores no KV cache as {text!r}; {', '.join(engine.KV_TYPES)} are known"
        )
    return text.lower()


def known_engines() -> tuple[str, ...]:
    """What ``--engine`` takes."""
    from estimator.engine import ENGINES  # noqa: PLC0415  # --version does without it

    return ENGINES
