"""llama-run: a small program of llama.cpp's for one conversation, from 2024-11 to 2025-12, with options of its own.

tools/run/run.cpp as it was at last: the model, and what is asked, stand without a flag.
"""

from estimator.llama_options import Options
from launches.command import Command, Program
from launches.errors import NoLaunch
from launches.launch import Launch
from launches.llama_defaults import ALL_LAYERS
from launches.llama_models import from_address, from_repository
from launches.llama_programs import unmarked
from launches.numbers import Values
from launches.words import LLAMA_CPP, table, take_apart

_TABLE = table("""
--context-size -c N
--ngl -n -ngl N
--threads -t N
--temp N
--chat-template-file N
--jinja
--verbose -v --log-verbose
--help -h
""")
CONTEXT_TOKENS = 2048
"""Of one batch too (`context_size_default`; `ctx_params.n_ctx = ctx_params.n_batch`)."""
_REPOSITORIES = ("hf.co/", "huggingface.co/", "hf://", "huggingface://")


def recognises(program: Program) -> bool:
    """By its name."""
    return unmarked(program.name) == "llama-run"


def read(program: Program, command: Command) -> tuple[Launch, ...]:
    """The model that is named first.

    Raises:
        NoLaunch: none is.
    """
    given = take_apart(program.arguments, _TABLE, LLAMA_CPP, offset=program.offset)
    if given.is_on("--help") or not given.positionals:
        raise NoLaunch("llama-run loads no model so")
    values = Values(given)
    n_tokens = values.whole("--context-size", CONTEXT_TOKENS, least=1)
    n_layers = values.whole("--ngl", ALL_LAYERS)
    return (
        Launch(
            program="llama-run",
            engine_name="llamacpp",
            source=_source(given.positionals[0], values, command, program),
            context_tokens=n_tokens,
            options=Options(n_gpu_layers=ALL_LAYERS if n_layers < 0 else n_layers, n_batch_tokens=n_tokens),
            environment=program.environment,
            unknown=tuple(word for word in values.unknown if word not in given.positionals),
            doubts=tuple(values.doubts),
            refusal="; ".join((*given.refusals, *values.refusals)),
            spans=given.spans,
        ),
    )


def _source(text: str, values: Values, command: Command, program: Program) -> str:
    prefix = next((prefix for prefix in _REPOSITORIES if text.startswith(prefix)), None)
    if prefix is not None:
        owner, _, rest = text.removeprefix(prefix).partition("/")
        name, _, file = rest.partition("/")
        meant = from_repository(f"{owner}/{name}", file, command, program.environment)
        return text if meant is None else meant.source
    if text.startswith(("https://", "http://")):
        return from_address(text, command, program.environment).source
    if text.startswith("file://"):
        return command.path(text.removeprefix("file://"))
    if text.startswith("ollama://") or not text.endswith(".gguf"):
        values.doubts.append("a name without a file is one of Ollama's registry")
        return text.removeprefix("ollama://")
    return command.path(text)
