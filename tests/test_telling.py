"""Which loads tell of driver and libraries: those of which nothing else is in doubt."""

from dataclasses import replace
from typing import Any

import pytest

from estimator.engine import load_engine
from estimator.ledger import Basis, Place, Workload
from estimator.reader import read_model
from launches.command import Command
from launches.launch import Launch, read_launches
from tui.plan import Assessment, Plan, assess
from tui.telling import is_corrected, telling_place

GIB = 1 << 30
GPU = Place(
    name="GPU 0", kind="cuda", total_bytes=24 * GIB, free_bytes=23 * GIB, n_multiprocessors=128,
    compute_capability=(8, 9),
)  # fmt: skip
HOST = Place(name="RAM", kind="host", total_bytes=64 * GIB, free_bytes=60 * GIB)


def launch(**changes: Any) -> Launch:
    given: dict[str, Any] = {"program": "llama-server", "engine_name": "llamacpp", "context_tokens": 8192}
    given |= changes
    return Launch(source="model.gguf", options=load_engine(given["engine_name"]).Options(), **given)


def assessed(*places: Place, engine: str = "llamacpp", name: str = "Qwen3 8B", tokens: int = 8192) -> Assessment:
    module = load_engine(engine)
    plan = Plan(
        model=read_model(name, "Q4_K_M"), workload=Workload(context_tokens=tokens, kv_type=module.KV_TYPES[0]),
        options=module.Options(), engine_name=engine,
    )  # fmt: skip
    return assess(plan, places or (GPU, HOST))


@pytest.fixture(scope="module")
def made() -> Assessment:
    return assessed()


def test_a_whole_load_on_one_device_tells(made: Assessment) -> None:
    assert telling_place(launch(), made) == "GPU 0"


@pytest.mark.parametrize(
    "arguments", ["-c 8192 -ngl 99", "-c 8192", "-c 8192 -ngl 99 --mlock", "-c 8192 --cache-ram -1", "-c 8192 -np 1"]
)
def test_a_usual_command_tells(arguments: str, made: Assessment) -> None:
    words = ("llama-server", "-m", "model.gguf", *arguments.split())
    (found,) = read_launches(Command(arguments=words))
    assert telling_place(found, made) == "GPU 0"


@pytest.mark.parametrize("arguments", ["--lora a.gguf", "--rpc 10.0.0.2:50052", "--spec-type draft-mtp", "--new 3"])
def test_a_command_with_what_is_not_counted_does_not_tell(arguments: str, made: Assessment) -> None:
    words = ("llama-server", "-m", "model.gguf", "-c", "8192", *arguments.split())
    (found,) = read_launches(Command(arguments=words))
    assert telling_place(found, made) is None


OTHERS: list[dict[str, Any]] = [
    {"devices": ("Vulkan0",)},
    {"devices": ("SYCL0",)},
    {"devices": ("ROCm0",)},
    {"devices": ("HIP0",)},
    {"environment": {"GGML_CUDA_ENABLE_UNIFIED_MEMORY": "1"}},
    {"environment": {"OLLAMA_VULKAN": "1"}},
    {"environment": {"OLLAMA_LLM_LIBRARY": "vulkan"}},
]
OWN: list[dict[str, Any]] = [
    {"devices": ("CUDA0",)},
    {"devices": ("0",)},
    {"environment": {"OLLAMA_VULKAN": "false", "OLLAMA_LLM_LIBRARY": ""}},
]


@pytest.mark.parametrize("changes", OTHERS, ids=str)
def test_by_another_backend_it_neither_tells_nor_is_corrected(changes: dict[str, Any], made: Assessment) -> None:
    assert telling_place(launch(**changes), made) is None
    assert not is_corrected(launch(**changes))


@pytest.mark.parametrize("changes", OWN, ids=str)
def test_by_the_devices_own_backend_it_tells_and_is_corrected(changes: dict[str, Any], made: Assessment) -> None:
    assert telling_place(launch(**changes), made) == "GPU 0"
    assert is_corrected(launch(**changes))


@pytest.mark.parametrize(
    ("backends", "place"), [((), "GPU 0"), (("cuda",), "GPU 0"), (("vulkan",), None), (("cuda", "vulkan"), None)]
)
def test_with_another_library_mapped_it_does_not_tell(
    backends: tuple[str, ...], place: str | None, made: Assessment
) -> None:
    assert telling_place(launch(), made, backends=lambda: frozenset(backends)) == place


def test_ollama_tells_too() -> None:
    found = launch(program="ollama runner", engine_name="ollama")
    assert telling_place(found, assessed(engine="ollama")) == "GPU 0"


def test_a_runner_of_ollama_tells_once_its_context_is_known() -> None:
    words = ("ollama", "runner", "--ollama-engine", "--model", "/m/a", "--port", "41021")
    (found,) = read_launches(Command(arguments=words))
    made = assessed(engine="ollama")
    assert telling_place(found, made) is None
    assert telling_place(replace(found, context_tokens=8192), made) == "GPU 0"


@pytest.mark.parametrize(
    "changes",
    [
        {"program": "koboldcpp"},
        {"program": "llama-bench"},
        {"unknown": ("--new",)},
        {"doubts": ("what --lora loads is not counted",)},
        {"refusal": "it would not start"},
        {"context_tokens": None},
        {"is_context_free": True},
    ],
    ids=["other buffers", "many loads", "unknown", "not counted", "refused", "context not known", "its own context"],
)
def test_a_launch_that_leaves_a_doubt_does_not_tell(changes: dict[str, Any], made: Assessment) -> None:
    assert telling_place(launch(**changes), made) is None


def test_a_context_that_was_not_asked_for_and_is_whole_tells() -> None:
    native = read_model("Qwen3 8B", "Q4_K_M").native_context_tokens
    assert telling_place(launch(is_context_free=True), assessed(tokens=native)) == "GPU 0"


@pytest.mark.parametrize(
    "places",
    [
        (HOST,),
        (replace(GPU, free_bytes=4 * GIB), HOST),
        (replace(GPU, draws_on="RAM"), HOST),
        (replace(GPU, is_part=True), HOST),
        (replace(GPU, kind="rocm"), HOST),
        (replace(GPU, kind="gpu"), HOST),
        (replace(GPU, free_bytes=4 * GIB), replace(GPU, name="GPU 1", free_bytes=4 * GIB), HOST),
    ],
    ids=["RAM", "layers in RAM", "memory of the host", "a part", "AMD", "Intel", "two devices"],
)
def test_elsewhere_it_does_not_tell(places: tuple[Place, ...]) -> None:
    assert telling_place(launch(), assessed(*places)) is None


def test_what_is_assumed_of_the_model_does_not_tell(made: Assessment) -> None:
    terms = tuple(
        replace(term, basis=Basis.ASSUMED) if term.label == "compute buffer" else term for term in made.estimate.terms
    )
    assert telling_place(launch(), replace(made, estimate=replace(made.estimate, terms=terms))) is None


def test_a_wide_band_does_not_tell(made: Assessment) -> None:
    terms = tuple(
        replace(term, high_bytes=term.high_bytes + GIB) if term.label == "KV cache" else term
        for term in made.estimate.terms
    )
    assert telling_place(launch(), replace(made, estimate=replace(made.estimate, terms=terms))) is None


@pytest.mark.parametrize("engine", ["vllm", "sglang", "mlx", "transformers", "exllama"])
def test_engines_that_take_a_share_or_grow_do_not_tell(engine: str, made: Assessment) -> None:
    assert telling_place(launch(program=engine, engine_name=engine), made) is None
