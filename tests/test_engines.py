"""What is shown of any engine: its answers, its refusal, its default for a kind of model."""

import re
from dataclasses import replace

import pytest
from measured import measured_model

from estimator.engine import ENGINES, load_engine, usual_engine
from estimator.ledger import Answer, Place, Workload
from estimator.model import TEXT_PART_ONLY, Model
from estimator.readers import catalogue
from estimator.verdict import Level, judge
from tui.cli import main
from tui.humanize import answer_text
from tui.plan import default_plan, model_bytes
from tui.screens.steps import quants_of, with_engine
from tui.stored import as_published_for, near_size_for
from tui.widgets.verdict import said

GIB = 1 << 30
PLACES = [
    Place(name="GPU 0", kind="cuda", total_bytes=24 * GIB, free_bytes=24 * GIB),
    Place(name="RAM", kind="host", total_bytes=64 * GIB, free_bytes=64 * GIB),
]


def model_of(name: str) -> Model:
    model = measured_model(name)
    assert model is not None
    return model


@pytest.mark.parametrize("name", ["llama.cpp", "LM Studio", "KoboldCpp", "llamafile", "llama-server"])
def test_a_program_that_runs_llama_cpp_is_planned_as_llama_cpp(name: str) -> None:
    assert load_engine(name).NAME == "llama.cpp"


def test_a_gguf_file_is_run_by_llama_cpp_unless_told_otherwise() -> None:
    assert default_plan(model_of("llama-3.1-8b")).engine_name == "llamacpp"


@pytest.mark.parametrize("stored", ["gguf", "safetensors", "mlx", "exl", "unheard-of"])
@pytest.mark.parametrize("kind", ["text", "audio", "image"])
def test_every_kind_of_model_has_a_usual_engine(stored: str, kind: str) -> None:
    assert usual_engine(replace(model_of("llama-3.1-8b"), format=stored, kind=kind)) in ENGINES


def test_an_engine_that_would_refuse_fails_however_much_room_there_is() -> None:
    engine = load_engine("llamacpp")
    made = engine.estimate(model_of("llama-3.1-8b"), Workload(context_tokens=4096), engine.Options(), PLACES)

    verdict = judge(replace(made, refusal="it wants more than is free"), PLACES)

    assert judge(made, PLACES).level is Level.FITS
    assert (verdict.level, verdict.reason) == (Level.FAILS, "it wants more than is free")


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (Answer(key="a", label="a", value=158656, unit="tokens"), "158\N{NO-BREAK SPACE}656 tokens"),
        (Answer(key="a", label="a", value=0.423, low=0.4, high=0.45), "0.42 (0.40 to 0.45)"),
        (Answer(key="a", label="a", value=0.42, low=0.42, high=0.42), "0.42"),
        (Answer(key="a", label="a", value=3 * GIB, unit="bytes"), "3.0 GiB"),
        (Answer(key="a", label="a", value="\x1b[31m33 of 33"), "[31m33 of 33"),
    ],
)
def test_an_answer_is_told_with_its_unit_and_its_band(answer: Answer, text: str) -> None:
    assert answer_text(answer) == text


@pytest.mark.parametrize("name", ENGINES)
def test_another_engine_keeps_the_load_and_takes_its_own_defaults(name: str) -> None:
    plan = default_plan(model_of("llama-3.1-8b"))

    changed = with_engine(plan, name)

    assert changed.workload.context_tokens == plan.workload.context_tokens
    assert changed.workload.kv_type in changed.engine.KV_TYPES
    assert changed.options == changed.engine.Options()
    assert changed.model.quant in {*changed.engine.QUANTS, plan.model.quant}


def test_a_name_alone_is_what_the_engine_would_load_by_it() -> None:
    assert as_published_for(load_engine("vllm"), catalogue.read("Qwen3 8B")).quant == "BF16"
    assert as_published_for(load_engine("llamacpp"), catalogue.read("Qwen3 8B")).quant == "Q4_K_M"
    assert as_published_for(load_engine("llamacpp"), catalogue.read("gpt-oss 20B")).quant == "MXFP4"


