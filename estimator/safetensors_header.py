"""The header of one safetensors file: names, types and shapes of its tensors, never the weights.

The format is that of the safetensors crate (src/tensor.rs, `Metadata::validate`, 0.6): eight bytes of length, that much
JSON, and tensors that follow each other without a gap. What is refused there is refused here.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import prod
from struct import Struct
from types import MappingProxyType

from estimator.errors import UnreadableModel
from estimator.file_cursor import FileCursor, shown
from estimator.json_file import parse_json_object
from estimator.quant import BLOCKS
from records.record import record

MAX_HEADER_BYTES = 48 << 20
"""The crate allows 100 MB. A shard with 40,000 tensors has 6."""
MAX_TENSORS = 1 << 19
"""In all files of a checkpoint. Kimi K2, 60 layers of 384 experts packed as weights, scales and shapes, has 210,000."""
MAX_DIMENSIONS = 8
MAX_ELEMENTS = 1 << 47
MAX_NAME_LENGTH = 512

TYPES: Mapping[str, str] = MappingProxyType(
    {name: name for name in ("F64", "F32", "F16", "BF16", "I64", "I32", "I16", "I8", "U64", "U32", "U16", "U8", "BOOL")}
    | {"F8_E4M3": "F8_E4M3", "F8_E5M2": "F8_E5M2", "F8_E8M0": "F8_E8M0", "C64": "C64", "F4": "F4"}
    | {"F8_E4M3FNUZ": "F8_E4M3", "F8_E5M2FNUZ": "F8_E5M2", "F6_E2M3": "INT6", "F6_E3M2": "INT6"}
)
"""The crate's ``Dtype`` -> a type of ``estimator.quant.BLOCKS`` that takes the same bytes."""

_LENGTH = Struct("<Q")


@dataclass(frozen=True, slots=True)
class StoredTensor:
    """As the file has it."""

    name: str
    type: str
    shape: tuple[int, ...]
    """Elements per dimension, the fastest **last**, as PyTorch has them."""

    @property
    def n_elements(self) -> int:
        return prod(self.shape)


@record(frozen=True, slots=True, kw_only=True)
class SafetensorsHeader:
    """What one file says before its weights."""

    tensors: tuple[StoredTensor, ...]
    file_bytes: int


def read_safetensors_header(path: str) -> SafetensorsHeader:
    """Read and check one file's header.

    Raises:
        UnreadableModel: no file, no safetensors, or damaged, with what to do about it.
    """
    with FileCursor(path) as cursor:
        if cursor.n_bytes < _LENGTH.size + 2:
            raise UnreadableModel(f"{cursor.name}: {cursor.n_bytes} bytes are no safetensors file; download it again")
        n_header_bytes = cursor.number(_LENGTH)
        if cursor.take(1) != b"{":
            _explain(cursor)
        if n_header_bytes > MAX_HEADER_BYTES:
            raise UnreadableModel(
                f"{cursor.name}: damaged: its header claims {n_header_bytes} bytes, more than any model's; download it "
                "again"
            )
        cursor.move(_LENGTH.size)
        text = cursor.take(n_header_bytes)
        n_data_bytes = cursor.n_bytes - cursor.position
        return _checked(parse_json_object(text, cursor.name), cursor.name, n_data_bytes, cursor.n_bytes)


def read_safetensors_headers(paths: Iterable[str], n_most: int = MAX_TENSORS) -> tuple[SafetensorsHeader, ...]:
    """The headers of all files of one checkpoint.

    Raises:
        UnreadableModel: as for one file, or they have more than ``n_most`` tensors together.
    """
    found: list[SafetensorsHeader] = []
    n_left = n_most
    for path in paths:
        found.append(read_safetensors_header(path))
        n_left -= len(found[-1].tensors)
        if n_left < 0:
            raise UnreadableModel(
                f"{shown(path)}: damaged: up to it the parts have more than {n_most} tensors, which no model has; "
                "download them again"
            )
    return tuple(found)


def _explain(cursor: FileCursor) -> None:
    from estimator.magic import HEAD_BYTES, explain  # noqa: PLC0415 - only for a file that is refused

    cursor.move(0)
    head = cursor.take(min(cursor.n_bytes, HEAD_BYTES))
    found = str(explain(head, cursor.name))
    if "not a GGUF file" in found:
        found = f"{cursor.name}: not a safetensors file, whatever its name; download it again"
    raise UnreadableModel(found)


def _checked(found: Mapping[str, object], name: str, n_data_bytes: int, file_bytes: int) -> SafetensorsHeader:
    if len(found) > MAX_TENSORS:
        raise UnreadableModel(f"{name}: damaged: {len(found)} tensors are more than any model has; download it again")
    placed = [_tensor(key, value, name) for key, value in found.items() if key != "__metadata__"]
    placed.sort(key=lambda one: one[0])
    expected = 0
    for start, end, tensor in placed:
        if start != expected:
            raise UnreadableModel(
                f"{name}: damaged: the tensor {_shown(tensor.name)} starts at {start}, not where the last one ends "
                f"({expected}); download it again"
            )
        expected = end
    if expected != n_data_bytes:
        what = "truncated" if expected > n_data_bytes else "damaged"
        raise UnreadableModel(
            f"{name}: {what}: its tensors take {expected} bytes and the file has {n_data_bytes} for them; download it "
            "again"
        )
    return SafetensorsHeader(tensors=tuple(tensor for _, _, tensor in placed), file_bytes=file_bytes)


def _tensor(key: str, value: object, name: str) -> tuple[int, int, StoredTensor]:
    """(start, end, tensor); offsets count from the end of the header."""
    if not isinstance(value, dict) or len(key) > MAX_NAME_LENGTH:
        raise _damaged(name, key)
    kind, shape, offsets = value.get("dtype"), value.get("shape"), value.get("data_offsets")
    if not isinstance(kind, str) or kind not in TYPES:
        raise UnreadableModel(
            f"{name}: the tensor {_shown(key)} is stored as a type not known here ({_shown(kind)}); update Plimsoll"
        )
    widths, ends = _counts(shape, MAX_DIMENSIONS), _counts(offsets, 2)
    if widths is None or ends is None or len(ends) != 2:
        raise _damaged(name, key)
    tensor = StoredTensor(key, TYPES[kind], widths)
    start, end = ends
    block = BLOCKS[tensor.type]
    n_bytes = -(-tensor.n_elements * block.n_bytes // block.n_weights)
    if tensor.n_elements > MAX_ELEMENTS or end - start != n_bytes:
        raise UnreadableModel(
            f"{name}: damaged: the tensor {_shown(key)} of shape {list(tensor.shape)} does not take the "
            f"{end - start} bytes that it claims; download it again"
        )
    return start, end, tensor


def _counts(found: object, n_most: int) -> tuple[int, ...] | None:
    """A short list of whole numbers; None for anything else."""
    if not isinstance(found, list) or len(found) > n_most:
        return None
    counts = tuple(n for n in found if type(n) is int and 0 <= n < 1 << 63)
    return counts if len(counts) == len(found) else None


def _damaged(name: str, key: str) -> UnreadableModel:
    return UnreadableModel(f"{name}: damaged: the entry of the tensor {_shown(key)} is no entry; download it again")


def _shown(text: object) -> str:
    return repr("".join(c for c in str(text)[:80] if c.isprintable()))
