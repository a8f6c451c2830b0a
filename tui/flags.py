"""What can be typed: the parsers, and the texts of the help. An engine's flags come from its ``Options``."""

from __future__ import annotations

import argparse
import os

from tui import __version__
from tui.usage import UsageError

TYPE_CHECKING = False  # as typing's, whose import takes 3 ms
if TYPE_CHECKING:
    from dataclasses import Field
    from typing import Any, NoReturn

    from estimator.engine import Engine

INTERVAL_SECONDS = (0.1, 3600.0)
BANDWIDTH_GIGABYTES = (1.0, 10_000.0)
MOST_CONTEXT_TOKENS = 1 << 30
MOST_SEQUENCES = 1 << 16
MOST_COUNT = 1 << 30
MOST_NAMES = 100
"""Of processes for a device, as Prometheus' series."""
ALL_LAYERS = 999
"""More than any model has; llama.cpp takes the number as it is."""


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


class _Parser(argparse.ArgumentParser):
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


def parser_of(name: str, **settings: Any) -> argparse.ArgumentParser:
    """A parser like all others here, for a command of its own."""
    return _Parser(name, **settings)


def shared_parser() -> _Parser:
    """What has to be known before the hardware is read and the engine's own flags can be declared."""
    parser = _Parser("plimsoll", add_help=False)
    _add_shared(parser)
    parser.add_argument("--engine", metavar="NAME", help=argparse.SUPPRESS)
    return parser


