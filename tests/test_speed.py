"""Tokens per second, from bytes and bandwidths that are written down here."""

from dataclasses import replace

import pytest

from estimator.engines.llamacpp import Options
from estimator.engines.llamacpp import estimate as llamacpp_estimate
from estimator.ledger import Answer, Basis, Estimate, Kind, Overflow, Place, Term, Workload
from estimator.model import Experts, Layer, Model, Tensor
from estimator.pace import CACHE_AWAY_SECONDS, CPU, GATHER_SECONDS, HANDOVER_SECONDS, discipline, pace_of
from estimator.reader import read_model
from estimator.reads import reads_by_place, work_of
from estimator.speed import Speed, speed_of

GIB = 1 << 30
GPU = Place(
    name="GPU 0",
    kind="cuda",
    total_bytes=24 * GIB,
    free_bytes=24 * GIB,
    product="NVIDIA GeForce RTX 4090",
    compute_capability=(8, 9),
    bandwidth_bytes_per_second=1008e9,
    half_flops=165e12,
)
RAM = Place(name="RAM", kind="host", total_bytes=64 * GIB, free_bytes=64 * GIB, bandwidth_bytes_per_second=80e9)
WORKLOAD = Workload(context_tokens=4096)


def model(*, n_layers: int = 10, experts: Experts | None = None, head: bool = True) -> Model:
    """Seven square matrices a layer, or one and three of all experts."""
    width, tensors = 1024, [Tensor("token_embd.weight", (1024, 5000), "F16")]
    for block in range(n_layers):
        names = ("attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down")
        if experts:
            tensors += [Tensor(f"blk.{block}.{name}.weight", (width, width), "F16") for name in names[:4]]
            tensors.append(Tensor(f"blk.{block}.ffn_up_exps.weight", (width, width, experts.n_experts), "F16"))
        else:
            tensors += [Tensor(f"blk.{block}.{name}.weight", (width, width), "F16") for name in names]
    if head:
        tensors.append(Tensor("output.weight", (1024, 5000), "F16"))
    return Model(
        name="test",
        architecture="llama",
        source="here",
        quant="F16",
        native_context_tokens=4096,
        embedding_width=width,
        feed_forward_width=width,
        n_heads=8,
        n_kv_heads=8,
        head_width=128,
        value_head_width=128,
        vocabulary_size=5000,
        layers=(Layer(key_width=1024, value_width=1024),) * n_layers,
        tensors=tuple(tensors),
        experts=experts,
    )


MODEL = model()


def weights(place: str, n_bytes: int, read_bytes: int | None = None) -> Term:
    return Term(
        kind=Kind.WEIGHTS,
        label="weights",
        place=place,
        n_bytes=n_bytes,
        low_bytes=n_bytes,
        high_bytes=n_bytes,
        basis=Basis.EXACT,
        source="here",
        read_bytes=n_bytes if read_bytes is None else read_bytes,
    )


def cache(place: str, n_bytes: int) -> Term:
    return replace(weights(place, n_bytes), kind=Kind.KV_CACHE, label="KV cache")


def ledger(*terms: Term, n_gpu_layers: int = 11, engine: str = "llama.cpp") -> Estimate:
    return Estimate(engine=engine, terms=terms, n_layers=11, n_gpu_layers=n_gpu_layers)


def speed(made: Estimate, *places: Place, workload: Workload = WORKLOAD) -> Speed:
    found = speed_of(MODEL, workload, made, places or (GPU, RAM))
    assert found is not None
    return found


def test_a_token_takes_what_reading_takes_and_launching_the_layers() -> None:
    pace = pace_of(GPU)
    seconds = 4e9 / (1008e9 * pace.bandwidth_ratio) + 10 * pace.layer_seconds
    assert speed(ledger(weights("GPU 0", 4_000_000_000))).tokens_per_second == pytest.approx(1 / seconds)


def test_twice_the_bandwidth_is_less_than_twice_as_fast() -> None:
    made = ledger(weights("GPU 0", 400_000_000))
    double = replace(GPU, bandwidth_bytes_per_second=2016e9)
    ratio = speed(made, double, RAM).tokens_per_second / speed(made).tokens_per_second
    assert 1 < ratio < 2


