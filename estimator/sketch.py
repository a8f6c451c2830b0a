"""A model of the catalogue in a few dozen numbers: enough to say whether it fits, read in microseconds.

The tensors of one model take milliseconds to list and to give types to; a verdict on all models at once can't wait for
that. ``estimator/catalogue/sketches.jsonl`` has what comes of it: weights summed by where they belong under the quants
that are offered, and layers that are alike as one. ``bench/import_models.py`` writes it; tests hold it to the whole.
"""

import json
import os
from array import array
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import astuple
from functools import cache
from itertools import chain
from sys import intern
from typing import Any, NamedTuple

from estimator.mixture import QUANTS, requantised
from estimator.model import Compression, Experts, Latent, Layer, Model, Tensor
from estimator.placement import INPUT_TENSORS
from estimator.quant import stored_bytes
from estimator.weights import weight_table
from records.record import record

SKETCHES = os.path.join(os.path.dirname(__file__), "catalogue", "sketches.jsonl")
SKETCHED_QUANTS = (*(quant for quant in QUANTS if quant not in ("F32", "F16")), "MXFP4_MOE")
"""Under which the weights are kept. F16 weighs what BF16 does."""
N_COLUMNS = 6
"""Of a layer that has neither an indexer nor compressed keys."""
UNIT_BYTES = 1024
"""Sums are kept in KiB: with five of them, at most 5 KiB are lost."""


class Weights(NamedTuple):
    """Bytes of the weights, by where llama.cpp puts them."""

    input: int
    """Embeddings that are looked up: always on the host."""
    blocks: int
    """All layers without experts."""
    experts: int
    head: int
    """Output matrix and last norm."""
    tied: int
    """An embedding that serves as the head too, and is copied to the device that computes it."""

    @property
    def file_bytes(self) -> int:
        """Each once."""
        return self.input + self.blocks + self.experts + self.head


@record(frozen=True, slots=True, kw_only=True)
class Sketch:
    """One model."""

    checkpoint: str
    default_quant: str
    n_layers: int
    model: Model
    """With the layers that differ only, and with those tensors only that closed forms look at."""
    layer_counts: tuple[int, ...]
    """How many there are of each of the model's layers."""
    quants: tuple[str, ...]
    """Under which it was sketched."""
    sums: "array[int]"
    """Of each of them what ``Weights`` has, in units: as numbers of Python, those of all models are 1.6 MiB more."""

    def weights_under(self, quant: str) -> Weights | None:
        """None where this quant was not sketched."""
        quant = "BF16" if quant == "F16" else quant
        if quant not in self.quants:
            return None
        n_sums = len(Weights._fields)
        first = self.quants.index(quant) * n_sums
        return Weights(*(n * UNIT_BYTES for n in self.sums[first : first + n_sums]))


@cache
def sketches() -> tuple[Sketch, ...]:
    """All language models, in the catalogue's order."""
    with open(SKETCHES, encoding="utf-8") as file:
        return tuple(_sketch(json.loads(line)) for line in file)


_WIDTHS = (
    "native_context_tokens", "embedding_width", "feed_forward_width", "n_heads", "n_kv_heads", "head_width",
    "value_head_width", "vocabulary_size", "n_predictor_layers",
)  # fmt: skip
_SHAPED = ("ssm_in.weight", "ssm_conv1d.weight", "ssm_out.weight")
"""Tensors whose shapes the closed forms ask for (estimator/scratch.py)."""


def _sketch(found: Mapping[str, Any]) -> Sketch:
    groups = found["layers"]
    experts, latent = found.get("experts"), found.get("latent")
    model = Model(
        name=intern(found["name"]),
        architecture=intern(found["arch"]),
        source="catalogue",
        quant="",
        layers=tuple(
            Layer(
                key_width=key,
                value_width=value,
                window_tokens=window,
                conv_state_width=conv,
                recurrent_state_width=recurrent,
                n_kv_heads=heads,
                **_indexed(*more),
            )
            for _, key, value, window, conv, recurrent, heads, *more in groups
        ),
        tensors=tuple(Tensor(f"blk.0.{name}", tuple(shape), "F32") for name, shape in found.get("shapes", {}).items()),
        experts=Experts(
            n_experts=experts[0], n_used=experts[1], feed_forward_width=experts[2], n_leading_dense_layers=experts[3]
        )
        if experts
        else None,
        latent=Latent(
            query_rank=latent[0],
            key_value_rank=latent[1],
            rope_width=latent[2],
            nope_width=latent[3],
            value_width=latent[4],
        )
        if latent
        else None,
        **dict(zip(_WIDTHS, found["widths"], strict=True)),
    )
    counts = tuple(group[0] for group in groups)
    return Sketch(
        checkpoint=intern(found["id"]),  # as the catalogue has it
        default_quant=intern(found["quant"]),
        n_layers=sum(counts),
        model=model,
        layer_counts=counts,
        quants=_shared(tuple(found["kib"])),
        sums=array("Q", chain.from_iterable(found["kib"].values())),
    )


_COMPRESSED = ("width", "window_tokens", "ratio", "index_width")


@cache
def _shared(quants: tuple[str, ...]) -> tuple[str, ...]:
    """Most models have the same."""
    return quants


def _columns(layer: Layer) -> tuple[object, ...]:
    columns = astuple(layer)
    return columns if any(columns[N_COLUMNS:]) else columns[:N_COLUMNS]


def _indexed(
    index_key_width: int = 0, index_value_width: int = 0, compression: Sequence[int] | None = None
) -> dict[str, Any]:
    """What few layers have."""
    return {
        "index_key_width": index_key_width,
        "index_value_width": index_value_width,
        "compression": Compression(**dict(zip(_COMPRESSED, compression, strict=True))) if compression else None,
    }


def sketch_line(plain: Model, checkpoint: str, default_quant: str) -> str:
    """The line of a model, from all its tensors before they are quantised."""
    quants = {default_quant, *SKETCHED_QUANTS}
    if plain.architecture != "gpt-oss":
        quants.discard("MXFP4_MOE")
    shapes = {name: tensor.shape for tensor in plain.tensors for name in _SHAPED if tensor.name.endswith(f".{name}")}
    found = {
        "id": checkpoint,
        "name": plain.name,
        "arch": plain.architecture,
        "quant": default_quant,
        "widths": [getattr(plain, name) for name in _WIDTHS],
        "experts": astuple(plain.experts) if plain.experts else None,
        "latent": astuple(plain.latent) if plain.latent else None,
        "layers": [[n, *_columns(layer)] for layer, n in Counter(plain.layers).items()],
        "shapes": shapes,
        "kib": {
            quant: [-(-n // UNIT_BYTES) for n in weights_of(requantised(plain, quant))] for quant in sorted(quants)
        },
    }
    return json.dumps({key: value for key, value in found.items() if value}, separators=(",", ":"))


def weights_of(model: Model) -> Weights:
    """Of all its tensors, as CUDA's buffers round them."""
    table = weight_table(model, "cuda")
    return Weights(
        input=sum(stored_bytes(t.type, t.shape) for t in model.tensors if t.name in INPUT_TENSORS),
        blocks=sum(table.layer_bytes) + table.first_layer_bytes + table.rope_bytes,
        experts=sum(table.expert_bytes),
        head=table.output_bytes,
        tied=table.tied_bytes,
    )
