import json
from collections.abc import Sequence
from math import prod
from pathlib import Path

import pytest
from hub_files import BITS, LLAMA, Stored, header_of, llama_stored, write_checkpoint, write_raw, write_safetensors

from estimator.errors import AmbiguousModel, UnreadableModel
from estimator.hub_quant import Packing
from estimator.hub_tensors import model_tensors
from estimator.mixture import parse_quant, requantised
from estimator.model import Model, Tensor
from estimator.quant import stored_bytes
from estimator.readers import safetensors
from estimator.safetensors_header import StoredTensor, read_safetensors_header, read_safetensors_headers


def n_bytes(tensors: Sequence[Tensor]) -> int:
    return sum(stored_bytes(tensor.type, tensor.shape) for tensor in tensors)


def n_stored_bytes(stored: Sequence[Stored]) -> int:
    return sum(prod(shape) * BITS[type_name] // 8 for _, type_name, shape in stored)


def placed(stored: Sequence[Stored], packing: Packing | None = None, n_layers: int = 2) -> dict[str, Tensor]:
    tensors = model_tensors(
        [StoredTensor(name, type_name, tuple(shape)) for name, type_name, shape in stored],
        packing,
        n_layers=n_layers,
        plain_shapes={"blk.0.attn_q.weight": (256, 512)},
    )
    assert n_bytes(tensors) == n_stored_bytes(stored), "nothing is lost or counted twice"
    return {tensor.name: tensor for tensor in tensors}


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    return write_checkpoint(tmp_path / "Small-Llama", LLAMA, llama_stored())


def test_a_checkpoint_is_read_with_its_configuration(checkpoint: Path) -> None:
    model = safetensors.read(str(checkpoint))

    assert (model.name, model.architecture, model.quant, model.native_context_tokens) == (
        "Small-Llama",
        "llama",
        "BF16",
        4096,
    )
    assert [(layer.key_width, layer.value_width) for layer in model.layers] == [(128, 128)] * 2
    assert model.doubts == ()


def test_the_tensors_take_the_bytes_of_the_file(checkpoint: Path) -> None:
    model = safetensors.read(str(checkpoint))

    assert n_bytes(model.tensors) == n_stored_bytes(llama_stored())
    assert model.file_bytes == (checkpoint / "model.safetensors").stat().st_size


def test_a_tensor_has_its_gguf_name_and_its_row_first(checkpoint: Path) -> None:
    tensors = {tensor.name: tensor for tensor in safetensors.read(str(checkpoint)).tensors}

    assert tensors["blk.1.ffn_down.weight"] == Tensor("blk.1.ffn_down.weight", (512, 256), "BF16")
    assert {"token_embd.weight", "output.weight", "output_norm.weight"} <= tensors.keys()


@pytest.mark.parametrize("name", ["", "model-00001-of-00003.safetensors", "model-00003-of-00003.safetensors"])
def test_shards_are_one_model_whichever_is_named(tmp_path: Path, name: str) -> None:
    write_checkpoint(tmp_path, LLAMA, llama_stored(), n_shards=3)

    model = safetensors.read(str(tmp_path / name) if name else str(tmp_path))

    assert n_bytes(model.tensors) == n_stored_bytes(llama_stored())


def test_a_missing_shard_is_named(tmp_path: Path) -> None:
    write_checkpoint(tmp_path, LLAMA, llama_stored(), n_shards=3)
    (tmp_path / "model-00002-of-00003.safetensors").unlink()

    with pytest.raises(UnreadableModel, match=r"1 of 3 parts are missing .*model-00002-of-00003"):
        safetensors.read(str(tmp_path))


@pytest.mark.parametrize("name", ["../secret.safetensors", "/etc/passwd", "", ".hidden.safetensors"])
def test_an_index_may_name_files_beside_it_only(tmp_path: Path, name: str) -> None:
    write_checkpoint(tmp_path, LLAMA, llama_stored())
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"a": name}}))

    with pytest.raises(UnreadableModel, match="not beside it"):
        safetensors.read(str(tmp_path))


