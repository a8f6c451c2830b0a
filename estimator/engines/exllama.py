"""ExLlamaV3, and V2 before it, as TabbyAPI starts them: a cache for the whole context at once, layers split by room.

exllamav2/cache.py and model.py (`load_autosplit_gen`), exllamav3/cache/quant.py and model/model_ls.py, read 2026-11.
"""

from collections.abc import Sequence
from dataclasses import field, replace

from estimator.engine import nothing
from estimator.errors import Unjudgeable
from estimator.ledger import Basis, Estimate, Kind, Place, Term, Workload, host_among
from estimator.model import Layer, Model
from estimator.modules import Module, has_gguf_types, modules_of
from estimator.needs import checkpoint_needs
from estimator.prompt_pass import prompt_pass
from estimator.runtime import runtime_term
from estimator.shell import quoted
from estimator.torch_process import process_term
from records.record import record

NAME = "ExLlama"
KV_TYPES = ("f16", "q8", "q6", "q4")
KV_STEPS = ("f16", "q8", "q6", "q4")
QUANTS = (
    "BF16",
    "EXL3-8.0bpw",
    "EXL3-6.0bpw",
    "EXL3-5.0bpw",
    "EXL3-4.0bpw",
    "EXL3-3.5bpw",
    "EXL3-3.0bpw",
    "EXL3-2.5bpw",
)
DEVICE_FLAG = ""
VENDORS = frozenset({"nvidia", "amd"})
CONVERTED_QUANT = "EXL3-4.0bpw"
"""turboderp's repositories on Hugging Face."""

KV_BITS = {"f16": None, "q8": 8, "q6": 6, "q4": 4}
PAGE_TOKENS = 256
"""The cache comes in pages (exllamav3/constants.py, `PAGE_SIZE`; exllamav2 rounds quantised caches up to it)."""
GROUP = 32
"""Elements of a quantised cache that share a scale of 16 bits (exllamav3/cache/quant.py)."""
MIB = 1 << 20
PASS_RATIOS = (0.5, 1.0, 1.75)
"""(low, expected, high) of what PyTorch would hold for a chunk: kernels write into buffers that are used again. This
leaves 318 MiB for the CUDA context of Llama 2 7B (15,162 MiB by nvidia-smi; github.com/oobabooga/textgen, pull 5645)
and 418 for a 32B at 4.0 bits (16,827 MiB; pull 6903)."""


def _option(flag: str, text: str, *, minimum: int = 0) -> dict[str, object]:
    return {"flag": flag, "help": text, "choices": (), "minimum": minimum}


@record(frozen=True, slots=True, kw_only=True)
class Options:
    """What moves memory, by TabbyAPI's flags."""

    chunk_size: int = field(
        default=2048, metadata=_option("--chunk-size", "tokens of the prompt per pass", minimum=256)
    )
    gpu_split: tuple[float, ...] | None = field(
        default=None, metadata=_option("--gpu-split", "GiB on each device; filled one after another if not given")
    )
    autosplit_reserve: int = field(
        # TabbyAPI's own default (common/config_models.py, autosplit_reserve).
        default=96,
        metadata=_option("--autosplit-reserve", "MiB left free on each device while filling"),
    )


DEFAULTS = Options()
NO_CUDA = f"{NAME} runs on CUDA and ROCm devices only"


def estimate(model: Model, workload: Workload, options: Options, places: Sequence[Place]) -> Estimate:
    """What it would allocate; what has no room on one device goes to the next, and from the last nowhere.

    Raises:
        Unjudgeable: no host, no tensors, or a cache type that it does not know.
    """
    host = host_among(places)
    if workload.kv_type not in KV_BITS:
        raise Unjudgeable(f"{NAME} knows no cache of type {workload.kv_type!r}; {', '.join(KV_TYPES)} are")
    load = _Load(model, workload, options, tuple(place for place in places if place.kind != "host"), host)
    terms = load.terms()
    n_blocks = model.n_layers - model.n_predictor_layers
    is_alone = not load.devices
    return Estimate(
        engine=NAME,
        terms=tuple(term for term in terms if term.n_bytes or term.high_bytes),
        n_layers=n_blocks + 1,
        n_gpu_layers=0 if is_alone else n_blocks + 1,
        layers_by_device=load.counts() if len(load.devices) > 1 else (),
        doubts=(*model.doubts, *_doubts(model, workload)),
        refusal="" if all(place.kind in ("cuda", "rocm") for place in load.devices) and not is_alone else NO_CUDA,
    )


