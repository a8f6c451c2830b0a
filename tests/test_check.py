import json
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import pytest
from gguf_files import llama_metadata, llama_tensors, write_gguf
from pydantic import BaseModel, ConfigDict, Field

from estimator.engines.llamacpp import Options
from estimator.reader import read_model
from probes.snapshot import HOST_POOL, Device, Fault, Machine, Pool, Snapshot
from tui.check import find_out
from tui.cli import main
from tui.report import WIDTH, finding_text
from tui.request import Request, UnknownDevice, chosen_devices
from tui.schema import finding_json

GIB = 1 << 30
ROOMY = ["--simulate", "RTX 4090, RAM 64GiB"]
FULL = ["--simulate", "RTX 4090, used 23.9GiB, RAM 64GiB"]


class Strict(BaseModel):
    """No key is missing, none is added, nothing is converted."""

    model_config = ConfigDict(extra="forbid", strict=True)


class ModelOf1(Strict):
    name: str
    architecture: str
    quant: str
    stored_as: str
    source: str
    native_context_tokens: int | None
    parameters: int
    file_bytes: int | None


class WorkloadOf1(Strict):
    context_tokens: int | None
    sequences: int
    kv_type: str


class EngineOf1(Strict):
    name: str
    options: dict[str, Any]
    flags: str | None
    environment: dict[str, str]


class PlaceOf1(Strict):
    name: str
    kind: Literal["cuda", "metal", "host"]
    total_bytes: int
    free_bytes: int
    line_bytes: int
    load_bytes: int
    high_bytes: int
    level: Literal["fits", "tight", "spills", "fails"] | None
    settled_load_bytes: int | None
    settled_high_bytes: int | None


class HiddenOf1(Strict):
    name: str
    reason: str


class VerdictOf1(Strict):
    level: Literal["fits", "tight", "spills", "fails", "unknown"]
    place: str | None
    headroom_bytes: int | None
    spill_bytes: int | None
    reason: str
    outcome: str | None
    source: str | None
    exit_status: Literal[0, 1, 3]


class TermOf1(Strict):
    kind: Literal["weights", "kv_cache", "state", "compute", "output", "runtime"]
    label: str
    place: str
    bytes: int
    low_bytes: int
    high_bytes: int
    basis: Literal["exact", "derived", "calibrated", "assumed"]
    source: str
    formula: str
    read_bytes: int
    loads_here: int
    uncalibrated_bytes: int | None


class AnswerOf1(Strict):
    label: str
    value: int | float | str
    low: float | None
    high: float | None
    unit: str | None
    basis: Literal["exact", "derived", "calibrated", "assumed"]
    source: str


class EstimateOf1(Strict):
    total_bytes: int
    low_bytes: int
    high_bytes: int
    layers: int
    gpu_layers: int
    answers: dict[str, AnswerOf1]
    terms: list[TermOf1]


class ChangeOf1(Strict):
    label: str
    flags: list[str]
    command: str | None
    context_tokens: int
    kv_type: str
    quant: str
    is_applicable: bool


class AdviceOf1(Strict):
    longest_context_tokens: int | None
    best_quant: str | None
    changes: list[ChangeOf1]
    notes: list[str]


class FaultOf1(Strict):
    probe: str
    device: str | None
    message: str


class FiguresOf1(Strict):
    weights_bytes: int
    cache_bytes: int
    compute_bytes: int


class ComparedOf1(Strict):
    name: str
    place: str
    theirs: FiguresOf1
    ours: FiguresOf1


class VerifyOf1(Strict):
    program: str
    reason: str
    places: list[ComparedOf1]


class BatchOf1(Strict):
    sequences: int
    tokens_per_second: float


class StageOf1(Strict):
    place: str
    weight_bytes: int
    cache_bytes: int
    seconds: float
    cache_seconds: float
    bandwidth_bytes_per_second: float
    basis: Literal["exact", "derived", "calibrated", "assumed"]
    source: str


class SpeedOf1(Strict):
    tokens_per_second: float
    low_tokens_per_second: float
    high_tokens_per_second: float
    full_context_tokens_per_second: float
    prompt_tokens_per_second: float | None
    slowdown: float | None
    is_fallback: bool
    basis: Literal["exact", "derived", "calibrated", "assumed"]
    batch: BatchOf1 | None
    stages: list[StageOf1]