def test_several_checkpoints_in_a_directory_are_listed(tmp_path: Path) -> None:
    for name in ("a.safetensors", "b.safetensors"):
        write_safetensors(tmp_path / name, llama_stored())

    with pytest.raises(AmbiguousModel, match=r"a\.safetensors, b\.safetensors"):
        safetensors.read(str(tmp_path))


def test_the_makers_own_copy_of_the_weights_counts_once(tmp_path: Path) -> None:
    write_checkpoint(tmp_path, LLAMA, llama_stored(), n_shards=2)
    write_safetensors(tmp_path / "consolidated.safetensors", llama_stored())

    assert n_bytes(safetensors.read(str(tmp_path)).tensors) == n_stored_bytes(llama_stored())


def test_without_a_configuration_the_tensors_tell_what_they_can(tmp_path: Path) -> None:
    write_checkpoint(tmp_path, None, llama_stored())

    model = safetensors.read(str(tmp_path))

    assert [(layer.key_width, layer.value_width) for layer in model.layers] == [(128, 128)] * 2
    assert any("config.json" in doubt for doubt in model.doubts)
    assert any("upper bound" in doubt for doubt in model.doubts)


@pytest.mark.parametrize(("name", "what"), [("adapter_config.json", "LoRA"), ("model_index.json", "diffusers")])
def test_what_is_no_language_model_is_refused_by_name(checkpoint: Path, name: str, what: str) -> None:
    (checkpoint / name).write_text("{}")

    with pytest.raises(UnreadableModel, match=what):
        safetensors.read(str(checkpoint))


def test_experts_are_stacked_into_one_tensor() -> None:
    stored = [
        (f"model.layers.0.mlp.experts.{i}.{part}_proj.weight", "BF16", (64, 32))
        for i in range(8)
        for part in ("gate", "up")
    ]

    assert placed(stored)["blk.0.ffn_up_exps.weight"].shape == (32, 64, 8)


def test_a_predictor_follows_the_layers_and_is_none_of_them(tmp_path: Path) -> None:
    extra = [("model.layers.2.eh_proj.weight", "BF16", (256, 512)), ("mtp.fc.weight", "BF16", (256, 512))]
    write_checkpoint(tmp_path, LLAMA, [*llama_stored(), *extra])

    model = safetensors.read(str(tmp_path))

    assert (model.n_layers, model.n_predictor_layers) == (3, 1)
    assert [bool(layer.key_width) for layer in model.layers] == [True, True, False]


def test_an_image_encoder_is_told_from_the_text_model() -> None:
    names = placed(
        [
            ("model.vision_tower.vision_model.encoder.layers.0.self_attn.q_proj.weight", "BF16", (64, 64)),
            ("model.visual.blocks.0.attn.qkv.weight", "BF16", (192, 64)),
            ("multi_modal_projector.linear_1.weight", "BF16", (256, 64)),
            ("model.language_model.layers.0.self_attn.q_proj.weight", "BF16", (64, 64)),
        ]
    )

    assert sum(name.startswith("v.") for name in names) == 2
    assert sum(name.startswith("mm.") for name in names) == 1
    assert "blk.0.attn_q.weight" in names


@pytest.mark.parametrize(
    "name",
    [
        "model.encoder.layers.3.self_attn.q_proj.weight",
        "model.sam_model.blocks.3.attn.qkv.weight",
        "model.embed_tokens_extend.image_embed.img_processor.encoder.layers.3.mlp.fc1.weight",
        "model.audio_tower.layers.3.fc1.weight",
    ],
)
def test_the_layers_of_an_encoder_are_none_of_the_models(name: str) -> None:
    assert not any(found.startswith("blk.") for found in placed([(name, "BF16", (64, 64))]))


