"""The rule of thumb: what it says of models that no engine here knows."""

import pytest

from estimator.engines import generic, transformers
from estimator.errors import Unjudgeable
from estimator.ledger import Basis, Kind, Place, Workload
from estimator.reader import read_model

GIB = 1 << 30
GPU = Place(name="GPU 0", kind="cuda", total_bytes=24 * GIB, free_bytes=24 * GIB)
RAM = Place(name="RAM", kind="host", total_bytes=64 * GIB, free_bytes=60 * GIB)
WORK = Workload(context_tokens=4096)


@pytest.mark.parametrize(
    ("name", "overhead"), [("Whisper large v3", 1.3), ("Wan2.1 T2V 1.3B", 1.4), ("Qwen3 8B", 1.15), ("QwQ 32B", 1.25)]
)
def test_the_overhead_is_that_of_the_kind(name: str, overhead: float) -> None:
    model = read_model(name, "BF16")
    estimate = generic.estimate(model, WORK, generic.Options(), [GPU, RAM])
    beside = estimate.n_bytes(kind=Kind.COMPUTE) / estimate.n_bytes(kind=Kind.WEIGHTS)
    assert beside == pytest.approx(overhead - 1, abs=0.001)


def test_nothing_beside_the_weights_is_more_than_assumed() -> None:
    estimate = generic.estimate(read_model("Whisper large v3"), WORK, generic.Options(), [GPU, RAM])
    beside = [term for term in estimate.terms if term.kind is not Kind.WEIGHTS]
    assert {term.basis for term in beside} == {Basis.ASSUMED}
    assert all(term.low_bytes < term.n_bytes < term.high_bytes for term in beside)
    assert any("rule of thumb" in doubt for doubt in estimate.doubts)


def test_another_overhead_can_be_asked_for() -> None:
    model = read_model("Whisper large v3")
    plain, more = (generic.estimate(model, WORK, generic.Options(overhead=n), [GPU, RAM]) for n in (None, 2.0))
    assert more.n_bytes() > plain.n_bytes()


def test_the_band_holds_a_published_peak_at_a_long_context() -> None:
    # Qwen3.6 35B-A3B in 4 bits at 192,000 tokens: 38.0 GB (github.com/ml-explore/mlx-lm/issues/1480)
    estimate = generic.estimate(read_model("Qwen3.6 35B-A3B", "MLX-4bit"), WORK, generic.Options(), [GPU, RAM])
    assert estimate.low_bytes() < 38.0e9 < estimate.high_bytes()


def test_engines_that_place_layers_leave_a_model_without_them_to_it() -> None:
    with pytest.raises(Unjudgeable, match="rule of thumb"):
        transformers.estimate(read_model("Whisper large v3"), WORK, transformers.Options(), [GPU, RAM])


def test_several_devices_share_by_what_is_free() -> None:
    other = Place(name="GPU 1", kind="cuda", total_bytes=24 * GIB, free_bytes=8 * GIB)
    estimate = generic.estimate(read_model("Qwen3 8B", "BF16"), WORK, generic.Options(), [GPU, other, RAM])
    weights = [estimate.n_bytes([name], Kind.WEIGHTS) for name in ("GPU 0", "GPU 1")]
    assert weights[0] == pytest.approx(3 * weights[1], rel=0.001)
