"""What can be typed: the parsers of the commands, and the texts of their help."""

from __future__ import annotations

import argparse

from tui import __version__
from tui.flag_values import parse_interval, parse_names
from tui.load_flags import add_load, add_model
from tui.parser import Parser

TYPE_CHECKING = False  # as typing's, whose import takes 3 ms
if TYPE_CHECKING:
    from estimator.engine import Engine


def shared_parser() -> Parser:
    """What has to be known before the hardware is read and the engine's own flags can be declared."""
    parser = Parser("plimsoll", add_help=False)
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
        type=parse_interval,
        default=None,
        metavar="SECONDS",
        help="between two readings (default: 1, or as the settings say)",
    )
    group.add_argument("--read-only", dest="is_read_only", action="store_true", help="no key of the app ends a process")


def app_parser(engine: Engine | None) -> Parser:
    parser = Parser(
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
    add_model(parser)
    _add_shared(parser)
    parser.add_argument("--version", action="version", version=f"plimsoll {__version__}")
    if engine is not None:
        add_load(parser, engine)
    return parser


def check_parser(engine: Engine) -> Parser:
    parser = Parser(
        "plimsoll check",
        engine,
        usage="plimsoll check MODEL [options]",
        description="Says whether a load fits here now, what it takes and what to change.",
        epilog="exit status: 0 fits (tight as well, unless --strict), 1 does not fit as asked, 2 wrong use or no "
        "readable model, 3 can't be judged.",
    )
    add_model(parser)
    add_load(parser, engine)
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


def plan_parser(engine: Engine) -> Parser:
    parser = Parser(
        "plimsoll plan",
        engine,
        usage="plimsoll plan MODEL [options]",
        description="Lists known hardware that would hold a load, the smallest of each class first, and how fast it "
        "would run there.",
        epilog="exit status: 0, 1 where no known hardware holds it, 2 wrong use or no readable model, 3 can't be "
        "judged.",
    )
    add_model(parser)
    add_load(parser, engine)
    report = parser.add_argument_group("report")
    report.add_argument("--json", dest="is_json", action="store_true", help="JSON of schema 1, bytes as whole numbers")
    return parser


def snapshot_parser() -> Parser:
    parser = Parser(
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
        type=parse_names,
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


def doctor_parser() -> Parser:
    parser = Parser(
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
