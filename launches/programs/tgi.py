"""Text Generation Inference: ``text-generation-launcher``, by its flags and their variables (3.3)."""

import re
from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType

from estimator.engines.tgi import Options
from launches.checkpoint import checkpoint_source
from launches.command import Command, Program
from launches.errors import NoLaunch
from launches.launch import Launch
from launches.reading import Reading
from launches.words import Flag, Manner, Takes, table, take_apart

VALUED = """model-id revision validation-workers sharded num-shard quantize speculate dtype kv-cache-dtype
max-concurrent-requests max-best-of max-stop-sequences max-top-n-tokens max-input-tokens
max-total-tokens waiting-served-ratio max-batch-prefill-tokens max-batch-total-tokens max-waiting-tokens max-batch-size
cuda-graphs hostname port prometheus-port shard-uds-path master-addr master-port huggingface-hub-cache
weights-cache-override cuda-memory-fraction rope-scaling rope-factor otlp-endpoint otlp-service-name cors-allow-origin
api-key watermark-gamma watermark-delta ngrok-authtoken ngrok-edge tokenizer-config-path max-client-batch-size
lora-adapters usage-stats payload-limit graceful-termination-timeout ngrok-domain ngrok-username ngrok-password
max-batch-weight
"""
SWITCHES = """trust-remote-code disable-custom-kernels json-output ngrok disable-grammar-support
enable-prefill-logprobs enable-cuda-graphs messages-api-enabled"""
"""launcher/src/main.rs, `Args` (clap: ``long, env``): each has a variable of its name in capitals."""
SECOND_NAMES = {"port": ("-p",), "max-input-tokens": ("--max-input-length",)}
CLAP = Manner(has_attached_values=True, has_guarded_values=True, folds_underscores=True)
"""docs.rs/clap: no abbreviations, nor underscores; those are taken here, where the launcher would refuse."""
MODEL = "bigscience/bloom-560m"
MORE_TOKENS, PROMPT_TOKENS, PREFILL_TOKENS = 50, 4095, 4096
BY_PROMPT, BY_CARD = (2, 0), (2, 5)
TOTAL_TOKENS = {(0, 0): 2048, (2, 0): 4096}
"""``--max-total-tokens`` from a version on, where it is not given: at most the model's own in 2, and since 3.0 what has
room (launcher/src/main.rs of v1.1.0, v1.4.5, v2.0.4, v2.4.0 and v3.0.0)."""
GRAPHS_SINCE = (2, 0)
"""CUDA graphs are usual from then on; 1.4.3 to 1.4.5 made them where ``--enable-cuda-graphs`` was given."""
"""``--max-batch-prefill-tokens`` where it is not given: 4096; from 2.0 on what the longest prompts take, of 4095 tokens
unless said otherwise; 4096 again in 2.4; since 3.0 by the card (launcher/src/main.rs of v1.4.0, v2.0.4, v2.3.1, v2.4.1
and v3.3.7)."""
_VERSION = re.compile(r":v?(\d{1,3})\.(\d{1,3})|-inference-cu\d+\.(\d{1,3})-(\d{1,3})\.")
"""In the tag of an image, or in the name of one of Google's (``-cu121.2-1.ubuntu2204``)."""
PORT = 3000
QUANTISED_ON_LOADING = MappingProxyType(
    {
        "bitsandbytes": "bnb-8bit",
        "bitsandbytes-nf4": "bnb-4bit",
        "bitsandbytes-fp4": "bnb-4bit",
        "eetq": "W8A8",
        "fp8": "FP8-dynamic",
    }
)
"""``--quantize`` of checkpoints that are not quantised; the others name what is stored."""
STORED = ("awq", "compressed-tensors", "exl2", "gptq", "marlin")
WITHOUT_GRAPHS = ("bitsandbytes", "exl2")
"""Of ``--quantize``: CUDA graphs are switched off for them (launcher/src/main.rs)."""
KV_TYPES = MappingProxyType({"fp8_e4m3fn": "fp8_e4m3", "fp8_e5m2": "fp8_e5m2"})
VISIBLE = ("CUDA_VISIBLE_DEVICES", "NVIDIA_VISIBLE_DEVICES", "ZE_AFFINITY_MASK")
"""`num_cuda_devices` counts what the first of these lists; ``all`` is one."""


def recognises(program: Program) -> bool:
    """``text-generation-launcher``."""
    return program.name == "text-generation-launcher"


