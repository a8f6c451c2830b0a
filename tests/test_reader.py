from pathlib import Path

import pytest
from gguf_files import write_gguf

from estimator.errors import AmbiguousModel, EstimatorError, UnknownQuant, UnreadableModel
from estimator.model import Tensor
from estimator.reader import read_model

METADATA: dict[str, object] = {
    "general.architecture": "llama",
    "general.name": "Small",
    "general.file_type": 15,
    "llama.block_count": 1,
    "llama.context_length": 4096,
    "llama.embedding_length": 256,
    "llama.feed_forward_length": 512,
    "llama.attention.head_count": 4,
    "llama.attention.head_count_kv": 4,
}
TENSORS = (
    Tensor("token_embd.weight", (256, 1000), "Q4_K"),
    Tensor("output_norm.weight", (256,), "F32"),
    Tensor("output.weight", (256, 1000), "Q6_K"),
    Tensor("blk.0.attn_q.weight", (256, 256), "Q4_K"),
)


def model_file(path: Path) -> Path:
    write_gguf(path, METADATA, TENSORS)
    return path


def test_a_file_is_read_as_it_is(tmp_path: Path) -> None:
    model = read_model(str(model_file(tmp_path / "small.gguf")))

    assert (model.name, model.quant, model.tensors) == ("Small", "Q4_K_M", TENSORS)
    assert model.doubts == ()


def test_a_file_asked_for_in_its_own_quant_is_read_as_it_is(tmp_path: Path) -> None:
    model = read_model(str(model_file(tmp_path / "small.gguf")), "q4_k_m")

    assert model.file_bytes is not None
    assert model.doubts == ()


def test_a_file_asked_for_in_another_quant_says_that_it_is_not(tmp_path: Path) -> None:
    model = read_model(str(model_file(tmp_path / "small.gguf")), "Q8_0")

    assert {tensor.type for tensor in model.tensors} == {"Q8_0", "F32"}
    assert model.doubts == ("the file is Q4_K_M; Q8_0 is what it would be, not what it is",)


def test_a_name_is_read_from_the_catalogue() -> None:
    assert read_model("qwen3:0.6b").name == "Qwen3 0.6B"
    assert read_model("Qwen/Qwen3-0.6B", "Q8_0").quant == "Q8_0"
    assert read_model("qwen3 0.6b", "Q8_0").doubts == ()


def test_a_name_in_the_way_of_an_empty_directory_is_still_a_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "phi4").mkdir()
    monkeypatch.chdir(tmp_path)

    assert read_model("phi4").name == "Phi-4 14B"


@pytest.mark.parametrize("source", ["missing.gguf", "./missing", "/nowhere/at/all", "~/missing", "a/b/c", "nowhere/"])
def test_a_path_without_a_file_is_no_unknown_model(source: str) -> None:
    with pytest.raises(UnreadableModel, match="no such file"):
        read_model(source)


def test_an_unknown_name_is_answered_with_the_nearest() -> None:
    with pytest.raises(UnreadableModel, match="Qwen3 8B"):
        read_model("qwem3-8b")


def test_an_ambiguous_name_lists_candidates() -> None:
    with pytest.raises(AmbiguousModel) as caught:
        read_model("gpt-oss")

    assert caught.value.candidates == ("gpt-oss 20B", "gpt-oss 120B")


def test_a_directory_with_one_model_is_that_model(tmp_path: Path) -> None:
    model_file(tmp_path / "small.gguf")
    (tmp_path / "mmproj-small.gguf").write_bytes(b"GGUF")

    assert read_model(str(tmp_path)).name == "Small"


def test_a_directory_with_the_parts_of_one_model_is_that_model(tmp_path: Path) -> None:
    for number in (1, 2):
        split = {"split.no": number - 1, "split.count": 2, "split.tensors.count": len(TENSORS)}
        half = TENSORS[:2] if number == 1 else TENSORS[2:]
        write_gguf(tmp_path / f"small-0000{number}-of-00002.gguf", {**METADATA, **split}, half)

    assert read_model(f"{tmp_path}/").tensors == TENSORS


