"""Rows of published file sizes, beside what the catalogue's model of that name would weigh under that quant."""

import json
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from estimator.errors import AmbiguousModel, EstimatorError
from estimator.file_size import gguf_size
from estimator.handmade import parse_handmade
from estimator.mixture import parse_quant, requantised
from estimator.model import Model
from estimator.quant import stored_bytes
from estimator.readers import catalogue
from truth.description import type_counts
from truth.figure import Figure, NotReplayable, Replay, Row

GIB = 1 << 30
OWN_MIXTURES = ("UD-", "THIREUS", "GGUF-TOOL-SUITE", "UBERGARM", "DYNAMIC", "-MIX-")
OF_TENSORS = ("llama-bench table", "print_info/print_meta log line", "quantize README")
"""Kinds of rows that state what the tensors weigh; the others state what the file does."""
PARAMETER_TOLERANCE = 0.01
"""A row whose parameters are further off is another model of that name."""
AGREEMENT = 0.015
"""Files of one model and label that lie further apart were made in different ways, which the label does not tell."""
STATED_FILES = Path(__file__).parents[1] / "data" / "stated_files.jsonl"
"""What a repository says elsewhere of the files in its tables, which name them by label alone."""


@dataclass(frozen=True, kw_only=True)
class Sized:
    """A row beside the model that it seems to be of."""

    row: Row
    name: str
    model: Model
    size_gib: float

    @property
    def is_handmade(self) -> bool:
        """The label is of no mixture of the quantizer: whoever made it chose the types."""
        return parse_handmade(self.row["quant"]) is not None


def replay(rows: Iterable[Row], logs: Iterable[Row] = ()) -> Replay:
    """Args: rows: of sizes; logs: of engines, some of which list the types in the same files."""
    made = Replay()
    types = {(log["source"], log["file"].get("size_gib")): type_counts(log) for log in logs}
    sized = []
    for number, row in enumerate(rows):
        name = row.get("id", f"line {number + 1}")
        made.n_rows += 1
        made.sources[name] = row["source"]
        try:
            _expect_plain(row)
            model = model_of(row["model"], row["quant"], row.get("params"))
            _expect_parameters(model, row)
            _expect_types(model, types.get((row["source"], row.get("size_gib")), Counter()))
        except NotReplayable as reason:
            made.skip(str(reason))
            continue
        sized.append(Sized(row=row, name=name, model=model, size_gib=row.get("size_gib") or row["size_bytes"] / GIB))
    for one in sized:
        if not one.is_handmade and _is_disputed(one, sized):
            made.skip("files of that model and label lie more than 1.5 % apart")
        else:
            made.figures.append(_figure(one))
    return made


def _figure(one: Sized) -> Figure:
    model, row = one.model, one.row
    tensor_bytes = sum(stored_bytes(tensor.type, tensor.shape) for tensor in model.tensors)
    low, high = (ratio * tensor_bytes for ratio in model.size_band_ratio)
    expected = float(tensor_bytes)
    if row["kind"] not in OF_TENSORS:
        whole = gguf_size(model, tensor_bytes)
        low, expected, high = whole.low_bytes, whole.n_bytes, whole.high_bytes
    part = "file size" if row["kind"] in OF_TENSORS else "file size, rounded"
    return Figure(
        row=one.name,
        engine=row["kind"],
        family=model.architecture,
        place="file",
        part="file size, a mixture by hand" if one.is_handmade else part,
        measured=one.size_gib,
        expected=expected / GIB,
        low=low / GIB,
        high=high / GIB,
        unit="GiB",
        rounding=printed_rounding(one.size_gib),
        cause=f"{row['model']} {row['quant']} as {model.name} {model.quant}",
    )


def _is_disputed(one: Sized, sized: Iterable[Sized]) -> bool:
    """Whether exact rows of the same model and label contradict each other; ours is not asked."""
    if one.row["kind"] not in OF_TENSORS:
        return False
    sizes = [
        other.size_gib
        for other in sized
        if other.row["kind"] in OF_TENSORS
        and (other.model.name, other.model.quant, other.row.get("params"))
        == (one.model.name, one.model.quant, one.row.get("params"))
    ]
    return max(sizes) > (1 + AGREEMENT) * min(sizes)


def _expect_plain(row: Row) -> None:
    """Some uploaders choose types by hand and leave the label of the nearest mixture."""
    if row.get("quant_label_unreliable"):
        raise NotReplayable("the label is not what is in the file")
    stated = _stated_files().get((row["source"], row["quant"]), "")
    named = f"{row.get('file') or ''} {row['source']} {row['model']} {stated}".upper()
    own = parse_handmade(row["quant"])
    if own is None and any(mark in named for mark in OWN_MIXTURES):
        raise NotReplayable("a mixture of the uploader's own")
    told = {quant for word in (row.get("file") or "", row["source"]) for quant in quants_in(word)}
    try:
        label = parse_quant(row["quant"])
    except EstimatorError:
        return
    if told and label not in told:
        raise NotReplayable("the file's name says another quant than its label")


def quants_in(text: str) -> set[str]:
    """The mixtures that the last part of a path or an address names: ``Q4_K_XL`` in ``results/Q4_K_XL_ceil_q4.md``."""
    words = re.findall(r"(?<![A-Za-z0-9])(?:UD-)?(?:I?Q\d|BF16|F16)(?:_[A-Z0-9]+)*(?![a-z])", text.rpartition("/")[2])
    found = set()
    for word in words:
        parts = word.split("_")
        for end in range(len(parts), 0, -1):
            try:
                found.add(parse_quant("_".join(parts[:end])))
            except EstimatorError:
                continue
            break
    return found


def _expect_types(model: Model, logged: Counter[str]) -> None:
    """A log of the same file that lists other types than the mixture has says that the label is not what is in it."""
    if not logged or model.size_band_ratio != (1.0, 1.0):
        return
    listed = {re.sub(r"_R\d+$", "", name) for name in logged}  # the same bytes in another order
    if listed - {"F32"} != {tensor.type for tensor in model.tensors} - {"F32"}:
        raise NotReplayable("its log lists types that a mixture of that label does not have")


@cache
def _stated_files() -> dict[tuple[str, str], str]:
    lines = [json.loads(line) for line in STATED_FILES.read_text().splitlines()]
    return {(line["source"], line["label"]): line["file"] for line in lines}


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