@pytest.mark.parametrize(
    ("name", "quant"),
    [
        ("DeepSeek V4 Flash", "MXFP4"),
        ("Kimi K2 Thinking", "GPTQ-Int4-g32"),
        ("DeepSeek R1", "FP8"),
        ("GLM-4.5", "BF16"),
    ],
)
@pytest.mark.parametrize("engine", ["vllm", "sglang", "trtllm"])
def test_a_server_loads_a_checkpoint_as_it_was_published(engine, name, quant):
    assert as_published_for(load_engine(engine), catalogue.read(name)).quant == quant
    assert as_published_for(load_engine("vllm"), catalogue.read("gpt-oss 20B")).quant == "BF16"


def test_a_checkpoint_of_8_bits_is_loaded_as_that() -> None:
    assert as_published_for(load_engine("vllm"), catalogue.read("DeepSeek V3")).quant == "FP8"


def test_who_asks_for_an_engine_with_conversions_of_its_own_gets_one_of_4_bits() -> None:
    assert as_published_for(load_engine("mlx"), catalogue.read("Qwen3 8B")).quant == "MLX-4bit"
    assert as_published_for(load_engine("exllama"), catalogue.read("Qwen3 8B")).quant == "EXL3-4.0bpw"


def test_who_changes_the_engine_keeps_about_the_size() -> None:
    four_bits = catalogue.read("Qwen3 8B")

    other = near_size_for(load_engine("vllm"), four_bits)

    assert other.quant in load_engine("vllm").QUANTS
    assert 0.75 < model_bytes(other) / model_bytes(four_bits) < 1.34


def test_who_changes_to_mlx_gets_the_conversion_that_most_people_have() -> None:
    assert near_size_for(load_engine("mlx"), catalogue.read("Qwen3 32B")).quant == "MLX-4bit"
    assert near_size_for(load_engine("mlx"), catalogue.read("Qwen3 32B", "Q8_0")).quant == "MLX-8bit"


def test_a_file_stays_what_it_is_whatever_the_engine_is_usually_given() -> None:
    file = replace(catalogue.read("Qwen3 8B"), file_bytes=5 * GIB)

    assert as_published_for(load_engine("vllm"), file) is file
    assert near_size_for(load_engine("vllm"), file) is file


def test_a_refusal_is_told_as_one_and_not_as_missing_bytes() -> None:
    engine = load_engine("llamacpp")
    made = engine.estimate(model_of("llama-3.1-8b"), Workload(context_tokens=4096), engine.Options(), PLACES)

    verdict = judge(replace(made, refusal="it wants more than is free"), PLACES)

    assert said(verdict) == ": the engine would not start"


def test_a_model_without_a_context_is_told_without_tokens(capsys: pytest.CaptureFixture[str]) -> None:
    main(["check", "Whisper large v3", "--simulate", "RTX 4090, RAM 64GiB"])
    out = capsys.readouterr().out

    assert "rule of thumb · all of it on GPU 0" in out
    assert "tokens" not in out
    assert "context that fits" not in out


def test_what_is_tight_for_another_reason_than_bytes_names_no_bytes_over_the_line() -> None:
    engine = load_engine("llamacpp")
    made = engine.estimate(model_of("llama-3.1-8b"), Workload(context_tokens=4096), engine.Options(), PLACES)

    verdict = replace(judge(made, PLACES), level=Level.TIGHT, reason="its cache may be too small")

    assert said(verdict) == " on GPU 0"


@pytest.mark.parametrize(("name", "hardware"), [("trtllm", "MI300X"), ("vllm", "M4 Max 64GB"), ("sglang", "RAM 64GiB")])
def test_a_server_says_which_hardware_it_needs(name: str, hardware: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "Qwen3 8B", "--engine", name, "--simulate", hardware]) == 3
    assert re.search(
        r"needs a GPU of NVIDIA(, AMD or Intel)?, and there is none here", " ".join(capsys.readouterr().out.split())
    )