def test_a_directory_with_several_models_lists_them(tmp_path: Path) -> None:
    for name in ("a.gguf", "b.gguf"):
        model_file(tmp_path / name)

    with pytest.raises(AmbiguousModel, match=r"a\.gguf, b\.gguf") as caught:
        read_model(str(tmp_path))

    assert len(caught.value.candidates) == 2


def test_a_directory_without_a_model_says_so(tmp_path: Path) -> None:
    with pytest.raises(UnreadableModel, match=r"no \.gguf or \.safetensors file"):
        read_model(str(tmp_path))


def test_a_file_of_another_format_says_what_it_is(tmp_path: Path) -> None:
    other = tmp_path / "model.zip"
    other.write_bytes(b"PK\x03\x04 and so on")

    with pytest.raises(UnreadableModel, match="archive"):
        read_model(str(other))


def test_an_unknown_quant_is_refused_before_anything_is_read() -> None:
    with pytest.raises(UnknownQuant):
        read_model("/nowhere/at/all.gguf", "Q99")


def test_a_path_that_no_system_can_open_is_refused() -> None:
    with pytest.raises(UnreadableModel):
        read_model("./nul\0byte.gguf")


@pytest.mark.parametrize(
    ("text", "name", "quant"),
    [
        ("bartowski/Meta-Llama-3.1-8B-Instruct-GGUF:Q4_K_M", "Llama 3.1 8B", "Q4_K_M"),
        ("hf.co/bartowski/Meta-Llama-3.1-8B-Instruct-GGUF:Q5_K_M", "Llama 3.1 8B", "Q5_K_M"),
        ("llama3.1:8b-instruct-q8_0", "Llama 3.1 8B", "Q8_0"),
        ("Qwen/Qwen3-32B-AWQ", "Qwen3 32B", "AWQ"),
        ("mlx-community/Qwen3-8B-4bit", "Qwen3 8B", "MLX-4bit"),
        ("mlx-community/Qwen3-8B-4bit-DWQ", "Qwen3 8B", "MLX-4bit"),
        ("mlx-community/Qwen3-8B-6bit", "Qwen3 8B", "MLX-6bit"),
        ("mlx-community/Qwen3-8B-bf16", "Qwen3 8B", "BF16"),
        ("mlx-community/Qwen3-8B-fp16", "Qwen3 8B", "BF16"),
        ("unsloth/Qwen3-8B-BF16-GGUF", "Qwen3 8B", "BF16"),
        ("llama3.1:8b-instruct-fp16", "Llama 3.1 8B", "F16"),
        ("RedHatAI/Llama-3.3-70B-Instruct-quantized.w8a8", "Llama 3.3 70B", "W8A8"),
        ("RedHatAI/Llama-3.3-70B-Instruct-FP8-dynamic", "Llama 3.3 70B", "FP8-dynamic"),
        ("RedHatAI/Meta-Llama-3.1-70B-Instruct-quantized.w4a16", "Llama 3.1 70B", "W4A16"),
        ("nvidia/Llama-3.3-70B-Instruct-FP4", "Llama 3.3 70B", "NVFP4"),
        ("unsloth/Llama-3.3-70B-Instruct-bnb-4bit", "Llama 3.3 70B", "bnb-4bit"),
        ("unsloth/Qwen2.5-7B-Instruct-unsloth-bnb-4bit", "Qwen2.5 7B", "bnb-4bit"),
        ("Qwen/Qwen2.5-72B-Instruct-GPTQ-Int8", "Qwen2.5 72B", "GPTQ-Int8"),
        ("Qwen/Qwen2.5-72B-Instruct-GPTQ-Int4", "Qwen2.5 72B", "GPTQ-Int4"),
    ],
)
def test_a_known_model_is_found_where_its_name_says_the_quant_too(text, name, quant):
    found = read_model(text)
    assert (found.name, found.quant) == (name, quant)
    assert any("by its name" in doubt for doubt in found.doubts)


@pytest.mark.parametrize("text", ["nobody/nothing:Q4_K_M", "Qwen/Qwen3-8B-GGUF:Q99_X", "hf.co/a/b:c"])
def test_a_quant_does_not_make_a_name_known(text):
    with pytest.raises(EstimatorError):
        read_model(text)
