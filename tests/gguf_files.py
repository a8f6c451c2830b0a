"""GGUF files for tests: real headers, and weights that are a hole in the file.

``write_gguf(path, {"general.architecture": "llama", ...}, [Tensor("token_embd.weight", (64, 100), "Q4_0")])``
"""

import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from estimator.model import Tensor
from estimator.quant import TYPE_NAMES, stored_bytes

VALUE_TYPES = ("u8", "i8", "u16", "i16", "u32", "i32", "f32", "bool", "string", "array", "u64", "i64", "f64")
CODES = dict(zip(VALUE_TYPES, "BbHhIif?  Qqd", strict=True))
TYPE_IDS = {name: number for number, name in TYPE_NAMES.items()}


@dataclass(frozen=True)
class Typed:
    """A value of a stated type: ``Typed("u64", 5)``, ``Typed("i32", [1, 2])`` for an array of i32."""

    type: str
    value: Any


def write_gguf(
    path: Path | str,
    metadata: Mapping[str, object],
    tensors: Sequence[Tensor] = (),
    *,
    version: int = 3,
    big_endian: bool = False,
    alignment: int = 32,
    data_bytes: int | None = None,
) -> int:
    """Write a file and return the bytes of its header.

    An int is written as u32, a float as f32, a list as an array of its first element's type; ``Typed`` states another.
    ``alignment`` is said in the metadata unless it is 32. ``data_bytes`` cuts the data section short.
    """
    head, needed = header_bytes(metadata, tensors, version=version, big_endian=big_endian, alignment=alignment)
    with open(path, "wb") as file:
        file.write(head)
        file.truncate(len(head) + (needed if data_bytes is None else data_bytes))
    return len(head)


def header_bytes(
    metadata: Mapping[str, object],
    tensors: Sequence[Tensor] = (),
    *,
    version: int = 3,
    big_endian: bool = False,
    alignment: int = 32,
) -> tuple[bytes, int]:
    """The header with its padding, and the bytes that the data section needs."""
    order = ">" if big_endian else "<"
    if alignment != 32:
        metadata = {**metadata, "general.alignment": alignment}
    parts = [b"GGUF", struct.pack(order + "IQQ", version, len(tensors), len(metadata))]
    for key, value in metadata.items():
        parts += [_string(order, key), _value(order, value)]
    offset = 0
    for tensor in tensors:
        parts.append(_string(order, tensor.name))
        parts.append(struct.pack(f"{order}I{len(tensor.shape)}Q", len(tensor.shape), *tensor.shape))
        parts.append(struct.pack(order + "IQ", TYPE_IDS[tensor.type], offset))
        offset += -(-stored_bytes(tensor.type, tensor.shape) // alignment) * alignment
    head = b"".join(parts)
    return head + bytes(-len(head) % alignment if tensors else 0), offset


def vocabulary(n_tokens: int, n_merges: int) -> dict[str, object]:
    """A tokenizer's metadata with strings as long as those of byte-pair vocabularies, and a few long ones."""
    tokens = _words(n_tokens)
    return {
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": "llama-bpe",
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.scores": Typed("f32", [0.0] * n_tokens),
        "tokenizer.ggml.token_type": Typed("i32", [1] * n_tokens),
        "tokenizer.ggml.merges": [f"{word[: len(word) // 2]} {word[len(word) // 2 :]}" for word in _words(n_merges)],
        "tokenizer.ggml.bos_token_id": 0,
        "tokenizer.ggml.eos_token_id": n_tokens - 1,
        "tokenizer.chat_template": "{{ messages }}" * 300,
        "general.quantization_version": 2,
    }


def llama_metadata(**changes: object) -> dict[str, object]:
    """A small Llama's; ``changes`` are keys with ``__`` for the dots."""
    metadata: dict[str, object] = {
        "general.architecture": "llama",
        "general.name": "Tiny",
        "general.file_type": 15,
        "llama.block_count": 2,
        "llama.context_length": 4096,
        "llama.embedding_length": 256,
        "llama.feed_forward_length": 512,
        "llama.attention.head_count": 4,
        "llama.attention.head_count_kv": 2,
        "llama.attention.layer_norm_rms_epsilon": 1e-5,
        "llama.rope.dimension_count": 64,
    }
    return metadata | {key.replace("__", "."): value for key, value in changes.items()}


def llama_tensors(n_layers: int = 2, *, vocabulary_size: int = 1000, type_name: str = "Q4_K") -> list[Tensor]:
    """The tensors of `llama_metadata`'s model."""
    tensors = [
        Tensor("token_embd.weight", (256, vocabulary_size), type_name),
        Tensor("output_norm.weight", (256,), "F32"),
        Tensor("output.weight", (256, vocabulary_size), "Q6_K"),
    ]
    for i in range(n_layers):
        tensors += [
            Tensor(f"blk.{i}.attn_norm.weight", (256,), "F32"),
            Tensor(f"blk.{i}.attn_q.weight", (256, 256), type_name),
            Tensor(f"blk.{i}.attn_k.weight", (256, 128), type_name),
            Tensor(f"blk.{i}.attn_v.weight", (256, 128), "Q6_K"),
            Tensor(f"blk.{i}.attn_output.weight", (256, 256), type_name),
            Tensor(f"blk.{i}.ffn_norm.weight", (256,), "F32"),
            Tensor(f"blk.{i}.ffn_gate.weight", (256, 512), type_name),
            Tensor(f"blk.{i}.ffn_up.weight", (256, 512), type_name),
            Tensor(f"blk.{i}.ffn_down.weight", (512, 256), "Q6_K"),
        ]
    return tensors


def _words(n: int) -> list[str]:
    lengths = (3, 5, 6, 4, 8, 7, 10, 2, 12, 9, 6, 5, 16, 4, 7, 11)
    words = _numbered(lengths)
    return [next(words) if i % 2000 else "Ġ" * (i // 2000 % 200 + 40) for i in range(n)]


def _numbered(lengths: Sequence[int]) -> Iterator[str]:
    for i in count():
        yield f"{i:x}".rjust(lengths[i % len(lengths)], "t")


def _string(order: str, text: str) -> bytes:
    encoded = text.encode()
    return struct.pack(order + "Q", len(encoded)) + encoded


def _value(order: str, value: object) -> bytes:
    typed = value if isinstance(value, Typed) else Typed(_type_of(value), value)
    if isinstance(typed.value, list):
        element = typed.type if isinstance(value, Typed) else _type_of(typed.value[0])
        return struct.pack(order + "I", VALUE_TYPES.index("array")) + _array(order, element, typed.value)
    return struct.pack(order + "I", VALUE_TYPES.index(typed.type)) + _bare(order, typed.type, typed.value)


def _array(order: str, element: str, values: Sequence[Any]) -> bytes:
    head = struct.pack(order + "IQ", VALUE_TYPES.index(element), len(values))
    if not CODES[element].isspace():
        return head + struct.pack(f"{order}{len(values)}{CODES[element]}", *values)
    return head + b"".join(_bare(order, element, value) for value in values)


def _bare(order: str, type_name: str, value: Any) -> bytes:
    if type_name == "string":
        return _string(order, value)
    if type_name == "array":
        return _array(order, _type_of(value[0]), value)
    return struct.pack(order + CODES[type_name], value)


def _type_of(value: object) -> str:
    for python, name in ((bool, "bool"), (int, "u32"), (float, "f32"), (str, "string"), (list, "array")):
        if isinstance(value, python):
            return name
    raise TypeError(f"no GGUF type for {value!r}; state one with Typed")
