"""How fast a device works through what it has to read and compute, by its class and by the engine.

A token takes (bytes read / (bandwidth x ratio)) + (layers x time to launch a layer's kernels). Both figures of a class
are fitted to published llama-bench rows of builds since 2025 (bench/data/llama_bench.jsonl); bench/accuracy_speed.py
prints the error of every class, and that of devices that were left out of the fit. The ratio is nearly the same for a
generation's cheap and dear cards, and so is the time per layer: that is why small models fall far short of the
bandwidth on fast cards.
"""

from dataclasses import replace

from estimator.ledger import Basis, Place
from records.record import record


@record(frozen=True, slots=True, kw_only=True)
class Pace:
    """Of one class of devices under one engine."""

    bandwidth_ratio: float
    """Of the bandwidth that the maker states, what reading weights one token at a time gets."""
    layer_seconds: float
    """To launch the kernels of a plain layer: attention and feed-forward."""
    doubt_ratio: float
    """About nine of ten rows of the class since 2025 lie within so much of the expected speed, either way."""
    bytes_per_operation: float | None = None
    """Where unpacking the weights takes longer than reading them: what ``half_flops`` operations unpack."""
    prompt_ratio: float | None = None
    """Of ``half_flops``, what a prompt of 512 tokens gets; above 1 where the engine computes in 8-bit integers."""
    basis: Basis = Basis.CALIBRATED
    source: str = "published llama-bench rows, bench/data/llama_bench.jsonl"

    def reading_rate(self, place: Place) -> float:
        """Bytes of weights per second there; 0 where its bandwidth is not known."""
        rate = (place.bandwidth_bytes_per_second or 0.0) * self.bandwidth_ratio
        if self.bytes_per_operation is None or place.half_flops is None:
            return rate
        return min(rate, place.half_flops * self.bytes_per_operation)


CACHE_RATIO = 0.6
"""Of the bandwidth, what reading the KV cache gets: gpt-oss 20B at a depth of 32 768 tokens on a GB10 takes 4.8 ms more
than at none for 0.8 GB (61 %), Qwen3 Coder 30B 16 ms for 3.2 GB (74 %); llama.cpp, benches/dgx-spark.md, 2025-11-02."""
RECURRENT_LAYERS = 0.75
"""So many plain layers more does a layer with a recurrent state cost: Qwen3.5, Qwen3.6 and Falcon-H1 on RX 7900 XT,
M4 Pro, GB10."""
LATENT_LAYERS = 0.5
"""The same for latent attention: DeepSeek V2 Lite and GLM-4.7 Flash on the same devices."""
MATRICES_PER_LAYER = 7
"""Of a plain layer: query, key, value, output, gate, up, down. Models with more of them launch more kernels."""

EXPERTS_PROMPT_RATIO = 0.45
"""Of a dense model's rate, what a mixture of experts reads a prompt at: each expert sees few of the tokens. Qwen3
30B-A3B 0.35 on Strix Halo and 0.4 on a GB10, gpt-oss 20B 0.63 and 0.67 (kyuz0/amd-strix-halo-toolboxes,
docs/results.json, 2026-05-18; llama.cpp, benches/dgx-spark.md)."""

CPU = Pace(
    bandwidth_ratio=0.62,
    layer_seconds=100e-6,
    doubt_ratio=0.45,
    source="llama-bench on EPYC 9374F, i9-13900K, Threadripper 3970X and, with experts or layers in RAM, i9-10900X",
)
"""All cores in use; of the bandwidth of the RAM. Fewer than six cores do not reach it."""
HANDOVER_SECONDS = 150e-6
"""For each layer whose work goes to the CPU and back (activations over PCIe, and waiting): llama.cpp with 12 to 36
layers of experts, or 5 to 32 layers, in RAM beside an RTX 2080 (github.com/AlexsJones/llmfit, pull requests 755 to
778)."""
CACHE_AWAY_SECONDS = 275e-6
"""For each layer on a device whose keys and values lie in RAM, where attention is computed then: Llama 2 7B Q4_0 on an
RTX 3090 Ti generates 127.4 tokens a second, with -nkvo 60.0, over 32 layers (github.com/ggml-org/llama.cpp/pull/4812,
2024-01)."""
DEVICE_HOP_SECONDS = 150e-6
"""From a device to the next one: 8B Q4_K_M on one and two RTX 4090 or 3090, 0.3 to 0.5 ms a token for the hop and the
way back (github.com/XiongjieDai/GPU-Benchmarks-on-LLM-Inference, 2024-05)."""

