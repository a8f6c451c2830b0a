"""Rows of llama.cpp and of what is built on it: the buffers that a log lists, beside the estimate for the same run.

A row's devices are taken as large as it says; where it does not, so large that everything has room. Layers are spread
as the row's split or its devices' free memory has it, and otherwise as its cache lies, whose figures per device are
then no evidence and are left out.
"""

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

from estimator.builds import day_of_number
from estimator.engine import load_engine
from estimator.errors import EstimatorError
from estimator.file_order import SORTED_SINCE, as_written, is_order_known
from estimator.ledger import Estimate, Kind, Place, Workload
from estimator.model import Model
from estimator.quant import stored_bytes
from estimator.readers import catalogue
from estimator.verdict import Verdict, judge
from truth.description import STAND_IN_VOCABULARY, is_fork, latent_way, model_of
from truth.figure import LACKING_ROOM, UNSTATED_ROOM, Figure, Happening, NotReplayable, Replay, Row

MIB = 1 << 20
TIB = 1 << 40
PRINTED_MIB = 0.005
HOST = "host"
ENGINES = ("llama.cpp", "ik_llama.cpp", "koboldcpp", "ollama", "llamafile", "LM Studio")
PARTS = {
    "weights": (Kind.WEIGHTS,),
    "KV": (Kind.KV_CACHE,),
    "state": (Kind.STATE,),
    "compute": (Kind.COMPUTE,),
}
ROLES = {"model": "weights", "kv": "KV", "rs": "state", "compute": "compute"}
HOST_DEVICES = re.compile(r"^(CPU|AMX|Host)|_Host$|^CPU_")
KINDS = {"CUDA": "cuda", "ROCm": "rocm", "Metal": "metal", "MTL": "metal"}
ARM = re.compile(r"Snapdragon|Android|Apple|Dimensity|Exynos|Tensor G|Graviton|Ampere Altra|aarch64|GB10|Grace")
ODD_BACKENDS = ("Hexagon", "OpenCL")
"""Their buffers have rules of their own, which no engine here knows."""


@dataclass(frozen=True, kw_only=True)
class Setting:
    """A row as an engine is asked."""

    model: Model
    are_types_known: bool
    workload: Workload
    options: Any
    places: tuple[Place, ...]
    is_split_known: bool
    is_order_known: bool
    """Of the tensors in the file, as far as anything depends on it."""
    are_lifted_known: bool
    """Which layers the quantizer gave more bits, or it gave all the same."""
    cause: str


def replay(rows: Iterable[Row]) -> Replay:
    made = Replay()
    for row in rows:
        made.n_rows += 1
        made.sources[row["id"]] = row["source"]
        try:
            setting = setting_of(row)
            estimate = load_engine("llama.cpp").estimate(
                setting.model, setting.workload, setting.options, setting.places
            )
        except NotReplayable as reason:
            made.skip(str(reason))
            continue
        except EstimatorError as error:
            made.skip(f"the engine says: {error}")
            continue
        _compare(row, setting, estimate, made)
        _compare_fit(row, setting, made)
        _judge(row, setting, estimate, made)
    return made


def measured_by_place(row: Row) -> dict[str, dict[str, float]]:
    """MiB by place and part, as the log lists them."""
    found: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    for buffer in row["observed"]["buffers"]:
        part = ROLES.get(buffer["role"])
        if part is not None:
            found[place_name(buffer["device"])][part] += buffer["mib"]
    return found


def place_name(device: str) -> str:
    """Of a buffer: the device, or the host for all that lies in RAM."""
    return HOST if HOST_DEVICES.search(device) else device.removesuffix("_Mapped")


def kind_of(device: str) -> str:
    return next((kind for prefix, kind in KINDS.items() if device.startswith(prefix)), "gpu")