quick_estimate = estimate
fallback = quick_fallback = nothing
needs = checkpoint_needs


def relieved(model: Model, workload: Workload, options: Options, places: Sequence[Place]) -> Options | None:
    """With smaller chunks, where that is enough; None where nothing has to be, or nothing helps."""
    devices = [place for place in places if place.kind != "host"]

    def has_room(tried: Options) -> bool:
        made = estimate(model, workload, tried, places)
        return all(made.n_bytes([place.name]) <= place.free_bytes for place in devices)

    if not devices or has_room(options):
        return None
    smaller = (replace(options, chunk_size=n) for n in (1024, 512, 256) if n < options.chunk_size)
    return next((tried for tried in smaller if has_room(tried)), None)


def flags(model: Model, workload: Workload, options: Options, made: Estimate) -> str:  # noqa: ARG001  # an engine is asked so
    """TabbyAPI's arguments."""
    n_sequences = max(1, workload.n_sequences)
    said = {
        f"--max-seq-len {workload.context_tokens // n_sequences}": True,
        f"--cache-size {_paged(workload.context_tokens)}": n_sequences > 1,
        f"--max-batch-size {n_sequences}": n_sequences > 1,
        f"--cache-mode {workload.kv_type.upper().replace('F16', 'FP16')}": workload.kv_type != "f16",
        f"--chunk-size {options.chunk_size}": options.chunk_size != DEFAULTS.chunk_size,
        f"--gpu-split {' '.join(f'{share:g}' for share in options.gpu_split or ())}": options.gpu_split is not None,
        f"--autosplit-reserve {options.autosplit_reserve}": options.autosplit_reserve != DEFAULTS.autosplit_reserve,
    }
    return " ".join(flag for flag, is_said in said.items() if is_said)


def command(model: Model, arguments: str) -> str:
    """TabbyAPI's line; a model that is known by name only, or has to be converted first, stands as ``MODEL``."""
    is_there = model.file_bytes is not None and model.format != "gguf"
    path = model.source.rstrip("/") if is_there else "MODELS/MODEL"
    folder, _, name = path.rpartition("/")
    return f"python main.py --model-dir {quoted(folder or '.')} --model-name {quoted(name)} {arguments}"


def cache_bytes(layer: Layer, n_tokens: int, kv_type: str) -> int:
    """Of one layer, keys and values alike; windows are not made use of."""
    n_elements = _paged(n_tokens) * (layer.key_width + layer.value_width)
    bits = KV_BITS[kv_type]
    return n_elements * 2 if bits is None else n_elements * bits // 8 + n_elements // GROUP * 2


