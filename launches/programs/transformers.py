"""Transformers: ``transformers serve`` and ``transformers chat``, of 4.52 to 5.24.

Since 5.0 ``chat`` asks a server; before, it started one itself where no address was given. Caches grow with what is
asked.
"""

import os
import re
from collections.abc import Sequence
from functools import lru_cache

from estimator.engines.transformers import Options
from launches.checkpoint import checkpoint_source
from launches.command import Command, Program
from launches.errors import NoLaunch
from launches.installed import installed_version
from launches.launch import Launch
from launches.reading import Reading, address_of
from launches.script import script_of
from launches.words import Flag, Manner, table, take_apart

OPTIONS = """
--force-model N
--model-name-or-path --model N
--continuous-batching !
--attn-implementation N
--compile !
--quantization N
--load-in-8bit [N]
--load-in-4bit [N]
--bnb-4bit-quant-type N
--use-bnb-nested-quant [N]
--device N
--dtype --torch-dtype N
--trust-remote-code ! [N]
--model-timeout N
--model-revision N
--cb-block-size N
--cb-num-blocks N
--cb-max-batch-tokens N
--cb-max-memory-percent N
--cb-use-cuda-graph !
--host N
--port N
--enable-cors ! [N]
--log-level N
--default-seed N
--input-validation ! [N]
--reasoning N
--chat-template-kwargs N
--decision-config N
--non-blocking !
--user N
--system-prompt N
--save-folder N
--examples-path N
--generation-config N
--max-new-tokens N
--do-sample [N]
--num-beams N
--temperature N
--top-k N
--top-p N
--repetition-penalty N
--eos-tokens N
--eos-token-ids N
--verbose [N]
"""
"""cli/serve.py and cli/chat.py of 5.24.0; commands/serving.py and chat.py of 4.56: with underscores or dashes."""
PIPELINE = """
--task N
--input N
--output N
--model N
--config N
--tokenizer N
--column N
--format N
--device N
--overwrite
"""
"""commands/run.py of 4.57.1: `run_command_factory` hands model and device (-1) to `pipeline`, whose dtype is auto."""
BOTH = Manner(has_attached_values=True, has_abbreviations=True, folds_underscores=True)
"""Options are declared with underscores, and taken with dashes too (hf_argparser.py; typer names them with dashes)."""
PROGRAMS = frozenset(
    ("transformers", "transformers-cli", "transformers.cli.transformers", "transformers.commands.transformers_cli")
)
ASKS_SINCE = 5
"""``chat`` loads no model from then on (cli/chat.py; commands/chat.py of 4.56: `spawn_backend`)."""
LOADING = ("--dtype", "--attn-implementation", "--load-in-4bit", "--load-in-8bit", "--device", "--model-name-or-path")
"""Flags of the ``chat`` that loaded it."""
QUANTS = {"bnb-4bit": "bnb-4bit", "bnb-8bit": "bnb-8bit"}
DTYPES = {"auto": "auto", "float32": "float32", "float": "float32", "bfloat16": "bfloat16"}
HALVES = ("float16", "half", "fp16", "bf16")
ATTENTIONS = ("sdpa", "flash_attention_2", "eager")
HELD_TOKENS = 8192
"""Of one conversation, where nothing says how long it will be; what Plimsoll takes elsewhere too (ASSUMED)."""
PORT = 8000


def recognises(program: Program) -> bool:
    """``transformers``, ``transformers-cli`` before it, or a line of Python that loads a model by it."""
    return program.name in PROGRAMS or (program.name == "python -c" and "transformers" in (*program.arguments, "")[0])