def setting_of(row: Row) -> Setting:
    """What to ask for.

    Raises:
        NotReplayable: the row leaves out, or has, something that no estimate can follow.
    """
    run = row["run"]
    if row["engine"] not in ENGINES:
        raise NotReplayable("another engine")
    if run.get("backend") in ODD_BACKENDS:
        raise NotReplayable(f"{run['backend']}: its buffers have rules of their own")
    is_split = any(buffer["device"].endswith("_Split") for buffer in row["observed"]["buffers"])
    if is_split or run.get("split_mode") not in (None, "layer", "none"):
        raise NotReplayable("tensors are split by rows")
    if not run.get("n_ctx"):
        raise NotReplayable("no context is stated")
    model, are_types_known = model_of(row)
    if not is_fork(row) and {"blk.0.attn_k_b.weight", "blk.0.attn_kv_b.weight"} <= {t.name for t in model.tensors}:
        raise NotReplayable("a file with latents' matrices in both forms, which only forks take")
    model, is_order_known = _as_written(row, model)
    measured = measured_by_place(row)
    names = sorted((name for name in measured if name != HOST), key=_by_number)
    if not names and row["observed"]["outcome"] == "oom":  # it failed before it listed anything
        names = [device["name"] for device in run["devices"] if device.get("name")]
    n_gpu_layers = _n_gpu_layers(row, model, names)
    _expect_plain_load(row, model, n_gpu_layers, len(names))
    places, has_free = _places(row, names)
    split, is_split_known = _split(row, model, measured, names, n_gpu_layers, has_free=has_free)
    key_type, value_type = run.get("type_k") or "f16", run.get("type_v") or "f16"
    asked: dict[str, Any] = {
        "n_gpu_layers": n_gpu_layers,
        "is_flash_attention": run.get("flash_attn") in (True, "auto"),
        "n_batch_tokens": run.get("n_batch") or 2048,
        "n_ubatch_tokens": run.get("n_ubatch") or min(512, run.get("n_batch") or 512),
        "is_kv_unified": str(run.get("kv_unified")).lower() == "true",
        "is_kv_offloaded": not (names and "KV" in measured[HOST] and not any(measured[n].get("KV") for n in names)),
        "n_cpu_moe_layers": _n_cpu_moe_layers(row, model),
        "tensor_split": split,
        "tensor_overrides": _overrides(row),
        "offloads_operations": not _is_repacked(row),
        "value_type": None if value_type == key_type else value_type,
    }
    if is_fork(row):
        asked["latent_way"] = latent_way(row)
        asked["attention_mib"] = run.get("attn_max_b")
        asked["is_moe_fused"] = bool(run.get("fused_moe"))
    known = {option.name for option in fields(load_engine("llama.cpp").Options)}
    if "build" in known:
        asked["build"] = build_of(row)
    return Setting(
        model=model,
        are_types_known=are_types_known,
        workload=Workload(context_tokens=run["n_ctx"], n_sequences=run.get("n_seq_max") or 1, kv_type=key_type),
        options=load_engine("llama.cpp").Options(**asked),
        places=places,
        is_split_known=is_split_known,
        is_order_known=is_order_known,
        are_lifted_known=_month(row) >= SORTED_SINCE or _are_layers_alike(model),
        cause=", ".join(
            filter(None, (row.get("date") or "no date", row.get("engine_version"), _cause(row, are_types_known)))
        ),
    )


def _as_written(row: Row, model: Model) -> tuple[Model, bool]:
    """The tensors in the order of the files of its age; whether that is known, or matters to nobody."""
    is_tied = all(tensor.name != "output.weight" for tensor in model.tensors)
    try:
        released = catalogue.find(row["model"]["name"] or "").released
    except (EstimatorError, KeyError):
        return model, is_tied
    return replace(model, tensors=as_written(model.tensors, released)), is_order_known(released) or is_tied


def _month(row: Row) -> str:
    """Of the log; where it has no date, of the build."""
    number = re.match(r"b?(\d{4,5})\b", row.get("engine_version") or "")
    by_build = day_of_number(int(number[1])).isoformat()[:7] if number and row["engine"] == "llama.cpp" else ""
    return (row.get("date") or by_build or SORTED_SINCE)[:7]


def _are_layers_alike(model: Model) -> bool:
    types: dict[str, set[str]] = defaultdict(set)
    for tensor in model.tensors:
        if tensor.name.startswith("blk."):
            types[tensor.name.split(".", 2)[2]].add(tensor.type)
    return all(len(found) == 1 for found in types.values())


def build_of(row: Row) -> str:
    """The engine's build as ``--build`` takes it: by its own number where the log has one, else by the row's date."""
    version, month = row.get("engine_version") or "", (row.get("date") or "")[:7]
    if row["engine"] == "ollama" and version:
        return f"ollama-{version}"
    if is_fork(row):
        counted = re.match(r"(3[5-9]\d\d)\b", version)  # its own count, up to autumn 2025
        return f"ik-{counted[1]}" if counted else f"ik-{month}" if month else "ik"
    number = re.match(r"b?(\d{4,5})\b", version)
    if number and row["engine"] == "llama.cpp":
        day = day_of_number(int(number[1]))
        # Forks and shallow clones count their own way; a post may be some months younger than the build.
        if not month or -45 <= (date.fromisoformat(f"{month}-15") - day).days <= 200:
            return f"b{number[1]}"
    return month


