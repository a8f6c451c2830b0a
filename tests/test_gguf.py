import os
import struct
import time
import tracemalloc
from pathlib import Path

import pytest
from gguf_files import Typed, header_bytes, llama_metadata, llama_tensors, vocabulary, write_gguf
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from estimator.errors import UnreadableModel
from estimator.file_cursor import FileCursor
from estimator.model import Tensor
from estimator.readers.gguf import Header, SkippedArray, quant_label, read, read_header, recognises

U64_MAX = (1 << 64) - 1
SPARSE_BYTES = 1 << 40


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "tiny.gguf")


def start(n_tensors: int, n_fields: int, version: int = 3) -> bytes:
    return b"GGUF" + struct.pack("<IQQ", version, n_tensors, n_fields)


def text(value: bytes) -> bytes:
    return struct.pack("<Q", len(value)) + value


def strings(n: int) -> bytes:
    return struct.pack("<IIQ", 9, 8, n)


def tensor_entry(name: bytes, shape: tuple[int, ...], type_id: int = 0, offset: int = 0) -> bytes:
    return text(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, type_id, offset)


def refusal(path: str, content: bytes, n_bytes: int | None = None) -> str:
    """The message for a file of that content, which may go on as a hole."""
    with open(path, "wb") as file:
        file.write(content)
        if n_bytes:
            file.truncate(n_bytes)
    with pytest.raises(UnreadableModel) as caught:
        read(path)
    message = str(caught.value)
    assert message.startswith(path)
    assert "\n" not in message
    assert len(message) < len(path) + 300
    return message


# What an honest file says


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("big_endian", [False, True])
def test_header_is_read_in_either_version_and_byte_order(path, version, big_endian):
    metadata, tensors = llama_metadata(), llama_tensors()
    n_header_bytes = write_gguf(path, metadata, tensors, version=version, big_endian=big_endian)

    header = read_header(path)

    assert header.version == version
    assert header.tensors == tuple(tensors)
    assert header.data_offset == n_header_bytes
    assert header.file_bytes == os.path.getsize(path)
    epsilon = "llama.attention.layer_norm_rms_epsilon"
    assert {**header.metadata, epsilon: 0} == {**metadata, epsilon: 0}
    assert header.metadata[epsilon] == pytest.approx(1e-5)


@pytest.mark.parametrize(
    ("type_name", "value"),
    [
        ("u8", 255),
        ("i8", -128),
        ("u16", 65535),
        ("i16", -32768),
        ("u32", 4294967295),
        ("i32", -2147483648),
        ("f32", 0.5),
        ("bool", True),
        ("bool", False),
        ("string", "Grüße"),
        ("u64", U64_MAX),
        ("i64", -(1 << 63)),
        ("f64", 0.1),
    ],
)
def test_every_value_type_is_read(path, type_name, value):
    write_gguf(path, {"a.value": Typed(type_name, value), "a.next": 1})
    assert read_header(path).metadata == {"a.value": value, "a.next": 1}


@pytest.mark.parametrize(
    ("written", "read_back"),
    [
        ([8, 8, 0], (8, 8, 0)),
        ([True, False], (True, False)),
        (Typed("i64", [-1, 2]), (-1, 2)),
        (Typed("f64", [0.1, 0.2]), (0.1, 0.2)),
        (Typed("u32", []), ()),
    ],
)
def test_short_numeric_array_is_kept(path, written, read_back):
    write_gguf(path, {"llama.attention.head_count_kv": written, "a.next": 1})
    assert read_header(path).metadata == {"llama.attention.head_count_kv": read_back, "a.next": 1}


@pytest.mark.parametrize(
    ("key", "written", "skipped"),
    [
        ("general.tags", ["a", "", "ccc" * 100], SkippedArray("string", 3)),
        ("tokenizer.ggml.token_type", [1, 2], SkippedArray("u32", 2)),
        ("a.long", Typed("u8", [7] * 4097), SkippedArray("u8", 4097)),
        ("a.nested", [[1, 2], [3]], SkippedArray("array", 2)),
        ("a.deeper", [[["x", "y"], ["z"]]], SkippedArray("array", 1)),
        ("tokenizer.chat_template", "x" * 2000, SkippedArray("u8", 2000)),
    ],
)
def test_what_says_nothing_about_memory_is_stepped_over(path, key, written, skipped):
    write_gguf(path, {key: written, "a.next": 1})
    assert read_header(path).metadata == {key: skipped, "a.next": 1}


