"""Which devices are meant, told to each engine in its own way."""

from typing import Literal

import pytest
from measured import measured_model

from estimator.engine import ENGINES, load_engine
from estimator.engines import exllama
from estimator.ledger import Place, Workload
from probes.snapshot import Device
from tui.device_choice import environment_on, flags_on, said_by_hand, start_line
from tui.plan import Assessment, Plan, assess

GIB = 1 << 30
PLACES = (
    *(Place(name=f"GPU {n}", kind="cuda", total_bytes=24 * GIB, free_bytes=23 * GIB) for n in range(2)),
    Place(name="RAM", kind="host", total_bytes=64 * GIB, free_bytes=60 * GIB),
)
TOLD_BY_ENVIRONMENT = [name for name in ENGINES if load_engine(name).DEVICE_FLAG == ""]


def devices(vendor: Literal["nvidia", "amd"] = "nvidia", *, names: tuple[str, str] = ("Card", "Card")) -> list[Device]:
    return [
        Device(key=f"gpu-{n}", name=name, vendor=vendor, index=n, pool_key=f"gpu-{n}") for n, name in enumerate(names)
    ]


def made_on(engine_name: str, chosen: tuple[str, ...]) -> Assessment:
    model, engine = measured_model("llama-3.1-8b"), load_engine(engine_name)
    assert model is not None
    workload = Workload(context_tokens=8192, kv_type=engine.KV_TYPES[0])
    plan = Plan(model=model, workload=workload, options=engine.Options(), engine_name=engine_name, devices=chosen)
    return assess(plan, PLACES)


@pytest.mark.parametrize("engine", TOLD_BY_ENVIRONMENT)
def test_an_engine_without_a_flag_for_devices_sees_only_those_that_are_meant(engine: str) -> None:
    made = made_on(engine, ("GPU 1",))

    assert start_line(devices(), made).startswith("CUDA_VISIBLE_DEVICES=1 ")
    assert "-dev" not in flags_on(devices(), made)


def test_an_engine_with_a_flag_for_devices_sees_all_of_them() -> None:
    assert environment_on(devices(), made_on("llamacpp", ("GPU 1",))) == {}


def test_amd_has_a_variable_of_its_own() -> None:
    assert environment_on(devices("amd"), made_on("vllm", ("GPU 0",))) == {"HIP_VISIBLE_DEVICES": "0"}


def test_all_devices_need_no_variable() -> None:
    assert environment_on(devices(), made_on("vllm", ("GPU 0", "GPU 1"))) == {}


def test_numbers_are_the_drivers_where_cards_differ() -> None:
    assert environment_on(devices(names=("Old", "New")), made_on("vllm", ("GPU 1",))) == {
        "CUDA_DEVICE_ORDER": "PCI_BUS_ID",
        "CUDA_VISIBLE_DEVICES": "1",
    }


def test_no_device_is_seen_where_the_cpu_alone_is_meant() -> None:
    assert environment_on(devices(), made_on("ollama", ())) == {"CUDA_VISIBLE_DEVICES": "-1"}


def test_what_no_program_is_known_for_is_told_nothing() -> None:
    made = made_on("generic", ("GPU 1",))

    assert (flags_on(devices(), made), environment_on(devices(), made)) == ("", {})


def test_devices_of_two_vendors_are_left_to_the_person() -> None:
    mixed, made = [devices()[0], devices("amd")[1]], made_on("vllm", ("GPU 1",))

    assert environment_on(mixed, made) == {}
    assert "by hand" in said_by_hand(mixed, made)[0]


def test_shares_that_were_asked_for_mean_all_devices_whatever_the_engine_calls_them() -> None:
    model = measured_model("llama-3.1-8b")
    assert model is not None
    options = exllama.Options(gpu_split=(10.0, 20.0))
    plan = Plan(model=model, workload=Workload(context_tokens=4096), options=options, engine_name="exllama")

    assert assess(plan, PLACES).device_names == ("GPU 0", "GPU 1")