def _cause(row: Row, are_types_known: bool) -> str:
    causes = [] if are_types_known else ["types of the tensors not known"]
    if row["run"].get("flash_attn") is None:
        causes.append("flash attention not stated")
    return ", ".join(causes)


def _by_number(name: str) -> tuple[str, int]:
    digits = re.search(r"\d+$", name)
    return (name.rstrip("0123456789"), int(digits[0]) if digits else 0)


def _expect_plain_load(row: Row, model: Model, n_gpu_layers: int, n_devices: int) -> None:
    """With every layer on devices the graph has a split for each, and one for the host; more tell of something else."""
    splits = re.match(r"\d+", str(row["run"].get("graph_splits") or ""))
    run = row["run"]
    is_stated = run.get("override_tensor") or run.get("n_cpu_moe") or "moe" in (run.get("command") or "")
    if splits and n_devices and n_gpu_layers > model.n_layers and not is_stated and int(splits[0]) > 3 * n_devices + 2:
        raise NotReplayable("its splits tell of tensors on the host that no stated setting puts there")


def _n_gpu_layers(row: Row, model: Model, names: Sequence[str]) -> int:
    offloaded = row["run"].get("layers_offloaded")
    if offloaded:
        n, _, n_all = str(offloaded).partition("/")
        if int(n_all) not in (model.n_layers + 1, model.n_layers + 1 - model.n_predictor_layers):
            raise NotReplayable("the log counts other layers than the model has")
        return model.n_layers + 1 if n == n_all else int(n)
    if not names:
        return 0
    if isinstance(row["run"].get("n_gpu_layers"), int):
        return min(row["run"]["n_gpu_layers"], model.n_layers + 1)
    raise NotReplayable("how many layers are on devices is not stated")


def _n_cpu_moe_layers(row: Row, model: Model) -> int:
    """Only the plain way to keep all experts in RAM; tensors moved one by one need the list of names."""
    moved = row["run"].get("override_tensor")
    if not moved:
        if isinstance(row["run"].get("n_cpu_moe"), int):
            return min(int(row["run"]["n_cpu_moe"]), model.n_layers)
        match = re.search(r"--?n(?:-)?cpu-moe[ =](\d+)|-ncmoe[ =](\d+)", row["run"].get("command") or "")
        return min(int(match[1] or match[2]), model.n_layers) if match else 0
    return 0


def _is_repacked(row: Row) -> bool:
    """Weights on the host are in an order that no device computes with (ik_llama.cpp: -rtr, types ending in _R4)."""
    types = row["file"].get("tensor_types") or {}
    return "-rtr" in (row["run"].get("command") or "") or any(re.search(r"_r\d$", name) for name in types)


def _overrides(row: Row) -> str | None:
    """The list of tensors that are moved by name, where the command has it."""
    if not row["run"].get("override_tensor"):
        return None
    command = row["run"].get("command") or ""
    found = re.findall(r"(?:-ot|--override-tensor)[ =]+(\"[^\"]*\"|'[^']*'|\S+)", command)
    parts = [part.strip("\"'") for part in found]
    if not parts or any("=" not in part or " " in part for part in parts):
        raise NotReplayable("tensors are moved by name (-ot), and the list is not stated")
    return ",".join(parts)


def _places(row: Row, names: Sequence[str]) -> tuple[tuple[Place, ...], bool]:
    """The devices that hold anything, and the host; whether all devices say what was free."""
    devices = [device for device in row["run"]["devices"] if device.get("free_mib") or device.get("total_mib")]
    has_sizes = len(devices) == len(names)
    has_free = has_sizes and all(device.get("free_mib") for device in devices)
    places = []
    for number, name in enumerate(names):
        total = free = TIB
        product = ""
        if has_sizes:
            device = devices[number]
            free = int((device.get("free_mib") or device["total_mib"]) * MIB)
            total = max(free, int((device.get("total_mib") or 0) * MIB))
            product = device.get("desc") or ""
        places.append(Place(name=name, kind=kind_of(name), total_bytes=total, free_bytes=free, product=product))
    host = row["run"].get("system_memory_mib") or {}
    free = int(host["free"] * MIB) if host.get("free") else TIB
    total = int(host["total"] * MIB) if host.get("total") else TIB
    sets = _instruction_sets(row)
    places.append(Place(name=HOST, kind="host", total_bytes=max(free, total), free_bytes=free, instruction_sets=sets))
    return tuple(places), has_free


