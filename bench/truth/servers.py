"""Rows of servers and libraries (vLLM, SGLang, Transformers, MLX ...): weights, cache, tokens, peak as they print them.

A row's options are given to the engine by their flags; those that it does not state are left to the engine, as they
were in the run. A card is as large as the row says, or as its driver reports it, and empty.
"""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields, replace
from functools import cache
from pathlib import Path
from typing import Any

from estimator.engine import ENGINES, load_engine
from estimator.errors import EstimatorError
from estimator.ledger import Answer, Estimate, Kind, Place, Workload
from estimator.ranks import offered_bytes
from estimator.reader import read_model
from estimator.verdict import judge
from probes.working_set import estimated_metal_bytes
from truth.figure import LACKING_ROOM, UNSTATED_ROOM, Figure, Happening, NotReplayable, Replay, Row

GIB = 1 << 30
MIB = 1 << 20
MACOS_26_DATE = "2025-09-15"
"""Its release (developer.apple.com/news/releases): older runs, and those that do not say when, had an older macOS."""
PRINTED_GIB = 0.005
NAMES = {"vllm": "vllm", "sglang": "sglang", "mlx-lm": "mlx", "transformers": "transformers", "tensorrt-llm": "trtllm"}
NAMES |= {"exllamav2": "exllama", "exllamav3": "exllama"}
"""The rows' engines that an engine here stands for; forks and ports to other hardware have rules of their own."""
SHARING = ("vllm", "sglang", "tensorrt-llm")
"""Engines whose rows may be one of several devices' figures."""
FLAGS = {
    "tensor_parallel": ("--tensor-parallel-size", "--tp-size", "--tp_size", "--tensor-parallel"),
    "pipeline_parallel": ("--pipeline-parallel-size", "--pp-size", "--pp_size"),
    "gpu_memory_utilization": ("--gpu-memory-utilization",),
    "max_num_seqs": ("--max-num-seqs", "--max-running-requests"),
    "max_num_batched_tokens": ("--max-num-batched-tokens",),
    "block_size": ("--block-size",),
    "enforce_eager": ("--enforce-eager",),
    "mem_fraction_static": ("--mem-fraction-static",),
    "chunked_prefill": ("--chunked-prefill-size",),
    "max_running_requests": ("--max-running-requests",),
    "prefill_step_size": ("--prefill-step-size",),
    "batch": ("--batch-size", "--batch"),
    "generation_tokens": ("--max-new-tokens", "--max-tokens"),
    "attn": ("--attn-implementation",),
    "prompt_chunk": ("--prefill-chunk-size",),
    "build": ("--build", "--version", "--engine-version"),
}
"""A row's fields, to the flags that they may have."""
CHECKPOINT = re.compile(r"([\d.]+) GiB checkpoint|checkpoint ([\d.]+) GiB")
MEASURED_WHILE_GENERATING = re.compile(r"QwenLM/Qwen3\b.*speed_benchmark")
"""Tables without the prompt's activations: at 30,720 tokens as at 1, Qwen3's peaks leave 33 to 48 MiB beside weights
and cache, where a pass over the prompt holds from 780 MiB (0.6B) to 5.7 GiB (32B)."""
ATTENTIONS = ("flash_attention_2", "eager", "sdpa")
TYPES = {
    r"^(bf16|bfloat16)": "BF16",
    r"^(fp16|float16)": "F16",
    r"^(fp32|float32)": "F32",
    r"^fp8": "FP8",
    r"awq": "AWQ",
    r"gptq.*int4": "GPTQ-Int4",
    r"gptq.*int8": "GPTQ-Int8",
    r"w8a8": "W8A8",
    r"w4a16": "W4A16",
    r"^nvfp4": "NVFP4",
    r"^mxfp4": "MXFP4",
    r"bnb.*(int8|8)": "BNB-INT8",
    r"bnb.*(nf4|fp4|int4|4)": "BNB-NF4",
    r"(affine )?3bit g64": "MLX-3bit",
    r"(affine )?4bit g64": "MLX-4bit",
    r"(affine )?5bit g64": "MLX-5bit",
    r"(affine )?6bit g64": "MLX-6bit",
    r"(affine )?8bit g64": "MLX-8bit",
}
"""How a row writes a format, to how a person would ask for it."""
CACHES = {"fp16": "f16", "8-bit": "q8", "q8": "q8", "q6": "q6", "q4": "q4"}
"""ExLlama's caches."""


