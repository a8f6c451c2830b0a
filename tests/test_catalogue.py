import json
import math
from pathlib import Path

import pytest

from estimator.errors import AmbiguousModel, UnknownQuant, UnreadableModel
from estimator.kv_cache import cache_shape, cell_bytes, state_bytes
from estimator.ledger import Workload
from estimator.metadata import describe
from estimator.model import Layer, Tensor
from estimator.quant import stored_bytes
from estimator.readers import catalogue
from estimator.readers.catalogue import Entry
from estimator.rounding import ROUNDINGS
from estimator.templates import RECIPES, tensors_of

GIB = 1 << 30
ENTRIES = catalogue.entries()
LANGUAGE = [entry for entry in ENTRIES if not entry.parts]

# Sizes that llama.cpp printed (llama-bench, print_info), rounded as printed.
PUBLISHED = [
    ("Qwen2.5 14B", "Q4_K_M", 8.37, "visorcraft/strix-halo-llm-perf, BENCHMARKS.md"),
    ("Qwen3 30B-A3B", "Q4_K_M", 17.28, "visorcraft/strix-halo-llm-perf, BENCHMARKS.md"),
    ("Qwen3 235B-A22B", "Q4_K_M", 132.386, "ikawrakow/ik_llama.cpp, issue 389"),
    ("Qwen3 Coder Next", "Q4_K_M", 45.17, "visorcraft/strix-halo-llm-perf, BENCHMARKS.md"),
    ("Qwen3.5 35B-A3B", "BF16", 64.6, "kyuz0/amd-strix-halo-toolboxes, benchmark/results"),
    ("Qwen3.6 27B", "BF16", 50.103, "Thireus/GGUF-Tool-Suite, Qwen3.6-27B baseline"),
    ("Gemma 4 31B", "BF16", 57.18, "kyuz0/amd-strix-halo-toolboxes, benchmark/results"),
    ("Llama 3.1 70B", "Q4_K_M", 39.59, "Jantoniio3/TFG, ollama.log"),
    ("Llama 3.1 405B", "Q4_K_M", 226.37, "lhl/strix-halo-testing, rpc-test/README.md"),
    ("Llama 4 Scout", "Q6_K", 82.35, "kyuz0/amd-strix-halo-toolboxes, loadtime_results"),
    ("Mixtral 8x7B", "Q4_0", 24.63, "jack-tsao/jetson-copilot, ollama.log"),
    ("Ministral 3 14B", "BF16", 25.16, "kyuz0/amd-strix-halo-toolboxes, benchmark/results"),
    ("DeepSeek R1", "Q4_K_M", 376.65, "ikawrakow/ik_llama.cpp, issue 389"),
    ("DeepSeek R1", "Q8_0", 664.295, "ikawrakow/ik_llama.cpp, discussion 258"),
    ("DeepSeek Coder V2 Lite", "Q4_K_M", 9.649, "ikawrakow/ik_llama.cpp, issue 230"),
    ("GLM-4.7 Flash", "BF16", 55.786, "Thireus/GGUF-Tool-Suite, GLM-4.7-Flash baseline"),
    ("MiniMax M2", "Q3_K_M", 101.76, "visorcraft/strix-halo-llm-perf, BENCHMARKS.md"),
    ("Phi-3 mini", "Q4_K_M", 2.23, "danbev/learning-ai, agents/llama-cpp-agent/README.md"),
    ("TinyLlama", "Q4_0", 0.5923, "PandiaJason/nanos, ollama.log"),
    ("gpt-oss 20B", "MXFP4", 11.266, "ikawrakow/ik_llama.cpp, issue 822"),
    ("gpt-oss 20B", "Q4_K_M", 10.81, "ghghang2/repo, llama_server.log"),
    ("gpt-oss 20B", "F16", 12.83, "ghghang2/repo, llama_server.log"),
    ("gpt-oss 120B", "MXFP4", 59.02, "ikawrakow/ik_llama.cpp, discussion 758"),
]


def stored(tensor: Tensor) -> int:
    return stored_bytes(tensor.type, tensor.shape)


def n_learned(entry: Entry) -> int:
    """Rotation tables are computed, not learned."""
    return sum(math.prod(tensor.shape) for tensor in entry.tensors if not tensor.name.startswith("rope_f"))


def test_the_tensors_of_every_model_add_up_to_the_parameters_stated() -> None:
    wrong = {
        entry.name: n_missing
        for entry in ENTRIES
        if (n_missing := entry.n_parameters + sum(entry.differences.values()) - n_learned(entry))
    }

    assert wrong == {}