def _instruction_sets(row: Row) -> tuple[str, ...]:
    """Of the processor, as far as the log shows: it lists a buffer for AMX, or names a device of ARM's world."""
    if any(buffer["device"] == "AMX" for buffer in row["observed"]["buffers"]):
        return ("avx2", "avx512", "amx")
    named = " ".join(device.get("desc") or "" for device in row["run"]["devices"])
    return ("dotprod",) if ARM.search(named) else ()


def _split(
    row: Row,
    model: Model,
    measured: Mapping[str, Mapping[str, float]],
    names: Sequence[str],
    n_gpu_layers: int,
    *,
    has_free: bool,
) -> tuple[tuple[float, ...] | None, bool]:
    """(shares of the devices, whether they are the row's own)."""
    if len(names) < 2:
        return None, True
    stated = str(row["run"].get("tensor_split") or "")
    shares = re.findall(r"\d+(?:\.\d+)?", stated.replace(",", " "))
    is_garbled = re.search(r"\.\d+\.", stated) is not None
    if len(shares) == len(names) and not is_garbled:
        return tuple(map(float, shares)), True
    if has_free:
        return None, True
    held = [measured[name].get("KV", 0.0) for name in names]
    on_devices = sum(held)
    attending = [layer for layer in model.layers[-n_gpu_layers + 1 :] if layer.key_width]
    if not on_devices or not attending:
        raise NotReplayable("how layers lie on the devices is not stated")
    if len({(layer.key_width, layer.window_tokens) for layer in attending}) > 1 or len(attending) < n_gpu_layers - 1:
        raise NotReplayable("how layers of different kinds lie on the devices is not stated")
    counts = [round(mib / on_devices * (n_gpu_layers - 1)) for mib in held]
    counts[max(i for i, n in enumerate(counts) if n)] += 1
    if sum(counts) != n_gpu_layers:
        raise NotReplayable("how layers lie on the devices is not stated")
    return tuple(map(float, counts)), False


def _compare(row: Row, setting: Setting, estimate: Estimate, made: Replay) -> None:
    measured = measured_by_place(row)
    if not any(measured.values()):
        made.skip("no buffers are listed")
    cache_kinds = (*PARTS["KV"], *PARTS["state"]) if is_fork(row) else PARTS["KV"]  # the fork lists both as one
    kinds_by_part = {**PARTS, "KV": cache_kinds}
    kv_mib = weights_mib = 0.0
    devices = [place.name for place in setting.places if place.name != HOST]
    is_lift_open = not setting.are_lifted_known and len(devices) > 1 and setting.are_types_known
    for place in setting.places:
        parts = dict(measured.get(place.name, {}))
        kv_mib += parts.get("KV", 0.0)
        _leave_out(row, setting, place, parts, made)
        if is_lift_open and place.name != HOST:
            weights_mib += parts.pop("weights", 0.0)
        for part, mib in parts.items():
            made.figures.append(_figure(row, setting, estimate, (place.name,), part, kinds_by_part[part], mib))
        has_state = "state" in parts or cache_kinds != PARTS["KV"]
        if estimate.n_bytes([place.name], Kind.STATE) and not has_state:
            made.skip("total: the states are not listed")
            continue
        has_all = {"weights", "compute"} <= set(parts) and ("KV" in parts or not setting.is_split_known)
        if has_all and place.name != HOST:
            kinds = tuple(kind for group in PARTS.values() for kind in group)
            total = sum(measured[place.name].values())
            made.figures.append(_figure(row, setting, estimate, (place.name,), "total", kinds, total))
    if weights_mib and setting.options.n_gpu_layers > setting.model.n_layers:
        made.skip("weights and total by device: a quantizer of before 2024-11 lifted layers in an order not stated")
        made.figures.append(_figure(row, setting, estimate, devices, "weights", PARTS["weights"], weights_mib))
        kinds = tuple(kind for group in PARTS.values() for kind in group)
        total = sum(mib for name in devices for mib in measured[name].values())
        made.figures.append(_figure(row, setting, estimate, devices, "total", kinds, total))
    if not setting.is_split_known and kv_mib:
        names = tuple(place.name for place in setting.places)
        made.figures.append(_figure(row, setting, estimate, names, "KV", cache_kinds, kv_mib))