class HardwareOf1(Strict):
    model_config = ConfigDict(extra="forbid", strict=True, populate_by_name=True)

    name: str
    class_: Literal["consumer", "workstation", "data centre", "Apple", "unified memory"] = Field(alias="class")
    devices: int
    memory_gib: int
    load_bytes: int
    headroom_bytes: int
    level: Literal["fits", "tight"]
    flags: str
    tokens_per_second: float | None
    low_tokens_per_second: float | None
    high_tokens_per_second: float | None


class NeedsOf1(Strict):
    disk_bytes: int
    load_ram_bytes: int
    page_cache_bytes: int
    reason: str
    source: str
    shortages: list[str]


class Schema1(Strict):
    """What ``plimsoll check --json`` promises. A change here is a change of the schema."""

    schema_: Literal[1]
    model: ModelOf1
    workload: WorkloadOf1
    engine: EngineOf1
    places: list[PlaceOf1]
    verdict: VerdictOf1
    hidden: list[HiddenOf1]
    estimate: EstimateOf1 | None
    speed: SpeedOf1 | None
    advice: AdviceOf1 | None
    needs: NeedsOf1 | None
    faults: list[FaultOf1]
    doubts: list[str]
    verify: VerifyOf1 | None
    hardware: list[HardwareOf1] | None


def parsed(text: str) -> Schema1:
    value = json.loads(text)
    return Schema1.model_validate_json(json.dumps({"schema_": value.pop("schema"), **value}))


@pytest.fixture
def model(tmp_path: Path) -> str:
    path = tmp_path / "tiny.gguf"
    write_gguf(path, llama_metadata(), llama_tensors())
    return str(path)


def request_for(model: str, **changes: Any) -> Request:
    return replace(Request(source=model, options=Options()), **changes)


def machine(*free_gib: float | None, faults: tuple[Fault, ...] = ()) -> Snapshot:
    """GPUs of 24 GiB with so much free each, None where it can't be read, beside 64 GiB of RAM."""
    devices = tuple(
        Device(key=f"gpu-{n}", name=f"Card {n}", vendor="nvidia", index=n, pool_key=f"gpu-{n}")
        for n in range(len(free_gib))
    )
    pools = [Pool(key=HOST_POOL, total_bytes=64 * GIB, used_bytes=0, free_bytes=64 * GIB)]
    for device, free in zip(devices, free_gib, strict=True):
        if free is not None:
            free_bytes = int(free * GIB)
            pools.append(
                Pool(key=device.key, total_bytes=24 * GIB, used_bytes=24 * GIB - free_bytes, free_bytes=free_bytes)
            )
    return Snapshot(
        taken_seconds=0.0,
        pools=tuple(pools),
        devices=devices,
        faults=faults,
        machine=Machine(host_name="lab", system="linux"),
    )


def with_hidden(snapshot: Snapshot, *numbers: int) -> Snapshot:
    """The same, those devices kept from this shell's programs by a variable."""
    return replace(
        snapshot,
        devices=tuple(
            replace(device, hidden_by="CUDA_VISIBLE_DEVICES") if device.index in numbers else device
            for device in snapshot.devices
        ),
    )


# Hidden and sleeping devices


def test_a_hidden_device_is_not_planned_for_and_said(model: str) -> None:
    found = find_out(request_for(model), read_model(model), with_hidden(machine(20, 20), 0))

    assert [place.name for place in found.places] == ["GPU 1", "RAM"]
    assert "GPU 0  hidden by CUDA_VISIBLE_DEVICES; --all-devices" in finding_text(found)
    assert parsed(json.dumps(finding_json(found))).hidden[0].name == "GPU 0"


def test_a_hidden_device_that_is_named_is_planned_for_and_shown_to_the_engine(model: str) -> None:
    found = find_out(request_for(model, device="0"), read_model(model), with_hidden(machine(20, 20), 0))

    assert found.assessment is not None
    assert found.assessment.device_names == ("GPU 0",)
    assert finding_json(found)["engine"]["environment"] == {
        "CUDA_DEVICE_ORDER": "PCI_BUS_ID",
        "CUDA_VISIBLE_DEVICES": "0",
    }


