"""What the caches of mlx-lm hold: blocks of 256 tokens, windows that rotate, states, and quantised keys and values.

mlx_lm/models/cache.py, mlx-lm 0.32.2: `KVCache`, `RotatingKVCache`, `QuantizedKVCache`, `ArraysCache`.
"""

from estimator.model import Layer
from records.record import record

STEP_TOKENS = 256
"""`KVCache.step`: keys and values are allocated for so many tokens at once."""
GROUP = 64
"""Elements that share a scale and a bias of 16 bits each (``--kv-group-size``)."""


@record(frozen=True, slots=True, kw_only=True)
class MlxRun:
    """One batch's life: so many tokens are read in chunks, so many are generated after them."""

    n_sequences: int
    n_prompt_tokens: int
    """Of each sequence."""
    n_new_tokens: int
    chunk_tokens: int
    """``--prefill-step-size``."""
    kv_bits: int | None = None
    """None: 16 bits as computed."""
    quantised_from_tokens: int = 0
    """``--quantized-kv-start``: shorter caches stay as they are."""
    most_tokens: int | None = None
    """``--max-kv-size``: full layers become windows of so many tokens."""

    @property
    def n_tokens(self) -> int:
        """In the end, per sequence."""
        return self.n_prompt_tokens + self.n_new_tokens

    @property
    def is_quantised(self) -> bool:
        """Whether it gets so long that keys and values are quantised."""
        return self.kv_bits is not None and self.n_tokens >= self.quantised_from_tokens

    @property
    def n_pass_tokens(self) -> int:
        """Of one sequence in the largest chunk; the last token of a prompt is a pass of its own."""
        return min(self.chunk_tokens, max(1, self.n_prompt_tokens - 1))

    def prompt_bytes(self, layer: Layer) -> int:
        """While the last full chunk is read: a window holds the chunk beside itself (`_update_concat`)."""
        window = self.window_of(layer)
        if window is None:
            return self._bytes(layer, _stepped(self.n_prompt_tokens))
        return self._bytes(layer, min(self.n_prompt_tokens, max(window - 1 + self.n_pass_tokens, self.n_pass_tokens)))

    def final_bytes(self, layer: Layer) -> int:
        """Once the last token is generated."""
        window = self.window_of(layer)
        n_tokens = _stepped(self.n_tokens)
        return self._bytes(layer, n_tokens if window is None else min(n_tokens, window))

    def window_of(self, layer: Layer) -> int | None:
        """Its own, or that of ``--max-kv-size``."""
        return layer.window_tokens or self.most_tokens

    def state_bytes(self, layer: Layer) -> int:
        """Of a recurrent layer: its convolution's last inputs in 16 bits, its state in float32."""
        return self.n_sequences * (2 * layer.conv_state_width + 4 * layer.recurrent_state_width)

    def _bytes(self, layer: Layer, n_tokens: int) -> int:
        n_elements = self.n_sequences * n_tokens * (layer.key_width + layer.value_width)
        if self.is_quantised and self.kv_bits is not None:
            return n_elements * self.kv_bits // 8 + n_elements // GROUP * 4
        return n_elements * 2


def _stepped(n_tokens: int) -> int:
    return -(-n_tokens // STEP_TOKENS) * STEP_TOKENS