def test_without_a_bandwidth_there_is_no_figure() -> None:
    made = ledger(weights("GPU 0", GIB))
    assert speed_of(MODEL, WORKLOAD, made, (replace(GPU, bandwidth_bytes_per_second=None), RAM)) is None


def test_a_place_that_is_not_read_needs_no_bandwidth() -> None:
    made = ledger(weights("GPU 0", GIB), weights("RAM", GIB, read_bytes=0))
    assert speed_of(MODEL, WORKLOAD, made, (GPU, replace(RAM, bandwidth_bytes_per_second=None))) is not None


def test_a_full_context_is_slower_than_an_empty_one() -> None:
    found = speed(ledger(weights("GPU 0", GIB), cache("GPU 0", GIB)))
    assert found.full_tokens_per_second < found.tokens_per_second


def test_the_band_holds_the_expected_speed() -> None:
    found = speed(ledger(weights("GPU 0", GIB)))
    assert found.low_tokens_per_second < found.tokens_per_second < found.high_tokens_per_second


def test_what_was_assumed_widens_the_band() -> None:
    made = ledger(weights("RAM", GIB), n_gpu_layers=0)
    stated, assumed = speed(made, RAM), speed(made, replace(RAM, is_bandwidth_assumed=True))
    assert assumed.low_tokens_per_second < stated.low_tokens_per_second
    assert assumed.basis is Basis.ASSUMED


def test_layers_in_ram_are_read_at_its_bandwidth_and_handed_over() -> None:
    whole = speed(ledger(weights("GPU 0", 2 * GIB)))
    split = speed(ledger(weights("GPU 0", GIB), weights("RAM", GIB), n_gpu_layers=5))
    n_host_layers = 10 * (1 - 5 / 11)
    reading = GIB / (80e9 * CPU.bandwidth_ratio) + n_host_layers * (CPU.layer_seconds + HANDOVER_SECONDS)
    assert 1 / split.tokens_per_second > reading
    assert split.slowdown == pytest.approx(whole.tokens_per_second / split.tokens_per_second)


def test_layers_whose_cache_lies_in_ram_wait_for_it() -> None:
    there = speed(ledger(weights("GPU 0", GIB), cache("GPU 0", 0)))
    away = speed(ledger(weights("GPU 0", GIB), cache("RAM", 1 << 20)))
    n_layers = 10
    waited = 1 / away.tokens_per_second - 1 / there.tokens_per_second
    assert waited == pytest.approx(n_layers * CACHE_AWAY_SECONDS, rel=0.05)


def test_nothing_is_slowed_down_where_all_is_on_the_device() -> None:
    assert speed(ledger(weights("GPU 0", GIB))).slowdown is None


def test_without_a_device_there_is_nothing_to_compare_with() -> None:
    assert speed(ledger(weights("RAM", GIB), n_gpu_layers=0), RAM).slowdown is None


def test_what_a_driver_moved_away_is_read_over_pcie() -> None:
    short = replace(GPU, free_bytes=3 * GIB, overflow=Overflow.MIGRATED, overflow_free_bytes=64 * GIB)
    found = speed(ledger(weights("GPU 0", 4 * GIB)), short, RAM)
    assert found.slowdown is not None
    assert found.slowdown > 10
    assert found.basis is Basis.ASSUMED


def test_pages_without_room_in_ram_are_read_from_the_disk() -> None:
    made = ledger(weights("RAM", 4 * GIB), n_gpu_layers=0)
    short = replace(RAM, free_bytes=2 * GIB, overflow=Overflow.SWAPPED)
    assert speed(made, short).tokens_per_second < speed(made, RAM).tokens_per_second / 10


def test_layers_on_two_devices_are_no_faster_than_on_one() -> None:
    other = replace(GPU, name="GPU 1")
    one = speed(ledger(weights("GPU 0", 4 * GIB)))
    two = speed(ledger(weights("GPU 0", 2 * GIB), weights("GPU 1", 2 * GIB)), GPU, other, RAM)
    assert two.tokens_per_second < one.tokens_per_second