def _add_shared(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("hardware")
    group.add_argument(
        "--simulate", metavar="HARDWARE", help='hardware that is not here: "2x RTX 4090, used 3GiB, RAM 128GiB"'
    )
    group.add_argument("--replay", metavar="FILE", help="readings recorded with plimsoll snapshot --follow > FILE")
    group.add_argument(
        "--interval",
        type=_interval,
        default=None,
        metavar="SECONDS",
        help="between two readings (default: 1, or as the settings say)",
    )
    group.add_argument("--read-only", dest="is_read_only", action="store_true", help="no key of the app ends a process")


def app_parser(engine: Engine | None) -> _Parser:
    parser = _Parser(
        "plimsoll",
        usage="plimsoll [MODEL] [options]\n       plimsoll check MODEL [options]\n"
        "       plimsoll check -- COMMAND...\n       plimsoll run [options] -- COMMAND...\n"
        "       plimsoll plan MODEL [options]\n       plimsoll models [FOLDER ...] [options]\n"
        "       plimsoll history [N] [--json]\n       plimsoll forget [all | N | ENGINE] [--yes]\n"
        "       plimsoll snapshot [options]\n       plimsoll doctor [options]",
        description="Live GPU memory and RAM beside what a model would need, and a warning before a load spills. "
        "Without a terminal it prints one report and ends.",
        epilog="commands: check says whether a load fits, with an exit status, also of an engine's command; run starts "
        "the command where it fits; plan lists hardware that would hold it; "
        "models lists what lies on this machine; history lists the loads that were watched here, and forget removes "
        "them; snapshot prints what is there now; doctor says what is wrong here, "
        "and what this machine would run. The options of the load (--quant, --context, --device ...) are those of "
        "check: plimsoll check --help.",
    )
    _add_model(parser, _MODEL_HELP)
    _add_shared(parser)
    parser.add_argument("--version", action="version", version=f"plimsoll {__version__}")
    if engine is not None:
        _add_load(parser, engine)
    return parser


_MODEL_HELP = (
    "a .gguf file (of a split one, any part), a checkpoint's directory or config.json, a name that Ollama or the "
    "Hugging Face cache has here, or the name of a known model"
)


def check_parser(engine: Engine) -> _Parser:
    parser = _Parser(
        "plimsoll check",
        engine,
        usage="plimsoll check MODEL [options]",
        description="Says whether a load fits here now, what it takes and what to change.",
        epilog="exit status: 0 fits (tight as well, unless --strict), 1 does not fit as asked, 2 wrong use or no "
        "readable model, 3 can't be judged.",
    )
    _add_model(parser, _MODEL_HELP)
    _add_load(parser, engine)
    report = parser.add_argument_group("report")
    report.add_argument("--json", dest="is_json", action="store_true", help="JSON of schema 1, bytes as whole numbers")
    report.add_argument("--explain", dest="is_explained", action="store_true", help="every term, and where it is from")
    report.add_argument(
        "--verify",
        dest="is_verified",
        action="store_true",
        help="run the installed llama-fit-params on the same load, and show its figures beside these; "
        "--verify=FILE names the program",
    )
    report.add_argument("--verify-with", dest="verifier", metavar="FILE", help=argparse.SUPPRESS)
    report.add_argument(
        "--hardware", dest="has_hardware", action="store_true", help="which known hardware would hold it, too"
    )
    report.add_argument("--strict", dest="is_strict", action="store_true", help="exit status 1 where it is tight")
    _add_shared(parser)
    return parser


def plan_parser(engine: Engine) -> _Parser:
    parser = _Parser(
        "plimsoll plan",
        engine,
        usage="plimsoll plan MODEL [options]",
        description="Lists known hardware that would hold a load, the smallest of each class first, and how fast it "
        "would run there.",
        epilog="exit status: 0, 1 where no known hardware holds it, 2 wrong use or no readable model, 3 can't be "
        "judged.",
    )
    _add_model(parser, _MODEL_HELP)
    _add_load(parser, engine)
    report = parser.add_argument_group("report")
    report.add_argument("--json", dest="is_json", action="store_true", help="JSON of schema 1, bytes as whole numbers")
    return parser


def snapshot_parser() -> _Parser:
    parser = _Parser(
        "plimsoll snapshot",
        usage="plimsoll snapshot [options]",
        description="Prints what is there now.",
        epilog="exit status: 0; 2 wrong use; 3 where nothing could be read, or the output not written.",
    )
    parser.add_argument("--json", dest="is_json", action="store_true", help="one line of JSON")
    parser.add_argument(
        "--prometheus",
        dest="is_prometheus",
        action="store_true",
        help="Prometheus' text format, for node_exporter's textfile collector",
    )
    parser.add_argument(
        "--processes",
        dest="n_processes",
        type=_names,
        default=0,
        metavar="N",
        help="with --prometheus: memory by name of process, of each device the N largest and the rest together",
    )
    parser.add_argument(
        "--details",
        dest="is_detailed",
        action="store_true",
        help="clocks, throttling, PCIe, links and error counters too, where the driver tells them",
    )
    parser.add_argument(
        "--output", metavar="FILE", help="put this file in place whole, so that no reader sees a part of it"
    )
    parser.add_argument(
        "--follow",
        dest="is_followed",
        action="store_true",
        help="a line of JSON for every reading, which --replay can play",
    )
    _add_shared(parser)
    return parser


def doctor_parser() -> _Parser:
    parser = _Parser(
        "plimsoll doctor",
        usage="plimsoll doctor [options]",
        description="Says what was found here, what was not and why, what can be done about it, what this machine "
        "would run, and what the next step up would allow.",
        epilog="exit status: 0, 1 where something is broken (hardware that is not there is not), 2 wrong use, 3 where "
        "the output could not be written.",
    )
    parser.add_argument(
        "--json",
        dest="is_json",
        action="store_true",
        help="JSON of schema 1, for bug reports; names of user and host, home folders and ends of UUIDs are left out, "
        "of the text as well",
    )
    parser.add_argument(
        "--thorough",
        dest="is_thorough",
        action="store_true",
        help="start the engines that are found to ask for their versions, and read PCIe lanes and error counters",
    )
    _add_shared(parser)
    return parser


def _add_model(parser: argparse.ArgumentParser, text: str) -> None:
    parser.add_argument("model", nargs="?", metavar="MODEL", help=text)
    parser.add_argument("--model", dest="model_option", metavar="MODEL", help="the same, for a name like an option")


def _add_load(parser: argparse.ArgumentParser, engine: Engine) -> None:
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
    load.add_argument("--sequences", type=_sequences, default=1, metavar="N", help="side by side (default: 1)")
    load.add_argument(
        "--kv-type",
        type=lambda text: _kv_type(text, engine),
        metavar="TYPE",
        help=f"{engine.KV_TYPES[0]} (default), {', '.join(engine.KV_TYPES[1:])}",
    )
    load.add_argument(
        "--ram-bandwidth",
        type=_bandwidth,
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


def parse_count(text: str, minimum: int = 0) -> int:
    """A whole number, as the command line and the options screen take it: 8192, 8k, 8 192, 8_192."""
    digits = text.replace("_", "").replace(" ", "").replace("\N{NO-BREAK SPACE}", "")
    factor = 1024 if digits[-1:] in ("k", "K") else 1
    digits = digits[:-1] if factor > 1 else digits
    if digits.isascii() and digits.isdigit() and len(digits) < 12 and minimum <= int(digits) * factor <= MOST_COUNT:
        return int(digits) * factor
    raise argparse.ArgumentTypeError(f"{text!r} is no whole number from {minimum} to {MOST_COUNT}, as in 512 or 8k")


def _number_within(text: str, least: float, most: float) -> float | None:
    """None where the text is no number, or one beyond these limits."""
    try:
        number = float(text)
    except ValueError:
        return None
    return number if least <= number <= most else None


def parse_number(text: str, minimum: float, maximum: float) -> float:
    """A number that need not be whole, as in 0.9."""
    number = _number_within(text, minimum, maximum)
    if number is not None:
        return number
    raise argparse.ArgumentTypeError(f"{text!r} is no number from {minimum:g} to {maximum:g}, as in 0.9")


def parse_layers(text: str) -> int | None:
    word = text.casefold()
    if word == "auto":
        return None
    if word == "all":
        return ALL_LAYERS
    try:
        return parse_count(text)
    except argparse.ArgumentTypeError:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of layers; say 20, all or auto") from None


def parse_shares(text: str) -> tuple[float, ...]:
    """What each device gets."""
    try:
        shares = tuple(float(part) for part in text.split(","))
    except ValueError:
        shares = ()
    if not shares or not all(0 <= share < float("inf") for share in shares) or not any(shares):
        raise argparse.ArgumentTypeError(f"{text!r} are no shares; say how much each device gets, as in 3,1")
    return shares


def parse_context(text: str) -> int:
    """Tokens, or 0 for all that the model has."""
    word = text.casefold().replace("_", "").replace(",", "")
    if word == "native":
        return 0
    unit = {"k": 1 << 10, "m": 1 << 20}.get(word[-1:], 1)
    number = word if unit == 1 else word[:-1]
    if number.isascii() and number.isdigit() and len(number) < 12:
        tokens = int(number) * unit
        if tokens <= MOST_CONTEXT_TOKENS:
            return tokens
    raise argparse.ArgumentTypeError(f"{text!r} is no number of tokens; say 8192, 8k, 1M or native")


def _sequences(text: str) -> int:
    if text.isascii() and text.isdigit() and len(text) < 9 and 1 <= int(text) <= MOST_SEQUENCES:
        return int(text)
    raise argparse.ArgumentTypeError(f"{text!r} is no number of sequences; say 1 to {MOST_SEQUENCES}")


def _names(text: str) -> int:
    if text.isascii() and text.isdigit() and len(text) < 4 and 1 <= int(text) <= MOST_NAMES:
        return int(text)
    raise argparse.ArgumentTypeError(f"{text!r} is no number of names; say 1 to {MOST_NAMES}")


def _bandwidth(text: str) -> float:
    least, most = BANDWIDTH_GIGABYTES
    gigabytes = _number_within(text, least, most)
    if gigabytes is not None:
        return gigabytes
    raise argparse.ArgumentTypeError(f"{text!r} is no bandwidth; say GB per second from {least:g} to {most:g}")


def _interval(text: str) -> float:
    least, most = INTERVAL_SECONDS
    seconds = _number_within(text, least, most)
    if seconds is not None:
        return seconds
    raise argparse.ArgumentTypeError(f"{text!r} is no interval; say seconds from {least:g} to {most:g}")


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