GATHER_SECONDS = 25e-6
"""For each of the two sums over all devices in a layer that is computed in parallel: Qwen3.8 27B in AWQ on two RTX 3090
and Qwen2.5 Coder 32B in AWQ on four Tesla T4 under vLLM (github.com/AlexsJones/llmfit, community data, 2026-08)."""

_CUDA: dict[tuple[int, int], Pace] = {
    (6, 0): Pace(bandwidth_ratio=0.36, layer_seconds=60e-6, doubt_ratio=0.3, prompt_ratio=0.55),
    (6, 1): Pace(
        bandwidth_ratio=0.67, layer_seconds=80e-6, doubt_ratio=0.3, bytes_per_operation=0.0205, prompt_ratio=1.2
    ),
    (7, 0): Pace(bandwidth_ratio=0.95, layer_seconds=90e-6, doubt_ratio=0.2, prompt_ratio=0.32),
    (7, 5): Pace(bandwidth_ratio=0.90, layer_seconds=80e-6, doubt_ratio=0.2, prompt_ratio=0.29),
    (8, 0): Pace(bandwidth_ratio=0.52, layer_seconds=40e-6, doubt_ratio=0.2, prompt_ratio=0.22),
    (8, 6): Pace(bandwidth_ratio=0.88, layer_seconds=45e-6, doubt_ratio=0.15, prompt_ratio=0.46),
    (8, 7): Pace(bandwidth_ratio=0.90, layer_seconds=200e-6, doubt_ratio=0.3, prompt_ratio=0.33),
    (8, 9): Pace(bandwidth_ratio=0.94, layer_seconds=40e-6, doubt_ratio=0.15, prompt_ratio=0.45),
    (9, 0): Pace(bandwidth_ratio=0.52, layer_seconds=40e-6, doubt_ratio=0.3, prompt_ratio=0.14),
    (12, 0): Pace(bandwidth_ratio=0.84, layer_seconds=40e-6, doubt_ratio=0.15, prompt_ratio=0.44),
    (12, 1): Pace(bandwidth_ratio=0.78, layer_seconds=45e-6, doubt_ratio=0.2, prompt_ratio=0.4),
}
"""By compute capability. Pascal's cheap cards have few units to unpack weights with: a GTX 1050 Ti, a GTX 1070 Ti, a
Tesla P40 and a GTX 1080 Ti get 0.019 to 0.024 bytes for each operation of their rate. Cards with HBM (8.0, 9.0) stay
far below their bandwidth one token at a time."""
_CUDA_UNMEASURED = Pace(
    bandwidth_ratio=0.6,
    layer_seconds=60e-6,
    doubt_ratio=0.5,
    basis=Basis.ASSUMED,
    source="no row of this compute capability: between the classes that are known",
)
GEFORCE_PROMPT_FACTOR = 2.5
"""GeForce cards are rated at half of their chip's rate where sums are kept in float32, which llama.cpp's integer
kernels do not need: an RTX 4080 reads 1.09 of its rate, an RTX 6000 Ada 0.33 (discussion 15013)."""

_METAL: dict[int, Pace] = {
    1: Pace(bandwidth_ratio=0.88, layer_seconds=170e-6, doubt_ratio=0.2, prompt_ratio=0.6),
    2: Pace(bandwidth_ratio=0.90, layer_seconds=170e-6, doubt_ratio=0.2, prompt_ratio=0.6),
    3: Pace(bandwidth_ratio=0.90, layer_seconds=160e-6, doubt_ratio=0.2, prompt_ratio=0.6),
    4: Pace(bandwidth_ratio=0.90, layer_seconds=75e-6, doubt_ratio=0.2, prompt_ratio=0.6),
    5: Pace(bandwidth_ratio=0.94, layer_seconds=48e-6, doubt_ratio=0.25, prompt_ratio=1.8),
}
"""By the generation of Apple's chip; the fifth has matrix units that the maker's rate leaves out."""
_METAL_UNMEASURED = Pace(
    bandwidth_ratio=0.90,
    layer_seconds=75e-6,
    doubt_ratio=0.4,
    basis=Basis.ASSUMED,
    source="no row of this chip: as an M4, whose kernels it runs",
)

