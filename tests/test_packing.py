"""The quick sums that layers are packed by, against whole estimates."""

from dataclasses import replace

import pytest
from measured import measured_model

from estimator.engines.llamacpp import Options, estimate, fallback, quick_fallback, relieved
from estimator.ledger import Kind, Place, Workload
from estimator.packing import FIT_MARGIN_BYTES, least
from estimator.quant import stored_bytes

GIB = 1 << 30
BUFFERS = (Kind.WEIGHTS, Kind.KV_CACHE, Kind.STATE, Kind.COMPUTE)
RAM = Place(name="RAM", kind="host", total_bytes=512 * GIB, free_bytes=512 * GIB)


def gpus(*free_gib: float) -> list[Place]:
    return [
        Place(name=f"GPU {i}", kind="cuda", total_bytes=80 * GIB, free_bytes=int(free * GIB))
        for i, free in enumerate(free_gib)
    ]


def held(name: str, tokens: int, options: Options, places: list[Place]) -> list[int]:
    model = measured_model(name)
    assert model is not None
    made = estimate(model, Workload(context_tokens=tokens), options, [*places, RAM])
    return [sum(made.n_bytes([place.name], kind) for kind in BUFFERS) for place in places]


def test_what_is_packed_keeps_the_margin_on_every_device() -> None:
    for name, free in (("gemma-3-12b", (5.25, 5.0)), ("qwen3-30b-a3b", (5.0, 15.5)), ("llama-3.1-8b", (2.4, 5.0, 3.0))):
        places = gpus(*free)
        model = measured_model(name)
        assert model is not None
        made = estimate(model, Workload(context_tokens=8192), Options(), [*places, RAM])
        assert made.layers_by_device, name
        for place, n_bytes in zip(places, held(name, 8192, Options(), places), strict=True):
            assert n_bytes <= place.free_bytes - FIT_MARGIN_BYTES


def test_what_is_left_to_the_host_is_the_least_that_makes_room() -> None:
    for name, free in (("llama-3.1-8b", (4.0,)), ("gemma-3-12b", (3.0, 3.0)), ("falcon-h1-7b", (3.0,))):
        places = gpus(*free)
        model = measured_model(name)
        assert model is not None
        found = relieved(model, Workload(context_tokens=8192), Options(), [*places, RAM])
        assert found is not None
        assert found.n_gpu_layers is not None
        one_more = replace(found, n_gpu_layers=found.n_gpu_layers + 1)
        limits = [place.free_bytes - FIT_MARGIN_BYTES for place in places]
        assert all(n <= limit for n, limit in zip(held(name, 8192, found, places), limits, strict=True))
        assert any(n > limit for n, limit in zip(held(name, 8192, one_more, places), limits, strict=True))


def test_experts_are_left_one_layer_at_a_time() -> None:
    places = gpus(12.0)
    model = measured_model("qwen3-30b-a3b")
    assert model is not None
    found = relieved(model, Workload(context_tokens=8192), Options(), [*places, RAM])
    assert found is not None
    fewer = replace(found, n_cpu_moe_layers=found.n_cpu_moe_layers - 1)
    limit = places[0].free_bytes - FIT_MARGIN_BYTES
    assert held("qwen3-30b-a3b", 8192, found, places)[0] <= limit < held("qwen3-30b-a3b", 8192, fewer, places)[0]


def test_the_least_is_found_and_otherwise_said() -> None:
    assert least(range(10), lambda n: n >= 7, 99) == 7
    assert least(range(10), lambda n: False, 99) == 99
    assert least(range(0), lambda n: True, 99) == 99


@pytest.mark.parametrize("free_gib", [(5.0, 5.0), (6.0, 9.0), (12.0, 4.0), (4.0, 4.0, 4.0)])
def test_closed_forms_leave_as_many_experts_to_ram_as_the_engine_does_or_one_layers_more(free_gib) -> None:
    model = measured_model("qwen3-30b-a3b")
    assert model is not None
    asked = model, Workload(context_tokens=8192), Options(), [*gpus(*free_gib), RAM]
    quick, exact = quick_fallback(*asked), fallback(*asked)
    assert quick is not None
    assert exact is not None
    layer_bytes = sum(stored_bytes(tensor.type, tensor.shape) for tensor in model.tensors) // model.n_layers
    assert abs(quick.n_bytes(["RAM"]) - exact.n_bytes(["RAM"])) <= len(free_gib) * layer_bytes