def test_file_with_an_alignment_of_its_own_is_read(path):
    n_header_bytes = write_gguf(path, llama_metadata(), llama_tensors(), alignment=4096)
    assert read_header(path).data_offset == n_header_bytes


def test_last_tensor_need_not_be_padded(path):
    write_gguf(path, {}, [Tensor("a", (3,), "F32")], data_bytes=12)
    assert read_header(path).tensors == (Tensor("a", (3,), "F32"),)


def test_model_is_described_from_its_header(path):
    write_gguf(path, llama_metadata(), llama_tensors())

    model = read(path)

    assert (model.name, model.architecture, model.quant) == ("Tiny", "llama", "Q4_K_M")
    assert (model.n_layers, model.vocabulary_size) == (2, 1000)
    assert model.file_bytes == os.path.getsize(path)


def test_name_that_steers_a_terminal_is_disarmed(path):
    write_gguf(path, llama_metadata(general__name="\x1b[2JTiny\u202e"), llama_tensors())
    assert read(path).name == "[2JTiny"


def test_model_without_a_name_is_called_as_its_file(path):
    metadata = llama_metadata()
    del metadata["general.name"]
    write_gguf(path, metadata, llama_tensors())
    assert read(path).name == "tiny"


def test_vocabulary_size_falls_back_to_the_tokens(path):
    write_gguf(path, llama_metadata() | {"tokenizer.ggml.tokens": ["a"] * 7}, llama_tensors()[3:])
    assert read(path).vocabulary_size == 7


# Vocabularies


def both_ways(tmp_path: Path, metadata: dict[str, object]) -> tuple[Header, Header]:
    """As leapt over, and as gone through string by string, which big-endian files always are."""
    headers = []
    for big_endian in (False, True):
        path = tmp_path / f"{big_endian}.gguf"
        write_gguf(path, metadata, llama_tensors(), big_endian=big_endian)
        headers.append(read_header(str(path)))
    return headers[0], headers[1]


def test_leaping_over_a_vocabulary_ends_where_going_through_it_does(tmp_path):
    leapt, walked = both_ways(tmp_path, llama_metadata() | vocabulary(12_000, 30_000))
    assert leapt == walked
    assert leapt.metadata["tokenizer.ggml.merges"] == SkippedArray("string", 30_000)


@pytest.mark.parametrize(
    "token",
    [
        "tokenizer.ggml.tokens",
        "general.quantization_version",
        "\0" * 7 + "tokenizer.ggml.x",
        "\x0f" + "\0" * 7 + "tokenizer.ggml.x\4\0\0\0" + "\0" * 12,
        "\0" * 40,
        "",
        "x" * 70_000,
        "x" * 300_000,
    ],
)
@pytest.mark.parametrize("at", [0, 5000, 11_999])
def test_token_that_looks_like_the_next_key_misleads_nobody(tmp_path, token, at):
    tokens = ["word"] * 12_000
    tokens[at] = token
    leapt, walked = both_ways(
        tmp_path, llama_metadata() | {"tokenizer.ggml.tokens": tokens, "tokenizer.ggml.bos_token_id": 0, "a.last": 1}
    )
    assert leapt == walked


def test_vocabulary_at_the_end_of_the_metadata_is_gone_through(tmp_path):
    leapt, walked = both_ways(tmp_path, llama_metadata() | {"tokenizer.ggml.tokens": ["word"] * 12_000})
    assert leapt == walked


def test_vocabulary_before_unusual_keys_is_gone_through(tmp_path):
    metadata = {"tokenizer.ggml.tokens": ["word"] * 12_000, "a.key": 1, "tokenizer.ggml.bos_token_id": 0, "b.key": 1}
    leapt, walked = both_ways(tmp_path, metadata)
    assert leapt == walked
    assert leapt.metadata["a.key"] == 1


# Split models