# A matrix of 256 inputs and 512 outputs, as each packer stores it, and what it is then.
Q = "model.layers.0.self_attn.q_proj."
PACKINGS = {
    "gptq": (
        Packing(label="GPTQ-Int4", method="gptq", bits=4),
        [
            (f"{Q}qweight", "I32", (32, 512)),
            (f"{Q}qzeros", "I32", (2, 64)),
            (f"{Q}scales", "F16", (2, 512)),
            (f"{Q}g_idx", "I32", (256,)),
        ],
        "INT4",
    ),
    "awq": (
        Packing(label="AWQ", method="awq", bits=4),
        [(f"{Q}qweight", "I32", (256, 64)), (f"{Q}qzeros", "I32", (2, 64)), (f"{Q}scales", "F16", (2, 512))],
        "INT4",
    ),
    "gptq 8 bits": (
        Packing(label="GPTQ-Int8", method="gptq", bits=8),
        [(f"{Q}qweight", "I32", (64, 512)), (f"{Q}scales", "F16", (2, 512))],
        "I8",
    ),
    "gptq 3 bits": (
        Packing(label="GPTQ-Int3", method="gptq", bits=3),
        [(f"{Q}qweight", "I32", (24, 512)), (f"{Q}scales", "F16", (2, 512))],
        "INT3",
    ),
    "compressed-tensors": (
        Packing(label="W4A16", method="compressed-tensors", bits=4),
        [
            (f"{Q}weight_packed", "I32", (512, 32)),
            (f"{Q}weight_scale", "BF16", (512, 2)),
            (f"{Q}weight_shape", "I64", (2,)),
        ],
        "INT4",
    ),
    "compressed-tensors NVFP4": (
        Packing(label="NVFP4", method="compressed-tensors", bits=4),
        [
            (f"{Q}weight_packed", "U8", (512, 128)),
            (f"{Q}weight_scale", "F8_E4M3", (512, 16)),
            (f"{Q}weight_global_scale", "F32", (1,)),
        ],
        "F4",
    ),
    "ModelOpt NVFP4": (
        Packing(label="NVFP4", method="modelopt", bits=4),
        [
            (f"{Q}weight", "U8", (512, 128)),
            (f"{Q}weight_scale", "F8_E4M3", (512, 16)),
            (f"{Q}weight_scale_2", "F32", ()),
            (f"{Q}input_scale", "F32", ()),
        ],
        "F4",
    ),
    "FP8": (
        Packing(label="FP8", method="fp8", bits=8),
        [(f"{Q}weight", "F8_E4M3", (512, 256)), (f"{Q}weight_scale_inv", "F32", (4, 2))],
        "F8_E4M3",
    ),
    "W8A8": (
        Packing(label="W8A8", method="compressed-tensors", bits=8),
        [(f"{Q}weight", "I8", (512, 256)), (f"{Q}weight_scale", "BF16", (512, 1))],
        "I8",
    ),
    "bitsandbytes": (
        Packing(label="bnb-4bit", method="bitsandbytes", bits=4),
        [
            (f"{Q}weight", "U8", (65536, 1)),
            (f"{Q}weight.absmax", "U8", (2048,)),
            (f"{Q}weight.quant_map", "F32", (16,)),
            (f"{Q}weight.nested_absmax", "F32", (8,)),
            (f"{Q}weight.nested_quant_map", "F32", (256,)),
            (f"{Q}weight.quant_state.bitsandbytes__nf4", "U8", (86,)),
        ],
        "NF4",
    ),
    "MLX": (
        Packing(label="MLX-4bit", method="mlx", bits=4, group=64),
        [(f"{Q}weight", "U32", (512, 32)), (f"{Q}scales", "BF16", (512, 4)), (f"{Q}biases", "BF16", (512, 4))],
        "INT4",
    ),
    "MLX at more bits than the rest": (
        Packing(label="MLX-4bit", method="mlx", bits=4, group=64),
        [(f"{Q}weight", "U32", (512, 64)), (f"{Q}scales", "BF16", (512, 4)), (f"{Q}biases", "BF16", (512, 4))],
        "I8",
    ),
    "EXL3": (
        Packing(label="EXL3-4.0bpw", method="exl3"),
        [(f"{Q}trellis", "I16", (16, 32, 64)), (f"{Q}suh", "F16", (256,)), (f"{Q}svh", "F16", (512,))],
        "INT4",
    ),
}


