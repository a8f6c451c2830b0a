"""Which devices are meant, told to each engine in its own way."""

from dataclasses import replace
from typing import Literal

import pytest
from measured import measured_model

from estimator.engine import ENGINES, load_engine
from estimator.engines import exllama
from estimator.ledger import Place, Workload
from estimator.verdict import Level
from probes.snapshot import HOST_POOL, Device
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


def hidden(device: Device, variable: str = "CUDA_VISIBLE_DEVICES") -> Device:
    return replace(device, hidden_by=variable)


def test_a_flag_has_the_number_that_a_program_of_this_shell_knows_a_device_by() -> None:
    third = replace(devices()[1], key="gpu-2", index=2, pool_key="gpu-2", program_index=1)
    seen = [hidden(devices()[0]), replace(devices()[1], program_index=0), third]

    assert flags_on(seen, made_on("llamacpp", ("GPU 1",))).endswith("-dev CUDA0")


def test_the_only_visible_device_needs_neither_flag_nor_variable() -> None:
    seen = [hidden(devices()[0]), devices()[1]]

    assert "-dev" not in flags_on(seen, made_on("llamacpp", ("GPU 1",)))
    assert environment_on(seen, made_on("vllm", ("GPU 1",))) == {}


def test_a_hidden_device_is_shown_to_the_engine_by_its_number_among_all() -> None:
    seen = [devices()[0], hidden(devices()[1])]

    assert environment_on(seen, made_on("llamacpp", ("GPU 1",))) == {"CUDA_VISIBLE_DEVICES": "1"}
    assert "-dev" not in flags_on(seen, made_on("llamacpp", ("GPU 1",)))


def test_of_unlike_cards_numbers_do_not_rest_on_what_the_shell_has_set() -> None:
    third = replace(devices()[1], key="gpu-2", name="Other", index=2, pool_key="gpu-2", program_index=1)
    seen = [hidden(devices()[0]), replace(devices()[1], program_index=0), third]

    made = made_on("llamacpp", ("GPU 1",))
    assert environment_on(seen, made) == {"CUDA_DEVICE_ORDER": "PCI_BUS_ID", "CUDA_VISIBLE_DEVICES": "1"}
    assert "-dev" not in flags_on(seen, made)


def test_of_unlike_cards_numbers_do_not_rest_on_which_is_the_fastest() -> None:
    small, fast = devices(names=("Small", "Fast"))
    seen = [replace(small, program_index=1), replace(fast, program_index=0)]

    made = made_on("llamacpp", ("GPU 1",))
    assert environment_on(seen, made) == {"CUDA_DEVICE_ORDER": "PCI_BUS_ID", "CUDA_VISIBLE_DEVICES": "1"}


def test_parts_that_a_program_sees_have_numbers_like_whole_devices() -> None:
    part = Device(key="MIG-0", name="Card", vendor="nvidia", index=0, pool_key="m", parent_key="GPU-a", program_index=0)
    seen = [part, replace(devices()[1], program_index=1)]

    assert flags_on(seen, made_on("llamacpp", ("GPU 1",))).endswith("-dev CUDA1")
    assert environment_on(seen, made_on("vllm", ("GPU 1",))) == {"CUDA_VISIBLE_DEVICES": "1"}


def test_a_part_is_named_by_its_uuid() -> None:
    parts = [
        Device(key=f"MIG-{n}", name="H100 MIG 1g", vendor="nvidia", index=0, pool_key=f"m{n}", parent_key="GPU-a")
        for n in range(2)
    ]
    places = (
        Place(name="GPU 0:1", kind="cuda", total_bytes=24 * GIB, free_bytes=23 * GIB, is_part=True),
        PLACES[-1],
    )
    made = replace(made_on("vllm", ("GPU 1",)), places=places)

    assert environment_on(parts, made) == {"CUDA_VISIBLE_DEVICES": "MIG-1"}
    assert said_by_hand(parts, made) == ()


def test_parts_are_not_used_together() -> None:
    model = measured_model("llama-3.1-8b")
    assert model is not None
    parts = tuple(
        Place(name=f"GPU 0:{n}", kind="cuda", total_bytes=10 * GIB, free_bytes=10 * GIB, is_part=True) for n in range(2)
    )
    plan = Plan(model=model, workload=Workload(context_tokens=131072), options=load_engine("llamacpp").Options())

    assert assess(plan, (*parts, PLACES[-1])).device_names == ("GPU 0:0",)


def test_amds_parts_are_devices_like_others_and_have_hips_numbers() -> None:
    parts = [
        Device(key=f"a{n}", name="MI300X", vendor="amd", index=0, pool_key="m", parent_key="a", program_index=1 - n)
        for n in range(2)
    ]
    places = (Place(name="GPU 0:1", kind="rocm", total_bytes=24 * GIB, free_bytes=23 * GIB), PLACES[-1])

    assert environment_on(parts, replace(made_on("vllm", ("GPU 1",)), places=places)) == {"HIP_VISIBLE_DEVICES": "0"}


def test_an_integrated_gpu_of_another_vendor_leaves_the_cards_number_known() -> None:
    integrated = Device(key="igpu", name="UHD", vendor="intel", index=0, pool_key=HOST_POOL)
    places = (Place(name="GPU 0 nvidia", kind="cuda", total_bytes=24 * GIB, free_bytes=23 * GIB), PLACES[-1])
    seen = [devices()[0], integrated]

    assert environment_on(seen, replace(made_on("vllm", ("GPU 1",)), places=places)) == {}
    assert said_by_hand(seen, replace(made_on("llamacpp", ("GPU 1",)), places=places)) == ()


def test_what_spills_is_started_as_the_verdict_says() -> None:
    small = [replace(place, free_bytes=4 << 30) if place.kind != "host" else place for place in PLACES]
    made = assess(made_on("llamacpp", ("GPU 1",)).plan, small)

    assert made.verdict.level is Level.SPILLS
    assert "-ngl" not in start_line(devices(), made)
    assert "-ngl 99" in flags_on(devices(), made, is_as_asked=True)
