"""Rows of published file sizes, beside what the catalogue's model of that name would weigh under that quant."""

import re
from collections.abc import Iterable
from functools import cache

from estimator.errors import AmbiguousModel, EstimatorError
from estimator.file_size import gguf_size
from estimator.handmade import parse_handmade
from estimator.mixture import parse_quant, requantised
from estimator.model import Model
from estimator.quant import stored_bytes
from estimator.readers import catalogue
from truth.figure import Figure, NotReplayable, Replay, Row

GIB = 1 << 30
OWN_MIXTURES = ("UD-", "THIREUS", "GGUF-TOOL-SUITE", "UBERGARM", "DYNAMIC")
OF_TENSORS = ("llama-bench table", "print_info/print_meta log line", "quantize README")
"""Kinds of rows that state what the tensors weigh; the others state what the file does."""
PARAMETER_TOLERANCE = 0.01
"""A row whose parameters are further off is another model of that name."""


def replay(rows: Iterable[Row]) -> Replay:
    made = Replay()
    for number, row in enumerate(rows):
        name = row.get("id", f"line {number + 1}")
        made.n_rows += 1
        made.sources[name] = row["source"]
        try:
            _expect_plain(row)
            model = model_of(row["model"], row["quant"], row.get("params"))
            _expect_parameters(model, row)
        except NotReplayable as reason:
            made.skip(str(reason))
            continue
        tensor_bytes = sum(stored_bytes(tensor.type, tensor.shape) for tensor in model.tensors)
        low, high = (ratio * tensor_bytes for ratio in model.size_band_ratio)
        expected = float(tensor_bytes)
        if row["kind"] not in OF_TENSORS:
            whole = gguf_size(model, tensor_bytes)
            low, expected, high = whole.low_bytes, whole.n_bytes, whole.high_bytes
        size = row.get("size_gib") or row["size_bytes"] / GIB
        made.figures.append(
            Figure(
                row=name,
                engine=row["kind"],
                family=model.architecture,
                place="file",
                part="file size",
                measured=size,
                expected=expected / GIB,
                low=low / GIB,
                high=high / GIB,
                unit="GiB",
                rounding=printed_rounding(size),
                cause=f"{row['model']} {row['quant']} as {model.name} {model.quant}",
            )
        )
    return made


def _expect_plain(row: Row) -> None:
    """Some uploaders choose types by hand and leave the label of the nearest mixture."""
    if row.get("quant_label_unreliable"):
        raise NotReplayable("the label is not what is in the file")
    named = f"{row.get('file') or ''} {row['source']} {row['model']}".upper()
    if parse_handmade(row["quant"]) is None and any(mark in named for mark in OWN_MIXTURES):
        raise NotReplayable("a mixture of the uploader's own")


def printed_rounding(size: float) -> float:
    """Half of the last digit: 4.58 was printed with two."""
    digits = len(f"{size:.6f}".rstrip("0").partition(".")[2])
    return 0.5 * 10.0**-digits if digits else 0.5


@cache
def _plain(name: str, n_parameters: int | None) -> Model:
    if n_parameters:
        try:
            return catalogue.read(catalogue.find_described(name, n_parameters).checkpoint, "BF16")
        except EstimatorError:
            pass  # no description of llama-bench's, but a name
    spellings = [name, re.sub(r"[-_ ](gguf|bf16|f16|fp16)$", "", name, flags=re.IGNORECASE)]
    spellings += [spelling.rpartition("/")[2] for spelling in spellings]
    for spelling in dict.fromkeys(spellings):
        try:
            return catalogue.read(spelling, "BF16")
        except AmbiguousModel as error:
            raise NotReplayable("the name may mean several models") from error
        except EstimatorError:
            continue
    raise NotReplayable("no model of that name in the catalogue")


@cache
def model_of(name: str, quant: str, n_parameters: int | None = None) -> Model:
    """The catalogue's.

    Raises:
        NotReplayable: no such model, or no such mixture.
    """
    plain = _plain(name, n_parameters)
    try:
        return requantised(plain, parse_quant(quant))
    except EstimatorError as error:
        raise NotReplayable("a mixture that llama.cpp's quantizer does not offer") from error


def _expect_parameters(model: Model, row: Row) -> None:
    stated = row.get("params")
    if stated and abs(model.n_parameters / stated - 1) > PARAMETER_TOLERANCE:
        raise NotReplayable("the catalogue's model of that name has another number of parameters")