@pytest.mark.parametrize("name", PACKINGS)
def test_a_packed_matrix_has_its_own_width_and_height(name: str) -> None:
    packing, stored, type_name = PACKINGS[name]

    found = placed(stored, packing)["blk.0.attn_q.weight"]

    assert (found.shape, found.type) == ((256, 512), type_name)


def test_the_blocks_and_scales_of_gpt_oss_are_one_tensor() -> None:
    found = placed(
        [
            ("model.layers.0.mlp.experts.gate_up_proj_blocks", "U8", (4, 512, 8, 16)),
            ("model.layers.0.mlp.experts.gate_up_proj_scales", "U8", (4, 512, 8)),
            ("model.layers.0.mlp.experts.gate_up_proj_bias", "BF16", (4, 512)),
        ]
    )

    assert found["blk.0.ffn_gate_up_exps.weight"] == Tensor("blk.0.ffn_gate_up_exps.weight", (256, 512, 4), "MXFP4")


def test_an_empty_tensor_is_none() -> None:
    assert placed([(f"{Q}weight", "BF16", (0, 256)), (f"{Q}trellis", "I16", (16, 32, 0))]) == {}


@pytest.mark.parametrize("n_words", [8, 24, 200])
def test_a_trellis_of_no_whole_bits_keeps_the_bytes_it_has(n_words: int) -> None:
    assert placed([(f"{Q}trellis", "I16", (16, 32, n_words))])["blk.0.attn_q.weight"].type == "I16"


def test_a_layout_that_is_not_known_keeps_the_bytes_it_has() -> None:
    packing = Packing(label="GPTQ-Int4", method="gptq", bits=5)

    assert placed([(f"{Q}qweight", "I32", (31, 7))], packing)["blk.0.attn_q.weight"].type == "I32"


def packed_model(tmp_path: Path) -> Model:
    stored = [entry for entry in llama_stored() if not entry[0].endswith("layers.0.mlp.down_proj.weight")]
    stored += [
        ("model.layers.0.mlp.down_proj.qweight", "I32", (64, 256)),
        ("model.layers.0.mlp.down_proj.qzeros", "I32", (4, 32)),
        ("model.layers.0.mlp.down_proj.scales", "F16", (4, 256)),
    ]
    packed = {"quant_method": "gptq", "bits": 4, "group_size": 128, "desc_act": False}
    return safetensors.read(str(write_checkpoint(tmp_path, LLAMA | {"quantization_config": packed}, stored)))


def test_a_packed_checkpoint_is_called_by_its_packing_and_has_the_parameters_of_a_plain_one(tmp_path: Path) -> None:
    model = packed_model(tmp_path)

    assert model.quant == "GPTQ-Int4"
    assert model.n_parameters == sum(prod(shape) for _, _, shape in llama_stored())


def test_a_packed_checkpoint_can_be_asked_for_in_another_quant(tmp_path: Path) -> None:
    other = requantised(packed_model(tmp_path), parse_quant("Q8_0"))

    assert {tensor.type for tensor in other.tensors} == {"F32", "Q8_0"}


def test_a_packing_may_be_told_in_a_file_of_its_own(checkpoint: Path) -> None:
    told = {"producer": {"name": "modelopt"}, "quantization": {"quant_algo": "NVFP4", "exclude_modules": ["lm_head"]}}
    (checkpoint / "hf_quant_config.json").write_text(json.dumps(told))

    assert safetensors.read(str(checkpoint)).quant == "NVFP4"