@pytest.mark.parametrize(
    ("name", "start"),
    [
        ("mlx", "mlx_lm.server --model MODEL "),
        ("exllama", "python main.py --model-dir MODELS --model-name MODEL "),
        ("llamacpp", "llama-server -m a.gguf "),
    ],
)
def test_a_gguf_file_is_given_only_to_engines_that_load_it(name: str, start: str) -> None:
    file = replace(catalogue.read("Qwen3 8B"), source="a.gguf", file_bytes=1)
    assert load_engine(name).command(file, "--flag").startswith(start)


def test_ollama_has_to_be_told_of_a_file_first() -> None:
    file = replace(catalogue.read("Qwen3 8B"), source="/models/a.gguf", file_bytes=1, name="a")
    line = load_engine("ollama").command(file, "X=1")
    assert line == ("X=1 ollama serve & ollama run a  # first: echo FROM /models/a.gguf > Modelfile && ollama create a")


@pytest.mark.parametrize(("name", "flag"), [("vllm", "--tensor-parallel-size"), ("sglang", "--tp-size")])
@pytest.mark.parametrize(("hardware", "n", "advised"), [("4x RTX 4090", "3", "4"), ("RTX 4090", "2", "1")])
def test_a_split_that_can_not_be_is_answered_with_one_that_can(
    name: str, flag: str, hardware: str, n: str, advised: str, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["check", "Qwen3 4B", "--engine", name, "--simulate", hardware]
    assert main([*asked, flag, n]) == 1
    assert f"{flag} {advised}" in capsys.readouterr().out
    assert main([*asked, flag, advised]) == 0


@pytest.mark.parametrize("name", ENGINES)
def test_another_engines_option_is_refused_by_name(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    engine = load_engine(name)
    assert main(["check", "Qwen3 8B", "--engine", name, "--no-such-option"]) == 2
    said = capsys.readouterr().err
    assert f"{engine.NAME} has no --no-such-option" in said
    named = said.partition("--engine ")[2].split()[0]
    assert load_engine(named) is engine


@pytest.mark.parametrize(("name", "is_said"), [("llamacpp", True), ("vllm", False), ("sglang", False)])
def test_only_who_loads_the_text_part_alone_is_told_so(name: str, is_said: bool) -> None:
    engine = load_engine(name)
    workload = Workload(context_tokens=2048, kv_type=engine.KV_TYPES[0])
    made = engine.estimate(catalogue.read("Gemma 3 4B"), workload, engine.Options(), PLACES)
    assert (TEXT_PART_ONLY in made.doubts) is is_said


@pytest.mark.parametrize(
    ("name", "quant"), [("vllm", "MLX-4bit"), ("mlx", "EXL3-4.0bpw"), ("transformers", "MLX-4bit")]
)
def test_a_conversion_for_another_engine_is_not_judged(
    name: str, quant: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", "Qwen3 8B", "--engine", name, "--quant", quant, "--simulate", "RTX 4090"]) == 3
    assert f"loads no {quant}; --engine" in " ".join(capsys.readouterr().out.split())


def test_gpt_oss_as_published_is_not_told_as_if_all_of_it_had_16_bits() -> None:
    published = as_published_for(load_engine("vllm"), catalogue.read("gpt-oss 20B"))

    assert published.stored_as == "BF16, experts MXFP4"
    assert as_published_for(load_engine("vllm"), catalogue.read("Qwen3 8B")).stored_as == "BF16"


@pytest.mark.parametrize("name", ["mlx", "vllm", "exllama"])
def test_an_engine_is_offered_its_own_quants_of_a_model_that_is_known_by_name(name: str) -> None:
    engine = load_engine(name)
    named = catalogue.read("Qwen3 8B")

    assert "Q4_K_M" not in quants_of(named, engine)
    assert "Q4_K_M" in quants_of(replace(named, file_bytes=5 << 30), engine)
    assert quants_of(catalogue.read("gpt-oss 20B"), engine)
