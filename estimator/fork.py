"""What ik_llama.cpp changed in its memory since it left llama.cpp: github.com/ikawrakow/ik_llama.cpp, from its history.

Its graphs fuse what llama.cpp's have as operations of their own, and latent attention (DeepSeek) is computed in one of
four ways, ``-mla 0`` to ``-mla 3``.
"""

from datetime import date
from typing import Any

from estimator.change import Change, values_on

PULL = "github.com/ikawrakow/ik_llama.cpp/pull"
FORKED = date(2024, 8, 1)
"""It took over its main line's code in July and August 2024 for the last time (its commits 0ceeb1172 and 1a4cfbcc5)."""

CHANGES = (
    Change(date(2024, 9, 8), "has_fused_norm", f"{PULL}/42", before=False, after=True),
    Change(date(2024, 10, 26), "has_gated_unit", f"{PULL}/110 and 111", before=False, after=True),
    Change(date(2024, 10, 31), "sums_experts_at_once", f"{PULL}/112", before=False, after=True),
    Change(date(2025, 2, 19), "stores_keys_by_head", f"{PULL}/208", before=False, after=True),
    Change(date(2025, 3, 18), "expands_by_heads", f"{PULL}/260", before=False, after=True),
    # `ggml_backend_cuda_offload_op` in its tree of 2025-06-15, and not yet in that of 2025-04-20.
    Change(date(2025, 6, 1), "spares_experts", "ggml-cuda.cu", before=False, after=True),
    # Files converted for latents alone were first taken without what expands them, then with it computed; those of
    # before have it (llama.cpp's conversions lack it since 2025-04).
    Change(date(2025, 5, 9), "has_key_values", f"{PULL}/394", before=True, after=False),
    Change(date(2025, 5, 12), "has_key_values", f"{PULL}/409", before=False, after=True),
    Change(date(2025, 10, 13), "is_mask_halved", f"{PULL}/825", before=False, after=True),
    Change(date(2025, 10, 20), "skips_predictor_cache", f"{PULL}/843", before=False, after=True),
    Change(date(2025, 10, 25), "fuses_experts", f"{PULL}/863: -fmoe by default", before=False, after=True),
    Change(date(2025, 11, 12), "latent_way", f"{PULL}/943: -mla 3 by default", before=0, after=3),
    Change(date(2026, 1, 31), "finishes_heads_in_turn", f"{PULL}/1211", before=False, after=True),
    Change(date(2026, 8, 13), "attention_mib", f"{PULL}/2312: -amb 256 by default", before=0, after=256),
)

NUMBERED = (
    (3571, date(2025, 2, 23)), (3597, date(2025, 3, 19)), (3608, date(2025, 3, 25)), (3613, date(2025, 3, 29)),
    (3623, date(2025, 4, 6)), (3668, date(2025, 5, 6)), (3679, date(2025, 5, 9)), (3762, date(2025, 6, 20)),
    (3772, date(2025, 6, 26)), (3808, date(2025, 7, 18)), (3841, date(2025, 7, 25)), (3899, date(2025, 9, 27)),
)  # fmt: skip
"""Its own count of commits, and their days (its history)."""


def rules_on(day: date) -> dict[str, Any]:
    """Fields of a Build that it has of its own; latents it has cached since early 2025, without a value half."""
    own: dict[str, Any] = {
        "is_fork": True,
        "computes_up_first": True,
        "drops_latent_values": True,
    }
    return own | values_on(day, CHANGES)