@dataclass(frozen=True, kw_only=True)
class Setting:
    """A row as an engine is asked."""

    estimate: Estimate
    places: tuple[Place, ...]
    n_devices: int
    cause: str
    is_format_stated: bool = True
    """What weights are stored as; where it is not stated only what a token's cache takes can be compared."""
    holding: Callable[[int], Estimate] | None = None
    """vLLM only: the same with so many bytes of cache on each device."""


def replay(rows: Iterable[Row]) -> Replay:
    made = Replay()
    for row in rows:
        made.n_rows += 1
        made.sources[row["id"]] = row["source"]
        try:
            setting = setting_of(row)
        except NotReplayable as reason:
            made.skip(str(reason))
        except EstimatorError as error:
            made.skip(f"{row['engine']}: {error}"[:150])
        else:
            if setting.is_format_stated:
                _compare(row, setting, made)
                _judge(row, setting, made)
            else:
                made.skip(NO_FORMAT)
                _compare_rows(row, setting, made)
    return made


def setting_of(row: Row) -> Setting:
    """What is asked, and what the engine would do.

    Raises:
        NotReplayable: the row leaves out what no estimate can do without.
    """
    name = _engine_of(row)
    quant = _quant(row)
    if quant is None and not (row["engine"] in SHARING and row["observed"].get("kv_tokens")):
        raise NotReplayable(NO_FORMAT)
    model = _model(row, quant or SMALL)
    engine = load_engine(name)
    run, other = row["run"], row["run"].get("other") or {}
    stated = _stated(row)
    asked: dict[str, Any] = {}
    for option in fields(engine.Options):
        for key, flags in FLAGS.items():
            if option.metadata.get("flag") in flags and stated.get(key) is not None:
                asked[option.name] = stated[key]
    n_tokens = int(other.get("ctx") or 0) if name == "exllama" else _total(other)  # its cache is for all it can take
    context = run.get("max_model_len") or n_tokens * (other.get("batch") or 1) or model.native_context_tokens or 4096
    workload = Workload(
        context_tokens=context,
        n_sequences=other.get("batch") or 1,
        kv_type=_kv_type(engine.KV_TYPES, run.get("kv_cache_dtype") or _cache(other.get("cache"))),
    )
    n_devices = (run.get("tensor_parallel") or 1) * (run.get("pipeline_parallel") or 1)
    n_cards = _n_cards(run.get("gpu") or "")
    if name == "transformers":  # layers on as many cards as there were, without a word
        n_devices = n_cards
    elif n_cards > 1 and n_cards != n_devices:
        raise NotReplayable("it names so many cards, and spreads the model over another number")
    places = _places(row, n_devices)
    options = _options(engine.Options, asked)

    def holding(n_bytes: int) -> Estimate:
        return engine.estimate(model, workload, replace(options, kv_cache_memory_bytes=n_bytes), places)

    estimate = engine.estimate(model, workload, options, places)
    _compare_checkpoint(row, estimate)
    return Setting(
        estimate=estimate,
        places=places,
        n_devices=n_devices,
        cause=f"{row['engine_version']}, {row['model']['name']}, {row['model']['dtype_or_quant']}",
        is_format_stated=quant is not None,
        holding=holding if name == "vllm" else None,
    )


def _compare_checkpoint(row: Row, estimate: Estimate) -> None:
    """Raises NotReplayable where the size that a row states of its files is not that of the format's usual ones."""
    checkpoint = CHECKPOINT.search(row["model"].get("dtype_or_quant") or "")
    if checkpoint is None:
        return
    stated, made = float(checkpoint[1] or checkpoint[2]), estimate.n_bytes(kind=Kind.WEIGHTS) / GIB
    if abs(stated - made) > 0.1 * stated:
        raise NotReplayable("its checkpoint's size shows that other layers are packed than its format's name says")


def _engine_of(row: Row) -> str:
    """The engine here that a row's stands for.

    Raises:
        NotReplayable: there is none, or the row leaves out what any of them needs.
    """
    name = NAMES.get(row["engine"])
    if name is None:
        raise NotReplayable(f"{row['engine']}: a fork or a port with rules of its own")
    if name not in ENGINES:
        raise NotReplayable(f"{row['engine']}: no engine here")
    if str(row.get("kv_check_note") or "").startswith("circular") or row["model"]["name"].startswith("("):
        raise NotReplayable("which model it is was not stated")
    is_one_card = row["scope"] == "card" and _n_cards(row["run"].get("gpu") or "") == 1
    if row["engine"] in SHARING and row["run"].get("tensor_parallel") is None and not is_one_card:
        raise NotReplayable("over how many devices it was spread is not stated")
    if name == "exllama" and row["scope"] == "card" and not (row["run"].get("other") or {}).get("ctx"):
        raise NotReplayable("the size of the cache is not stated")
    return name