_STRIX = Pace(bandwidth_ratio=0.84, layer_seconds=55e-6, doubt_ratio=0.25, prompt_ratio=0.22)
_AMD: tuple[tuple[tuple[str, ...], Pace], ...] = (
    (("RX 6",), Pace(bandwidth_ratio=0.72, layer_seconds=40e-6, doubt_ratio=0.25, prompt_ratio=0.5)),
    (("RX 7", "W7"), Pace(bandwidth_ratio=0.88, layer_seconds=65e-6, doubt_ratio=0.2, prompt_ratio=0.4)),
    (("RX 90", "R9700"), Pace(bandwidth_ratio=0.80, layer_seconds=40e-6, doubt_ratio=0.3, prompt_ratio=0.4)),
    (("Ryzen AI Max", "8060S", "8050S"), _STRIX),
)
"""By what the driver's name holds: RDNA 2, 3, 4 and 3.5 with unified memory."""
_AMD_UNMEASURED = Pace(
    bandwidth_ratio=0.5,
    layer_seconds=80e-6,
    doubt_ratio=0.5,
    basis=Basis.ASSUMED,
    source="no row of this AMD generation: as NVIDIA's cards with HBM",
)
_INTEL = Pace(bandwidth_ratio=0.7, layer_seconds=150e-6, doubt_ratio=0.45, prompt_ratio=0.08)
"""Arc under Vulkan; SYCL and IPEX-LLM differ by up to twice either way (discussion 10879)."""
_OTHER = replace(_CUDA_UNMEASURED, source="a kind of device that no row is known of")


@record(frozen=True, slots=True, kw_only=True)
class Discipline:
    """How an engine drives its devices."""

    is_parallel: bool = False
    """All devices work on every layer at once (tensor parallel), not one after another."""
    is_batching: bool = False
    """It computes one token of every running sequence in each step."""
    step_seconds: float = 0.0
    """For each token, whatever the model: scheduling, sampling."""
    pace: Pace | None = None
    """In place of the device's own."""


_LLAMACPP = Discipline()
_SERVER = Discipline(
    is_parallel=True,
    is_batching=True,
    step_seconds=1.5e-3,
    pace=Pace(
        bandwidth_ratio=0.75,
        layer_seconds=20e-6,
        doubt_ratio=0.45,
        prompt_ratio=0.5,
        basis=Basis.ASSUMED,
        source="our allowance for CUDA graphs; few single-stream figures are published with their settings",
    ),
)
_TRANSFORMERS = Discipline(
    pace=Pace(
        bandwidth_ratio=0.6,
        layer_seconds=500e-6,
        doubt_ratio=0.5,
        prompt_ratio=0.4,
        basis=Basis.ASSUMED,
        source="our allowance: without CUDA graphs Python launches each kernel",
    )
)
_MLX = Discipline(
    pace=Pace(
        bandwidth_ratio=0.90,
        layer_seconds=70e-6,
        doubt_ratio=0.2,
        prompt_ratio=0.6,
        source="29 models of 4 bits on an M4 Pro (github.com/AlexsJones/llmfit, community data, 2026-08)",
    )
)
_DISCIPLINES = {
    "mlx": _MLX,
    "vllm": _SERVER,
    "sglang": _SERVER,
    "tensorrtllm": _SERVER,
    "trtllm": _SERVER,
    "tgi": _SERVER,
    "transformers": _TRANSFORMERS,
}
"""By the engine's name, in small letters and digits; any other runs llama.cpp's kernels or is reckoned like it."""


def discipline(engine: str) -> Discipline:
    """How the engine of that name drives its devices."""
    return _DISCIPLINES.get("".join(c for c in engine.casefold() if c.isalnum()), _LLAMACPP)


def pace_of(place: Place) -> Pace:
    """Of a device or the host, under llama.cpp."""
    if place.kind == "host":
        return CPU
    if place.kind == "cuda":
        return _cuda_pace(place)
    if place.kind == "metal":
        return _METAL.get(_apple_generation(place.product), _METAL_UNMEASURED)
    name = place.product
    if place.kind == "rocm" or "AMD" in name or "Radeon" in name:
        found = next((pace for marks, pace in _AMD if any(mark in name for mark in marks)), None)
        return found or _AMD_UNMEASURED
    return _INTEL if "Intel" in name or "Arc" in name else _OTHER


def _cuda_pace(place: Place) -> Pace:
    capability = place.compute_capability
    pace = _CUDA.get(capability, _CUDA_UNMEASURED) if capability else _CUDA_UNMEASURED
    is_halved = "GeForce" in place.product and capability is not None and capability >= (7, 5)
    if is_halved and pace.prompt_ratio:
        return replace(pace, prompt_ratio=pace.prompt_ratio * GEFORCE_PROMPT_FACTOR)
    return pace


def _apple_generation(product: str) -> int:
    """4 of ``Apple M4 Max``; 0 where it can't be seen."""
    words = product.split()
    numbers = [word[1:] for word in words if word[:1] == "M" and word[1:].isdigit()]
    return int(numbers[0]) if numbers and len(numbers[0]) < 3 else 0
