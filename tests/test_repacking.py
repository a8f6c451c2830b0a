"""What llama.cpp copies into another order for the CPU, by the processor's instructions."""

from dataclasses import replace

import pytest

from estimator.engines.llamacpp import Options, estimate
from estimator.ledger import Kind, Place, Workload
from estimator.mixture import total_bytes
from estimator.model import Tensor
from estimator.readers import catalogue
from estimator.repacking import copied_bytes, is_copied

GIB, MIB = 1 << 30, 1 << 20


def host_mib(name: str, quant: str, *instruction_sets: str) -> dict[str, float]:
    """Weights by label, all of them on the host."""
    ram = Place(
        name="RAM", kind="host", total_bytes=64 * GIB, free_bytes=64 * GIB, instruction_sets=tuple(instruction_sets)
    )
    made = estimate(catalogue.read(name, quant), Workload(context_tokens=2048), Options(), [ram])
    return {term.label: term.n_bytes / MIB for term in made.select(["RAM"], Kind.WEIGHTS)}


@pytest.mark.parametrize(
    ("quant", "kept", "rearranged"),
    # SmolLM2 1.7B by llama.rn 0.12.0 on a Snapdragon 8 Elite: CPU and CPU_REPACK, as its log rounds them. Its Q4_0
    # has three matrices in Q4_1, which a plain one has not: 30 MiB stay, where 27 are copied.
    [("Q8_0", 102.38, 1734.0), ("Q4_0", 109.13 - 30, 915.75 + 27)],
)
def test_a_tied_head_is_held_twice_where_it_is_copied(quant: str, kept: float, rearranged: float) -> None:
    made = host_mib("SmolLM2 1.7B", quant, "neon", "dotprod")
    assert made["weights"] == pytest.approx(kept, abs=0.01)
    assert made["weights, rearranged"] == pytest.approx(rearranged, abs=0.01)


def test_a_tied_head_of_a_type_that_is_not_copied_is_held_once() -> None:
    made = host_mib("SmolLM2 1.7B", "Q4_0", "avx2")
    whole = catalogue.read("SmolLM2 1.7B", "Q4_0").tensors
    assert sum(made.values()) * MIB == pytest.approx(total_bytes(whole), rel=1e-6)


def test_amx_takes_more_bytes_than_the_file_has() -> None:
    # llama.cpp b5939 lists an AMX buffer of 613.31 MiB for TinyLlama as Q4_K_M.
    assert host_mib("TinyLlama 1.1B", "Q4_K_M", "avx2", "avx512", "amx")["weights, rearranged"] == pytest.approx(
        613.31, abs=0.005
    )


def test_experts_are_not_for_amx() -> None:
    experts = Tensor("blk.0.ffn_up_exps.weight", (256, 256, 4), "Q6_K")
    assert copied_bytes(experts, ("avx2", "amx")) is None
    assert copied_bytes(replace_name(experts, "blk.0.ffn_up.weight"), ("avx2", "amx")) is not None


def replace_name(tensor: Tensor, name: str) -> Tensor:
    return Tensor(name, tensor.shape[:2], tensor.type)


def test_a_matrix_with_an_odd_number_of_rows_stays() -> None:
    assert copied_bytes(Tensor("blk.0.attn_q.weight", (256, 12), "Q4_K"), ("avx2",)) is None


@pytest.mark.parametrize(
    ("type_name", "instruction_sets"),
    [("Q8_0", ("dotprod",)), ("Q6_K", ("dotprod",)), ("Q2_K", ("avx2", "avx512")), ("IQ4_XS", ("amx",)), ("Q4_0", ())],
)
def test_which_types_are_copied_depends_on_the_processor(type_name: str, instruction_sets: tuple[str, ...]) -> None:
    assert is_copied(type_name, instruction_sets)


@pytest.mark.parametrize(
    ("type_name", "instruction_sets"), [("Q8_0", ("avx2",)), ("Q2_K", ("avx2",)), ("Q4_K", ("neon",))]
)
def test_other_types_stay_as_they_are(type_name: str, instruction_sets: tuple[str, ...]) -> None:
    assert not is_copied(type_name, instruction_sets)


def test_beside_metal_the_layers_in_ram_are_copied() -> None:
    apple = Place(name="GPU", kind="metal", total_bytes=64 * GIB, free_bytes=64 * GIB)
    ram = Place(name="RAM", kind="host", total_bytes=64 * GIB, free_bytes=64 * GIB, instruction_sets=("dotprod",))
    model, workload = catalogue.read("Llama 3.1 8B", "Q4_0"), Workload(context_tokens=2048)
    labels = {
        kind: [
            term.label
            for term in estimate(model, workload, Options(n_gpu_layers=20), [replace(apple, kind=kind), ram]).terms
        ]
        for kind in ("metal", "cuda")
    }
    assert "weights, rearranged" in labels["metal"]
    assert "weights, rearranged" not in labels["cuda"]