def _stated(row: Row) -> dict[str, Any]:
    """What the row says of its settings, by the keys of ``FLAGS``."""
    run, other = row["run"], row["run"].get("other") or {}
    stated = {**other, **{key: value for key, value in run.items() if value is not None}}
    if version := version_of(row):
        stated["build"] = version
    if MEASURED_WHILE_GENERATING.search(row["source"]):
        stated["prompt_chunk"] = 1
    if other.get("attn"):
        stated["attn"] = next((name for name in ATTENTIONS if name in other["attn"]), None)
    return stated


def _n_cards(text: str) -> int:
    """Of "H20 96GB x2"."""
    found = re.search(r"\bx(\d)\b", text)
    return int(found[1]) if found else 1


RELEASES = {
    "vllm": (("2023-01", "0.2.6"), ("2024-09", "0.6.1"), ("2025-02", "0.7.3"), ("2025-04", "0.8.4"),
             ("2025-06", "0.9.1"), ("2025-08", "0.10.0"), ("2025-10", "0.11.0"), ("2025-12", "0.12.0"),
             ("2026-02", "0.16.0"), ("2026-04", "0.19.1"), ("2026-05", "0.21.0"), ("2026-07", "0.24.0"),
             ("2026-08", "0.26.1"), ("2026-09", "0.30.0"), ("2026-10", "0.33.0")),
    "sglang": (("2024-01", "0.4.0"), ("2025-03", "0.4.4"), ("2025-07", "0.4.9"), ("2025-08", "0.5.0"),
               ("2026-03", "0.5.9"), ("2026-09", "0.5.23")),
}  # fmt: skip
"""About when which version was out, for rows that give a month alone, by the rows that give both: 0.7.1 (2025-03),
0.10.2 (2025-09), 0.11 (2025-10), 0.12 (2025-12), 0.15.1 (2026-02), 0.19.0 (2026-04), 0.26.1 (2026-08)."""


def version_of(row: Row) -> str | None:
    """The version's number, as the row gives it or as its month has it; vLLM's old engine is said beside it."""
    text = row.get("engine_version") or ""
    engine = " V0" if row["engine"] == "vllm" and "V0" in text else ""
    number = re.search(
        r"(?<![\d-])(\d+\.\d+)(?:\.(\d+))?(?![\d-])", text.replace("0.2x", "0.22").replace("0.3x", "0.31")
    )
    if number:
        return (f"{number[1]}.{number[2]}" if number[2] else number[1]) + engine
    month = re.search(r"\d{4}(-\d\d)?", text) or re.search(r"\d{4}(-\d\d)?", row.get("date") or "")
    if month is not None and row["engine"] in RELEASES:
        date = month[0] if month[1] else f"{month[0]}-05"  # a year alone: about the middle of what came out in it
        return [version for since, version in RELEASES[row["engine"]] if since <= date][-1] + engine
    return "0.7.3" if engine else None


def _options(kind: Any, asked: dict[str, Any]) -> Any:
    """The options as far as the engine takes them: an older name for an attention, say, is left out."""
    closed = {option.name: option.metadata.get("choices") for option in fields(kind)}
    return kind(**{key: value for key, value in asked.items() if not closed.get(key) or value in closed[key]})


def _total(other: Mapping[str, Any]) -> int:
    return int(other.get("ctx") or 0) or int(other.get("prompt_tokens") or 0) + int(other.get("generation_tokens") or 0)


def _kv_type(known: Iterable[str], stated: str | None) -> str:
    names = list(known)
    if stated is None or stated == "auto":
        return names[0]
    return next((name for name in names if name == stated or name.startswith(stated)), names[0])


def _cache(stated: str | None) -> str | None:
    if stated is None:
        return None
    if stated.lower() not in CACHES:
        raise NotReplayable("a cache whose keys have other bits than its values")
    return CACHES[stated.lower()]


@cache
def _read(name: str, quant: str | None) -> Any:
    return read_model(name, quant)


NO_FORMAT = "in which format the weights are is not stated, or not known here"
SMALL = "AWQ"
"""A format for models whose own is not stated: it leaves most room for the cache, whose bytes per token it does not
change."""