def write_parts(tmp_path: Path, n_parts: int = 3, **changes: object) -> list[str]:
    tensors = llama_tensors()
    paths = []
    for i in range(n_parts):
        metadata = llama_metadata() if i == 0 else {}
        metadata |= {
            "split.no": Typed("u16", i),
            "split.count": Typed("u16", n_parts),
            "split.tensors.count": Typed("i32", len(tensors)),
        }
        paths.append(str(tmp_path / f"tiny-{i + 1:05}-of-{n_parts:05}.gguf"))
        write_gguf(paths[-1], metadata | changes, tensors[i::n_parts])
    return paths


@pytest.mark.parametrize("given_part", [0, 1, 2])
def test_any_part_stands_for_all(tmp_path, given_part):
    paths = write_parts(tmp_path)

    model = read(paths[given_part])

    assert sorted(t.name for t in model.tensors) == sorted(t.name for t in llama_tensors())
    assert model.file_bytes == sum(map(os.path.getsize, paths))
    assert model.quant == "Q4_K_M"


def test_missing_parts_are_named(tmp_path):
    paths = write_parts(tmp_path)
    os.remove(paths[0])
    os.remove(paths[2])
    with pytest.raises(UnreadableModel, match=r"2 of 3 parts are missing .*tiny-00001-of-00003\.gguf, tiny-00003-of-"):
        read(paths[1])


def test_renamed_part_says_what_it_must_be_called(tmp_path):
    paths = write_parts(tmp_path)
    os.rename(paths[1], tmp_path / "other.gguf")
    with pytest.raises(UnreadableModel, match=r"-00002-of-00003\.gguf; rename"):
        read(str(tmp_path / "other.gguf"))


def test_part_of_another_model_is_refused(tmp_path):
    paths = write_parts(tmp_path)
    write_gguf(paths[2], llama_metadata(), llama_tensors())
    with pytest.raises(UnreadableModel, match=r"00003-of-00003\.gguf: not part 3 of 3"):
        read(paths[0])


def test_parts_with_the_same_tensor_are_refused(tmp_path):
    paths = write_parts(tmp_path)
    metadata = {"split.no": 1, "split.count": 3}
    write_gguf(paths[1], metadata, llama_tensors()[:2])
    with pytest.raises(UnreadableModel, match="other parts have too"):
        read(paths[0])


def test_parts_that_lack_tensors_are_refused(tmp_path):
    paths = write_parts(tmp_path, **{"split.tensors.count": Typed("i32", 99)})
    with pytest.raises(UnreadableModel, match="should have 99 tensors together and have 21"):
        read(paths[0])


def test_truncated_part_is_named(tmp_path):
    paths = write_parts(tmp_path)
    os.truncate(paths[2], os.path.getsize(paths[2]) - 1000)
    with pytest.raises(UnreadableModel, match=r"00003-of-00003\.gguf: truncated"):
        read(paths[0])


def test_absurd_number_of_parts_is_refused(tmp_path):
    paths = write_parts(tmp_path, 2, **{"split.count": Typed("u64", U64_MAX)})
    with pytest.raises(UnreadableModel, match="damaged"):
        read(paths[0])


# What the quant is called

Q4 = [Tensor("blk.0.attn_q.weight", (256, 256), "Q4_K"), Tensor("output_norm.weight", (256,), "F32")]
Q8 = [Tensor("blk.0.attn_q.weight", (256, 256), "Q8_0"), Tensor("output_norm.weight", (256,), "F32")]