def test_all_devices_means_hidden_ones_too(model: str) -> None:
    request = request_for(model, device="all", has_hidden=True)
    found = find_out(request, read_model(model), with_hidden(machine(20, 20), 0))

    assert found.assessment is not None
    assert found.assessment.device_names == ("GPU 0", "GPU 1")


def test_where_all_devices_are_hidden_a_load_has_ram_alone(model: str) -> None:
    found = find_out(request_for(model), read_model(model), with_hidden(machine(20), 0))

    assert found.assessment is not None
    assert found.assessment.device_names == ()
    assert "-dev" not in finding_json(found)["engine"]["flags"]


def test_a_sleeping_device_is_taken_as_free_and_that_is_said(model: str) -> None:
    there = machine(None)
    asleep = replace(there.devices[0], is_asleep=True, capacity_bytes=8 * GIB)
    found = find_out(request_for(model), read_model(model), replace(there, devices=(asleep,)))

    assert found.places[0].free_bytes == 8 * GIB
    assert found.doubts[-1] == "GPU 0 is asleep and was not woken: taken as free, all 8.0 GiB of it"


def test_what_would_happen_is_explained_with_its_source(model: str) -> None:
    request = request_for(model, options=Options(n_gpu_layers=999))
    found = find_out(request, read_model(model), machine(0.001))

    verdict = finding_json(found)["verdict"]
    assert verdict["outcome"] is not None
    assert verdict["source"] in " ".join(finding_text(found, is_explained=True).split())


# Exit status