def _quant(row: Row) -> str | None:
    """A row's format as a person would ask for it; None where it is not stated, or not known here."""
    dtype = (row["model"].get("dtype_or_quant") or "").lower()
    # mlx-lm's own predicates give routers more bits, which the format knows; elsewhere such a list would be needed.
    if ("overridden" in dtype and row["engine"] != "mlx-lm") or "mixed" in dtype:
        raise NotReplayable("layers of other bits than the rest, not listed")
    exl = re.search(r"(\d\.\d+) ?bpw(?:, head (\d))?", dtype)
    if exl:
        version = 2 if row["engine"] == "exllamav2" else 3
        return f"EXL{version}-{exl[1]}bpw" + (f"-h{exl[2]}" if exl[2] else "")
    return next((name for pattern, name in TYPES.items() if re.search(pattern, dtype)), None)


def _model(row: Row, quant: str) -> Any:
    name = re.sub(r"\s*\(.*\)$", "", row["model"]["name"])
    shorter = re.sub(r"[-_](FP8|NVFP4|AWQ|GPTQ.*|\d+bit|MLX.*|bf16|bnb-4bit)$", "", name, flags=re.IGNORECASE)
    plainer = re.sub(r"(-quantized\.\w+|-chat|-Instruct-v0\.1)$", "", shorter.rpartition("/")[2])
    known = row.get("arch_key") if row.get("identity_stated") else None
    for spelling in dict.fromkeys((name, shorter, shorter.rpartition("/")[2], plainer, known or name)):
        try:
            return _read(spelling, quant)
        except EstimatorError as error:
            last = error
    raise NotReplayable(f"{type(last).__name__}: no such model or format here")


@cache
def _cards() -> tuple[Mapping[str, Any], ...]:
    path = Path(__file__).parents[2] / "probes" / "accelerators.jsonl"
    return tuple(json.loads(line) for line in path.read_text().splitlines())


def _places(row: Row, n_devices: int) -> tuple[Place, ...]:
    text = row["run"].get("gpu") or ""
    total = row["run"].get("gpu_total_gib")
    card = _card(text)
    if total is None and card is None:
        size = re.search(r"(\d+)\s*GB", text)
        total = float(size[1]) * 0.985 if size else 1024.0
    n_bytes = int((total * GIB) if total is not None else card["reported_mib"] * MIB) if card or total else 0
    is_apple = text.startswith("Apple") or (row["engine"] == "mlx-lm" and "NVIDIA" not in text)
    limit = _metal_bytes(row, n_bytes) if is_apple else n_bytes
    major, _, minor = str((card or {}).get("cuda_cc") or "").partition(".")
    product = (card or {}).get("name", text)
    devices = tuple(
        Place(
            name=f"GPU {number}",
            kind="metal" if is_apple else "cuda",
            total_bytes=limit,
            free_bytes=limit,
            usable_bytes=n_bytes if total is not None else None,
            product=product,
            draws_on="RAM" if is_apple else None,
            compute_capability=(int(major), int(minor)) if minor else None,
        )
        for number in range(n_devices)
    )
    ram = n_bytes if is_apple else 1 << 40
    return (*devices, Place(name="RAM", kind="host", total_bytes=ram, free_bytes=ram))


def _metal_bytes(row: Row, ram_bytes: int) -> int:
    """What macOS lets the GPU wire: as the row says it was set, or its default."""
    wired_mib = (row["run"].get("other") or {}).get("iogpu_wired_limit_mb")
    macos = "15" if (row.get("date") or "") < MACOS_26_DATE else None
    return int(wired_mib) * MIB if wired_mib else min(ram_bytes, estimated_metal_bytes(ram_bytes, macos))


def _card(text: str) -> Mapping[str, Any] | None:
    """The known accelerator whose name has all the words of this one."""
    alone = re.sub(r"\bx\d+\b", "", text.partition("(")[0])
    words = re.findall(r"[A-Za-z]+\d*|\d+(?=\s*GB)|\d+", alone.replace("GB", " GB"))
    wanted = [word.casefold() for word in words if word.casefold() not in ("nvidia", "gb", "class", "x", "apple")]
    if all(word.isdigit() for word in wanted):
        return None  # "24GB class"
    best = None
    for card in _cards():
        name = card["name"].casefold().replace("-", " ")
        if all(re.search(rf"(?<![a-z0-9]){re.escape(word)}(?![0-9])", name) for word in wanted if not word.isdigit()):
            sizes = [int(word) for word in wanted if word.isdigit() and int(word) >= 4]
            if all(abs(card["nominal_gib"] - size) < 1 or str(size) in name for size in sizes) and (
                best is None or len(card["name"]) < len(best["name"])
            ):
                best = card
    return best if best is not None and best.get("reported_mib") else None


