"""Rows of a measured grid of llama.cpp: buffers of each device to the byte, files under a mixture, what --fit chose.

A line of kind "memory" holds ``model``, ``quant``, the run's settings (``n_ctx_req``, ``ubatch``, ``batch``,
``flash_attn``, ``kv_type``, ``parallel``, ``kv_unified``, ``ngl``, ``n_outputs_max``, ``devices_mib``, ``opts``) and
``bytes``: per buffer the bytes of model, context and compute. A line of kind "quant" holds ``model``, ``ftype`` and
``llama_quant_MiB``. One of kind "fit" holds ``model``, ``free_mib`` per device, ``c`` (0: left free), the line that
``llama`` printed and ``n_ot``, the number of its overrides.
"""

from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from typing import Any

from measured import measured_model, replay_choice
from measured import replay as replayed

from estimator.errors import EstimatorError
from estimator.ledger import Kind
from estimator.mixture import mixture, mixture_shape, parse_quant
from estimator.model import Model, Tensor
from estimator.quant import BLOCKS, stored_bytes
from estimator.reader import read_model
from truth.figure import Figure, Replay, Row

MIB = 1 << 20
PARTS = {
    "weights": ((Kind.WEIGHTS,), 0),
    "KV": ((Kind.KV_CACHE, Kind.STATE), 1),
    "compute": ((Kind.COMPUTE,), 2),
}

ModelOf = Callable[[str, str], Model | None]


def models_in(directory: Path | None) -> ModelOf:
    """How to find a model: a file MODEL-QUANT.gguf of a directory, or what the tests carry."""

    @cache
    def model_of(name: str, quant: str) -> Model | None:
        if directory is None:
            return measured_model(name)
        path = directory / f"{name}-{quant}.gguf"
        return read_model(str(path)) if path.exists() else None

    return model_of


def replay(rows: Iterable[Row], model_of: ModelOf) -> Replay:
    made = Replay()
    for number, row in enumerate(rows):
        kind = row.get("kind", "memory")
        made.n_rows += 1
        name = f"{kind} {number + 1}"
        made.sources[name] = f"{row.get('model')} {row.get('quant', '')} {row.get('opts') or ''}"
        if kind == "memory" and "bytes" in row:
            _replay_memory(name, row, model_of, made)
        elif kind == "quant":
            _replay_quant(name, row, model_of, made)
        elif kind == "fit":
            _replay_fit(name, row, model_of, made)
        else:
            made.skip(f"a line of kind {kind!r}")
    return made


def _replay_memory(name: str, row: Row, model_of: ModelOf, made: Replay) -> None:
    model = model_of(row["model"], row["quant"])
    if model is None:
        made.skip("no file of the model")
        return
    try:
        found = replayed(dict(row), model)
    except EstimatorError as error:
        made.skip(f"the engine says: {error}")
        return
    if found is None:
        made.skip("an option that the engine has no rule for here")
        return
    estimate, places, truth = found
    for place in places:
        for part, (kinds, number) in PARTS.items():
            terms = [term for kind in kinds for term in estimate.select([place], kind)]
            made.figures.append(_figure(name, row, model, place, part, truth[place][number], terms))
        terms = [term for kinds, _ in PARTS.values() for kind in kinds for term in estimate.select([place], kind)]
        made.figures.append(_figure(name, row, model, place, "total", sum(truth[place]), terms))


def _figure(name: str, row: Row, model: Model, place: str, part: str, n_bytes: int, terms: Iterable[Any]) -> Figure:
    terms = list(terms)
    return Figure(
        row=name,
        engine=f"grid, {way(row)}",
        family=model.architecture,
        place=place,
        part=part,
        measured=float(n_bytes),
        expected=float(sum(term.n_bytes for term in terms)),
        low=float(sum(term.low_bytes for term in terms)),
        high=float(sum(term.high_bytes for term in terms)),
        unit="bytes",
        cause=f"{row['model']} {row['quant']}, context {row['n_ctx_req']}, ubatch {row['ubatch']}, {row['kv_type']}, "
        f"{row['parallel']} sequences, ngl {row['ngl']}, devices {row['devices_mib']}",
    )


def _replay_quant(name: str, row: Row, model_of: ModelOf, made: Replay) -> None:
    model = model_of(row["model"], "BF16") or model_of(row["model"], "Q4_K_M")
    if model is None:
        made.skip("no file of the model")
        return
    plain = [Tensor(t.name, t.shape, t.type if BLOCKS[t.type].n_weights == 1 else "BF16") for t in model.tensors]
    typed = mixture(parse_quant(row["ftype"]), plain, mixture_shape(model))  # measured without an importance matrix
    n_mib = sum(stored_bytes(tensor.type, tensor.shape) for tensor in typed) / MIB
    made.figures.append(
        Figure(
            row=name,
            engine="grid, quantizer",
            family=model.architecture,
            place="file",
            part="file size",
            measured=row["llama_quant_MiB"],
            expected=n_mib,
            low=n_mib,
            high=n_mib,
            rounding=0.006,
            cause=f"{row['model']} {row['ftype']}",
        )
    )


def _replay_fit(name: str, row: Row, model_of: ModelOf, made: Replay) -> None:
    model = model_of(row["model"], "MXFP4" if row["model"].startswith("gpt-oss") else "Q4_K_M")
    if model is None:
        made.skip("no file of the model")
        return
    printed, ours = replay_choice(dict(row), model)
    made.figures.append(
        Figure(
            row=name,
            engine="grid, --fit",
            family=model.architecture,
            place="all devices",
            part="choice is the same",
            measured=1.0,
            expected=float(printed == ours),
            low=float(printed == ours),
            high=float(printed == ours),
            unit="choices",
            cause=f"{row['model']}, {row['free_mib']} MiB free, context {row['c']}: {printed}; here {ours}",
        )
    )


def way(row: Row) -> str:
    """How the layers lie, in words."""
    n_devices = 0 if row["devices_mib"] == "none" else row["devices_mib"].count(",") + 1
    if not n_devices:
        return "CPU only"
    devices = "1 GPU" if n_devices == 1 else "2-4 GPUs"
    layers = "all layers" if row["ngl"] >= 999 else "some layers" if row["ngl"] else "no layer"
    if row.get("opts"):
        return f"{devices}, special options"
    attention = "" if row["flash_attn"] == "on" else ", no flash attention"
    outputs = "" if row["n_outputs_max"] else ", every token's logits"
    return f"{devices}, {layers}{attention}{outputs}"
