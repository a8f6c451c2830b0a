"""What was learned moves the runtime's line of the ledger, and nothing else."""

from dataclasses import replace
from typing import Any

import pytest

from estimator.calibration import USE_BYTES, Calibration
from estimator.engine import load_engine
from estimator.ledger import Basis, Estimate, Kind, Place, Term, Workload
from estimator.model import Model
from estimator.reader import read_model
from estimator.runtime import runtime_term, told_free_bytes

GIB, MIB = 1 << 30, 1 << 20
LEARNED = Calibration(
    engine_name="llamacpp", product="NVIDIA GeForce RTX 4090", driver="580.95.05", n_bytes=38 * MIB,
    low_bytes=20 * MIB, high_bytes=56 * MIB, n_loads=7,
)  # fmt: skip
GPU = Place(
    name="GPU 0", kind="cuda", total_bytes=24 * GIB, free_bytes=23 * GIB, n_multiprocessors=128,
    compute_capability=(8, 9),
)  # fmt: skip
HOST = Place(name="RAM", kind="host", total_bytes=64 * GIB, free_bytes=60 * GIB)


@pytest.fixture(scope="module")
def model() -> Model:
    return read_model("Qwen3 8B", "Q4_K_M")


def made(model: Model, *calibrations: Calibration, engine: str = "llamacpp") -> Estimate:
    module = load_engine(engine)
    places = (replace(GPU, calibrations=calibrations), HOST)
    workload = Workload(context_tokens=8192, kv_type=module.KV_TYPES[0])
    return module.estimate(model, workload, module.Options(), places)


def runtime(estimate: Estimate) -> Term:
    (term,) = estimate.select((GPU.name,), Kind.RUNTIME)
    return term


def test_the_runtime_is_what_loads_here_took(model: Model) -> None:
    plain, learned = runtime(made(model)), runtime(made(model, LEARNED))
    assert learned.n_bytes - plain.n_bytes == 38 * MIB
    assert (learned.basis, learned.n_loads) == (Basis.CALIBRATED, 7)


def test_nothing_else_moves(model: Model) -> None:
    plain, learned = made(model), made(model, LEARNED)
    others = [term for term in learned.terms if term.plain is None]
    assert others == [term for term in plain.terms if term is not runtime(plain)]


def test_the_plain_prediction_stands_beside_it(model: Model) -> None:
    assert made(model, LEARNED).plain == made(model)
    assert made(model).plain is not None


def test_the_ledger_says_from_how_many_loads(model: Model) -> None:
    term = runtime(made(model, LEARNED))
    assert term.formula.startswith("calibrated from 7 loads here: ")
    assert term.formula.endswith("+ 38 MiB")
    assert "580.95.05" in term.source


def test_the_source_says_of_which_versions() -> None:
    term = runtime_term(replace(GPU, calibrations=(replace(LEARNED, family="0.12"),)), engine="llama.cpp")
    assert term is not None
    assert term.source.startswith("7 loads of llama.cpp 0.12 under driver 580.95.05")


def test_a_single_load_is_said_as_one() -> None:
    place = replace(GPU, calibrations=(replace(LEARNED, n_loads=1, n_bytes=-5 * MIB),))
    term = runtime_term(place, engine="llama.cpp")
    assert term is not None
    assert "from 1 load here" in term.formula
    assert term.formula.endswith("- 5 MiB")


def test_its_band_is_what_was_seen_and_what_use_may_take(model: Model) -> None:
    plain, learned = runtime(made(model)), runtime(made(model, LEARNED))
    assert learned.low_bytes == plain.n_bytes + 20 * MIB
    assert learned.high_bytes == plain.n_bytes + 56 * MIB + USE_BYTES


@pytest.mark.parametrize("n_bytes", [-4 * GIB, -200 * MIB])
def test_less_than_a_context_takes_is_not_believed(n_bytes: int) -> None:
    tiny = replace(LEARNED, n_bytes=n_bytes, low_bytes=n_bytes - 20 * MIB, high_bytes=n_bytes + 20 * MIB)
    plain = runtime_term(GPU, engine="llama.cpp")
    assert plain is not None
    assert plain.n_bytes - 200 * MIB < plain.low_bytes
    assert runtime_term(replace(GPU, calibrations=(tiny,)), engine="llama.cpp") == plain


def test_its_band_never_falls_below_the_context() -> None:
    less = replace(LEARNED, n_bytes=-120 * MIB, low_bytes=-250 * MIB, high_bytes=10 * MIB)
    plain = runtime_term(GPU, engine="llama.cpp")
    term = runtime_term(replace(GPU, calibrations=(less,)), engine="llama.cpp")
    assert plain is not None
    assert term is not None
    assert (term.n_bytes, term.low_bytes) == (plain.n_bytes - 120 * MIB, plain.low_bytes)


@pytest.mark.parametrize("engine", ["ollama", "vllm", "transformers"])
def test_what_one_engine_taught_says_nothing_of_another(engine: str, model: Model) -> None:
    named: dict[str, Any] = {"engine": engine}
    assert made(model, LEARNED, **named) == made(model, **named)


def test_each_engine_has_its_own(model: Model) -> None:
    found = made(model, LEARNED, replace(LEARNED, engine_name="ollama", n_bytes=50 * MIB), engine="ollama")
    assert runtime(found).n_bytes - runtime(made(model, engine="ollama")).n_bytes == 50 * MIB


def test_what_a_program_is_told_as_free_stays_what_its_context_leaves() -> None:
    assert told_free_bytes(replace(GPU, calibrations=(LEARNED,))) == told_free_bytes(GPU)
