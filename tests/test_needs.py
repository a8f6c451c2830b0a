"""Room on disk, and RAM while loading."""

from dataclasses import replace

import pytest
from measured import measured_model

from estimator.engine import load_engine
from estimator.ledger import Place, Workload
from estimator.modules import modules_of
from estimator.needs import mapped_needs, torch_needs, unmapped_needs
from estimator.reader import read_model
from probes.sampler import take_one
from probes.simulate import simulated_sources
from probes.snapshot import Snapshot
from tui.check import find_out
from tui.report import finding_text
from tui.request import Request

GIB = 1 << 30


def test_a_file_that_is_there_needs_its_own_size_on_disk() -> None:
    model = read_model("Qwen3 8B", "BF16")
    assert torch_needs(model, modules_of(model)).disk_bytes > 15 * GIB
    found = measured_model("llama-3.1-8b")
    assert found is not None
    assert mapped_needs(found, resident_bytes=0).disk_bytes == found.file_bytes


def test_a_mapped_file_holds_only_what_stays_on_the_host() -> None:
    model = read_model("Qwen3 8B", "Q4_K_M")
    needs = mapped_needs(model, resident_bytes=300 << 20)
    assert needs.ram_bytes == 300 << 20
    assert needs.ram_bytes + needs.cached_bytes == needs.disk_bytes


def test_without_mapping_what_stays_on_the_host_is_there_beside_the_page_cache() -> None:
    needs = unmapped_needs(read_model("Qwen3 8B", "Q4_K_M"), 300 << 20)
    assert needs.ram_bytes == 300 << 20
    assert needs.cached_bytes == needs.disk_bytes


@pytest.mark.parametrize(
    ("engine", "quant", "least_gib", "most_gib"),
    [
        ("llamacpp", "Q4_K_M", 0.1, 1),
        ("vllm", "BF16", 0.5, 2),
        ("mlx", "MLX-4bit", 0, 0),
        ("transformers", "Q4_K_M", 15, 16),
    ],
)
def test_each_engine_reads_files_in_its_own_way(engine: str, quant: str, least_gib: float, most_gib: float) -> None:
    model = read_model("Qwen3 8B", quant)
    places = [
        Place(name="GPU 0", kind="cuda", total_bytes=80 * GIB, free_bytes=80 * GIB, product="NVIDIA H100 80GB HBM3"),
        Place(name="RAM", kind="host", total_bytes=64 * GIB, free_bytes=60 * GIB),
    ]
    known = load_engine(engine)
    work = Workload(context_tokens=4096, kv_type=known.KV_TYPES[0])
    made = known.estimate(model, work, known.Options(), places)
    needs = known.needs(model, known.Options(), made, "RAM")
    assert least_gib * GIB <= needs.ram_bytes <= most_gib * GIB
    assert needs.disk_bytes > 4 * GIB


def test_what_is_quantised_while_loading_needs_the_unquantised_files() -> None:
    model = read_model("Qwen3 8B", "bnb-4bit")
    assert torch_needs(model, modules_of(model)).disk_bytes > 15 * GIB


def test_a_quantised_checkpoint_needs_no_more_than_itself() -> None:
    model = read_model("Qwen3 8B", "AWQ")
    assert torch_needs(model, modules_of(model)).disk_bytes < 6 * GIB


def test_a_gguf_file_is_dequantised_in_ram() -> None:
    model = read_model("Qwen3 8B", "Q4_K_M")
    assert torch_needs(model, modules_of(model, 2, dequantises_gguf=True)).ram_bytes > 15 * GIB


def report_of(name: str, *, disk_free_bytes: int, free_ram: str = "64GiB") -> str:
    finding = find_out(request(name), read_model(name), snapshot(f"RTX 4090, RAM {free_ram}"))
    return finding_text(replace(finding, disk_free_bytes=disk_free_bytes))


def request(name: str) -> Request:
    return Request(source=name, options=load_engine("llamacpp").Options())


def snapshot(hardware: str) -> Snapshot:
    return take_one(simulated_sources(hardware), 5.0)


def test_the_files_and_the_page_cache_are_told() -> None:
    out = report_of("Qwen3 8B", disk_free_bytes=100 * GIB)
    assert "files 4.7 GiB" in out
    assert "free at home" not in out


def test_a_disk_without_room_for_the_files_is_told() -> None:
    assert "on disk, and 1.0 GiB is free at home" in report_of("Qwen3 8B", disk_free_bytes=GIB)


def test_a_model_that_is_here_needs_no_room_on_disk_any_more() -> None:
    model = replace(read_model("Qwen3 8B"), file_bytes=5 * GIB)
    finding = find_out(request("x"), model, snapshot("RTX 4090, RAM 64GiB"))
    assert replace(finding, disk_free_bytes=GIB).shortages == ()


def test_a_load_that_takes_more_ram_on_the_way_than_there_is_is_told() -> None:
    plan = Request(
        source="x", quant="Q4_K_M", engine_name="transformers", options=load_engine("transformers").Options()
    )
    finding = find_out(plan, read_model("Qwen3 8B", "Q4_K_M"), snapshot("RTX 4090, RAM 8GiB"))
    assert [told for told in finding.shortages if "of RAM at its peak" in told]
