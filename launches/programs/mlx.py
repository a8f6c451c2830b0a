"""MLX: ``mlx_lm.server``, ``mlx_lm.generate``, ``mlx_lm.chat`` and the like (0.32.2), and mlx-vlm's (0.7.10).

Their caches grow with what is asked, so that no flag says how long a context they will hold.
"""

from functools import lru_cache
from types import MappingProxyType

from estimator.engines.mlx import Options
from launches.checkpoint import checkpoint_source
from launches.command import Command, Program
from launches.errors import NoLaunch
from launches.launch import Launch
from launches.reading import Reading, address_of
from launches.tables import mlx as tables
from launches.words import ARGPARSE, Flag, table, take_apart

TABLES = MappingProxyType(
    {
        "mlx_lm.server": tables.COMMON + tables.SERVER,
        "mlx_lm.generate": tables.COMMON + tables.GENERATE,
        "mlx_lm.chat": tables.COMMON + tables.GENERATE,
        "mlx_lm.cache_prompt": tables.COMMON + tables.GENERATE,
        "mlx_lm.benchmark": tables.BENCHMARK + tables.COMMON,
        "mlx_vlm.server": tables.COMMON + tables.VISION,
        "mlx_vlm.generate": tables.COMMON + tables.VISION + tables.GENERATE,
        "mlx_vlm.chat": tables.COMMON + tables.VISION + tables.GENERATE,
        "mlx_vlm.chat_ui": "--model N",
    }
)
MODEL = "mlx-community/Llama-3.2-3B-Instruct-4bit"
"""Of ``generate`` and ``chat`` without one (mlx_lm/generate.py, `DEFAULT_MODEL`)."""
SHOWN_MODEL = "qnguyen3/nanoLLaVA"
"""Of ``mlx_vlm.chat_ui`` without one (mlx_vlm/chat_ui.py)."""
GENERATED_TOKENS = MappingProxyType({"mlx_lm.generate": 100, "mlx_lm.chat": 256, "mlx_vlm.generate": 256})
"""Without ``--max-tokens`` (`DEFAULT_MAX_TOKENS` of each); a server's are 512."""
HELD_TOKENS = 8192
"""Of one conversation, where nothing says how long it will be; what Plimsoll takes elsewhere too (ASSUMED)."""
KV_TYPES = MappingProxyType({4: "int4", 8: "int8"})
PORT = 8080
CACHED_PROMPTS = 10
"""``--prompt-cache-size`` (mlx_lm/server.py)."""


def recognises(program: Program) -> bool:
    """A program of mlx-lm or mlx-vlm, as a script, a module or a subcommand."""
    return _name(program)[0].partition(".")[0] in ("mlx_lm", "mlx_vlm")


def read(program: Program, command: Command) -> tuple[Launch, ...]:
    """The model that it would load; a server without one loads what it is asked for.

    Raises:
        NoLaunch: it converts, trains or shows something.
    """
    name, n_before = _name(program)
    arguments = program.arguments[n_before:]
    if name not in TABLES:
        raise NoLaunch(f"{name} neither serves nor answers, and is not judged")
    if any(word in ("-h", "--help", "--version") for word in arguments):
        raise NoLaunch(f"{name} only shows something so")
    given = take_apart(arguments, _flags(name), ARGPARSE, offset=program.offset + n_before)
    reading = Reading(given)
    for word in reading.surplus(0)[:1]:
        reading.refusals.append(f"{name} knows nothing of {word[:60]!r}")
    is_server = name.endswith(".server")
    source = reading.word("--model") or (None if is_server else SHOWN_MODEL if name.endswith("_ui") else MODEL)
    options, context = _lengths(reading, name)
    told = (reading.whole(name) for name in ("--decode-concurrency", "--batch-size", "--max-num-seqs"))
    n_sequences = next((number for number in told if number), 1)
    launch = Launch(
        program=name,
        engine_name="mlx",
        source=None if source is None else checkpoint_source(command, source),
        context_tokens=context * n_sequences,
        n_sequences=n_sequences,
        kv_type=_kv_type(reading),
        options=options,
        n_devices=1,
        environment=program.environment,
        address=address_of(reading, "127.0.0.1" if name == "mlx_lm.server" else "0.0.0.0", PORT)  # noqa: S104  # told
        if is_server
        else None,
        doubts=tuple(_doubts(reading, name, context)),
        unknown=reading.unknown,
        refusal=reading.refusal,
        spans=given.spans,
    )
    return (launch,)


def _name(program: Program) -> tuple[str, int]:
    """``mlx_lm.server``, however it is started, and how many words stand before its own."""
    if program.name in ("mlx_lm", "mlx_vlm") and program.arguments:
        return f"{program.name}.{program.arguments[0]}", 1
    return program.name.replace("mlx-lm.", "mlx_lm.").replace("mlx-vlm.", "mlx_vlm."), 0


@lru_cache(maxsize=8)
def _flags(name: str) -> tuple[Flag, ...]:
    return table(TABLES[name])


def _lengths(reading: Reading, name: str) -> tuple[Options, int]:
    """The options, and how many tokens one sequence is reckoned to hold."""
    prefill = reading.whole("--prefill-step-size") or Options().prefill_step_size
    start = reading.whole("--quantized-kv-start", minimum=0)
    options = Options(
        max_tokens=reading.whole("--max-tokens")
        or reading.whole("--generation-tokens")
        or GENERATED_TOKENS.get(name, Options().max_tokens),
        prefill_step_size=prefill,
        max_kv_size=reading.whole("--max-kv-size"),
        quantized_kv_start=Options().quantized_kv_start if start is None else start,
    )
    n_prompt = reading.whole("--prompt-tokens")
    if n_prompt is not None:
        return options, n_prompt + options.max_tokens
    return options, max(HELD_TOKENS, options.max_tokens + options.prefill_step_size)


def _kv_type(reading: Reading) -> str | None:
    text = reading.word("--kv-bits")
    if text is None:
        return None
    try:
        bits = float(text)
    except ValueError:
        reading.refuse("--kv-bits", text, "takes a number of bits")
        return None
    found = KV_TYPES.get(int(bits)) if bits == int(bits) else None
    reading.doubt(f"a cache of {text[:8]} bits is judged as one of 8", when=found is None)
    return found or "int8"


def _doubts(reading: Reading, name: str, context: int) -> list[str]:
    if not reading.given.has("--prompt-tokens"):
        reading.doubt(f"its cache grows with what is asked; a conversation of {context} tokens is reckoned with")
    draft = reading.word("--draft-model")
    reading.leave_out(f"the draft model {(draft or '')[:96]} and its cache are not counted", when=bool(draft))
    n_prompts = reading.whole("--prompt-cache-size", minimum=0)
    n_prompts = CACHED_PROMPTS if n_prompts is None else n_prompts
    reading.doubt(
        f"caches of up to {n_prompts} conversations are kept (--prompt-cache-size); one is counted",
        when=name == "mlx_lm.server" and n_prompts > 1,
    )
    reading.doubt("several machines share the model; it is judged as if one held it", when=reading.is_on("--pipeline"))
    for flag in ("--kv-quant-scheme", "--kv-key-bits", "--kv-value-bits", "--expert-cache-gb"):
        reading.doubt(f"what {flag} changes of the memory is not reckoned with", when=reading.given.has(flag))
    return reading.doubts
