"""Hugging Face Transformers on PyTorch, with accelerate's ``device_map="auto"``, as of its release 5.24.0.

Weights lie as their format stores them (GGUF's packed types are dequantised while loading), the cache grows with every
token (estimator/dynamic_cache.py), and a prompt is read in one pass, whose activations (estimator/prompt_pass.py) are
often the largest part after the weights. The terms without ``Kind.RUNTIME`` add up to what
``torch.cuda.max_memory_allocated`` reports; with them, to what the driver does.
"""

import os
from collections.abc import Sequence
from dataclasses import field, replace

from estimator.device_map import auto_device_map
from estimator.ledger import Estimate, Kind, Place, Workload
from estimator.model import Model
from estimator.modules import modules_of
from estimator.needs import Needs, torch_needs
from estimator.repository import repository_of
from estimator.shell import quoted
from estimator.torch_load import KV_TYPES, NAME, TorchLoad
from records.record import record

__all__ = ["KV_STEPS", "KV_TYPES", "NAME", "QUANTS", "Options"]

KV_STEPS = ("f16", "int8", "int4")
QUANTS = ("BF16", "FP8", "bnb-8bit", "GPTQ-Int8", "bnb-4bit", "AWQ", "GPTQ-Int4")
DEVICE_FLAG = ""
VENDORS = frozenset({"nvidia", "amd"})
CONVERTED_QUANT = ""

GIB = 1 << 30


def _option(flag: str, text: str, choices: Sequence[str] = (), *, minimum: int = 0) -> dict[str, object]:
    return {"flag": flag, "help": text, "choices": tuple(choices), "minimum": minimum}


@record(frozen=True, slots=True, kw_only=True)
class Options:
    """What moves memory, by the names of ``from_pretrained`` and ``generate``."""

    dtype: str = field(
        default="auto",
        metadata=_option("--dtype", "of unquantised weights; auto: as stored", ("auto", "bfloat16", "float32")),
    )
    device_map: str = field(
        default="auto", metadata=_option("--device-map", "how layers are placed", ("auto", "sequential"))
    )
    max_memory: tuple[float, ...] | None = field(
        default=None, metadata=_option("--max-memory", "GiB of weights on each device; the rest goes to RAM and disk")
    )
    attn_implementation: str = field(
        default="sdpa",
        metadata=_option(
            "--attn-implementation", "eager holds all scores at once", ("sdpa", "flash_attention_2", "eager")
        ),
    )
    cache_implementation: str = field(
        default="dynamic",
        metadata=_option(
            "--cache-implementation",
            "static is allocated whole, offloaded lies in RAM",
            ("dynamic", "static", "offloaded"),
        ),
    )
    max_new_tokens: int = field(
        # The pipeline's own default (transformers/pipelines/text_generation.py, 5.24.0).
        default=256,
        metadata=_option(
            "--max-new-tokens", "of the context, tokens that are generated; the rest is prompt", minimum=1
        ),
    )
    prefill_chunk_size: int | None = field(
        default=None,
        metadata=_option("--prefill-chunk-size", "tokens of the prompt per pass; all at once if not given", minimum=1),
    )


DEFAULTS = Options()
_QUANTISERS = {
    "bnb-8bit": 'dict(quant_method="bitsandbytes", load_in_8bit=True)',
    "bnb-nf4": 'dict(quant_method="bitsandbytes", load_in_4bit=True, bnb_4bit_quant_type="nf4")',
    "bnb-4bit": 'dict(quant_method="bitsandbytes", load_in_4bit=True, bnb_4bit_quant_type="nf4", '
    "bnb_4bit_use_double_quant=True)",
}


def estimate(model: Model, workload: Workload, options: Options, places: Sequence[Place]) -> Estimate:
    """What it would allocate at its peak, everything on the devices unless ``max_memory`` says otherwise.

    Raises:
        Unjudgeable: no host, no tensors, or a KV type that it does not know.
    """
    load = TorchLoad(model, workload, options, places)
    if options.max_memory is not None:
        return load.estimate(load.limited_map(load.given_limits()))
    limits: list[int | None] = list(load.shares())
    if limits:
        limits[-1] = None
    return load.estimate(auto_device_map(load.modules, limits, load.host_limit()))