def read(program: Program, command: Command) -> tuple[Launch, ...]:
    """The model that it would load.

    Raises:
        NoLaunch: it shows something.
    """
    if any(word in ("-h", "--help", "-V", "--version", "-e", "--env") for word in program.arguments):
        raise NoLaunch("text-generation-launcher only shows something so")
    given = take_apart(program.arguments, _flags(), CLAP, offset=program.offset, environment=program.environment)
    reading = Reading(given)
    for word in reading.surplus(0)[:1]:
        reading.refusals.append(f"text-generation-launcher knows nothing of {word[:60]!r}")
    source = reading.word("--model-id") or MODEL
    n_devices = _n_shards(reading, program.environment)
    port = reading.whole("--port", minimum=0)
    version = _version(program.image)
    launch = Launch(
        program="text-generation-launcher",
        engine_name="tgi",
        source=checkpoint_source(command, source),
        quant=_quant(reading, source),
        context_tokens=_context(reading, version),
        is_context_free=version >= BY_CARD and not reading.given.has("--max-total-tokens"),
        kv_type=KV_TYPES.get(reading.choice("--kv-cache-dtype", tuple(KV_TYPES)) or ""),
        options=_options(reading, n_devices, version),
        n_devices=n_devices,
        environment=program.environment,
        address=(reading.word("--hostname") or "0.0.0.0", PORT if port is None else port),  # noqa: S104  # told
        doubts=tuple(_doubts(reading)),
        unknown=reading.unknown,
        refusal=reading.refusal,
        spans=given.spans,
    )
    return (launch,)


@lru_cache(maxsize=1)
def _flags() -> tuple[Flag, ...]:
    def flag(name: str, takes: Takes) -> Flag:
        names = (f"--{name}", *SECOND_NAMES.get(name, ()))
        return Flag(names=names, takes=takes, variable=name.upper().replace("-", "_"))

    return (
        *(flag(name, Takes.ONE) for name in VALUED.split()),
        *(flag(name, Takes.NOTHING) for name in SWITCHES.split()),
        Flag(names=("--max-input-tokens",), takes=Takes.ONE, variable="MAX_INPUT_LENGTH"),
        *table("-e --env"),
    )


def _n_shards(reading: Reading, environment: Mapping[str, str]) -> int:
    """`find_num_shards`."""
    sharded = reading.word("--sharded")
    if sharded is not None and sharded not in ("true", "false"):
        reading.refuse("--sharded", sharded, "takes true or false")
    n_shards = reading.whole("--num-shard")
    listed = next((environment[name] for name in VISIBLE if name in environment), None)
    n_listed = 1 if listed is None else len(listed.split(","))
    if sharded == "true" and (n_shards or n_listed) <= 1:
        reading.refusals.append("--sharded true needs several devices, by --num-shard or CUDA_VISIBLE_DEVICES")
    if n_shards is not None:
        return n_shards
    return 1 if sharded == "false" else n_listed


def _version(image: str) -> tuple[int, int]:
    """That the image's name tells; the newest where it tells none."""
    found = _VERSION.search(image)
    return BY_CARD if found is None else (int(found[1] or found[3]), int(found[2] or found[4]))


def _context(reading: Reading, version: tuple[int, int]) -> int:
    total = reading.whole("--max-total-tokens")
    prompt = reading.whole("--max-input-tokens")
    if total is not None and prompt is not None and prompt >= total:
        reading.refusals.append(f"--max-input-tokens {prompt} must be less than --max-total-tokens {total}")
    usual = 0 if version >= BY_CARD else TOTAL_TOKENS[max(first for first in TOTAL_TOKENS if first <= version)]
    return total or usual


def _quant(reading: Reading, source: str) -> str | None:
    method = reading.choice("--quantize", (*QUANTISED_ON_LOADING, *STORED))
    reading.doubt_stored(method or "", source, "TGI", when=method in STORED)
    is_stored_so = method == "fp8" and "fp8" in source.casefold()
    return None if is_stored_so else QUANTISED_ON_LOADING.get(method or "")


def _options(reading: Reading, n_devices: int, version: tuple[int, int]) -> Options:
    share = reading.fraction("--cuda-memory-fraction", most=1, takes_least=False)
    method = reading.word("--quantize")
    return Options(
        cuda_memory_fraction=share or 1.0,
        num_shard=n_devices,
        max_batch_prefill_tokens=reading.whole("--max-batch-prefill-tokens") or _usual_prefill(reading, version),
        is_graph_disabled=reading.word("--cuda-graphs") == "0"
        or method in WITHOUT_GRAPHS
        or (version < GRAPHS_SINCE and not reading.is_on("--enable-cuda-graphs")),
        dtype=reading.choice("--dtype", ("float16", "bfloat16")) or "auto",
    )


def _usual_prefill(reading: Reading, version: tuple[int, int]) -> int | None:
    """Of the version that the image's name tells; None where it goes by the card."""
    if version >= BY_CARD:
        return None
    if not BY_PROMPT <= version < (2, 4):
        return PREFILL_TOKENS
    prompt = reading.whole("--max-input-tokens") or PROMPT_TOKENS
    n_prompts = reading.whole("--max-batch-size")
    return prompt * n_prompts if n_prompts else prompt + MORE_TOKENS


def _doubts(reading: Reading) -> list[str]:
    reading.doubt("no log was held against what is reckoned for TGI: its bands are assumed")
    reading.doubt(
        "--max-batch-total-tokens is reckoned without: since 1.0 the cache takes what is left, whatever it says",
        when=reading.given.has("--max-batch-total-tokens"),
    )
    reading.leave_out("adapters (LoRA) are not counted", when=reading.given.has("--lora-adapters"))
    return reading.doubts
