"""What comes and goes while Transformers computes: cache, states and activations of the layers of one device."""

from dataclasses import replace

from estimator.dynamic_cache import Alike, CacheRun, state_bytes
from estimator.ledger import Basis, Kind, Place, Term
from estimator.model import Model
from estimator.prompt_pass import prompt_pass, score_elements, unpacked_bytes
from estimator.torch_process import ACTIVATIONS
from records.record import record

RELEASE = "transformers 5.24.0"

PASS_LOW_RATIO = 0.9
"""Transformers 4.46 held 6 % less than counted for 5.24 while Qwen2.5 14B read 30,720 tokens, 1 % less for 7B, as much
for 0.5B (github.com/QwenLM/Qwen2.5, speed_benchmark)."""
PASS_HIGH_RATIO = 1.1
"""Norms and rotations of some families hold up to a tenth more than counted for Llama, Qwen, Mistral, Gemma 2, Granite,
Seed-OSS and Hunyuan; OLMo 2, EXAONE 4 and StarCoder 2 less (bench/torch_storages.py)."""


@record(frozen=True, slots=True, kw_only=True)
class Computation:
    """A model in use, wherever its layers lie."""

    model: Model
    run: CacheRun
    kv_type: str
    compute_bytes: int
    """Of one activation."""
    attention: str
    """``sdpa``, ``flash_attention_2`` or ``eager``."""
    chunk_tokens: int | None
    """Of one sequence's prompt in one pass; None: all of it."""

    def cache_term(self, place: Place, layers: Alike) -> Term:
        """As it is in the end; at the low end the answer ends before a token of it is generated."""
        run = self.run
        n_bytes = low = high = sum(n * run.final_bytes(layer) for layer, n in layers)
        basis = Basis.DERIVED
        if self.kv_type.startswith("int"):
            low, high, basis = int(n_bytes * 0.9), int(n_bytes * 1.25), Basis.ASSUMED
        if not run.is_static:
            low = min(low, sum(n * min(run.prompt_bytes(layer), run.final_bytes(layer)) for layer, n in layers))
        return Term(
            kind=Kind.KV_CACHE,
            label="KV cache",
            place=place.name,
            n_bytes=n_bytes,
            low_bytes=low,
            high_bytes=high,
            basis=basis,
            source=f"cache_utils.py, {RELEASE}",
            formula=f"{sum(n for _, n in layers)} layers x {run.n_sequences} x {run.n_tokens} tokens, {self.kv_type}",
            read_bytes=n_bytes // run.n_sequences,
        )

    def two_layers_term(self, place: Place, layers: Alike) -> Term:
        """What an offloaded cache has on the device: one layer in use, and the next on its way."""
        n_bytes = 2 * max(self.run.final_bytes(layer) for layer, _ in layers)
        term = derived(Kind.KV_CACHE, "KV cache, two layers", place.name, n_bytes, "DynamicCache(offloading=True)")
        return replace(term, formula="one layer in use, the next on its way")

    def state_term(self, place: Place, layers: Alike) -> Term | None:
        """Of the recurrent layers."""
        n_bytes = sum(n * state_bytes(layer, self.run.n_sequences) for layer, n in layers)
        if not n_bytes:
            return None
        term = derived(Kind.STATE, "recurrent state", place.name, n_bytes, "cache_utils.py, LinearAttentionLayer")
        return replace(term, read_bytes=2 * n_bytes // self.run.n_sequences)  # and written back

    def activation_term(self, place: Place, layers: Alike) -> Term:
        """The peak over both phases, less the weights and the final cache, which are counted already.

        While the prompt is read, the cache lacks the tokens to come, and has whole prompts in sliding layers.
        """
        run, model = self.run, self.model
        n_tokens = run.n_sequences * min(run.n_prompt_tokens, self.chunk_tokens or run.n_prompt_tokens)
        ahead = sum(n * (run.prompt_bytes(layer) - run.final_bytes(layer)) for layer, n in layers)
        passed = prompt_pass(model)
        unpacked = unpacked_bytes(model) if n_tokens > 1 else 0
        expected = ahead + self._pass_bytes(n_tokens, passed.expected)
        low = ahead + int(self._pass_bytes(n_tokens, passed.low) * PASS_LOW_RATIO)
        high = ahead + int(self._pass_bytes(n_tokens, passed.expected) * PASS_HIGH_RATIO) + unpacked
        # The logits of the last token as computed, and in float32 (`_sample`).
        logits = run.n_sequences * model.vocabulary_size * (self.compute_bytes + 4)
        growing = max(run.growing_bytes(layers), logits)
        repeated = run.repeated_bytes(layers, model.n_heads, model.head_width)
        is_masked = self.attention != "flash_attention_2" and run.n_sequences > 1
        n_bytes = max(expected + unpacked, growing + (repeated if is_masked else 0))
        return Term(
            kind=Kind.COMPUTE,
            label=ACTIVATIONS,
            place=place.name,
            n_bytes=n_bytes,
            low_bytes=min(max(low, logits), n_bytes),
            high_bytes=max(high, n_bytes, growing + repeated + unpacked),
            basis=Basis.ASSUMED if passed.recurrence else Basis.DERIVED,
            source=f"storages alive in a forward pass, {RELEASE} (bench/torch_storages.py)",
            formula=f"{n_tokens} tokens x {self.compute_bytes} bytes x ({passed.formula}), less the cache to come",
        )

    def _pass_bytes(self, n_tokens: int, widths: int) -> int:
        n_elements = n_tokens * widths
        if self.attention == "eager":
            n_elements += n_tokens * self.run.n_prompt_tokens * score_elements(self.model)
        return n_elements * self.compute_bytes


def derived(kind: Kind, label: str, place: str, n_bytes: int, symbol: str) -> Term:
    """A term whose rule leaves no doubt."""
    return Term.sure(kind, label, place, n_bytes, f"{symbol}, {RELEASE}")
