"""What the layers remember: cells of keys and values, and states whose size does not depend on the context.

The rules are llama.cpp's (src/llama-context.cpp, src/llama-kv-cache.cpp, src/llama-kv-cache-iswa.cpp,
src/llama-memory-recurrent.cpp, as of 2026-10).
"""

from dataclasses import replace

from estimator.builds import Build
from estimator.derived import of_model, of_model_by
from estimator.ledger import Workload
from estimator.model import Compression, Layer, Model
from estimator.rounding import Rounding
from records.record import record

CELL_MULTIPLE = 256
"""Cells come in multiples of it (`GGML_PAD(n_ctx, 256)`)."""
NEWEST = Build()

STORED_TYPES = {
    "f32": "F32",
    "f16": "F16",
    "bf16": "BF16",
    "q8_0": "Q8_0",
    "q5_1": "Q5_1",
    "q5_0": "Q5_0",
    "q4_1": "Q4_1",
    "q4_0": "Q4_0",
    "iq4_nl": "IQ4_NL",
}
"""What llama.cpp takes for --cache-type-k and -v (common/arg.cpp), to the type that is stored."""


@record(frozen=True, slots=True, kw_only=True)
class CacheShape:
    """How a context is laid out in cells, and how many tokens one step computes."""

    n_cells: int
    """Of each stream."""
    n_streams: int
    """Sequences that own cells of their own; 1 where all share them."""
    n_sequences: int
    n_batch_tokens: int
    """Tokens of one logical batch."""
    n_step_tokens: int
    """Tokens of one physical batch, a multiple of the sequences: what compute buffers are measured for."""
    n_ubatch_tokens: int
    """Before that rounding: what a window's cache is laid out for."""
    is_full_window: bool = False
    """Windowed layers keep every cell all the same (--swa-full, or a build that knows nothing else)."""
    cell_multiple: int = CELL_MULTIPLE
    build: Build = NEWEST

    @property
    def n_context_tokens(self) -> int:
        """Cells of all streams together: the context that the engine reports."""
        return self.n_cells * self.n_streams

    def layer_cells(self, window_tokens: int | None) -> int:
        """Cells per stream of a layer with this window."""
        if not window_tokens or self.is_full_window:
            return self.n_cells
        n_sharing = self.n_sequences if self.n_streams == 1 else 1
        n_wanted = window_tokens * n_sharing + self.n_ubatch_tokens
        if self.build.is_window_padded_last:
            return _pad(min(self.n_cells, n_wanted), self.cell_multiple)
        return min(self.n_cells, _pad(n_wanted, self.cell_multiple))

    def attended_ratio(self, window_tokens: int | None) -> float:
        """Of a layer's cells, all streams, what one token of one sequence attends to when its context is full."""
        n_attended = min(self.n_cells, window_tokens) if window_tokens else self.n_cells
        return n_attended / (self.layer_cells(window_tokens) * self.n_streams)