def read(program: Program, command: Command) -> tuple[Launch, ...]:
    """The model that it would load; a server without one loads what it is asked for.

    Raises:
        NoLaunch: it asks a server, downloads or shows something.
    """
    if program.name == "python -c":
        return (_scripted(program, command),)
    task = program.arguments[0] if program.arguments else ""
    arguments = program.arguments[1:]
    if task == "run" and not any(word in ("-h", "--help") for word in arguments):
        return (_pipeline(program, command),)
    if task not in ("serve", "chat"):
        raise NoLaunch(f"transformers {task} loads no model".replace("  ", " "))
    if any(word in ("-h", "--help") for word in arguments):
        raise NoLaunch("transformers only shows something so")
    given = take_apart(arguments, _flags(), BOTH, offset=program.offset + 1)
    reading = Reading(given)
    named = [word for word in given.positionals if "=" not in word]
    source = reading.word("--force-model") or reading.word("--model-name-or-path") or (named[0] if named else None)
    if task == "chat" and (source is None or _asks_server(program, command, reading, named)):
        raise NoLaunch("transformers chat asks a server, which has the model")
    launch = Launch(
        program=f"transformers {task}",
        engine_name="transformers",
        source=None if source is None else checkpoint_source(command, source),
        quant=_quant(reading),
        context_tokens=HELD_TOKENS,
        options=_options(reading, given.positionals),
        devices=_devices(reading),
        environment=program.environment,
        address=address_of(reading, "localhost", PORT) if task == "serve" else None,
        doubts=tuple(_doubts(reading)),
        unknown=reading.unknown,
        refusal=reading.refusal,
        spans=given.spans,
    )
    return (launch,)


def _pipeline(program: Program, command: Command) -> Launch:
    """``run`` of the releases before 5: a `pipeline`, on the CPU where no device is named.

    Raises:
        NoLaunch: it names no model, and takes one by its task.
    """
    given = take_apart(program.arguments[1:], table(PIPELINE), BOTH, offset=program.offset + 1)
    reading = Reading(given)
    source = reading.word("--model")
    if source is None:
        raise NoLaunch("transformers run names no model: it takes one that is usual for its task")
    for word in reading.surplus(0)[:1]:
        reading.refusals.append(f"transformers run knows nothing of {word[:60]!r}")
    number = reading.whole("--device", minimum=-1)
    reading.doubt(f"its cache grows with what is asked; a conversation of {HELD_TOKENS} tokens is reckoned with")
    return Launch(
        program="transformers run",
        engine_name="transformers",
        source=checkpoint_source(command, source),
        context_tokens=HELD_TOKENS,
        options=Options(),
        devices=() if number is None or number < 0 else (str(number),),
        environment=program.environment,
        doubts=tuple(reading.doubts),
        unknown=reading.unknown,
        refusal=reading.refusal,
        spans=given.spans,
    )


def _scripted(program: Program, command: Command) -> Launch:
    """A line of Python, such as advice prints it.

    Raises:
        NoLaunch: no model is loaded in it, or not so that it can be read.
    """
    script = script_of(program.arguments[0])
    if script is None:
        raise NoLaunch("no model is loaded in this script, as far as it can be read")
    loading, generating = script.loading, script.generating
    limits = loading.get("max_memory")
    dtype = str(loading.get("dtype") or loading.get("torch_dtype") or "auto").removeprefix("torch.")
    attention = str(loading.get("attn_implementation") or Options().attn_implementation)
    cache, kv_type = str(generating.get("cache_implementation") or "dynamic"), None
    settings = generating.get("cache_config")
    if cache == "quantized":
        bits = settings.get("nbits") if isinstance(settings, dict) else None
        cache, kv_type = "dynamic", "int8" if bits == 8 else "int4"
    n_new, n_chunk = generating.get("max_new_tokens"), generating.get("prefill_chunk_size")
    device_map = str(loading.get("device_map") or "auto")
    known = (
        "device_map",
        "max_memory",
        "dtype",
        "torch_dtype",
        "attn_implementation",
        "quantization_config",
        "gguf_file",
    )
    file = loading.get("gguf_file")
    source = os.path.join(script.source, file) if isinstance(file, str) else script.source
    return Launch(
        program="python -c",
        engine_name="transformers",
        source=checkpoint_source(command, source),
        quant=_quant_of(loading.get("quantization_config")),
        context_tokens=HELD_TOKENS,
        kv_type=kv_type,
        options=Options(
            dtype=DTYPES.get(dtype, "bfloat16"),
            device_map=device_map if device_map in ("auto", "sequential") else "auto",
            max_memory=_limits(limits) if isinstance(limits, dict) else None,
            attn_implementation=attention if attention in ATTENTIONS else "flash_attention_2",
            cache_implementation=cache if cache in ("dynamic", "static", "offloaded") else "dynamic",
            max_new_tokens=n_new if isinstance(n_new, int) and n_new > 0 else Options().max_new_tokens,
            prefill_chunk_size=n_chunk if isinstance(n_chunk, int) and n_chunk > 0 else None,
        ),
        environment=program.environment,
        unknown=tuple(dict.fromkeys((*script.unread, *(name for name in loading if name not in known)))),
        doubts=(f"its cache grows with what is asked; a conversation of {HELD_TOKENS} tokens is reckoned with",),
    )