def _compare_fit(row: Row, setting: Setting, made: Replay) -> None:
    """How many layers an Ollama that leaves it to llama-server (0.30 on) put on the devices."""
    version = re.match(r"0\.(\d+)", row.get("engine_version") or "")
    offloaded = row["run"].get("layers_offloaded")
    devices = [place for place in setting.places if place.name != HOST]
    is_free = row["run"].get("n_gpu_layers") is None and all(place.free_bytes < TIB for place in devices)
    if row["engine"] != "ollama" or not version or int(version[1]) < 30 or not offloaded or not devices or not is_free:
        return
    engine = load_engine("ollama")
    options = engine.Options(num_batch=row["run"].get("n_batch"))
    found = engine.fallback(setting.model, setting.workload, options, setting.places)
    found = found or engine.estimate(setting.model, setting.workload, options, setting.places)
    n_layers = float(found.n_gpu_layers)
    made.figures.append(
        Figure(
            row=row["id"],
            engine="ollama",
            family=setting.model.architecture,
            place="all devices",
            part="layers on the GPU",
            measured=float(str(offloaded).partition("/")[0]),
            expected=n_layers,
            low=n_layers,
            high=n_layers,
            unit="layers",
            cause=setting.cause,
        )
    )


def _leave_out(row: Row, setting: Setting, place: Place, parts: dict[str, float], made: Replay) -> None:
    """Takes out what the row's figures are no evidence for."""
    if not setting.are_types_known and parts.pop("weights", None) is not None:
        made.skip("weights: the types of the tensors are not known one by one")
    if place.name == HOST and "weights" in parts and _is_mapped(row):
        made.skip("weights on the host: mapped, and printed as a range of the file")
        del parts["weights"]
    if place.kind == "metal" and "weights" in parts and "layers_offloaded" in row["run"]:
        n, _, n_all = str(row["run"]["layers_offloaded"]).partition("/")
        if n != n_all:
            made.skip("weights on the GPU: mapped, and printed as a range of the file")
            del parts["weights"]
    if place.kind == "metal" and not setting.is_order_known and parts.pop("weights", None) is not None:
        made.skip("weights on the GPU: a range of the file, in which nobody says how the tensors lie")
    if not setting.are_types_known and _has_fetched(setting) and parts.pop("compute", None) is not None:
        made.skip("compute: what is fetched from the host depends on types that are not known one by one")
    if setting.model.vocabulary_size == STAND_IN_VOCABULARY and not row["model"]["hparams"].get("n_vocab"):
        made.skip("compute: the vocabulary is not stated")
        parts.pop("compute", None)
    if not setting.is_split_known:
        parts.pop("KV", None)
    stated = row["observed"].get("kv_total_mib")
    listed = sum(buffer["mib"] for buffer in row["observed"]["buffers"] if buffer["role"] == "kv")
    is_listed_twice = bool(stated) and listed > 1.01 * stated
    if (row.get("kv_check") == "mismatch" or is_listed_twice) and parts.pop("KV", None) is not None:
        made.skip("KV: the row's own settings do not give it, or it is listed twice")


def _has_fetched(setting: Setting) -> bool:
    """Weights lie on the host that a device computes with."""
    options = setting.options
    is_partial = 0 < options.n_gpu_layers <= setting.model.n_layers or len(setting.places) > 1 > options.n_gpu_layers
    return bool(options.tensor_overrides or options.n_cpu_moe_layers or is_partial)


def _is_mapped(row: Row) -> bool:
    devices = {buffer["device"] for buffer in row["observed"]["buffers"] if buffer["role"] == "model"}
    if "CPU_Mapped" in devices:
        return True
    return "CPU" in devices and not row["run"].get("no_mmap") and len(devices) > 1


def _figure(
    row: Row,
    setting: Setting,
    estimate: Estimate,
    places: Sequence[str],
    part: str,
    kinds: Sequence[Kind],
    mib: float,
) -> Figure:
    # ik_llama.cpp lists what it computes while loading in no buffer.
    terms = [term for kind in kinds for term in estimate.select(places, kind) if term.label != "weights, computed"]
    return Figure(
        row=row["id"],
        engine=_dated(row),
        family=setting.model.architecture,
        place="+".join(places),
        part=part,
        measured=mib,
        expected=sum(term.n_bytes for term in terms) / MIB,
        low=sum(term.low_bytes for term in terms) / MIB,
        high=sum(term.high_bytes for term in terms) / MIB,
        rounding=PRINTED_MIB * (3 if part == "total" else 1 if len(places) == 1 else len(places)) * 1.01,
        cause=setting.cause,
    )