def cache_shape(
    workload: Workload,
    *,
    n_batch_tokens: int,
    n_ubatch_tokens: int,
    is_unified: bool,
    is_full_window: bool = False,
    is_flash_attention: bool = True,
    build: Build = NEWEST,
) -> CacheShape:
    """The cells for a workload: batches are cut to the context before the context is rounded up."""
    n_sequences = max(1, workload.n_sequences)
    n_batch = min(workload.context_tokens, n_batch_tokens)
    n_ubatch = min(n_batch, n_ubatch_tokens)
    multiple = build.flash_cell_multiple if is_flash_attention else build.plain_cell_multiple
    n_context = _pad(workload.context_tokens, multiple)
    is_unified = is_unified or not build.has_streams
    n_streams = 1 if is_unified else n_sequences
    n_cells = n_context if is_unified else _pad(n_context // n_sequences, multiple)
    n_tokens = min(n_cells * n_streams, n_ubatch)
    return CacheShape(
        n_cells=n_cells,
        n_streams=n_streams,
        n_sequences=n_sequences,
        n_batch_tokens=n_batch,
        n_step_tokens=-(-n_tokens // n_sequences) * n_sequences,
        n_ubatch_tokens=n_ubatch,
        is_full_window=is_full_window or not build.has_window_caches,
        cell_multiple=multiple,
        build=build,
    )


def cell_bytes(layer: Layer, shape: CacheShape, key_type: str, value_type: str, rounding: Rounding) -> int:
    """Keys and values of one layer, its indexer's among them, all streams."""
    if layer.compression:
        return _compressed_bytes(layer.compression, shape, key_type, rounding)
    n_cells = shape.layer_cells(layer.window_tokens) * shape.n_streams
    total = 0
    if key_width := layer.own_key_width:
        n_rows = layer.n_kv_heads if shape.build.stores_keys_by_head and layer.n_kv_heads else 1
        total += rounding.tensor_bytes(key_type, (key_width // n_rows, n_rows * n_cells))
    if value_width := layer.own_value_width:
        total += rounding.tensor_bytes(value_type, (value_width, n_cells))
    for width, type_name in ((layer.index_key_width, key_type), (layer.index_value_width, value_type)):
        if width:
            total += rounding.tensor_bytes(type_name, (width, n_cells))
    return total


def compressed_cells(found: Compression, shape: CacheShape) -> int:
    """Cells of a stream for earlier keys (`dsv4_comp_size`, src/llama-kv-cache-dsv4.cpp)."""
    return _pad(max(1, -(-shape.n_cells // found.ratio)), CELL_MULTIPLE)


def _compressed_bytes(found: Compression, shape: CacheShape, key_type: str, rounding: Rounding) -> int:
    """The latest keys; earlier ones and their indexer's, of which every sequence has cells of its own."""
    n_latest = shape.layer_cells(found.window_tokens) * shape.n_streams
    total = rounding.tensor_bytes(key_type, (found.width, n_latest))
    if found.ratio:
        n_cells = compressed_cells(found, shape) * shape.n_sequences
        total += sum(
            rounding.tensor_bytes(key_type, (width, n_cells)) for width in (found.width, found.index_width) if width
        )
    return total


def state_bytes(layer: Layer, n_sequences: int, rounding: Rounding) -> int:
    """The state of one layer, always float32 and independent of the context."""
    if found := layer.compression:
        n_doubled = 2 if found.is_overlapping else 1
        widths = (found.width, found.index_width) if found.ratio else ()
        return sum(
            2 * rounding.tensor_bytes("F32", (n_doubled * width, found.n_waiting * n_sequences))
            for width in widths
            if width
        )
    return sum(
        rounding.tensor_bytes("F32", (width, n_sequences))
        for width in (layer.conv_state_width, layer.recurrent_state_width)
        if width
    )


@of_model_by(16)
def as_cached(model: Model, build: Build) -> Model:
    """The model with what its layers kept under that build; the model itself where that makes no difference."""
    layers = list(model.layers)
    n_main = model.n_layers - model.n_predictor_layers
    if not build.skips_predictor_cache:
        layers[n_main:] = [layers[n_main - 1]] * model.n_predictor_layers
    if model.latent and not build.drops_latent_values:
        rank = model.latent.key_value_rank
        layers = [replace(layer, value_width=rank) if layer.key_width else layer for layer in layers]
    return model if tuple(layers) == model.layers else replace(model, layers=tuple(layers))


def _pad(n: int, multiple: int) -> int:
    return -(-n // multiple) * multiple


@of_model
def layer_kinds(model: Model) -> tuple[tuple[Layer, ...], tuple[int, ...]]:
    """(the different layers of a model, the number among them of each layer)."""
    numbers: dict[Layer, int] = {}
    kind_of = tuple(numbers.setdefault(layer, len(numbers)) for layer in model.layers)
    return tuple(numbers), kind_of
