"""llama-cpp-python's server is read as it reads itself."""

import json

import pytest
from command_lines import launches_of
from scenes import model as model_named

from estimator.engines.llamacpp import estimate
from estimator.ledger import Place, Workload
from launches.errors import NoLaunch

SERVER = "python -m llama_cpp.server"


def read(text: str, **environment: str):
    (launch,) = launches_of(text, **environment)
    return launch


def test_without_flags_it_takes_its_own_defaults():
    launch = read(f"{SERVER} --model a.gguf")
    assert (launch.context_tokens, launch.options.n_batch_tokens, launch.options.n_gpu_layers) == (2048, 512, 0)
    assert (launch.options.is_flash_attention, launch.address) == (False, ("localhost", 8000))


def test_minus_one_layer_means_all():
    assert read(f"{SERVER} --model a.gguf --n_gpu_layers -1").options.n_gpu_layers == 999


def test_every_flag_has_its_variable():
    launch = read(SERVER, MODEL="/m/a.gguf", N_CTX="4096", N_GPU_LAYERS="20", OFFLOAD_KQV="false")
    assert (launch.source, launch.context_tokens, launch.options.n_gpu_layers) == ("/m/a.gguf", 4096, 20)
    assert not launch.options.is_kv_offloaded


def test_types_of_the_cache_are_numbers_of_ggmls():
    launch = read(f"{SERVER} --model a.gguf --type_k 8 --type_v 8 --flash_attn true")
    assert (launch.kv_type, launch.options.value_type, launch.refusal) == ("q8_0", None, "")
    assert "flash_attn" in read(f"{SERVER} --model a.gguf --type_v 8").refusal


def test_each_model_of_a_file_is_told(tmp_path):
    models = [{"model": "a.gguf", "n_ctx": 512, "n_gpu_layers": 9}, {"model": "b.gguf", "tensor_split": [1, 3]}]
    (tmp_path / "c.json").write_text(json.dumps({"host": "0.0.0.0", "port": 9, "models": models}))
    first, second = launches_of(f"{SERVER} --config_file {tmp_path}/c.json")
    assert (first.context_tokens, first.options.n_gpu_layers, first.address) == (512, 9, ("0.0.0.0", 9))
    assert second.options.tensor_split == (1, 3)


@pytest.mark.parametrize("content", ["", "[]", '{"models": 3}', '{"models": []}'])
def test_a_file_that_names_no_models_is_refused(tmp_path, content):
    (tmp_path / "c.json").write_text(content)
    assert read(f"{SERVER} --config_file {tmp_path}/c.json").refusal


def test_an_image_of_it_takes_variables():
    launch = read("docker run --gpus all -e MODEL=/m/a.gguf -v /x:/m ghcr.io/abetlen/llama-cpp-python:latest")
    assert launch.source == "/x/a.gguf"


def test_without_a_model_it_would_not_start():
    assert "--model" in read(SERVER).refusal


def test_help_loads_nothing():
    with pytest.raises(NoLaunch):
        launches_of(f"{SERVER} --help")


@pytest.mark.parametrize(
    ("pattern", "source"),
    [
        ("*Q8_0.gguf", "Qwen/Qwen3-8B-GGUF:Q8_0"),
        ("*q4_k_m*.gguf", "Qwen/Qwen3-8B-GGUF:Q4_K_M"),
        ("Qwen3-8B-Q5_K_M.gguf", "Qwen/Qwen3-8B-GGUF:Q5_K_M"),
        ("*.gguf", "Qwen/Qwen3-8B-GGUF"),
    ],
)
def test_a_pattern_of_a_repositorys_files_names_the_quant(pattern, source):
    launch = read(f"{SERVER} --hf_model_repo_id Qwen/Qwen3-8B-GGUF --model '{pattern}'", HF_HOME="/nowhere")
    assert launch.source == source


@pytest.mark.parametrize(("chat_format", "is_loaded"), [("llava-1-5", True), ("qwen2.5-vl", True), ("chatml", False)])
def test_an_image_part_is_loaded_with_a_format_that_has_images_only(chat_format, is_loaded):
    launch = read(f"{SERVER} --model a.gguf --clip_model_path b.gguf --chat_format {chat_format}")
    assert (launch.options.projector is not None) is is_loaded
    assert any("--chat_format" in doubt for doubt in launch.doubts) is not is_loaded


def test_uvicorn_starts_it_with_variables_alone():
    line = "MODEL=/m/a.gguf N_CTX=4096 HOST=192.0.2.1 uvicorn --factory llama_cpp.server.app:create_app --port 9000"
    launch = read(line)
    assert (launch.source, launch.context_tokens, launch.address) == ("/m/a.gguf", 4096, ("127.0.0.1", 9000))
    assert launch.unknown == ()


def ram_for_logits(text: str) -> list[tuple[int, int]]:
    """(expected, at most) of the logits that it keeps of Llama 3.1 8B, whose vocabulary has 128,256 tokens."""
    model, launch = model_named("Llama 3.1 8B"), read(text)
    ram = Place(name="RAM", kind="host", total_bytes=64 << 30, free_bytes=64 << 30)
    made = estimate(model, Workload(context_tokens=launch.context_tokens), launch.options, [ram])
    return [(term.n_bytes, term.high_bytes) for term in made.terms if "whole context" in term.label]


def test_the_logits_of_every_token_fill_ram_as_prompts_come():
    assert ram_for_logits(f"{SERVER} --model a.gguf --n_ctx 8192") == [(0, 4 * 128_256 * 8192)]


def test_without_them_there_are_none():
    assert ram_for_logits(f"{SERVER} --model a.gguf --n_ctx 8192 --logits_all false") == []


def test_what_it_keeps_of_logits_is_no_doubt_any_more():
    assert read(f"{SERVER} --model a.gguf").doubts == ()