@pytest.mark.parametrize(
    ("file_type", "tensors", "stem", "label"),
    [
        (15, Q4, "Qwen3-8B-Q4_K_M", "Q4_K_M"),
        (15 | 1024, Q4, "model", "Q4_K_M"),
        (15, Q4, "Qwen3-8B-UD-Q4_K_XL", "UD-Q4_K_XL"),
        (15, Q4, "qwen3-8b.ud-q4_k_xl", "UD-Q4_K_XL"),
        (15, Q4, "Qwen3-8B-Q4_K_L", "Q4_K_L"),
        (15, Q4, "Qwen3-8B-Q4_K", "Q4_K_M"),
        (15, Q4, "Qwen3-8B-Q4_K_S", "Q4_K_M"),
        (15, Q8, "model", "Q8_0"),
        (0, Q4, "model", "Q4_K"),
        (1, Q4, "model-Q4_K_S", "Q4_K_S"),
        (None, Q4, "model-Q4_K_S", "Q4_K_S"),
        (None, Q4, "model-Q8_0", "Q4_K"),
        (999, Q4, "model", "Q4_K"),
        ("15", Q4, "model", "Q4_K"),
        (-1, Q4, "model", "Q4_K"),
    ],
)
def test_quant_is_what_the_file_says_unless_name_or_tensors_know_better(file_type, tensors, stem, label):
    assert quant_label(file_type, tensors, stem) == label


# What is recognised


def test_gguf_is_recognised_by_its_first_bytes_whatever_its_name(tmp_path):
    path = tmp_path / "blob"
    write_gguf(path, llama_metadata())
    assert recognises(str(path))


@pytest.mark.parametrize("source", ["model.gguf", "/nowhere/MODEL.GGUF"])
def test_gguf_is_recognised_by_name(source):
    assert recognises(source)


@pytest.mark.parametrize("source", ["qwen3-8b", "", "a\0b", "x" * 5000, "\ud800", "/", os.devnull])
def test_other_sources_are_not_recognised(source):
    assert not recognises(source)


# Hostile and broken files


def test_file_shorter_than_its_tensors_says_both_sizes(path):
    n_header_bytes = write_gguf(path, llama_metadata(), llama_tensors(), data_bytes=1000)
    with pytest.raises(
        UnreadableModel, match=rf"truncated: .* the file has {n_header_bytes + 1000}; download it again"
    ):
        read(path)


def test_header_cut_off_anywhere_is_refused(path):
    content, _ = header_bytes(llama_metadata(), llama_tensors())
    for n_bytes in [*range(30), *range(30, len(content), 37)]:
        refusal(path, content[:n_bytes])


def test_file_that_shrinks_while_it_is_read_is_refused(path):
    with open(path, "wb") as file:
        file.truncate(1 << 20)
    with FileCursor(path) as cursor:
        cursor.hold(8)
        os.truncate(path, 1 << 19)
        cursor.skip(600_000)
        with pytest.raises(UnreadableModel, match="past the file's"):
            cursor.hold(8)


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"", "empty"),
        (b"GG", "not a GGUF file"),
        (b"hello, world" * 50, "not a GGUF file"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0", "git lfs pull"),
        (b"\n<!DOCTYPE html><html>", "web page"),
        (b"PK\x03\x04archive/data.pkl", "PyTorch"),
        (b"\x80\x02}q\x00(X", "pickle"),
        (struct.pack("<Q", 60) + b'{"__metadata__":{}}', "safetensors"),
        (b'{"architectures": []}', "JSON"),
        (b"tjgg\3\0\0\0", "before GGUF"),
        (b"\x1f\x8b\x08", "gzip"),
        (bytes(4096), "has not finished"),
    ],
)
def test_file_of_another_format_is_told_by_name(path, content, what):
    assert what in refusal(path, content)


@pytest.mark.parametrize(
    ("version", "what"), [(0, "damaged"), (1, "convert the model again"), (4, "update"), (77777, "damaged")]
)
def test_unread_version_says_what_to_do(path, version, what):
    assert what in refusal(path, start(0, 0, version))


