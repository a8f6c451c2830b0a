"""LM Studio: its application and its service by name; ``lms load`` and ``lms chat``, told what a window would ask.

lmstudio.ai/docs/cli/load and /docs/developer/core/headless (2026-11). The application is ``LM Studio.exe``, on macOS
``LM Studio.app/Contents/MacOS/LM Studio``, on Linux ``lm-studio``, and names no model. Since 0.3.15 at the latest the
model lies in a child of it, ``.internal/utils/node`` (issues 588, 2025-04-14, and 940, 2025-08-27, of
github.com/lmstudio-ai/lmstudio-bug-tracker: both list it on the GPU).
"""

from collections.abc import Mapping

from estimator.llama_options import Options
from launches.command import Command, Program
from launches.errors import NoLaunch
from launches.launch import Launch
from launches.llama_defaults import ALL_LAYERS
from launches.numbers import Values
from launches.words import ARGPARSE, table, take_apart

_TABLE = table("""
--gpu N
--context-length -c N
--parallel N
--ttl N
--identifier N
--estimate-only
--exact
--yes -y
--local
--speculative-draft-mtp !--no-speculative-draft-mtp
--speculative-draft-simple
--speculative-draft-model N
--speculative-draft-max-tokens N
--speculative-draft-min-tokens N
--speculative-draft-min-continue-probability N
--host N
--port N
--quiet
--verbose
--log-level N
--help -h
""")
_CHAT = table("""
--prompt -p N
--system-prompt -s N
--stats
--ttl N
--reasoning N
--dont-fetch-catalog
--yes -y
--host N
--port N
--quiet
--verbose
--log-level N
--help -h
""")
"""src/subcommands/chat/index.tsx of github.com/lmstudio-ai/lms, 2026-08: it loads what is not loaded yet."""
APPLICATIONS = frozenset({"lm studio", "lm-studio", "llmster"})
"""``llmster`` is the service without a window (``lms daemon up``)."""
PORT = 1234
"""Of its server, unless it is told otherwise (lmstudio.ai/docs/developer/core/server)."""
OWN_NAMES = {"--ctx-size": "--context-length", "--parallel": "--parallel"}
"""llama.cpp's flags -> those that say the same here."""
USUAL_CONTEXT_TOKENS = 4096
"""Where nobody asks for one; the window's own settings of a model may say otherwise."""


def recognises(program: Program) -> bool:
    """By its name; its own helpers (``--type=renderer``) are parts of the application."""
    name = program.name.casefold()
    if name in APPLICATIONS:
        return not any(word.startswith("--type=") for word in program.arguments)
    return name == "lms"


def read(program: Program, command: Command) -> tuple[Launch, ...]:
    """The model that is loaded; the application loads what a person asks it for.

    Raises:
        NoLaunch: none is.
    """
    del command
    if program.name.casefold() in APPLICATIONS:
        return (_application(program),)
    task = "".join(program.arguments[:1])
    if task not in ("load", "chat"):
        raise NoLaunch("lms loads a model by lms load and lms chat only")
    flags = _TABLE if task == "load" else _CHAT
    given = take_apart(program.arguments[1:], flags, ARGPARSE, offset=program.offset + 1)
    if not given.positionals or given.is_on("--estimate-only") or given.is_on("--help"):
        raise NoLaunch(f"lms {task} loads no model so")
    values = Values(given)
    asked = given.has("--context-length")
    if not asked:
        values.doubts.append(
            f"no context is asked for: {USUAL_CONTEXT_TOKENS} tokens, unless the model's settings say more"
        )
    if (draft := given.last("--speculative-draft-model")) is not None:
        values.doubts.append(f"the draft model {draft[:96]} and its cache are not counted")
    if given.is_on("--speculative-draft-mtp"):
        values.doubts.append("layers that predict further tokens, and their cache, are not counted")
    return (
        Launch(
            program=f"lms {task}",
            engine_name="llamacpp",
            source=given.positionals[0],
            context_tokens=values.whole("--context-length", USUAL_CONTEXT_TOKENS, least=1),
            n_sequences=max(1, values.whole("--parallel", 1)),
            options=Options(n_gpu_layers=_layers(values)),
            environment=program.environment,
            unknown=(*given.unknown, *dict.fromkeys(values.unread), *given.positionals[1:]),
            doubts=tuple(values.doubts),
            refusal="; ".join((*given.refusals, *values.refusals)),
            spans=given.spans,
        ),
    )


def _application(program: Program) -> Launch:
    return Launch(
        program="LM Studio",
        engine_name="llamacpp",
        source=None,
        context_tokens=USUAL_CONTEXT_TOKENS,
        options=Options(),
        environment=program.environment,
        address=("127.0.0.1", PORT),
        doubts=("it loads models as they are asked for, with settings that its window keeps",),
    )


def translated(words: Mapping[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    """llama.cpp's settings, by its flags, in words of ``lms load``; it has none for a number of layers."""
    return {own: (own, *words[flag][1:]) for flag, own in OWN_NAMES.items() if flag in words}


def _layers(values: Values) -> int | None:
    """All or none; a share of them can't be told without the model."""
    text = (values.given.last("--gpu") or "").casefold()
    if not text:
        return None
    if text in ("max", "off"):
        return ALL_LAYERS if text == "max" else 0
    share = values.reals("--gpu", ",")
    if not share:
        return None
    if not 0 <= share[0] <= 1:
        values.refuse(f"--gpu takes off, max or 0 to 1, not {text!r}")
    if share[0] in (0, 1):
        return ALL_LAYERS if share[0] else 0
    values.doubts.append(f"a share of {share[0]:g} of the layers goes to the GPU; as many as fit are counted")
    return None
