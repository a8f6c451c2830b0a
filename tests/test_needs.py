"""Room on disk, and RAM while loading."""

import pytest
from measured import measured_model

from estimator.engine import load_engine
from estimator.ledger import Basis, Place, Workload
from estimator.modules import modules_of
from estimator.needs import load_answers, mapped_needs, needs_of, torch_needs, unmapped_needs
from estimator.reader import read_model

GIB = 1 << 30


def test_a_file_that_is_there_needs_its_own_size_on_disk() -> None:
    model = read_model("Qwen3 8B", "BF16")
    assert torch_needs(model, modules_of(model)).disk_bytes > 15 * GIB
    assert torch_needs(model, modules_of(model)).disk_basis is Basis.DERIVED
    found = measured_model("llama-3.1-8b")
    assert found is not None
    assert mapped_needs(found, resident_bytes=0).disk_basis is Basis.EXACT


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
    needs = needs_of(engine, model, made, "RAM")
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


def test_the_answers_are_the_figures() -> None:
    model = read_model("Qwen3 8B", "BF16")
    needs = torch_needs(model, modules_of(model))
    assert {answer.key: answer.value for answer in load_answers(needs)} == {
        "disk_bytes": needs.disk_bytes,
        "load_ram_bytes": needs.ram_bytes,
    }