def test_eight_bit_floats_without_a_word_are_called_fp8(tmp_path: Path) -> None:
    write_checkpoint(tmp_path, LLAMA, llama_stored(type_name="F8_E4M3"))

    assert safetensors.read(str(tmp_path)).quant == "FP8"


def with_entry(**changes: object) -> tuple[bytes, int]:
    header, size = header_of(llama_stored())
    entry = header["lm_head.weight"]
    assert isinstance(entry, dict)
    return json.dumps(header | {"lm_head.weight": entry | changes}).encode(), size


HOSTILE: dict[str, tuple[bytes, int]] = {
    "no JSON": (b"{" * 50, 0),
    "a list": (b"[]" + b" " * 20, 0),
    "nested": (b'{"a":' * 50_000, 0),
    "an unknown type": with_entry(dtype="Q4_K"),
    "no type": with_entry(dtype=None),
    "too many dimensions": with_entry(shape=[1] * 99),
    "a negative width": with_entry(shape=[-1000, -256]),
    "a fraction": with_entry(shape=[1000.0, 256]),
    "an absurd shape": with_entry(shape=[1 << 40, 1 << 40]),
    "overlapping": with_entry(data_offsets=[0, 512000]),
    "backwards": with_entry(data_offsets=[512000, 0]),
    "an offset of the wrong length": with_entry(data_offsets=[0]),
    "offsets past the end": with_entry(data_offsets=[1 << 62, (1 << 62) + 512000]),
    "an entry that is none": (json.dumps({"a": 3}).encode(), 0),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_header_is_refused_in_one_sentence(tmp_path: Path, name: str) -> None:
    header, size = HOSTILE[name]
    path = write_raw(tmp_path / "model.safetensors", header, size)

    with pytest.raises(UnreadableModel) as caught:
        safetensors.read(str(path))
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("length", [1 << 63, (1 << 64) - 1, 1 << 40, 0])
def test_a_length_that_the_file_does_not_have_is_not_believed(tmp_path: Path, length: int) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(length.to_bytes(8, "little") + b"{}" * 20)

    with pytest.raises(UnreadableModel):
        read_safetensors_header(str(path))


@pytest.mark.parametrize("n_kept", [0, 5, 8, 9, 200])
def test_a_truncated_file_says_so(tmp_path: Path, n_kept: int) -> None:
    path = write_safetensors(tmp_path / "model.safetensors", llama_stored())
    path.write_bytes(path.read_bytes()[:n_kept])

    with pytest.raises(UnreadableModel, match="download it again"):
        read_safetensors_header(str(path))


def test_weights_cut_short_are_truncated(tmp_path: Path) -> None:
    path = write_safetensors(tmp_path / "model.safetensors", llama_stored())
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size - 1)

    with pytest.raises(UnreadableModel, match="truncated"):
        read_safetensors_header(str(path))


def test_parts_may_not_have_more_tensors_together_than_any_model(tmp_path: Path) -> None:
    stored = llama_stored()
    paths = [str(write_safetensors(tmp_path / f"{name}.safetensors", stored)) for name in "ab"]

    assert len(read_safetensors_headers(paths, n_most=2 * len(stored))) == 2
    with pytest.raises(UnreadableModel, match="no model has"):
        read_safetensors_headers(paths, n_most=2 * len(stored) - 1)


def test_a_pointer_of_git_lfs_is_told_apart(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n")

    with pytest.raises(UnreadableModel, match="git lfs pull"):
        safetensors.read(str(path))


def test_a_checkpoint_is_offered_to_the_engines_that_read_it(checkpoint: Path) -> None:
    model = safetensors.read(str(checkpoint))

    assert model.format == "safetensors"
    assert [requantised(model, quant).format for quant in ("AWQ", "MLX-4bit", "BF16", "Q4_K_M")] == [
        "safetensors",
        "mlx",
        "safetensors",
        "gguf",
    ]
