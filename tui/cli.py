"""The command line. Where something is typed it imports argparse, and nothing heavier until it knows what is wanted.

``--help`` and ``--version`` answer in 25 ms; everything else reads the hardware on a thread of its own while the rest
is imported and the model is read.
"""

from __future__ import annotations

import gc
import os
import sys

from tui.console import drop_output, writable
from tui.usage import UsageError

TYPE_CHECKING = False  # as typing's, whose import takes 3 ms
if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

USAGE_ERROR = 2
UNKNOWN = 3
INTERRUPTED = 130
"""128 + SIGINT, as shells have it."""
BROKEN_PIPE = 141
"""128 + SIGPIPE: whoever reads has seen enough."""
COMMANDS = (
    "check",
    "plan",
    "run",
    "models",
    "history",
    "forget",
    "snapshot",
    "doctor",
    "serve",
    "completions",
    "alias",
)
APART = ("models", "history", "forget", "serve", "completions", "alias")
"""Those that read no hardware themselves, and take none of the options about it."""
READING = ("check", "plan", "snapshot", "doctor")
"""Those that read the hardware, and may have the options about it before them."""
_WEB_DRIVER = "web_driver"
"""Of textual, in TEXTUAL_DRIVER: a browser at the other end of two pipes stands for the terminal."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line, and return the exit status."""
    sys.stdout, sys.stderr = writable(sys.stdout), writable(sys.stderr)
    try:
        status = _run(sys.argv[1:] if arguments is None else list(arguments))
        sys.stdout.flush()
    except UsageError as error:
        _complain(str(error))
        return USAGE_ERROR
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        drop_output()
        return BROKEN_PIPE
    except OSError as error:  # a full disk, a terminal that is gone
        drop_output()
        _complain(f"{error.filename or 'the output could not be written'}: {error.strerror or error}")
        return UNKNOWN
    return status


def _run(arguments: list[str]) -> int:
    if not arguments and _has_terminal():
        return _open_app()
    if arguments and arguments[0] in APART:
        return _run_apart(arguments[0], arguments[1:])
    if arguments[:1] == ["run"]:
        from tui.guarding import run
        from tui.sources import reading_for

        return run(arguments[1:], reading_for)
    if arguments[:1] == ["check"] and (found := _command_in(arguments[1:])) is not None:
        from tui.guarding import check
        from tui.sources import reading_for

        return check(*found, reading_for)
    from tui.flags import shared_parser  # 6 ms, with argparse

    shared, rest = shared_parser().parse_known_args(arguments)
    if not rest or rest[0] not in READING:
        return _run_app(rest, shared)
    from tui.commands import BY_NAME  # --help and --version do without it

    return BY_NAME[rest[0]](rest[1:], shared)


_PROGRAMS = tuple(
    "llama- llama. llamafile main server ollama vllm sglang python koboldcpp mlx_ mlx. text-generation-launcher "
    "transformers trtllm lms docker podman nerdctl bash sh env sudo nohup numactl uv CUDA_ LLAMA_ OLLAMA_".split()
)
"""How commands that start an engine begin."""


def _command_in(words: list[str]) -> tuple[list[str], list[str]] | None:
    """(options of check, command), where check is asked about a command: behind two dashes, or an engine's own."""
    if "--" in words:
        from tui.guarding import is_command

        position = words.index("--")
        return (words[:position], words[position + 1 :]) if is_command(words[position + 1 :]) else None
    # Looking closer costs 30 ms, which names of models need not pay.
    first = words[0].split(" ", 1)[0].rpartition("/")[2] if words else ""
    if not first.startswith(_PROGRAMS) or words[0].endswith((".gguf", ".json", ".safetensors")):
        return None
    from tui.guarding import is_engine

    is_line = len(words) > 1 or " " in words[0]
    return ([], words) if is_line and is_engine(words) else None


def _run_apart(command: str, words: list[str]) -> int:
    if command == "serve":
        from tui.serve import run_serve

        return run_serve(words)
    if command == "models":
        from tui.models import run_models

        return run_models(words)
    if command in ("history", "forget"):
        from tui.load_history import run_forget, run_history

        return run_history(words) if command == "history" else run_forget(words)
    from tui.shells import run_alias, run_completions

    return run_alias(words) if command == "alias" else run_completions(words)


def _run_app(rest: list[str], shared: argparse.Namespace) -> int:
    misplaced = next((word for word in rest if word in COMMANDS), None)
    if misplaced is not None and "--model" not in rest:
        raise UsageError(
            f"say plimsoll {misplaced} first, then its options; a model of that name is plimsoll ./{misplaced}"
        )
    if not {"-h", "--help", "--version"}.isdisjoint(rest):
        from tui.flags import app_parser  # loaded already

        app_parser(None).parse_args(rest, shared)  # prints, and ends
    if _has_terminal():
        return _open_app(rest, shared)
    from tui.commands import report_once

    return report_once(rest, shared)


def _has_terminal() -> bool:
    """Or what stands for one; one that calls itself dumb (an editor's window, say) cannot place what is drawn."""
    if _WEB_DRIVER in os.environ.get("TEXTUAL_DRIVER", ""):
        return True
    if os.environ.get("TERM") == "dumb":
        return False
    return sys.stdout.isatty() and sys.stdin is not None and sys.stdin.isatty()


def _open_app(rest: Sequence[str] = (), shared: argparse.Namespace | None = None) -> int:
    """The full screen; where nothing was typed, without what reads it: 6 of 250 ms to the first picture."""
    # Until the first picture (``PlimsollApp``): what is imported stays, and looking through it again and again costs
    # 25 ms, 5 of them before the sampler starts.
    gc.disable()
    from probes.access import Access
    from tui.launch import run_app

    access = Access()
    if shared is None:
        from tui.sources import machine_sources

        return run_app(machine_sources(access), attention=access.attention)
    from tui.commands import wanted
    from tui.sources import sources_of

    request = wanted(rest, shared)
    is_real = shared.simulate is None and shared.replay is None
    return run_app(
        sources_of(shared, access),
        request,
        interval_seconds=shared.interval,
        attention=access.attention if is_real else None,
        is_read_only=shared.is_read_only,
    )


def _complain(message: str) -> None:
    from tui.humanize import plain

    print(f"plimsoll: {plain(message, 1000)}", file=sys.stderr)
