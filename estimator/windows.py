"""Which layers of which architecture attend to a sliding window only, where the file does not list them.

llama.cpp knows it by architecture: `load_swa_pattern` in src/models/*.cpp and `set_swa_pattern` in
src/llama-hparams.cpp, as of 2026-10. An architecture that is not here ignores a window in the file (phi3 does so on
purpose).
"""

from typing import NamedTuple


class Windows(NamedTuple):
    """Every layer has the window but one in each period."""

    period: int
    is_full_first: bool = False
    """The full layer is the first of each period, not the last."""
    default_tokens: int = 0
    """The window where the file does not say; 0: none then."""
    layer_counts: tuple[int, ...] = ()
    """Only models with so many layers; empty: all."""

    def covers(self, layer: int) -> bool:
        """Whether this layer has the window."""
        place = layer % self.period
        return place != 0 if self.is_full_first else place < self.period - 1


WINDOWS = {
    "afmoe": Windows(4),
    "cohere2": Windows(4),
    "cohere2moe": Windows(4, is_full_first=True),
    "exaone-moe": Windows(4, default_tokens=128),
    "exaone4": Windows(4, default_tokens=4096, layer_counts=(64,)),
    "gemma-embedding": Windows(6),
    "gemma2": Windows(2, default_tokens=4096),
    "gemma3": Windows(6),
    "gemma3n": Windows(5),
    "gpt-oss": Windows(2),
    "laguna": Windows(4, is_full_first=True),
    "llama4": Windows(4, default_tokens=8192),
    "mellum": Windows(4),
    "modern-bert": Windows(3, is_full_first=True),
    "muse-glimmer": Windows(4),
    "olmo2": Windows(4),
    "plamo3": Windows(8),
    "smallthinker": Windows(4, is_full_first=True),
}

LISTED = frozenset({"gemma4", "granite_swa", "mimo2", "spark2_5", "step35", *WINDOWS})
"""Architectures that follow a list of layers in the file (`attention.sliding_window_pattern`)."""