def test_tensor_parallel_devices_read_at_the_same_time() -> None:
    other = replace(GPU, name="GPU 1")
    one = speed(ledger(weights("GPU 0", 4 * GIB), engine="vLLM"))
    two = speed(ledger(weights("GPU 0", 2 * GIB), weights("GPU 1", 2 * GIB), engine="vLLM"), GPU, other, RAM)
    assert two.tokens_per_second > 1.3 * one.tokens_per_second


def test_a_prompt_is_computed_at_the_devices_rate() -> None:
    ratio = pace_of(GPU).prompt_ratio
    assert ratio is not None
    expected = 165e12 * ratio / (2 * work_of(MODEL).active_parameters)
    assert speed(ledger(weights("GPU 0", GIB))).prompt_tokens_per_second == pytest.approx(expected)


def test_a_prompt_that_the_cpu_works_on_has_no_figure() -> None:
    split = ledger(weights("GPU 0", GIB), weights("RAM", GIB), n_gpu_layers=5)
    assert speed(split).prompt_tokens_per_second is None


def test_sequences_side_by_side_share_the_reading_of_weights() -> None:
    made = ledger(weights("GPU 0", 4 * GIB), cache("GPU 0", GIB))
    one = speed(made)
    eight = speed(made, workload=replace(WORKLOAD, n_sequences=8)).batch
    assert one.batch is None
    assert eight is not None
    assert one.full_tokens_per_second < eight.tokens_per_second < 8 * one.full_tokens_per_second


def test_a_server_is_reckoned_with_the_sequences_that_its_cache_holds() -> None:
    holds = Answer(key="sequences", label="full-length sequences", value=12, unit="sequences")
    made = replace(ledger(weights("GPU 0", 4 * GIB), engine="vLLM"), answers=(holds,))
    batch = speed(made).batch
    assert batch is not None
    assert batch.n_sequences == 12


def test_an_engine_that_states_no_reads_is_reckoned_by_the_models_shape() -> None:
    made = ledger(replace(weights("GPU 0", GIB), read_bytes=0))
    reads = reads_by_place(MODEL, WORKLOAD, made)["GPU 0"]
    assert reads.weight_bytes == pytest.approx(GIB * work_of(MODEL).read_ratio)
    assert reads.cache_bytes == 10 * 4096 * 2048 * 2


def test_unused_experts_are_no_work() -> None:
    mixture = model(experts=Experts(n_experts=64, n_used=4, feed_forward_width=1024))
    per_layer = 4 * 1024 * 1024 + 4 * 1024 * 1024
    assert work_of(mixture).active_parameters == 10 * per_layer + 5000 * 1024


def test_a_tied_embedding_is_work_and_another_is_not() -> None:
    assert work_of(model(head=False)).active_parameters == work_of(model()).active_parameters


def test_a_recurrent_layer_launches_more() -> None:
    layer = Layer(conv_state_width=10, recurrent_state_width=10)
    recurrent = replace(model(), layers=(layer,) * 10)
    assert work_of(recurrent).layer_units > work_of(model()).layer_units


@pytest.mark.parametrize(
    ("product", "kind", "capability"),
    [
        ("NVIDIA GeForce RTX 3090", "cuda", (8, 6)),
        ("Apple M4 Max", "metal", None),
        ("AMD Radeon RX 7900 XTX", "rocm", None),
        ("Intel Arc B580", "gpu", None),
    ],
)
def test_devices_that_rows_are_known_of_are_calibrated(
    product: str, kind: str, capability: tuple[int, int] | None
) -> None:
    assert pace_of(replace(GPU, product=product, kind=kind, compute_capability=capability)).basis is Basis.CALIBRATED


@pytest.mark.parametrize(
    ("product", "kind", "capability"),
    [
        ("NVIDIA B200", "cuda", (10, 0)),
        ("NVIDIA GPU", "cuda", None),
        ("Apple M6", "metal", None),
        ("Apple GPU", "metal", None),
        ("AMD Instinct MI300X", "rocm", None),
        ("", "gpu", None),
    ],
)
def test_devices_that_no_row_is_known_of_are_assumed_and_doubted(
    product: str, kind: str, capability: tuple[int, int] | None
) -> None:
    pace = pace_of(replace(GPU, product=product, kind=kind, compute_capability=capability))
    assert pace.basis is Basis.ASSUMED
    assert pace.doubt_ratio >= 0.4