def _paged(n_tokens: int) -> int:
    return -(-n_tokens // PAGE_TOKENS) * PAGE_TOKENS


def _doubts(model: Model, workload: Workload) -> list[str]:
    doubts = []
    if has_gguf_types(model):
        doubts.append(f"{NAME} loads no {model.quant}; its weights are taken as GGUF stores them, a conversion differs")
    n_tokens = workload.context_tokens // max(1, workload.n_sequences)
    if 0 < model.native_context_tokens < n_tokens:
        doubts.append(f"{n_tokens} tokens are beyond the {model.native_context_tokens} that the model was trained on")
    return doubts


class _Load:
    """A model and what is asked of it, on devices that are filled one after another."""

    def __init__(
        self, model: Model, workload: Workload, options: Options, devices: tuple[Place, ...], host: Place
    ) -> None:
        self.model, self.workload, self.options, self.devices, self.host = model, workload, options, devices, host
        self.modules = modules_of(model, 2 if model.file_bytes is None else None)
        n_pass = min(options.chunk_size, workload.context_tokens)
        passed = 2 * n_pass * prompt_pass(model).expected
        self.passing = tuple(int(passed * ratio) for ratio in PASS_RATIOS)
        self.n_pass_tokens = n_pass
        self.devices_of = self._filled()

    def counts(self) -> tuple[int, ...]:
        """Blocks on each device."""
        return tuple(
            sum(at == device and module.block is not None for module, at in self._placed())
            for device in range(len(self.devices))
        )

    def terms(self) -> list[Term]:
        """The ledger."""
        terms: list[Term] = []
        for device, place in enumerate((*self.devices, self.host)):
            number = device if device < len(self.devices) else -1
            here = [module for module, at in self._placed() if at == number]
            if here:
                terms += self._device_terms(place, here)
            runtime = runtime_term(place)
            terms += [runtime] if runtime else []
        return [*terms, process_term(self.host)]

    def _placed(self) -> tuple[tuple[Module, int], ...]:
        return tuple(zip(self.modules, self.devices_of, strict=True))

    def _kept_bytes(self, module: Module) -> int:
        if module.block is None:
            return 0
        return cache_bytes(self.model.layers[module.block], self.workload.context_tokens, self.workload.kv_type)

    def _filled(self) -> tuple[int, ...]:
        """The embedding stays in RAM; each other piece goes to the first device from here on with room for it."""
        if not self.devices:
            return (-1,) * len(self.modules)
        limits = self._limits()
        at, used, placed = 0, 0, []
        for module in self.modules:
            if module.name == "embedding":
                placed.append(-1)
                continue
            n_bytes = module.n_bytes + self._kept_bytes(module)
            while at < len(self.devices) - 1 and used + n_bytes + self.passing[1] > limits[at]:
                at, used = at + 1, 0
            used += n_bytes
            placed.append(at)
        return tuple(placed)

    def _limits(self) -> tuple[int, ...]:
        split = self.options.gpu_split
        if split is not None:
            given = tuple(int(gib * (1 << 30)) for gib in split)
            return given + (0,) * (len(self.devices) - len(given))
        reserved = self.options.autosplit_reserve * MIB
        contexts = [runtime_term(place) for place in self.devices]
        return tuple(
            place.free_bytes - reserved - (context.n_bytes if context else 0)
            for place, context in zip(self.devices, contexts, strict=True)
        )

    def _device_terms(self, place: Place, modules: Sequence[Module]) -> list[Term]:
        n_weights = sum(module.n_bytes for module in modules)
        n_cells = sum(self._kept_bytes(module) for module in modules)
        n_blocks = sum(module.block is not None for module in modules)
        n_tokens = _paged(self.workload.context_tokens)
        low, expected, high = self.passing if n_blocks and place is not self.host else (0, 0, 0)
        return [
            Term(
                kind=kind,
                label=label,
                place=place.name,
                n_bytes=n_bytes,
                low_bytes=least,
                high_bytes=most,
                basis=basis,
                source=source,
                formula=formula,
                read_bytes=read,
            )
            for kind, label, n_bytes, least, most, basis, source, formula, read in (
                (
                    Kind.WEIGHTS, "weights", n_weights, n_weights, n_weights,
                    Basis.EXACT if self.model.file_bytes is not None else Basis.DERIVED,
                    f"tensors of {self.model.source}; the embedding stays in RAM (load_autosplit_gen)",
                    f"{self.model.quant}, {n_blocks} blocks", sum(module.read_bytes for module in modules),
                ),
                (
                    Kind.KV_CACHE, "KV cache", n_cells, n_cells, n_cells, Basis.DERIVED, "exllamav3/cache/quant.py",
                    f"{n_blocks} layers x {n_tokens} tokens, {self.workload.kv_type}",
                    n_cells // max(1, self.workload.n_sequences),
                ),
                (
                    Kind.COMPUTE, "activations", expected, low, high, Basis.CALIBRATED,
                    "nvidia-smi beside weights and cache, github.com/oobabooga/textgen pulls 5645 and 6903",
                    f"{self.n_pass_tokens} tokens x 2 bytes x ({prompt_pass(self.model).formula})", 0,
                ),
            )
        ]  # fmt: skip