def test_no_tensor_is_listed_twice() -> None:
    for entry in ENTRIES:
        names = [tensor.name for tensor in entry.tensors]
        assert len(set(names)) == len(names), entry.name


@pytest.mark.parametrize(("name", "quant", "gib", "source"), PUBLISHED)
def test_a_model_by_name_is_as_large_as_the_published_file(name: str, quant: str, gib: float, source: str) -> None:
    model = catalogue.read(name, quant)
    n_bytes = sum(stored_bytes(tensor.type, tensor.shape) for tensor in model.tensors)

    assert n_bytes / GIB == pytest.approx(gib, rel=0.001)


def test_no_two_models_share_a_name() -> None:
    names = [entry.name for entry in ENTRIES]
    spelt = {name.casefold().replace(" ", "").replace("-", "") for name in names}

    assert len(spelt) == len(ENTRIES) >= 380
    assert all(catalogue.find(entry.name) is entry for entry in ENTRIES)
    assert all(catalogue.find(entry.checkpoint) is entry for entry in ENTRIES)


def test_every_alias_leads_to_one_model() -> None:
    assert all(catalogue.find(alias) for entry in ENTRIES for alias in entry.aliases)


def test_every_entry_says_where_its_numbers_are_from() -> None:
    assert all(entry.source.startswith("https://huggingface.co/") for entry in ENTRIES)
    assert all(len(entry.released) == 7 and entry.licence for entry in ENTRIES)


def test_every_architecture_of_the_catalogue_has_a_recipe() -> None:
    assert {entry.architecture for entry in LANGUAGE} <= set(RECIPES)


@pytest.mark.parametrize(
    ("typed", "name"),
    [
        ("qwen3-30b-a3b", "Qwen3 30B-A3B"),
        ("Qwen3 30B A3B", "Qwen3 30B-A3B"),
        ("Qwen/Qwen3-30B-A3B", "Qwen3 30B-A3B"),
        ("llama3.1:8b", "Llama 3.1 8B"),
        ("llama-3.1-8b-instruct", "Llama 3.1 8B"),
        ("Meta-Llama-3.1-8B-Instruct-GGUF", "Llama 3.1 8B"),
        ("unsloth/Qwen3-8B-GGUF", "Qwen3 8B"),
        ("gemma_3_12b_it", "Gemma 3 12B"),
        ("GPT OSS 20b", "gpt-oss 20B"),
        ("phi4", "Phi-4 14B"),
        ("deepseek-r1", "DeepSeek R1 671B-A37B"),
        ("devstral-small-2505", "Devstral Small 24B"),
    ],
)
def test_any_usual_spelling_finds_the_model(typed: str, name: str) -> None:
    assert catalogue.find(typed).name == name


def test_a_beginning_that_only_one_name_has_is_enough() -> None:
    assert catalogue.find("codestr").name == "Codestral 22B"


def test_a_name_that_several_go_by_lists_at_most_eight() -> None:
    with pytest.raises(AmbiguousModel, match=r"Llama 2 7B.*and \d+ more") as caught:
        catalogue.find("llama")

    assert len(caught.value.candidates) == 8


@pytest.mark.parametrize(("typed", "near"), [("quen3 8b", "Qwen3 8B"), ("lama 3.1 8b", "Llama 3.1 8B")])
def test_a_misspelt_name_is_answered_with_the_nearest(typed: str, near: str) -> None:
    with pytest.raises(UnreadableModel, match=near):
        catalogue.find(typed)


@pytest.mark.parametrize("typed", ["", "/", "instruct", "zzzzzz"])
def test_what_is_no_name_at_all_is_refused(typed: str) -> None:
    with pytest.raises(UnreadableModel, match="no model is called"):
        catalogue.find(typed)


def test_a_name_that_is_not_known_is_told_as_it_was_typed() -> None:
    with pytest.raises(UnreadableModel, match="'zzzzzz-moe-GGUF:Q4_K_M'"):
        catalogue.find("zzzzzz-moe-GGUF:Q4_K_M")


def test_names_are_recognised_and_nonsense_is_not() -> None:
    assert catalogue.recognises("qwen3 8b")
    assert catalogue.recognises("gpt-oss")
    assert not catalogue.recognises("no model of that name")


def test_search_finds_all_words_in_any_order() -> None:
    found = [entry.name for entry in catalogue.search("qwen distill")]

    assert "DeepSeek R1 Distill Qwen 7B" in found
    assert "Qwen3 8B" not in found