HOSTILE = {
    "more tensors than bytes": start(U64_MAX, 0),
    "more fields than bytes": start(0, U64_MAX),
    "key beyond the file": start(0, 1) + struct.pack("<Q", U64_MAX) + bytes(20),
    "key of a kilobyte and more": start(0, 1) + text(b"k" * 1025) + bytes(20),
    "empty key": start(0, 1) + text(b"") + struct.pack("<II", 4, 1) + bytes(20),
    "key that is there twice": start(0, 2) + (text(b"a.b") + struct.pack("<II", 4, 1)) * 2,
    "value of unknown type": start(0, 1) + text(b"a.b") + struct.pack("<II", 13, 1),
    "text beyond the file": start(0, 1) + text(b"a.b") + struct.pack("<IQ", 8, U64_MAX),
    "long text beyond the file": start(0, 1) + text(b"a.b") + struct.pack("<IQ", 8, 1 << 40),
    "array of unknown type": start(0, 1) + text(b"a.b") + struct.pack("<IIQ", 9, 13, 1) + bytes(9),
    "array beyond the file": start(0, 1) + text(b"a.b") + struct.pack("<IIQ", 9, 10, 1 << 61),
    "strings beyond the file": start(0, 1) + text(b"a.b") + strings(U64_MAX),
    "string in an array beyond the file": start(0, 1) + text(b"a.b") + strings(2) + struct.pack("<Q", U64_MAX) * 2,
    "arrays in arrays in arrays": start(0, 1) + text(b"a.b") + struct.pack("<IQ", 9, 1) * 1000,
    "a million arrays in an array": start(0, 1) + text(b"a.b") + struct.pack("<IIQ", 9, 9, 10**6) + bytes(12 * 10**6),
    "tensor with a long name": start(1, 0) + tensor_entry(b"n" * 64, (1,)),
    "tensor with five dimensions": start(1, 0) + tensor_entry(b"n", (1, 1, 1, 1, 1)) + bytes(32),
    "tensor without elements": start(1, 0) + tensor_entry(b"n", (4, 0)) + bytes(32),
    "tensor with more elements than can be counted": start(1, 0) + tensor_entry(b"n", (U64_MAX,) * 4) + bytes(32),
    "tensor that is there twice": start(2, 0) + tensor_entry(b"n", (8,)) + tensor_entry(b"n", (8,), 0, 32) + bytes(99),
    "tensor elsewhere than said": start(1, 0) + tensor_entry(b"n", (8,), 0, 64) + bytes(200),
    "tensor at the end of the address space": start(1, 0) + tensor_entry(b"n", (8,), 0, U64_MAX) + bytes(99),
    "tensor of broken blocks": start(1, 0) + tensor_entry(b"n", (100,), 12) + bytes(200),
    "alignment of three": header_bytes({"general.alignment": 3})[0],
    "alignment of nothing": header_bytes({"general.alignment": 0})[0],
    "alignment of four gigabytes": header_bytes({"general.alignment": 1 << 31})[0],
    "alignment that is a text": header_bytes({"general.alignment": "32"})[0],
    "alignment that is true": header_bytes({"general.alignment": True})[0],
    "value with nothing behind it": start(0, 1) + text(b"a.b") + struct.pack("<I", 4),
}


@pytest.mark.parametrize("content", HOSTILE.values(), ids=HOSTILE.keys())
def test_damaged_header_is_refused(path, content):
    assert "download it again" in refusal(path, content)


def test_removed_type_is_refused_by_name(path):
    assert "Q4_0_4_4" in refusal(path, start(1, 0) + tensor_entry(b"n", (32,), 31) + bytes(99))


def test_unknown_type_is_refused_by_number(path):
    assert "(57)" in refusal(path, start(1, 0) + tensor_entry(b"n", (32,), 57) + bytes(99))


@pytest.mark.parametrize(
    ("key", "value", "what"),
    [
        ("general.type", "adapter", "LoRA"),
        ("general.type", "imatrix", "importance matrix"),
        ("general.architecture", "clip", "mmproj"),
    ],
)
def test_file_that_is_no_language_model_says_what_it_is(path, key, value, what):
    write_gguf(path, llama_metadata() | {key: value}, llama_tensors())
    with pytest.raises(UnreadableModel, match=what):
        read(path)


def test_vocabulary_without_weights_is_refused(path):
    write_gguf(path, llama_metadata())
    with pytest.raises(UnreadableModel, match="no weights"):
        read(path)


def test_incomplete_metadata_is_refused_with_the_file_s_name(path):
    write_gguf(path, {"general.architecture": "llama"}, llama_tensors())
    with pytest.raises(UnreadableModel, match=r"tiny\.gguf: .*block_count"):
        read(path)


