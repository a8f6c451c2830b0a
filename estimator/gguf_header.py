"""The header of one GGUF file: metadata and the table of tensors, never the weights.

The format is that of ggml/src/gguf.cpp (`gguf_init_from_file`), versions 2 and 3 of either byte order. What is refused
there is refused here; what a stranger's file could exhaust is bounded by the constants below. A vocabulary is stepped
over: it is most of the header and nothing that is asked for.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from struct import Struct
from struct import error as struct_error
from typing import NamedTuple

from estimator.errors import UnreadableModel
from estimator.file_cursor import FileCursor
from estimator.gguf_strings import LEAP_STRINGS, leap_strings, skip_strings
from estimator.model import Tensor
from estimator.quant import BLOCKS, REMOVED_TYPES, TYPE_NAMES

MAGIC = b"GGUF"

MAX_FIELDS = 4096
"""Of metadata. Converted models have some 40; this is for those that list every data set they were trained on."""
MAX_KEY_BYTES = 1024
"""llama.cpp's longest key has under 80."""
MAX_KEPT_TEXT_BYTES = 1024
"""Names and labels; a longer text (a chat template) is stepped over."""
MAX_KEPT_ELEMENTS = 4096
"""Of an array with one number per layer."""
MAX_KEPT_TOTAL = 1 << 18
"""Elements of all such arrays."""
MAX_TENSORS = 16_384
"""DeepSeek R1 has 1,086."""
MAX_TENSOR_NAME_BYTES = 63
"""`GGML_MAX_NAME` of ggml.h, less its terminator."""
MAX_TENSOR_ENTRY_BYTES = 8 + MAX_TENSOR_NAME_BYTES + 4 + 4 * 8 + 4 + 8
MAX_TENSOR_BYTES = 1 << 63
"""Above, ggml cannot count them (int64)."""
MAX_DIMENSIONS = 4
"""`GGML_MAX_DIMS` of ggml.h."""
MAX_STRINGS = 1_000_000
"""Gone through one by one in all, which takes 0.1 s; what is leapt over (`gguf_strings`) does not count. Gemma 3's
262,144 tokens and their merges are some 0.8 million."""
MAX_DEPTH = 4
"""Of arrays in arrays; llama.cpp reads none at all."""
MAX_INNER_ARRAYS = 4096
MAX_ALIGNMENT = 1 << 20
DEFAULT_ALIGNMENT = 32
"""`GGUF_DEFAULT_ALIGNMENT` of gguf.h."""

# gguf.h, `enum gguf_type`: id -> name, and struct's code where it is a number.
STRING, ARRAY = 8, 9
VALUE_TYPES: Mapping[int, str] = dict(
    enumerate(("u8", "i8", "u16", "i16", "u32", "i32", "f32", "bool", "string", "array", "u64", "i64", "f64"))
)
CODES: Mapping[int, str] = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}


@dataclass(frozen=True, slots=True)
class SkippedArray:
    """An array that was stepped over, or a long text (of ``u8``)."""

    element_type: str
    length: int


class Header(NamedTuple):
    """What one GGUF file says before its weights."""

    version: int
    metadata: Mapping[str, object]
    """str, int, float, bool, tuples of numbers for short arrays, and `SkippedArray`."""
    tensors: tuple[Tensor, ...]
    data_offset: int
    """Where the weights start in the file."""
    file_bytes: int


def read_header(path: str) -> Header:
    """Read and check one file's header.

    Raises:
        UnreadableModel: no file, no GGUF, or damaged, with what to do about it.
    """
    with FileCursor(path) as cursor:
        order, version = _order_and_version(cursor)
        start = cursor.position
        fields = Fields(cursor, order, is_leaping=order == "<")
        try:
            return _header(fields, version)
        except UnreadableModel:
            if not fields.has_leapt:
                raise
        cursor.move(start)
        return _header(Fields(cursor, order, is_leaping=False), version)


def _order_and_version(cursor: FileCursor) -> tuple[str, int]:
    if cursor.n_bytes < 4 or cursor.take(4) != MAGIC:
        from estimator.magic import HEAD_BYTES, explain  # noqa: PLC0415 - only for a file that is refused

        cursor.move(0)
        raise explain(cursor.take(min(cursor.n_bytes, HEAD_BYTES)), cursor.name)
    version = cursor.number(Struct("<I"))
    order = "<"
    if version and not version & 0xFFFF:  # how gguf.cpp tells the byte order, which no field states
        order, version = ">", int.from_bytes(version.to_bytes(4, "little"), "big")
    if version == 1:
        raise UnreadableModel(f"{cursor.name}: GGUF version 1 (August 2023) is no longer read; convert the model again")
    if version not in (2, 3):
        raise UnreadableModel(
            f"{cursor.name}: GGUF version {version} is not known here, 2 and 3 are; "
            + ("update Plimsoll" if 3 < version < 256 else "the file is damaged, download it again")
        )
    return order, version