def test_a_model_read_by_name_is_described_as_a_file_would_be() -> None:
    model = catalogue.read("gemma 3 12b")

    assert (model.source, model.quant, model.file_bytes) == ("catalogue", "Q4_K_M", None)
    assert (model.n_layers, model.embedding_width, model.vocabulary_size) == (48, 3840, 262144)
    assert [layer.window_tokens for layer in model.layers[:6]] == [1024] * 5 + [None]


def test_gpt_oss_is_read_as_it_was_published() -> None:
    assert catalogue.read("gpt-oss 20B").quant == "MXFP4"


def test_a_vision_model_says_that_only_its_text_part_is_meant() -> None:
    assert any("mmproj" in doubt for doubt in catalogue.read("gemma 3 4b").doubts)


def test_layers_that_predict_further_tokens_are_counted_apart() -> None:
    model = catalogue.read("GLM-4.5 Air")

    assert (model.n_layers, model.n_predictor_layers) == (47, 1)


def test_latent_attention_is_described_from_the_catalogue() -> None:
    latent = catalogue.read("DeepSeek R1").latent

    assert latent is not None
    assert (latent.key_value_rank, latent.rope_width, latent.nope_width) == (512, 64, 128)


def test_an_unknown_quant_is_refused() -> None:
    with pytest.raises(UnknownQuant):
        catalogue.read("qwen3 8b", "Q99")


def test_an_unknown_architecture_is_refused() -> None:
    with pytest.raises(UnreadableModel, match="rwkv9"):
        tensors_of({"general.architecture": "rwkv9"})


def test_a_missing_number_is_named() -> None:
    with pytest.raises(UnreadableModel, match=r"llama\.block_count"):
        tensors_of({"general.architecture": "llama"})


def test_every_entry_can_be_described() -> None:
    for entry in LANGUAGE:
        model = describe(entry.metadata, (), name=entry.name, source="catalogue", quant="BF16")
        assert model.native_context_tokens == entry.native_context_tokens


def records() -> list[dict[str, object]]:
    return [json.loads(line) for line in Path(catalogue.CATALOGUE).read_text("utf-8").splitlines()]


def test_the_data_is_one_json_object_per_line() -> None:
    assert [record["name"] for record in records()] == [entry.name for entry in ENTRIES]


def test_the_index_of_names_is_that_of_the_data() -> None:
    lines = Path(catalogue.INDEX).read_text("utf-8").splitlines()

    assert lines == [catalogue.index_line(record) for record in records()]


def test_an_embedding_model_keeps_no_cache() -> None:
    assert all(layer == Layer() for layer in catalogue.read("bge-m3").layers)


def test_a_model_without_layers_is_known_by_its_size() -> None:
    model = catalogue.read("whisper large v3")

    assert (model.kind, model.layers, model.n_parameters) == ("audio", (), 1_543_490_560)


@pytest.mark.parametrize("quant", ["Q8_0", "Q4_K_M", "FP8"])
def test_a_model_without_layers_gets_smaller_by_a_quant(quant: str) -> None:
    plain, packed = (catalogue.read("FLUX.1 dev", name) for name in ("BF16", quant))

    assert sum(map(stored, packed.tensors)) < 0.6 * sum(map(stored, plain.tensors))


def test_a_stored_copy_of_the_embedding_is_kept_though_the_model_is_tied() -> None:
    model = catalogue.read("Qwen3 1.7B")

    assert model.is_tied
    assert sum(tensor.name == "output.weight" for tensor in model.tensors) == 1


@pytest.mark.parametrize(
    ("name", "n_attending", "n_recurrent"),
    [("Kimi Linear", 7, 20), ("Kimi K3", 24, 69), ("Jamba Mini", 4, 28), ("MiniMax M1", 10, 70), ("Mamba 2.8B", 0, 64)],
)
def test_hybrids_remember_keys_in_some_layers_and_states_in_the_others(
    name: str, n_attending: int, n_recurrent: int
) -> None:
    layers = catalogue.read(name).layers

    assert sum(layer.key_width > 0 for layer in layers) == n_attending
    assert sum(layer.recurrent_state_width > 0 for layer in layers) == n_recurrent


def test_layers_that_share_an_indexer_do_not_remember_for_it() -> None:
    widths = [layer.key_width for layer in catalogue.read("GLM-5.2").layers]

    assert widths[:7] == [576 + 128] * 3 + [576] * 3 + [576 + 128]


def test_heads_differ_where_a_window_slides() -> None:
    layers = catalogue.read("MiMo V2 Flash").layers

    assert [(layer.key_width, layer.value_width, layer.window_tokens) for layer in layers[:2]] == [
        (4 * 192, 4 * 128, None),
        (8 * 192, 8 * 128, 128),
    ]