def _compare(row: Row, setting: Setting, made: Replay) -> None:
    seen, estimate = row["observed"], setting.estimate
    first = [setting.places[0].name]
    pairs = (
        ("weights_gib", "weights", (Kind.WEIGHTS,)),
        ("kv_cache_gib", "KV", (Kind.KV_CACHE, Kind.STATE)),
        ("activation_peak_gib", "activation", (Kind.COMPUTE,)),
    )
    n_before = len(made.figures)
    _compare_rows(row, setting, made)
    unsure = unsure_share(row, setting.places[0])
    if unsure and any(seen.get(key) is not None for key in OF_THE_SHARE):
        made.skip(f"cache and activations: {unsure}")
    for key, part, kinds in pairs:
        # What a step takes does not go by the share.
        is_unsure = unsure and key in OF_THE_SHARE and not (key == "activation_peak_gib" and unsure == NO_SHARE)
        if seen.get(key) is not None and not is_unsure:
            # vLLM before 0.21 captured its CUDA graphs after it had printed the peak.
            terms = [t for kind in kinds for t in estimate.select(first, kind) if "beyond the share" not in t.label]
            sums = [sum(getattr(term, name) for term in terms) / GIB for name in ("n_bytes", "low_bytes", "high_bytes")]
            whole = offered_bytes(setting.places[0]) / GIB
            made.figures.append(_figure(row, setting, part, seen[key], *sums, "GiB", PRINTED_GIB, whole))
    for key in ("kv_tokens", "gpu_blocks"):
        answer = next((answer for answer in estimate.answers if answer.key in (key, f"n_{key}")), None)
        if seen.get(key) is not None and answer is not None and not unsure:
            made.figures.append(_answered(row, setting, key.replace("_", " "), seen[key], answer))
    if seen.get("peak_gb") is not None:
        places = None if row["scope"].startswith("total") else first
        kinds = (Kind.WEIGHTS, Kind.KV_CACHE, Kind.STATE, Kind.COMPUTE, Kind.OUTPUT)
        terms = [term for kind in kinds for term in estimate.select(places, kind)]
        sums = [sum(getattr(term, name) for term in terms) / 1e9 for name in ("n_bytes", "low_bytes", "high_bytes")]
        made.figures.append(_figure(row, setting, "total", seen["peak_gb"], *sums, "GB", 0.0005))
    elif seen.get("nvidia_smi_used_mib") is not None and not unsure:
        terms = list(estimate.select(first))
        sums = [sum(getattr(term, name) for term in terms) / MIB for name in ("n_bytes", "low_bytes", "high_bytes")]
        made.figures.append(_figure(row, setting, "total", seen["nvidia_smi_used_mib"], *sums, "MiB", 0.5))
    if len(made.figures) == n_before:
        made.skip("nothing that it printed is estimated")


OF_THE_SHARE = ("kv_cache_gib", "kv_tokens", "gpu_blocks", "activation_peak_gib", "nvidia_smi_used_mib")
NO_SHARE = "the share of the card is not stated"
BATCH_NOT_KNOWN = re.compile(r"max_num\w*(?:/\w+)? unknown")


def unsure_share(row: Row, place: Place) -> str:
    """Why a row's cache, which is what everything else leaves, can't be compared; empty where it can."""
    run, seen, other = row["run"], row["observed"], row["run"].get("other") or {}
    share = run.get("gpu_memory_utilization")
    if row["engine"] not in SHARING:
        return ""
    if row["engine"] == "vllm" and share is None:  # its cache is what its share leaves
        return NO_SHARE
    if run.get("gpu_total_gib") is None and _card(run.get("gpu") or "") is None:
        return "the size of the card is not stated"
    if _is_of_a_year(row):
        return OF_A_YEAR
    if BATCH_NOT_KNOWN.search(row.get("note") or ""):
        return "how much a step has of sequences and tokens is not known, as the row says itself"
    if "aiter_workspace_gb" in other:
        return "a workspace of AMD's kernels, which it states, is not modelled"
    parts = sum(seen.get(key) or 0.0 for key in ("weights_gib", "kv_cache_gib", "activation_peak_gib", "non_torch_gib"))
    if share is not None and parts > 1.01 * share * offered_bytes(place) / GIB:
        return "its own figures add up to more than the share that it states"
    return ""


