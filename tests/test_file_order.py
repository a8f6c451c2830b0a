"""How tensors lie in a file, and what Metal maps of it."""

from dataclasses import replace

import pytest

from estimator.engines.llamacpp import Options, estimate
from estimator.file_order import as_written, is_order_known
from estimator.ledger import Kind, Place, Term, Workload
from estimator.model import Model, Tensor
from estimator.readers import catalogue

GIB, MIB = 1 << 30, 1 << 20
APPLE = Place(name="GPU", kind="metal", total_bytes=64 * GIB, free_bytes=64 * GIB)
RAM = Place(name="RAM", kind="host", total_bytes=64 * GIB, free_bytes=64 * GIB)


def tensors(width: int) -> tuple[Tensor, ...]:
    return (
        Tensor("token_embd.weight", (width, 32_000), "BF16"),
        Tensor("blk.0.attn_q.weight", (width, width), "BF16"),
        Tensor("output.weight", (width, 32_000), "BF16"),
    )


def names(width: int, released: str) -> list[str]:
    return [tensor.name for tensor in as_written(tensors(width), released)]


def test_files_of_today_have_the_head_before_the_embedding() -> None:
    assert names(65_536, "2026-01") == ["output.weight", "token_embd.weight", "blk.0.attn_q.weight"]


def test_files_of_a_checkpoint_in_parts_had_the_embedding_first_and_the_head_last() -> None:
    assert names(65_536, "2024-07") == ["token_embd.weight", "blk.0.attn_q.weight", "output.weight"]


def test_files_of_a_checkpoint_in_one_part_had_its_names_in_order() -> None:
    assert names(256, "2024-01")[0] == "output.weight"


@pytest.mark.parametrize(("released", "is_known"), [("2024-10", True), ("2024-12", False), ("2025-03", True)])
def test_the_age_tells_the_order_but_for_some_months(released: str, is_known: bool) -> None:
    assert is_order_known(released) is is_known


def metal_weights(model: Model, **options: int) -> Term:
    made = estimate(model, Workload(context_tokens=512), Options(n_gpu_layers=99, **options), (APPLE, RAM))  # type: ignore[arg-type]  # any option
    (term,) = made.select(["GPU"], Kind.WEIGHTS)
    return term


def read(name: str, quant: str) -> Model:
    """As from a file: nothing of its order is in doubt."""
    return replace(catalogue.read(name, quant), file_bytes=1)


# Ollama 0.24.0 and 0.13.0 on Apple's M1 list these as Metal_Mapped.
@pytest.mark.parametrize(
    ("name", "quant", "mib"), [("TinyLlama 1.1B", "Q4_0", 606.53), ("Qwen2.5 7B", "Q4_K_M", 4168.09)]
)
def test_metal_maps_the_embedding_where_it_lies_between_other_tensors(name: str, quant: str, mib: float) -> None:
    assert metal_weights(read(name, quant)).n_bytes / MIB == pytest.approx(mib, abs=0.02)


def test_what_metal_maps_of_the_embedding_is_not_held_in_ram_again() -> None:
    model = read("TinyLlama 1.1B", "Q4_0")
    made = estimate(model, Workload(context_tokens=512), Options(n_gpu_layers=99), (APPLE, RAM))
    assert made.n_bytes(["RAM"], Kind.WEIGHTS) == 0


def test_a_file_that_is_not_at_hand_may_have_the_other_order() -> None:
    term = metal_weights(catalogue.read("Qwen2.5 7B", "Q4_K_M"))
    embedding = 4460.45 - 4168.09
    assert (term.high_bytes - term.n_bytes) / MIB == pytest.approx(embedding, abs=0.05)