def test_a_vision_tower_is_counted_apart() -> None:
    assert catalogue.read("Qwen2.5-VL 7B").n_projector_parameters == 676_550_144


@pytest.mark.parametrize("typed", ["OPT 1.3B", "opt-1.3b", "facebook/opt-1.3b"])
def test_a_dot_tells_sizes_apart(typed: str) -> None:
    assert catalogue.find(typed).name == "OPT 1.3B"


@pytest.mark.parametrize("typed", ["internlm2_5-7b-chat", "InternLM25 7B", "internlm2.5:7b"])
def test_a_dot_may_be_left_out(typed: str) -> None:
    assert catalogue.find(typed).name == "InternLM2.5 7B"


def test_the_base_model_and_its_tuned_one_are_told_apart_by_their_full_names() -> None:
    assert catalogue.find("mistralai/Mixtral-8x22B-v0.1").name == "Mixtral 8x22B v0.1"
    assert catalogue.find("mistralai/Mixtral-8x22B-Instruct-v0.1").name == "Mixtral 8x22B"


@pytest.mark.parametrize(
    ("name", "kind"),
    [("qwen3 coder", "code"), ("deepseek r1", "reasoning"), ("gemma 3 4b", "vision"), ("Wan2.1 T2V 14B", "video")],
)
def test_a_model_says_what_it_is_for(name: str, kind: str) -> None:
    assert catalogue.read(name).kind == kind


@pytest.mark.parametrize(
    ("typed", "name"),
    [
        ("bartowski/openai_gpt-oss-20b-GGUF-MXFP4", "gpt-oss 20B"),
        ("unsloth/Qwen3-8B-128K-GGUF", "Qwen3 8B"),
        ("unsloth_DeepSeek R1 BF16", "DeepSeek R1 671B-A37B"),
        ("gemma-2-9b-it-abliterated-GGUF", "Gemma 2 9B"),
    ],
)
def test_words_that_a_repository_adds_are_passed_over(typed: str, name: str) -> None:
    assert catalogue.find(typed).name == name


@pytest.mark.parametrize(
    ("description", "n_parameters", "name"),
    [
        ("qwen3moe 30B.A3B", 30_530_000_000, "Qwen3 30B-A3B"),
        ("llama 8B", 8_030_000_000, "Llama 3 8B"),
        ("llama ?B", 8_030_000_000, "Llama 3 8B"),
        ("qwen3 0.6B", 751_630_000, "Qwen3 0.6B"),
    ],
)
def test_a_description_of_llama_bench_leads_to_a_model_of_that_size(
    description: str, n_parameters: int, name: str
) -> None:
    assert catalogue.find_described(description, n_parameters).name == name


@pytest.mark.parametrize("description", ["", "qwen3moe", "qwen3moe 30B.A3B", "\0 1B"])
def test_a_description_of_nothing_known_is_refused(description: str) -> None:
    with pytest.raises(UnreadableModel):
        catalogue.find_described(description, 29_000_000_000)


# The context's bytes that llama-fit-params of llama.cpp 0c1e57098 prints for a header-only file: MiB, 4 096 tokens.
CONTEXTS = [
    ("DeepSeek V4 Flash", 75),
    ("GLM-5.3 Flash", 222),
    ("MiniMax M3", 594),
    ("DeepSeek V3.2", 335),
    ("Kimi Linear", 74),
    ("MiniMax M1", 440),
    ("Jamba v0.1", 80),
    ("MiMo V2 Flash", 236),
    ("Step 3.5 Flash", 324),
    ("BGE-M3", 0),
]


@pytest.mark.parametrize(("name", "mib"), CONTEXTS)
def test_caches_and_states_take_what_llama_cpp_prints(name: str, mib: int) -> None:
    model = catalogue.plain_model(catalogue.find(name))
    shape = cache_shape(Workload(context_tokens=4096), n_batch_tokens=2048, n_ubatch_tokens=512, is_unified=False)
    rounding = ROUNDINGS["cpu"]

    kept = sum(
        cell_bytes(layer, shape, "F16", "F16", rounding) + state_bytes(layer, 1, rounding) for layer in model.layers
    )

    assert kept >> 20 == mib


def test_words_are_looked_for_in_parts_of_their_own() -> None:
    found = [entry.name for entry in catalogue.search("qwen3 30")]

    assert "Qwen3 30B-A3B" in found
    assert "Qwen3 0.6B" not in found
    assert [entry.name for entry in catalogue.search("30 qwen3")] == found
