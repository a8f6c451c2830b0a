"""LM Studio's ``lms load``: its llama.cpp, told by the command what a window would ask.

lmstudio.ai/docs/cli/load (2026-11).
"""

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
--host N
--port N
--quiet
--verbose
--log-level N
--help -h
""")
USUAL_CONTEXT_TOKENS = 4096
"""Where nobody asks for one; the window's own settings of a model may say otherwise."""


def recognises(program: Program) -> bool:
    """By its name."""
    return program.name.casefold() == "lms"


def read(program: Program, command: Command) -> tuple[Launch, ...]:
    """The model that is loaded.

    Raises:
        NoLaunch: none is.
    """
    del command
    if program.arguments[:1] != ("load",):
        raise NoLaunch("lms loads a model by lms load only")
    given = take_apart(program.arguments[1:], _TABLE, ARGPARSE, offset=program.offset + 1)
    if not given.positionals or given.is_on("--estimate-only") or given.is_on("--help"):
        raise NoLaunch("lms load loads no model so")
    values = Values(given)
    asked = given.has("--context-length")
    if not asked:
        values.doubts.append(
            f"no context is asked for: {USUAL_CONTEXT_TOKENS} tokens, unless the model's settings say more"
        )
    return (
        Launch(
            program="lms load",
            engine_name="llamacpp",
            source=given.positionals[0],
            context_tokens=values.whole("--context-length", USUAL_CONTEXT_TOKENS, least=1),
            n_sequences=max(1, values.whole("--parallel", 1)),
            options=Options(n_gpu_layers=_layers(values)),
            environment=program.environment,
            unknown=(*given.unknown, *given.positionals[1:]),
            doubts=tuple(values.doubts),
            refusal="; ".join((*given.refusals, *values.refusals)),
            spans=given.spans,
        ),
    )


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