def fallback(model: Model, workload: Workload, options: Options, places: Sequence[Place]) -> Estimate | None:
    """What ``device_map="auto"`` would do by free memory alone: weights that have no room go to RAM, then to disk."""
    if options.max_memory is not None:
        return None
    load = TorchLoad(model, workload, options, places)
    if not load.devices:
        return None
    mapped = load.limited_map(load.shares())
    if all(at >= 0 for at in mapped.devices):
        return None
    made = load.estimate(mapped)
    return None if made.refusal else made


quick_estimate = estimate
quick_fallback = fallback


def relieved(model: Model, workload: Workload, options: Options, places: Sequence[Place]) -> Options | None:
    """The same with so little of the weights on each device that cache and activations have room beside them."""
    unlimited = replace(options, max_memory=None)
    load = TorchLoad(model, workload, unlimited, places)
    if not load.devices or load.has_room(estimate(model, workload, unlimited, places)):
        return None
    free = [place.free_bytes for place in load.devices]
    for percent in range(90, 4, -5):
        limits = tuple(max(0, n * percent // 100) for n in free)
        trial = load.estimate(load.limited_map(limits))
        if load.has_room(trial) and not trial.refusal:
            shown = tuple(int(n / GIB * 10) / 10 for n in limits)
            return replace(options, max_memory=shown)
    return None


def needs(model: Model, options: Options, made: Estimate, host: str) -> Needs:
    """The checkpoint; a GGUF file is dequantised first."""
    del options, made, host
    return torch_needs(model, modules_of(model, 2, dequantises_gguf=True))


def flags(model: Model, workload: Workload, options: Options, made: Estimate) -> str:
    """The arguments of ``from_pretrained``, and those of ``generate`` after a semicolon."""
    loading = [f'device_map="{options.device_map}"', f'dtype="{options.dtype}"']
    if options.max_memory is not None:
        limits = ", ".join(f'{number}: "{share:g}GiB"' for number, share in enumerate(options.max_memory))
        loading.append(f'max_memory={{{limits}, "cpu": "{_host_gib(made)}GiB"}}')
    if model.quant in ("bnb-4bit", "bnb-nf4", "bnb-8bit") and model.file_bytes is None:
        loading.append(f"quantization_config={_QUANTISERS[model.quant]}")
    if options.attn_implementation != DEFAULTS.attn_implementation:
        loading.append(f'attn_implementation="{options.attn_implementation}"')
    generating = [f"max_new_tokens={options.max_new_tokens}"]
    if workload.kv_type in ("int8", "int4"):
        bits = workload.kv_type.removeprefix("int")
        generating.append(f'cache_implementation="quantized", cache_config={{"backend": "hqq", "nbits": {bits}}}')
    elif options.cache_implementation != DEFAULTS.cache_implementation:
        generating.append(f'cache_implementation="{options.cache_implementation}"')
    if options.prefill_chunk_size is not None:
        generating.append(f"prefill_chunk_size={options.prefill_chunk_size}")
    return f"{', '.join(loading)}; {', '.join(generating)}"


def command(model: Model, arguments: str) -> str:
    """A line of Python that loads the model and answers a prompt."""
    loading, _, generating = arguments.partition("; ")
    name = repository_of(_unquantised(model))
    among = ""
    if name.endswith(".gguf"):  # it is named apart from the folder it is in
        folder, file = os.path.split(name)
        name, among = folder or ".", f", gguf_file={_literal(file)}"
    script = (
        "from transformers import AutoModelForCausalLM as M, AutoTokenizer as T; "
        f"n = {_literal(name)}; t = T.from_pretrained(n{among}); m = M.from_pretrained(n{among}, {loading}); "
        f'x = t("PROMPT", return_tensors="pt").to(m.device); print(t.decode(m.generate(**x, {generating})[0]))'
    )
    if os.name == "nt":  # its shells take double quotes around an argument only
        script = script.replace('"', "'")
    return f"python -c {quoted(script)}"


def _unquantised(model: Model) -> Model:
    """Whose repository is loaded: what is quantised while loading is published as it was before."""
    return replace(model, quant="BF16") if model.quant in _QUANTISERS else model


def _literal(text: str) -> str:
    """A string of Python, without a quote in it that the shell would need a way around."""
    escaped = text.replace("\\", "\\\\").replace('"', "\\x22").replace("'", "\\x27").replace("\n", "\\n")
    return f'"{escaped}"'


def _host_gib(made: Estimate) -> int:
    return -(-made.n_bytes(kind=Kind.WEIGHTS) // GIB)
