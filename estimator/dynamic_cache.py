"""What Transformers' KV caches hold while a prompt is read and while tokens are generated.

transformers/cache_utils.py, 5.24.0: `DynamicLayer`, `DynamicSlidingWindowLayer`, `StaticLayer`, `QuantizedLayer`.
"""

from collections.abc import Sequence

from estimator.model import Layer
from records.record import record

Alike = Sequence[tuple[Layer, int]]
"""Layers, and how many there are of each."""

SEGMENT_STEP_BYTES = 2 << 20
SMALL_TENSOR_BYTES = 10 << 20
"""Above 10 MiB a tensor gets a segment of its own, in steps of 2 MiB (c10/cuda/CUDACachingAllocator.cpp,
`get_allocation_size`): a cache that grows by so much moves to new segments, and leaves the old ones reserved."""
SMALL_TENSORS_RATIO = 9
SMALL_TENSORS_TOKENS = 512
"""Of smaller ones, blocks of every length that they had are left over: nvidia-smi shows 8.7 and 9.6 times the cache
beside weights, cache and context for Llama 2 7B after 512 tokens, 7.3 and 10 times for Mistral 7B
(github.com/premAI-io/benchmarks, README.md, 2024)."""


@record(frozen=True, slots=True, kw_only=True)
class CacheRun:
    """One batch's life: so many tokens are read, so many are generated after them."""

    n_sequences: int
    n_prompt_tokens: int
    """Of each sequence."""
    n_new_tokens: int
    element_bytes: float
    """Of a stored key or value: 2.0 for 16 bits."""
    is_static: bool = False
    """Allocated whole before the first token."""

    @property
    def n_tokens(self) -> int:
        """In the end, per sequence."""
        return self.n_prompt_tokens + self.n_new_tokens

    def prompt_bytes(self, layer: Layer) -> int:
        """Once the prompt is read.

        A sliding layer keeps a view of the last tokens, and with it the whole prompt's until the next token comes.
        """
        n_tokens = self._static_tokens(layer) if self.is_static else self.n_prompt_tokens
        return self._bytes(layer, n_tokens)

    def final_bytes(self, layer: Layer) -> int:
        """Once the last token is generated."""
        if self.is_static:
            return self._bytes(layer, self._static_tokens(layer))
        # A window's layer keeps one token less than the window, and the new one beside it.
        window = layer.window_tokens
        return self._bytes(layer, self.n_tokens if not window else min(self.n_tokens, window))

    def growing_bytes(self, layers: Alike) -> int:
        """What a step holds beside the cache: a layer's keys are written anew before the old ones go (`torch.cat`).

        Counted: 2,066 bytes a token for 8 heads of 128 in 16 bits, 2,048 of them the keys.
        """
        if self.is_static:
            return 0
        return max((self._keys_bytes(layer) for layer, _ in layers), default=0)

    def repeated_bytes(self, layers: Alike, n_heads: int, head_width: int) -> int:
        """Keys and values of one layer repeated for every head (`repeat_kv`), as ``sdpa`` needs them beside a mask.

        That is for sequences of different lengths (`use_gqa_in_sdpa`). 4.51 always did so: the AWQ runs of Qwen's speed
        benchmark hold 512 MiB more at 32,768 tokens of Qwen3 8B than cache and weights, which are these.
        """
        grouped = any(0 < layer.key_width < n_heads * head_width for layer, _ in layers)
        return int(2 * 2 * self.n_sequences * self.n_tokens * n_heads * head_width) if grouped else 0

    def left_bytes(self, layers: Alike) -> int:
        """Blocks that grown caches left behind, and that the allocator keeps reserved."""
        if self.is_static:
            return 0
        total = 0
        for layer, n_layers in layers:
            for width in (layer.key_width, layer.value_width):
                row = int(self.n_sequences * width * self.element_bytes)
                n_bytes = row * self.n_tokens
                if n_bytes > SMALL_TENSOR_BYTES:
                    total += n_layers * n_bytes * row * self.n_new_tokens // SEGMENT_STEP_BYTES
                else:
                    share = min(self.n_new_tokens, SMALL_TENSORS_TOKENS) / SMALL_TENSORS_TOKENS
                    total += n_layers * int(n_bytes * SMALL_TENSORS_RATIO * share)
        return total

    def _keys_bytes(self, layer: Layer) -> int:
        n_tokens = min(self.n_tokens, layer.window_tokens) if layer.window_tokens else self.n_tokens
        return int(self.n_sequences * n_tokens * layer.key_width * self.element_bytes)

    def _static_tokens(self, layer: Layer) -> int:
        return min(self.n_tokens, layer.window_tokens) if layer.window_tokens else self.n_tokens

    def _bytes(self, layer: Layer, n_tokens: int) -> int:
        return int(self.n_sequences * n_tokens * (layer.key_width + layer.value_width) * self.element_bytes)


def state_bytes(layer: Layer, n_sequences: int) -> int:
    """Of a recurrent layer: its convolution's last inputs in 16 bits, its state in float32."""
    return n_sequences * (2 * layer.conv_state_width + 4 * layer.recurrent_state_width)