def _dated(row: Row) -> str:
    """The engine, and for llama.cpp whether its build is of the last 12 months (from 2025-11 on)."""
    if is_fork(row):
        return "ik_llama.cpp"
    if row["engine"] != "llama.cpp":
        return str(row["engine"])
    return f"llama.cpp {'2025-11 on' if (row.get('date') or '') >= '2025-11' else 'before 2025-11'}"


def _judge(row: Row, setting: Setting, estimate: Estimate, made: Replay) -> None:
    places = _sized(row, setting.places)
    devices = [place for place in places if place.name != HOST]
    if not devices or any(place.free_bytes >= TIB for place in devices):
        made.skip("verdict: what was free is not stated, nor a card that is known")
        return
    n_stand_in = sum(stored_bytes(tensor.type, tensor.shape) for tensor in setting.model.tensors)
    n_file = (row["file"].get("size_gib") or 0) * 1024 * MIB
    if not setting.are_types_known and not 0.95 < n_stand_in / max(n_file, 1) < 1.05:
        made.skip("verdict: the types of the tensors are not known, and no mixture weighs as much")
        return
    if "8060S" in devices[0].product or "890M" in devices[0].product:
        made.skip("verdict: a device in the processor, which takes from RAM what it has no room for")
        return
    # What llama.cpp logs as free it read when its context on the device was there already.
    without_contexts = replace(estimate, terms=tuple(term for term in estimate.terms if term.kind is not Kind.RUNTIME))
    is_logged = places == setting.places and row["engine"] != "ollama"
    outcome = row["observed"]["outcome"]
    if outcome == "crash":
        return
    if outcome == "partial" and not _is_engines_choice(row):
        outcome = "loaded"  # as many layers as were asked for
    if outcome in LACKING_ROOM and not _is_free_stated(row, devices):
        made.skip(f"verdict: {UNSTATED_ROOM}")
        return
    if outcome == "partial":
        verdict = _unasked(row, setting, places)
    else:
        verdict = judge(without_contexts if is_logged else estimate, places)
    made.happenings.append(
        Happening(
            row=row["id"],
            engine=row["engine"],
            outcome=outcome,
            level=verdict.level,
            detail=f"{verdict.place}, {verdict.headroom_bytes / MIB:.0f} MiB to the line; {setting.cause}",
        )
    )


def _is_free_stated(row: Row, devices: Sequence[Place]) -> bool:
    return sum(bool(device.get("free_mib")) for device in row["run"]["devices"]) >= len(devices)


def _is_engines_choice(row: Row) -> bool:
    asked = (row["observed"].get("ollama") or {}).get("layers_requested")
    return row["engine"] == "ollama" and asked in (None, -1)


def _unasked(row: Row, setting: Setting, places: Sequence[Place]) -> Verdict:
    """What Ollama is said to do where nobody tells it how many layers go to the devices."""
    engine = load_engine("ollama")
    options = engine.Options(num_batch=row["run"].get("n_batch"))
    asked = (setting.model, setting.workload, options, places)
    return judge(engine.estimate(*asked), places, engine.fallback(*asked))


def _sized(row: Row, places: Sequence[Place]) -> tuple[Place, ...]:
    """Where a log does not say what was free, but names a known card for each device: that card, empty."""
    devices = row["run"]["devices"]
    n_devices = sum(place.name != HOST for place in places)
    if len(devices) != n_devices or all(place.free_bytes < TIB for place in places[:n_devices]):
        return tuple(places)
    sized = []
    for place, device in zip(places[:n_devices], devices, strict=True):
        n_bytes = _card_bytes(device.get("desc") or "")
        sized.append(replace(place, total_bytes=n_bytes, free_bytes=n_bytes) if n_bytes else place)
    return (*sized, *places[n_devices:])


def _card_bytes(text: str) -> int:
    """What the driver of the accelerator of that name reports; 0 where none is known."""
    reported = _known_cards().get(re.sub(r"[^a-z0-9]", "", text.casefold()))
    return (reported or 0) * MIB


@cache
def _known_cards() -> Mapping[str, int]:
    path = Path(__file__).parents[2] / "probes" / "accelerators.jsonl"
    cards = [json.loads(line) for line in path.read_text().splitlines()]
    return {re.sub(r"[^a-z0-9]", "", card["name"].casefold()): card.get("reported_mib") or 0 for card in cards}
