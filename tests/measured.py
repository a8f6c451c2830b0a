"""Points that llama.cpp measured, and how to replay one.

Each line of data/llamacpp_measured.jsonl is a run of llama.cpp 0c1e57098 (2026-10-01) that allocated nothing, on
devices with CUDA's rules.
"""

import json
from collections import defaultdict
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from estimator.engines import llamacpp
from estimator.fit import fit
from estimator.ledger import Estimate, Place, Workload
from estimator.llama_load import Load
from estimator.metadata import describe
from estimator.mixture import parse_quant, requantised
from estimator.model import Model, Tensor
from estimator.templates import tensors_of

DATA = Path(__file__).parent / "data"
HOST = "FAKE_Host"
KNOWN_OPTIONS = {"repack", "ts", "kvo", "swafull", "ncmoe", "sm", "opo"}
TIB = 1 << 40


def _points() -> tuple[dict[str, Any], ...]:
    with (DATA / "llamacpp_measured.jsonl").open() as lines:
        return tuple(json.loads(line) for line in lines)


MEASURED_POINTS = _points()


@cache
def _specifications() -> dict[str, Any]:
    specifications: dict[str, Any] = json.loads((DATA / "measured_models.json").read_text())
    return specifications


def measured_tensors(name: str) -> tuple[dict[str, Any], tuple[Tensor, ...], str]:
    """(metadata, tensors, quant) of the file that was measured."""
    found = _specifications()[name]
    plain = tensors_of(found["metadata"], frozenset(found["flags"]))
    unquantised = describe(found["metadata"], plain, name=name, source="measured", quant="BF16")
    quant = found["quant"]
    return found["metadata"], requantised(unquantised, parse_quant(quant)).tensors, quant


@cache
def measured_model(name: str) -> Model | None:
    """The model that was measured under this name, or None where the tests don't carry it."""
    if name not in _specifications():
        return None
    metadata, tensors, quant = measured_tensors(name)
    return describe(metadata, tensors, name=name, source="measured", quant=quant, file_bytes=1)


def replay(
    point: dict[str, Any],
    model: Model,
    estimate: Callable[..., Estimate] = llamacpp.estimate,
) -> tuple[Estimate, tuple[str, ...], dict[str, tuple[int, int, int]]] | None:
    """(estimate, places, measured bytes of weights, caches and compute per place); None for options without a rule."""
    options = point.get("opts") or {}
    if set(options) - KNOWN_OPTIONS or point.get("env") or point["devices_mib"] == "llvmpipe":
        return None
    sizes = [] if point["devices_mib"] == "none" else [int(mib) << 20 for mib in point["devices_mib"].split(",")]
    devices = [Place(name=f"FAKE{i}", kind="cuda", total_bytes=size, free_bytes=size) for i, size in enumerate(sizes)]
    places = [*devices, Place(name=HOST, kind="host", total_bytes=TIB, free_bytes=TIB)]
    asked = llamacpp.Options(
        n_gpu_layers=min(point["ngl"], model.n_layers + 1),
        is_flash_attention=point["flash_attn"] == "on",
        n_batch_tokens=point["batch"],
        n_ubatch_tokens=point["ubatch"],
        is_kv_unified=bool(point["kv_unified"]),
        is_kv_offloaded=options.get("kvo") != "0",
        is_full_window=options.get("swafull") == "1",
        n_cpu_moe_layers=int(options.get("ncmoe", 0)),
        tensor_split=tuple(map(float, options["ts"].split(","))) if "ts" in options else None,
        split_mode=options.get("sm", "layer"),
        offloads_operations=options.get("opo") != "0",
        is_repacked=options.get("repack") != "0",
        n_outputs=point["n_outputs_max"] or min(point["batch"], point["n_ctx_req"]),
    )
    workload = Workload(context_tokens=point["n_ctx_req"], n_sequences=point["parallel"], kv_type=point["kv_type"])
    measured: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0])
    for buffer, parts in point["bytes"].items():
        name = buffer if buffer.startswith("FAKE") else HOST
        for i, part in enumerate(("model", "context", "compute")):
            measured[name][i] += parts[part]
    names = tuple(place.name for place in places)
    truth = {name: (measured[name][0], measured[name][1], measured[name][2]) for name in names}
    return estimate(model, workload, asked, places), names, truth


def replay_choice(point: dict[str, Any], model: Model) -> tuple[str, str]:
    """(what llama-fit-params printed, what we would print), overrides as their number."""
    sizes = [mib << 20 for mib in point["free_mib"]]
    devices = [Place(name=f"FAKE{i}", kind="cuda", total_bytes=size, free_bytes=size) for i, size in enumerate(sizes)]
    places = [*devices, Place(name=HOST, kind="host", total_bytes=TIB, free_bytes=TIB)]
    tokens = point["c"] or model.native_context_tokens
    options = llamacpp.Options(n_outputs=min(2048, tokens))  # llama-fit-params reckons with every token's logits
    found = fit(Load(model, Workload(context_tokens=tokens), options, places), is_context_free=not point["c"])
    if found is None:
        return point["llama"], "nothing"
    parts = [f"-c {found.load.workload.context_tokens}"]
    parts.append(f"-ngl {-1 if found.is_default else found.layout.n_gpu_layers}")
    if len(sizes) > 1 and not found.is_default:
        parts.append(f"-ts {','.join(map(str, found.layer_counts))}")
    printed = str(point["llama"]).partition(" -ot")[0]
    return f"{printed}, {point['n_ot']} overrides", f"{' '.join(parts)}, {len(found.layout.overrides)} overrides"