def _quant_of(settings: object) -> str | None:
    if not isinstance(settings, dict):
        return None
    if settings.get("load_in_8bit"):
        return "bnb-8bit"
    if settings.get("load_in_4bit"):
        return "bnb-4bit" if settings.get("bnb_4bit_use_double_quant") else "bnb-nf4"
    return None


def _limits(limits: dict[object, object]) -> tuple[float, ...] | None:
    """GiB of the devices, in their order; the host's own is not one."""
    found = []
    for number in range(min(len(limits), 64)):
        text = str(limits.get(number, ""))
        size = re.fullmatch(r"(\d{1,6}(?:\.\d{1,6})?)\s*GiB", text)
        if size is None:
            break
        found.append(float(size[1]))
    return tuple(found) or None


@lru_cache(maxsize=1)
def _flags() -> tuple[Flag, ...]:
    return table(OPTIONS)


def _asks_server(program: Program, command: Command, reading: Reading, named: Sequence[str]) -> bool:
    """Whether another process has the model: an address is named, or the release asks one."""
    if any(re.match(r"(https?://|localhost\b|\d{1,3}(?:\.\d{1,3}){3})", word) for word in named[:2]):
        return True
    version = installed_version(command, program, "transformers")
    if version is None:
        return program.name == "transformers" and not any(reading.given.has(flag) for flag in LOADING)
    return int(re.split(r"\D", version)[0] or 0) >= ASKS_SINCE


def _options(reading: Reading, positionals: tuple[str, ...]) -> Options:
    dtype = (reading.word("--dtype") or "auto").removeprefix("torch.")
    attention = reading.word("--attn-implementation") or Options().attn_implementation
    plain = attention.removeprefix("paged|").replace("_paged", "").split("/")[-1]
    # Other kernels hold no scores either.
    known = next((name for name in ATTENTIONS if plain == name), "flash_attention_2")
    generated = next((word.partition("=")[2] for word in positionals if word.startswith("max_new_tokens=")), "")
    n_new = reading.whole("--max-new-tokens") or (int(generated) if generated.isdecimal() and len(generated) < 9 else 0)
    if dtype not in DTYPES and dtype not in HALVES:
        reading.refuse("--dtype", dtype, f"takes one of {', '.join((*DTYPES, *HALVES))}")
    return Options(
        dtype=DTYPES.get(dtype, "bfloat16"),
        attn_implementation=known,
        max_new_tokens=n_new or Options().max_new_tokens,
    )


def _quant(reading: Reading) -> str | None:
    method = reading.word("--quantization")
    if method is not None:
        if method not in QUANTS:
            reading.refuse("--quantization", method, f"takes one of {', '.join(QUANTS)}")
        return QUANTS.get(method)
    if reading.is_on("--load-in-8bit"):
        return "bnb-8bit"
    if reading.is_on("--load-in-4bit"):
        return "bnb-4bit" if reading.is_on("--use-bnb-nested-quant") else "bnb-nf4"
    return None


def _devices(reading: Reading) -> tuple[str, ...] | None:
    device = (reading.word("--device") or "auto").casefold()
    if device == "cpu":
        return ()
    numbered = re.fullmatch(r"(?:cuda|xpu|hip)?:?(\d{1,3})", device)
    if numbered is not None:
        return (numbered[1],)
    return ("0",) if device in ("cuda", "xpu") else None


def _doubts(reading: Reading) -> list[str]:
    if reading.is_on("--continuous-batching"):
        reading.leave_out(
            "continuous batching keeps a share of the free memory for its cache (--cb-max-memory-percent), which is "
            f"not counted; one sequence of {HELD_TOKENS} tokens is"
        )
    else:
        reading.doubt(f"its cache grows with what is asked; a conversation of {HELD_TOKENS} tokens is reckoned with")
    return reading.doubts
