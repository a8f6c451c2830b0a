"""What --fit chooses, against what llama-fit-params of llama.cpp 0c1e57098 printed on devices with CUDA's rules."""

from dataclasses import dataclass

import pytest
from measured import measured_model

from estimator.engines.llamacpp import Options, estimate, fallback, relieved
from estimator.fit import MARGIN_BYTES, Fitted, fit
from estimator.ledger import Place, Workload
from estimator.llama_load import Load
from estimator.packing import fit_margins
from estimator.placement import HOST

MIB = 1 << 20
GIB = 1 << 30
RAM = Place(name="RAM", kind="host", total_bytes=512 * GIB, free_bytes=512 * GIB)


def gpus(*free_mib: int) -> list[Place]:
    return [
        Place(name=f"GPU {i}", kind="cuda", total_bytes=n * MIB, free_bytes=n * MIB) for i, n in enumerate(free_mib)
    ]


def load(name: str, free_mib: tuple[int, ...], context_tokens: int, n_outputs: int | None = None) -> Load:
    model = measured_model(name)
    assert model is not None
    tokens = context_tokens or model.native_context_tokens
    return Load(model, Workload(context_tokens=tokens), Options(n_outputs=n_outputs), [*gpus(*free_mib), RAM])


@dataclass(frozen=True)
class Printed:
    """One line of llama-fit-params; context 0 was left free."""

    model: str
    free_mib: tuple[int, ...]
    asked_tokens: int
    context_tokens: int
    n_gpu_layers: int | None
    counts: tuple[int, ...] = ()
    n_overrides: int = 0


PRINTED = (
    Printed("deepseek-v2-lite", (6144,), 0, 4096, 28, (), 16),
    Printed("gpt-oss-20b", (24576, 24576), 16384, 16384, None),
    Printed("gpt-oss-20b", (32768,), 0, 131072, None),
    Printed("gpt-oss-20b", (6144,), 16384, 16384, 25, (), 18),
    Printed("llama-3.1-8b", (16384, 8192, 8192), 0, 131072, None),
    Printed("llama-3.1-8b", (24576, 24576), 0, 131072, None),
    Printed("llama-3.1-8b", (4096,), 8192, 8192, 16),
    Printed("qwen3-30b-a3b", (24576, 12288), 0, 40960, None),
    Printed("qwen3-30b-a3b", (24576,), 16384, 16384, None),
    Printed("qwen3-30b-a3b", (32768,), 0, 40960, None),
    Printed("qwen3-30b-a3b", (8192,), 0, 4096, 49, (), 33),
    Printed("qwen3-30b-a3b", (8192,), 16384, 16384, 49, (), 37),
)


@pytest.mark.parametrize("printed", PRINTED, ids=lambda printed: f"{printed.model}-{printed.free_mib}")
def test_the_choice_is_the_one_that_the_engine_printed(printed: Printed) -> None:
    asked = load(printed.model, printed.free_mib, printed.asked_tokens, n_outputs=2048)
    found = fit(asked, is_context_free=not printed.asked_tokens)
    assert found is not None
    assert found.load.workload.context_tokens == printed.context_tokens
    assert (None if found.is_default else found.layout.n_gpu_layers) == printed.n_gpu_layers
    assert (found.layer_counts if len(printed.free_mib) > 1 else ()) == printed.counts
    assert len(found.layout.overrides) == printed.n_overrides


def chosen(name: str, *free_mib: int) -> Fitted:
    found = fit(load(name, free_mib, 8192))
    assert found is not None
    return found


def test_every_device_keeps_its_margin() -> None:
    found = chosen("llama-3.1-8b", 3072, 4096)
    for n_bytes, place in zip(found.device_bytes, gpus(3072, 4096), strict=True):
        assert n_bytes <= place.free_bytes - MARGIN_BYTES


def test_nothing_is_changed_where_all_has_room() -> None:
    assert chosen("llama-3.1-8b", 24576).is_default


def test_experts_go_to_ram_and_layers_stay() -> None:
    found = chosen("gpt-oss-20b", 8192)
    assert found.layout.n_gpu_layers == 25
    assert {override.device for override in found.layout.overrides} == {HOST}


def test_layers_that_were_asked_for_are_left_alone() -> None:
    model = measured_model("llama-3.1-8b")
    assert model is not None
    asked = Load(model, Workload(context_tokens=8192), Options(n_gpu_layers=20), [*gpus(2048), RAM])
    assert fit(asked) is None


def test_without_a_device_there_is_nothing_to_choose() -> None:
    model = measured_model("llama-3.1-8b")
    assert model is not None
    assert fit(Load(model, Workload(context_tokens=8192), Options(), [RAM])) is None


def test_the_fallback_holds_what_fit_weighed() -> None:
    model = measured_model("gpt-oss-20b")
    assert model is not None
    places = [*gpus(8192), RAM]
    made = fallback(model, Workload(context_tokens=8192), Options(), places)
    assert made is not None
    runtime = next(term.n_bytes for term in made.terms if term.place == "GPU 0" and term.kind.value == "runtime")
    assert made.n_bytes(["GPU 0"]) - runtime == chosen("gpt-oss-20b", 8192).device_bytes[0]
    assert made.answers[0].value == chosen("gpt-oss-20b", 8192).n_moved_blocks


def test_what_relieves_several_devices_is_said_in_flags_that_mean_the_same() -> None:
    model = measured_model("gpt-oss-20b")
    assert model is not None
    workload, places = Workload(context_tokens=8192), [*gpus(4096, 6144), RAM]
    options = relieved(model, workload, Options(), places)
    assert options is not None
    assert options.tensor_overrides
    spelled_out = estimate(model, workload, options, places)
    unasked = fallback(model, workload, Options(), places)
    assert unasked is not None
    assert [(t.kind, t.place, t.n_bytes) for t in spelled_out.terms] == [
        (t.kind, t.place, t.n_bytes) for t in unasked.terms
    ]


def asked_of_llama(free_mib: int, **told: object) -> Load:
    model = measured_model("llama-3.1-8b")
    assert model is not None
    options = Options(**told)  # type: ignore[arg-type]
    return Load(model, Workload(context_tokens=model.native_context_tokens), options, [*gpus(free_mib), RAM])


@pytest.mark.parametrize(("told", "kept_mib"), [((4096.0,), 4096), ((0.0,), 0), (None, 1024)])
def test_a_margin_that_is_told_is_kept(told: tuple[float, ...] | None, kept_mib: int) -> None:
    found = fit(asked_of_llama(12288, fit_target_mib=told), is_context_free=True)
    assert found is not None
    room = 12288 - kept_mib
    assert room - 256 <= found.device_bytes[0] / MIB <= room


def test_each_device_may_keep_its_own_margin_and_one_that_is_left_out_the_usual() -> None:
    assert fit_margins((512.0,), 2) == (512 * MIB, 512 * MIB)
    assert fit_margins((512.0, 256.0), 3) == (512 * MIB, 256 * MIB, MARGIN_BYTES)
    assert fit_margins(None, 1) == (MARGIN_BYTES,)


def test_a_free_context_becomes_no_shorter_than_is_told() -> None:
    found = fit(asked_of_llama(6144, fit_context_tokens=32768), is_context_free=True)
    assert found is not None
    assert found.load.workload.context_tokens == 32768
