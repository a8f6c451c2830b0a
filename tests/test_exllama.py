"""ExLlama: a cache for the whole context, devices filled one after another."""

import pytest

from estimator.engines import exllama
from estimator.errors import Unjudgeable
from estimator.ledger import Estimate, Kind, Place, Workload
from estimator.model import Layer
from estimator.reader import read_model
from estimator.verdict import Level, judge

GIB, MIB = 1 << 30, 1 << 20
RAM = Place(name="RAM", kind="host", total_bytes=64 * GIB, free_bytes=60 * GIB)


def card(gib: int, number: int = 0) -> Place:
    return Place(name=f"GPU {number}", kind="cuda", total_bytes=gib * GIB, free_bytes=gib * GIB, n_multiprocessors=128)


def made(name: str, quant: str, tokens: int, kv_type: str, *devices: Place, **options: object) -> Estimate:
    work = Workload(context_tokens=tokens, kv_type=kv_type)
    given = exllama.Options(**options)  # type: ignore[arg-type]
    return exllama.estimate(read_model(name, quant), work, given, [*(devices or (card(48),)), RAM])


@pytest.mark.parametrize(
    ("name", "quant", "tokens", "kv_type", "used_mib"),
    [
        # nvidia-smi: github.com/oobabooga/textgen, pulls 5645 (2024-03) and 6903 (2025-04)
        ("Llama 2 7B", "F16", 4096, "f16", 15162),
        ("Qwen2.5 32B", "EXL3-4.0bpw", 8192, "q4", 16827),
    ],
)
def test_what_the_driver_showed_lies_in_the_band(
    name: str, quant: str, tokens: int, kv_type: str, used_mib: int
) -> None:
    estimate = made(name, quant, tokens, kv_type)
    assert estimate.n_bytes(["GPU 0"]) / MIB == pytest.approx(used_mib, rel=0.03)
    assert estimate.low_bytes(["GPU 0"]) / MIB <= used_mib <= estimate.high_bytes(["GPU 0"]) / MIB


@pytest.mark.parametrize(
    ("kv_type", "bytes_per_element"), [("f16", 2.0), ("q8", 1.0625), ("q6", 0.8125), ("q4", 0.5625)]
)
def test_a_quantised_cache_has_a_scale_for_each_32(kv_type: str, bytes_per_element: float) -> None:
    layer = Layer(key_width=1024, value_width=1024)
    assert exllama.cache_bytes(layer, 4096, kv_type) == 4096 * 2048 * bytes_per_element


def test_the_cache_comes_in_pages_of_256() -> None:
    layer = Layer(key_width=1024, value_width=1024)
    assert exllama.cache_bytes(layer, 4097, "f16") == 4352 * 2048 * 2


def test_the_embedding_stays_in_ram() -> None:
    estimate = made("Llama 2 7B", "F16", 4096, "f16")
    assert estimate.n_bytes(["RAM"], Kind.WEIGHTS) == 32000 * 4096 * 2


def test_the_first_device_is_filled_before_the_second() -> None:
    estimate = made("Llama 3.1 70B", "EXL3-4.0bpw", 8192, "q8", card(24), card(24, 1))
    first, second = estimate.layers_by_device
    assert first + second == 80
    assert first > second
    assert estimate.n_bytes(["GPU 0"]) <= 24 * GIB


def test_a_split_by_hand_is_followed() -> None:
    estimate = made("Llama 3.1 70B", "EXL3-4.0bpw", 8192, "q8", card(24), card(24, 1), gpu_split=(12.0, 24.0))
    assert estimate.layers_by_device[0] < estimate.layers_by_device[1]


def test_what_has_no_room_fails() -> None:
    places = [card(12), RAM]
    estimate = made("Qwen2.5 32B", "EXL3-4.0bpw", 8192, "q4", card(12))
    assert judge(estimate, places).level is Level.FAILS


def test_smaller_chunks_relieve() -> None:
    model, work = read_model("Qwen2.5 32B", "EXL3-4.0bpw"), Workload(context_tokens=8192, kv_type="f16")
    needed = exllama.estimate(model, work, exllama.Options(), [card(48), RAM]).n_bytes(["GPU 0"])
    tight = Place(name="GPU 0", kind="cuda", total_bytes=24 * GIB, free_bytes=needed - 100 * MIB, n_multiprocessors=128)
    options = exllama.relieved(model, work, exllama.Options(), [tight, RAM])
    assert options is not None
    assert options.chunk_size == 1024


@pytest.mark.parametrize("kinds", [(), ("metal",)])
def test_without_a_device_that_it_knows_it_refuses(kinds: tuple[str, ...]) -> None:
    devices = [Place(name="GPU 0", kind=kind, total_bytes=24 * GIB, free_bytes=24 * GIB) for kind in kinds]
    model, work = read_model("Llama 2 7B", "EXL3-4.0bpw"), Workload(context_tokens=4096)
    assert "CUDA" in exllama.estimate(model, work, exllama.Options(), [*devices, RAM]).refusal


def test_an_unknown_cache_type_is_refused() -> None:
    with pytest.raises(Unjudgeable, match="q8_0"):
        made("Llama 2 7B", "F16", 4096, "q8_0")


def test_the_line_names_folder_and_model() -> None:
    model, work, options = (
        read_model("Llama 2 7B", "EXL3-4.0bpw"),
        Workload(context_tokens=4096, kv_type="q6"),
        exllama.Options(),
    )
    estimate = exllama.estimate(model, work, options, [card(24), RAM])
    line = exllama.command(model, exllama.flags(model, work, options, estimate))
    assert line == "python main.py --model-dir MODELS --model-name MODEL --max-seq-len 4096 --cache-mode Q6"