def _header(fields: "Fields", version: int) -> Header:
    n_tensors, n_fields = fields.u64(), fields.u64()
    # The least that a tensor and a field take: an empty name and no dimension; a key of one letter and a byte.
    fields.expect_count(n_tensors, 24, MAX_TENSORS, "tensors")
    fields.expect_count(n_fields, 14, MAX_FIELDS, "metadata fields")
    metadata = fields.metadata(n_fields)
    alignment = metadata.get("general.alignment", DEFAULT_ALIGNMENT)
    if type(alignment) is not int or not 8 <= alignment <= MAX_ALIGNMENT or alignment & (alignment - 1):
        raise fields.damaged("general.alignment is not a power of two from 8 on")
    tensors, n_data_bytes = fields.tensors(n_tensors, alignment)
    cursor = fields.cursor
    data_offset = -(-cursor.position // alignment) * alignment if tensors else cursor.position
    if data_offset + n_data_bytes > cursor.n_bytes:
        raise UnreadableModel(
            f"{cursor.name}: truncated: the header needs {data_offset + n_data_bytes} bytes, the file has "
            f"{cursor.n_bytes}; download it again"
        )
    return Header(
        version=version, metadata=metadata, tensors=tensors, data_offset=data_offset, file_bytes=cursor.n_bytes
    )


class Fields:
    """The header's fields, in the order in which they stand in the file."""

    def __init__(self, cursor: FileCursor, order: str, *, is_leaping: bool) -> None:
        self.cursor = cursor
        self.has_leapt = False
        self._order = order
        self._is_leaping = is_leaping
        self._u32 = Struct(order + "I")
        self._u64 = Struct(order + "Q")
        self._n_strings = 0
        self._n_inner = 0
        self._n_kept = 0
        self._is_last = False

    def u64(self) -> int:
        return self.cursor.number(self._u64)

    def damaged(self, what: str) -> UnreadableModel:
        """The error for something that no writer of GGUF writes."""
        return UnreadableModel(f"{self.cursor.name}: damaged: {what}; download it again")

    def expect_count(self, n: int, least_bytes: int, maximum: int, what: str) -> None:
        """Check that so many things can be in the rest of the file, and in any model."""
        if n * least_bytes > self.cursor.n_bytes - self.cursor.position:
            raise self.damaged(f"{n} {what} do not fit into the rest of its {self.cursor.n_bytes} bytes")
        if n > maximum:
            raise self.damaged(f"{n} {what} are more than any model has")

    def metadata(self, n_fields: int) -> dict[str, object]:
        """The key-value pairs."""
        metadata: dict[str, object] = {}
        for i in range(n_fields):
            self._is_last = i == n_fields - 1
            n_bytes = self.u64()
            if not 0 < n_bytes <= MAX_KEY_BYTES:
                raise self.damaged(f"a metadata key is {n_bytes} bytes long")
            key = self.cursor.take(n_bytes).decode(errors="replace")
            if key in metadata:
                raise self.damaged(f"the metadata key {key!r} is there twice")
            metadata[key] = self._value(key)
        return metadata

    def _value(self, key: str) -> object:
        kind = self.cursor.number(self._u32)
        if kind == ARRAY:
            return self._array(key, depth=1)
        if kind == STRING:
            n_bytes = self.u64()
            if n_bytes > MAX_KEPT_TEXT_BYTES:
                self.cursor.skip(n_bytes)
                return SkippedArray("u8", n_bytes)
            return self.cursor.take(n_bytes).decode(errors="replace")
        return self._numbers(key, kind, 1)[0]

    def _numbers(self, key: str, kind: int, n: int) -> tuple[int | float | bool, ...]:
        form = Struct(f"{self._order}{n}{self._code(key, kind)}")
        return form.unpack(self.cursor.take(form.size))

    def _code(self, key: str, kind: int) -> str:
        if kind not in CODES:
            raise self.damaged(f"the metadata key {key!r} has a value of the unknown type {kind}")
        return CODES[kind]

    def _array(self, key: str, depth: int) -> object:
        kind, n = self.cursor.number(self._u32), self.u64()
        if kind == STRING:
            self._skip_strings(n)
        elif kind == ARRAY:
            if depth == MAX_DEPTH:
                raise self.damaged(f"the metadata key {key!r} has arrays within arrays beyond a depth of {MAX_DEPTH}")
            self._n_inner += n
            self.expect_count(n, 12, MAX_INNER_ARRAYS - self._n_inner + n, "arrays in an array")
            for _ in range(n):
                self._array(key, depth + 1)
        elif self._is_kept(key, n) and depth == 1:
            self._n_kept += n
            return self._numbers(key, kind, n)
        else:
            self.cursor.skip(n * Struct(self._order + self._code(key, kind)).size)
        return SkippedArray(VALUE_TYPES[kind], n)

    def _is_kept(self, key: str, n: int) -> bool:
        # The tokenizer's numbers (scores, types) are as many as its tokens and say nothing about memory.
        return n <= MAX_KEPT_ELEMENTS and self._n_kept + n <= MAX_KEPT_TOTAL and not key.startswith("tokenizer.")

    def _skip_strings(self, n: int) -> None:
        self.expect_count(n, 8, 1 << 64, "strings of an array")
        if self._is_leaping and n >= LEAP_STRINGS and not self._is_last and leap_strings(self.cursor, n):
            self.has_leapt = True
            return
        self.expect_count(n, 8, MAX_STRINGS - self._n_strings, "strings of an array")
        self._n_strings += n
        skip_strings(self.cursor, self._u64, n)

    def tensors(self, n_tensors: int, alignment: int) -> tuple[tuple[Tensor, ...], int]:
        """The tensors, and the bytes that their data section needs."""
        cursor, unpack_length = self.cursor, self._u64.unpack_from
        # By the number of dimensions: they, the type, the offset into the data section.
        forms = [Struct(f"{self._order}{n}QIQ") for n in range(MAX_DIMENSIONS + 1)]
        tensors: list[Tensor] = []
        names: set[str] = set()
        expected = needed = 0
        for _ in range(n_tensors):
            cursor.hold(min(MAX_TENSOR_ENTRY_BYTES, cursor.n_bytes - cursor.position))
            data, at = cursor.data, cursor.at
            try:
                (n_bytes,) = unpack_length(data, at)
                if n_bytes > MAX_TENSOR_NAME_BYTES:
                    raise self.damaged(f"a tensor's name is {n_bytes} bytes long")
                at += 8 + n_bytes
                name = data[at - n_bytes : at].decode(errors="replace")
                n_dimensions = int.from_bytes(data[at : at + 4], "little" if self._order == "<" else "big")
                if n_dimensions > MAX_DIMENSIONS:
                    raise self.damaged(f"the tensor {name!r} has {n_dimensions} dimensions")
                form = forms[n_dimensions]
                *shape, kind, offset = form.unpack_from(data, at + 4)
            except struct_error as error:
                raise self.damaged(f"the table of tensors breaks off at byte {cursor.n_bytes}") from error
            cursor.at = at + 4 + form.size
            if name in names:
                raise self.damaged(f"the tensor {name!r} is there twice")
            names.add(name)
            tensor = Tensor(name, tuple(shape) or (1,), self._type_name(name, kind))
            if offset != expected:
                raise self.damaged(f"the tensor {name!r} is said to start at {offset}, not where the last one ends")
            needed = expected + self._stored_bytes(tensor)
            expected = -(-needed // alignment) * alignment
            tensors.append(tensor)
        return tuple(tensors), needed

    def _type_name(self, tensor_name: str, kind: int) -> str:
        if kind in TYPE_NAMES:
            return TYPE_NAMES[kind]
        if kind in REMOVED_TYPES:
            raise UnreadableModel(
                f"{self.cursor.name}: the tensor {tensor_name!r} is stored as {REMOVED_TYPES[kind]}, which ggml no "
                "longer reads; convert the model again"
            )
        raise UnreadableModel(
            f"{self.cursor.name}: the tensor {tensor_name!r} is stored as a type not known here ({kind}); the file is "
            "damaged or newer than this release, update Plimsoll"
        )

    def _stored_bytes(self, tensor: Tensor) -> int:
        block = BLOCKS[tensor.type]
        n_blocks, rest = divmod(tensor.shape[0], block.n_weights)
        if rest:
            raise self.damaged(
                f"the tensor {tensor.name!r} has rows of {tensor.shape[0]}, not whole {tensor.type} blocks of "
                f"{block.n_weights}"
            )
        n_bytes = n_blocks * block.n_bytes * prod(tensor.shape[1:])
        if not 0 < n_bytes < MAX_TENSOR_BYTES:
            raise self.damaged(f"the tensor {tensor.name!r} has the impossible shape {tensor.shape}")
        return n_bytes