OF_A_YEAR = "which of a year's releases it was is not stated"


def _is_of_a_year(row: Row) -> bool:
    """Whether the row gives neither a number nor a month."""
    text = row.get("engine_version") or ""
    return re.search(r"(?<!\d)20\d\d(?!-?\d)", text) is not None and NUMBERED.search(text) is None


NUMBERED = re.compile(r"(?<![\d-])\d{1,2}\.\d")
"""A release's number in a row's ``engine_version``."""


def _compare_rows(row: Row, setting: Setting, made: Replay) -> None:
    """Bytes of cache per token that it prints, whatever the size of the cache."""
    seen = row["observed"]
    first = [setting.places[0].name]
    if not seen.get("kv_cache_gib") or not seen.get("kv_tokens"):
        return
    if setting.n_devices > 1 and row.get("kv_check") == "mismatch":
        made.skip("KV per token: the bytes are one device's, the tokens those of the device with the least room")
        return
    if not setting.is_format_stated and any("is not modelled here" in doubt for doubt in setting.estimate.doubts):
        made.skip("KV per token: the layout of its cache is not modelled, as the estimate says")
        return
    is_hybrid = str(row.get("kv_check_note") or "").startswith("hybrid")
    if is_hybrid and not setting.is_format_stated:
        made.skip("KV per token of a hybrid: which type its states have is not stated")
        return
    if _is_of_a_year(row) and is_hybrid:
        made.skip(f"KV per token of a hybrid: {OF_A_YEAR}")
        return
    # Whole blocks, and where there are several groups of layers whole blocks of each: what do the printed bytes hold?
    n_bytes = int(seen["kv_cache_gib"] * GIB)
    estimate = setting.estimate if setting.holding is None else setting.holding(n_bytes)
    answer = next((answer for answer in estimate.answers if answer.key == "kv_tokens"), None)
    if answer is None or not float(answer.value):
        return
    measured = seen["kv_cache_gib"] * GIB / seen["kv_tokens"]
    held = estimate.n_bytes(first, Kind.KV_CACHE) if setting.holding is None else n_bytes
    expected = held / float(answer.value)
    # SGLang prints keys and values apart, each rounded.
    rounding = PRINTED_GIB * (2 if row["engine"] == "sglang" else 1) * GIB / seen["kv_tokens"]
    made.figures.append(
        _figure(row, setting, "KV per token", measured, expected, expected, expected, "bytes", rounding)
    )


def _answered(row: Row, setting: Setting, part: str, measured: float, answer: Answer) -> Figure:
    value = float(answer.value)
    low = value if answer.low is None else answer.low
    high = value if answer.high is None else answer.high
    place = setting.places[0]
    n_bytes = setting.estimate.n_bytes([place.name], Kind.KV_CACHE)
    whole = value * offered_bytes(place) / n_bytes if n_bytes else None
    return _figure(row, setting, part, measured, value, low, high, answer.unit, 0.5, whole)


def _figure(
    row: Row,
    setting: Setting,
    part: str,
    measured: float,
    expected: float,
    low: float,
    high: float,
    unit: str,
    rounding: float,
    whole: float | None = None,
) -> Figure:
    return Figure(
        row=row["id"],
        engine=row["engine"],
        family=row["model"].get("arch") or "?",
        place=setting.places[0].name,
        part=part,
        measured=measured,
        expected=expected,
        low=low,
        high=high,
        unit=unit,
        rounding=rounding,
        whole=whole,
        cause=setting.cause,
    )


OUTCOMES = {"ok": "loaded", "refused": "oom", "oom": "oom"}


def _judge(row: Row, setting: Setting, made: Replay) -> None:
    if row["run"].get("gpu_total_gib") is None and _card(row["run"].get("gpu") or "") is None:
        made.skip("verdict: the size of the card is not stated")
        return
    if row["observed"]["outcome"] in LACKING_ROOM:
        made.skip(f"verdict: {UNSTATED_ROOM}")
        return
    verdict = judge(setting.estimate, setting.places)
    made.happenings.append(
        Happening(
            row=row["id"],
            engine=row["engine"],
            outcome=OUTCOMES[row["observed"]["outcome"]],
            level=verdict.level,
            detail=f"{verdict.reason or verdict.place}; {setting.cause}",
        )
    )