def test_what_fits_is_status_0(model: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", model, *ROOMY]) == 0
    assert capsys.readouterr().out.startswith("● FITS on GPU 0, ")


def test_what_does_not_fit_is_status_1(model: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", model, *FULL, "--gpu-layers", "all"]) == 1
    assert capsys.readouterr().out.startswith("✗ FAILS")


@pytest.mark.parametrize(("is_strict", "status"), [(False, 0), (True, 1)])
def test_what_is_tight_fits_unless_one_is_strict(model: str, is_strict: bool, status: int) -> None:
    found = find_out(request_for(model), read_model(model), machine(0.7), is_strict=is_strict)

    assert finding_text(found).startswith("▲ TIGHT on GPU 0, up to ")
    assert found.exit_status == status


def test_a_named_device_without_figures_can_not_be_judged(model: str) -> None:
    fault = Fault(probe="nvidia", message="GPU 1 fell off the bus", device_key="gpu-1")

    found = find_out(request_for(model, device="1"), read_model(model), machine(20, None, faults=(fault,)))

    assert found.exit_status == 3
    assert "GPU 1 fell off the bus" in found.reason


def test_a_lost_device_is_said_beside_the_ones_that_are_read(model: str) -> None:
    fault = Fault(probe="nvidia", message="GPU 1 fell off the bus", device_key="gpu-1")

    found = find_out(request_for(model), read_model(model), machine(20, None, faults=(fault,)))

    assert found.exit_status == 0
    assert "GPU 1  not known now" in finding_text(found)
    assert "GPU 1 fell off the bus" in finding_text(found)


@pytest.mark.parametrize("device", ["auto", "all"])
def test_the_only_device_lost_is_no_machine_without_one(model: str, device: str) -> None:
    found = find_out(request_for(model, device=device), read_model(model), machine(None))

    assert found.exit_status == 3
    assert "--device cpu" in found.reason


def test_a_driver_that_does_not_start_is_no_machine_without_a_gpu(model: str) -> None:
    fault = Fault(probe="nvidia", message="the driver was updated: restart the machine")

    found = find_out(request_for(model), read_model(model), machine(faults=(fault,)))

    assert found.exit_status == 3
    assert "restart the machine" in found.reason


def test_a_machine_without_a_gpu_is_judged_by_its_ram(model: str) -> None:
    found = find_out(request_for(model), read_model(model), machine())

    assert finding_text(found).startswith("● FITS in RAM, ")


def test_no_memory_figures_at_all_can_not_be_judged(model: str) -> None:
    found = find_out(request_for(model), read_model(model), Snapshot(taken_seconds=0.0))

    assert found.exit_status == 3
    assert finding_text(found).startswith("? CAN'T BE JUDGED: ")


def test_a_device_that_is_not_there_is_status_2(model: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", model, *ROOMY, "--device", "7"]) == 2
    assert "GPU 0" in capsys.readouterr().err


# Devices


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("auto", None),
        ("all", ("GPU 0", "GPU 1")),
        ("cpu", ()),
        ("None", ()),
        ("1", ("GPU 1",)),
        ("gpu 1", ("GPU 1",)),
        ("CUDA1", ("GPU 1",)),
        ("1, 0,1", ("GPU 1", "GPU 0")),
        ("gpu-1", ("GPU 1",)),
        ("card 0", ("GPU 0",)),
    ],
)
def test_devices_are_named_as_tools_name_them(text: str, names: tuple[str, ...] | None) -> None:
    assert chosen_devices(text, machine(20, 20)) == names


def test_a_name_that_two_devices_have_is_asked_back() -> None:
    snapshot = machine(20, 20)
    twins = replace(snapshot, devices=tuple(replace(device, name="Twin") for device in snapshot.devices))

    with pytest.raises(UnknownDevice, match="GPU 0 or GPU 1"):
        chosen_devices("twin", twins)


# Text


def test_lines_keep_to_80_columns_unless_a_path_is_longer(model: str) -> None:
    found = find_out(request_for(model), read_model(model), machine(20, 0.2, None))

    lines = finding_text(found, is_explained=True).splitlines()

    assert [line for line in lines if len(line) > WIDTH and model not in line] == []


def test_the_ledger_names_basis_and_source_of_every_term(model: str) -> None:
    found = find_out(request_for(model), read_model(model), machine(20))

    text = " ".join(finding_text(found, is_explained=True).split())

    assert found.assessment is not None
    for term in found.assessment.estimate.terms:
        assert f"{term.place} {term.label} " in text
        assert f"{term.basis.value} " in text
        assert " ".join(term.formula.split()) in text


def test_colour_is_added_to_the_verdict_only(model: str) -> None:
    found = find_out(request_for(model), read_model(model), machine(20))

    first, *rest = finding_text(found, is_coloured=True).splitlines()

    assert first.startswith("\x1b[1;32m● FITS")
    assert first.endswith("\x1b[0m")
    assert "\x1b" not in "".join(rest)


def test_a_command_names_the_device_where_one_of_several_is_used(model: str) -> None:
    found = find_out(request_for(model, device="1"), read_model(model), machine(20, 20))

    line = next(line for line in finding_text(found).splitlines() if "llama-server" in line)

    assert f"-m {model} " in line
    assert line.endswith("-dev CUDA1")


def test_devices_that_differ_are_counted_as_the_driver_counts_them(model: str) -> None:
    found = find_out(request_for(model, device="1"), read_model(model), machine(20, 20))

    assert finding_json(found)["engine"]["environment"] == {"CUDA_DEVICE_ORDER": "PCI_BUS_ID"}


def test_devices_that_differ_are_counted_so_when_all_are_used_too(model: str) -> None:
    found = find_out(request_for(model, device="all"), read_model(model), machine(20, 20))

    engine = finding_json(found)["engine"]
    assert engine["environment"] == {"CUDA_DEVICE_ORDER": "PCI_BUS_ID"}
    assert "-dev" not in engine["flags"]


@pytest.mark.parametrize(("vendor", "name"), [("amd", "ROCm1"), ("apple", "MTL1"), ("nvidia", "CUDA1")])
def test_a_device_is_named_as_its_backend_names_it(model: str, vendor: str, name: str) -> None:
    there = machine(20, 20)
    there = replace(there, devices=tuple(replace(device, vendor=vendor, name="Card") for device in there.devices))

    engine = finding_json(find_out(request_for(model, device="1"), read_model(model), there))["engine"]

    assert engine["flags"].endswith(f"-dev {name}")
    assert engine["environment"] == {}


@pytest.mark.parametrize("change", [{"vendor": "amd"}, {"index": 0}], ids=["two vendors", "parts of one device"])
def test_a_device_whose_name_cannot_be_known_is_chosen_by_hand(model: str, change: dict[str, Any]) -> None:
    there = machine(20, 20)
    there = replace(there, devices=(there.devices[0], replace(there.devices[1], **change)))
    device = "GPU 0:1" if "index" in change else "1"

    found = find_out(request_for(model, device=device), read_model(model), there)

    assert "-dev" not in finding_json(found)["engine"]["flags"]
    assert finding_json(found)["engine"]["environment"] == {}
    assert "by hand" in " ".join(finding_text(found).split())


def test_the_cpu_alone_is_asked_of_the_engine(model: str) -> None:
    found = find_out(request_for(model, device="cpu"), read_model(model), machine(20))

    assert finding_json(found)["engine"]["flags"].endswith("-dev none")


def test_control_codes_from_outside_are_not_printed(tmp_path: Path) -> None:
    path = tmp_path / "evil\x1b[2J.gguf"
    write_gguf(path, llama_metadata(general__name="Evil\x1b]0;x\x07\u202e"), llama_tensors())
    fault = Fault(probe="nvidia", message="\x1b[31mred\x1b[0m\n")

    found = find_out(request_for(str(path)), read_model(str(path)), machine(20, faults=(fault,)))

    text = finding_text(found, is_explained=True)
    assert "\x1b" not in text
    assert "\u202e" not in text


def test_what_would_fit_is_said_with_the_flags_to_type(model: str, capsys: pytest.CaptureFixture[str]) -> None:
    status = main(["check", "Qwen3 8B", "--context", "32k", "--simulate", "RTX 4070, used 3GiB, RAM 64GiB"])

    out = capsys.readouterr().out
    assert status == 1
    assert "would fit with" in out
    assert "--context " in out
    assert "--kv-type q8_0" in out


def test_native_is_the_context_that_the_model_was_made_for(model: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", model, "--context", "native", "--json", *ROOMY]) == 0
    assert parsed(capsys.readouterr().out).workload.context_tokens == 4096


# JSON


def test_json_is_schema_1(model: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", model, "--json", *ROOMY]) == 0

    found = parsed(capsys.readouterr().out)

    assert (found.model.name, found.model.quant, found.verdict.level) == ("Tiny", "Q4_K_M", "fits")
    assert found.estimate is not None
    assert found.estimate.total_bytes == sum(term.bytes for term in found.estimate.terms)
    assert sum(place.load_bytes for place in found.places) == found.estimate.total_bytes


def test_json_says_what_the_experts_of_gpt_oss_are_stored_as(capsys: pytest.CaptureFixture[str]) -> None:
    main(["check", "gpt-oss 20B", "--engine", "vllm", "--json", *ROOMY])
    assert parsed(capsys.readouterr().out).model.stored_as == "BF16, experts MXFP4"


def test_json_of_what_does_not_fit_is_schema_1_too(model: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", model, "--json", *FULL, "--gpu-layers", "all"]) == 1

    found = parsed(capsys.readouterr().out)

    assert (found.verdict.level, found.verdict.exit_status) == ("fails", 1)
    assert (found.verdict.spill_bytes or 0) > 0


def test_json_of_what_can_not_be_judged_says_why(model: str) -> None:
    found = parsed(json.dumps(finding_json(find_out(request_for(model), read_model(model), machine(None)))))

    assert (found.verdict.level, found.verdict.exit_status) == ("unknown", 3)
    assert "GPU 0" in found.verdict.reason
    assert found.estimate is None


def test_json_keeps_text_from_outside_and_escapes_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "évil\x1b.gguf"
    write_gguf(path, llama_metadata(), llama_tensors())

    assert main(["check", str(path), "--json", *ROOMY]) == 0

    out = capsys.readouterr().out
    assert out.isascii()
    assert "\x1b" not in out
    assert parsed(out).model.source == str(path)


def test_a_change_that_is_nothing_but_flags_says_them_once(capsys: pytest.CaptureFixture[str]) -> None:
    main(["check", "Qwen3 4B", "--engine", "vllm", "--tensor-parallel-size", "3", "--simulate", "4x RTX 4090"])
    line = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("    1  "))
    assert line.count("--tensor-parallel-size 4") == 1