def test_an_engine_of_any_spelling_has_its_way_of_driving_devices() -> None:
    assert discipline("vLLM") is discipline("vllm")
    assert not discipline("KoboldCpp").is_parallel


PUBLISHED = [
    # llama.cpp discussion 15013, Llama 2 7B Q4_0, tg128: product, capability, GB/s, 10^12 operations, tokens/s
    ("NVIDIA GeForce RTX 5090", (12, 0), 1792, 209.5, 300.4),
    ("NVIDIA GeForce RTX 4060 Ti", (8, 9), 288, 88, 64.03),
    ("NVIDIA GeForce RTX 3060", (8, 6), 360, 51, 76.92),
    ("NVIDIA A100 80GB PCIe", (8, 0), 1935, 312, 200.9),
    ("Tesla P40", (6, 1), 346, 11.76, 53.73),
]


@pytest.mark.parametrize(("product", "capability", "gigabytes", "rate", "measured"), PUBLISHED)
def test_published_figures_are_met_within_a_fifth(
    product: str, capability: tuple[int, int], gigabytes: float, rate: float, measured: float
) -> None:
    place = replace(
        GPU,
        product=product,
        compute_capability=capability,
        bandwidth_bytes_per_second=gigabytes * 1e9,
        half_flops=rate * 1e12,
    )
    llama = read_model("Llama 2 7B", "Q4_0")
    workload = Workload(context_tokens=256)
    made = llamacpp_estimate(llama, workload, Options(n_gpu_layers=999), (place, RAM))
    found = speed_of(llama, workload, made, (place, RAM))
    assert found is not None
    assert found.tokens_per_second == pytest.approx(measured, rel=0.2)


def test_each_sequence_chooses_its_own_experts() -> None:
    mixture = model(experts=Experts(n_experts=64, n_used=4, feed_forward_width=1024))
    made = ledger(weights("GPU 0", 64 * 100_000_000, read_bytes=4 * 100_000_000))

    def together(n_sequences: int) -> float:
        found = speed_of(mixture, replace(WORKLOAD, n_sequences=n_sequences), made, (GPU, RAM))
        assert found is not None
        assert found.batch is not None
        return found.batch.tokens_per_second

    assert together(4) < 1.5 * together(2)  # nearly no expert is shared
    assert together(256) > 3.5 * together(64)  # nearly all are read anyway


def test_devices_in_parallel_wait_for_each_other_in_every_layer() -> None:
    other = replace(GPU, name="GPU 1")
    two = speed(ledger(weights("GPU 0", 1000), weights("GPU 1", 1000), engine="vLLM"), GPU, other, RAM)
    one = speed(ledger(weights("GPU 0", 2000), engine="vLLM"))
    assert 1 / two.tokens_per_second - 1 / one.tokens_per_second == pytest.approx(2 * 10 * GATHER_SECONDS, rel=0.01)


def test_what_makes_no_tokens_has_no_speed() -> None:
    sound = replace(model(), layers=())
    assert speed_of(sound, WORKLOAD, ledger(weights("GPU 0", GIB)), (GPU, RAM)) is None


def test_an_embedding_in_ram_is_not_read_where_all_layers_are_on_the_device() -> None:
    made = ledger(weights("GPU 0", GIB, read_bytes=0), weights("RAM", GIB // 4, read_bytes=0))
    assert reads_by_place(MODEL, WORKLOAD, made).keys() == {"GPU 0"}
    assert reads_by_place(MODEL, WORKLOAD, replace(made, n_gpu_layers=5)).keys() == {"GPU 0", "RAM"}


@pytest.mark.parametrize("packed", ["MLX-4bit", "AWQ", "GPTQ-Int4"])
def test_scales_beside_packed_matrices_launch_no_kernels_of_their_own(packed: str) -> None:
    alone = read_model("Qwen3 8B", "BF16")
    assert work_of(read_model("Qwen3 8B", packed)) == work_of(alone)