LARGE = {
    "strings that are a hole": start(0, 1) + text(b"a") + strings(999_999),
    "more strings than any model has": start(0, 1) + text(b"a") + strings(10**9),
    "strings and a key too early": start(0, 2) + text(b"a") + strings(999_999) + text(b"tokenizer.ggml.x") * 9999,
    "numbers that are a hole": start(0, 1) + text(b"a") + struct.pack("<IIQ", 9, 10, 1 << 36),
    "fields with long texts": start(0, 4096)
    + b"".join(text(b"%04d" % i + b"\xff" * 999) + struct.pack("<I", 8) + text(b"\xff" * 1024) for i in range(4096)),
    "tensors, as many as are read": start(16_384, 0)
    + b"".join(tensor_entry(b"\xff" * 50 + b"%05d" % i, (1, 1, 1, 1 << 20), 0, i << 22) for i in range(16_384)),
}


@pytest.mark.parametrize("content", LARGE.values(), ids=LARGE.keys())
def test_large_claim_costs_little_time_and_memory(path, content):
    with open(path, "wb") as file:
        file.write(content)
        file.truncate(SPARSE_BYTES)
    started = time.perf_counter()
    with pytest.raises(UnreadableModel):
        read(path)
    assert time.perf_counter() - started < 2  # 0.1 s on a quiet machine


def test_largest_header_that_is_read_takes_little_memory(path):
    with open(path, "wb") as file:
        file.write(LARGE["fields with long texts"])
    tracemalloc.start()
    try:
        read_header(path)
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak_bytes < 50 << 20


def test_directory_is_refused(tmp_path):
    with pytest.raises(UnreadableModel, match="a directory"):
        read(str(tmp_path))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes in this system's files")
def test_pipe_is_refused_without_waiting(tmp_path):
    path = str(tmp_path / "pipe.gguf")
    os.mkfifo(path)
    with pytest.raises(UnreadableModel, match="a pipe or a device"):
        read(path)
    assert not recognises(path.removesuffix(".gguf"))


@pytest.mark.skipif(os.name == "nt", reason="devices have no paths there")
@pytest.mark.parametrize("device", [os.devnull, "/dev/zero"])
def test_device_is_refused(device):
    with pytest.raises(UnreadableModel, match="a pipe or a device"):
        read(device)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="this user may read everything")
def test_file_without_permission_says_so(path):
    write_gguf(path, llama_metadata())
    os.chmod(path, 0)
    with pytest.raises(UnreadableModel, match="who may read it"):
        read(path)


@pytest.mark.parametrize("source", ["/nowhere/x.gguf", "a\0b.gguf", "x" * 5000 + ".gguf", "\ud800.gguf", ""])
def test_path_that_leads_nowhere_is_refused(source):
    with pytest.raises(UnreadableModel, match="check"):
        read(source)


VALID, N_DATA_BYTES = header_bytes(
    llama_metadata()
    | {"llama.attention.head_count_kv": [2, 2], "general.tags": ["a", "b"], "a.nested": [[1], [2]]}
    | vocabulary(20, 20),
    llama_tensors(),
)

mutations = st.lists(
    st.tuples(
        st.sampled_from(["flip", "cut", "insert", "remove", "number"]),
        st.integers(0, len(VALID) - 1),
        st.binary(min_size=1, max_size=9),
        st.sampled_from([0, 1, 8, 9, 255, 1 << 16, 1 << 31, (1 << 32) - 1, 1 << 63, U64_MAX]),
    ),
    min_size=1,
    max_size=4,
)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=mutations)
def test_mutated_header_is_read_or_refused_and_nothing_else(path, changes):
    content = bytearray(VALID)
    for change, at, some_bytes, number in changes:
        if change == "flip":
            content[at : at + 1] = bytes([some_bytes[0] ^ content[at]]) if at < len(content) else b""
        elif change == "cut":
            del content[at:]
        elif change == "insert":
            content[at:at] = some_bytes
        elif change == "remove":
            del content[at : at + len(some_bytes)]
        else:
            content[at : at + 8] = struct.pack("<Q", number)
    with open(path, "wb") as file:
        file.write(content)
        file.truncate(len(content) + N_DATA_BYTES)
    try:
        read(path)
    except UnreadableModel as error:
        assert str(error).startswith(path)  # noqa: PT017 - either outcome is right
