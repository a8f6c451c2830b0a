"""The largest step of vLLM: how many sequences and tokens it computes, and what it takes beside weights and cache.

Before it gives out its cache it runs one to see (`determine_available_memory`, vllm/v1/worker/gpu_worker.py, 0.33.0).
"""

from dataclasses import replace

from estimator.activations import Span, layer_bytes, peak, sampler_bytes, total, workspace_bytes
from estimator.ledger import Place
from estimator.model import Model
from estimator.ranks import is_linked, offered_bytes, shares_memory
from estimator.releases import LARGE_CARD_BYTES, SHARED_MEMORY_BYTES, Release, release
from estimator.sharding import Split
from estimator.vllm_options import Options
from records.record import record

GIB = 1 << 30
NOTHING = Span(n_bytes=0, low_bytes=0, high_bytes=0)
LARGE_BYTES, LARGEST_BYTES = 70 * GIB, 160 * GIB
"""Cards from which larger batches are usual."""
V0_GRAPH_VALUES = 100_000
"""Layers times width from which graphs are as large as logged."""
SEEN_TOKENS = 32768
"""Of the largest image and the longest video in the profile of the engine before V1: 4.93 GiB were logged for
Qwen2.5-VL 7B at a length of 4096, 2.47 without video; 6.90 for a 32B."""
LONG_TOKENS = 32768
"""Beyond it, the engine before V1 fed prompts in pieces of 2048."""


@record(frozen=True, slots=True, kw_only=True)
class Step:
    """The largest one, on each of the devices that share a model."""

    model: Model
    rules: Release
    device: Place
    split: Split
    length_tokens: int
    """Of the longest sequence: --max-model-len."""
    element_bytes: int
    n_sequences: int
    n_tokens: int
    is_eager: bool

    def libraries(self) -> Span:
        """What is on a device and not PyTorch's, the context aside."""
        rules = self.rules
        device = self.device
        if self.split.n_devices == 1:
            found = rules.libraries
            if offered_bytes(device) >= LARGE_BYTES:
                found = replace(found, high_bytes=max(found.high_bytes, LARGE_CARD_BYTES))
        else:
            has_links = is_linked(device) or "a100" in device.product.casefold()
            found = rules.linked_collectives if has_links else rules.collectives
        if shares_memory(device):
            found = replace(found, low_bytes=0, high_bytes=max(found.high_bytes, SHARED_MEMORY_BYTES))
        if any(layer.recurrent_state_width for layer in self.model.layers):
            found = total([found, rules.state_kernels])
        if rules.keeps_reduced and self.split.tensor > 1:
            # Of every layer the outputs of attention and of the network after it.
            n_layers = self.model.n_layers // self.split.pipeline
            reduced = 2 * n_layers * self.n_tokens * self.model.embedding_width * self.element_bytes
            found = replace(found, n_bytes=found.n_bytes + reduced, high_bytes=found.high_bytes + reduced * 5 // 4)
        if not rules.has_workspaces:
            return found
        experts = workspace_bytes(self.model, self.n_tokens, self.split.tensor, self.element_bytes)
        return Span(
            n_bytes=found.n_bytes + experts,
            low_bytes=found.low_bytes + experts // 2,
            high_bytes=found.high_bytes + experts * 5 // 4,
        )

    def activations(self) -> Span:
        """Of the layers, or of the sampler after them, where that takes more."""
        rules, tensor, width = self.rules, self.split.tensor, self.element_bytes
        layer = layer_bytes(self.model, self.n_tokens, tensor, is_compiled=rules.is_compiled, element_bytes=width)
        if not rules.has_workspaces:
            layer += workspace_bytes(self.model, self.n_tokens, tensor, width)
        low, expected, high = (sampler_bytes(self.model, self.n_sequences, each) for each in rules.logit_bytes)
        if not rules.is_compiled and self.length_tokens > LONG_TOKENS:  # prompts in pieces
            low, expected = 0, expected if rules.samples_pieces else 0
        if not rules.is_compiled and self.model.kind == "vision":
            # The largest image and the longest video were one prompt, whatever the length asked for.
            seen = layer_bytes(self.model, SEEN_TOKENS, tensor, is_compiled=False, element_bytes=width)
            low, high = 0, max(high, seen * 5 // 4)
        found = peak(self.model, layer, expected)
        return replace(
            found,
            low_bytes=min(found.low_bytes, max(int(layer * 0.85), low)),
            high_bytes=max(found.high_bytes, high),
        )

    def graphs(self) -> Span:
        """CUDA graphs of all sizes."""
        return NOTHING if self.is_eager else graphs_of(self.rules, self.model)


def graphs_of(rules: Release, model: Model) -> Span:
    """CUDA graphs of all sizes; those of the old engine grow with the model's width and depth.

    Logged there: 0.08 GiB (Qwen3 0.6B), 0.13 (Qwen2.5 0.5B), 0.8 (Qwen2.5 7B).
    """
    found = rules.graphs
    if rules.is_compiled:
        return found
    share = min(1.0, max(0.2, model.n_layers * model.embedding_width / V0_GRAPH_VALUES))
    return Span(n_bytes=int(found.n_bytes * share), low_bytes=found.low_bytes, high_bytes=int(found.high_bytes * share))


def rules_for(options: Options, device: Place) -> Release:
    """The rules of a version on this kind of device."""
    capability = device.compute_capability
    return release(options.version, is_old_card=capability is not None and capability < (8, 0))


def batch(options: Options, rules: Release, device: Place, length: int) -> tuple[int, int]:
    """(sequences, tokens) of one step.

    `get_batch_defaults`, `_set_default_max_num_seqs_and_batched_tokens_args`, engine/arg_utils.py.
    """
    product, memory_bytes = device.product.casefold(), offered_bytes(device)
    is_slow = "a100" in product or "gb10" in product or device.compute_capability == (12, 1)
    is_large = "h100" in product or "h200" in product
    if rules.large_cards != "name":
        is_large = memory_bytes >= LARGE_BYTES and not is_slow
    if not rules.is_compiled:  # whole prompts, but for long contexts (config.py of 0.7.3)
        n_sequences, n_tokens = 256, (2048 if length > LONG_TOKENS else max(length, 2048))
    elif rules.large_cards == "two tiers" and memory_bytes >= LARGEST_BYTES:
        n_sequences, n_tokens = 1024, 16384
    else:
        n_sequences, n_tokens = (1024, 8192) if is_large else (256, 2048)
    if options.performance_mode == "throughput" and rules.is_compiled:
        n_sequences, n_tokens = 2 * n_sequences, 2 * n_tokens
    if options.is_prefill_whole and rules.is_compiled:
        n_tokens = max(n_tokens, length)
    n_tokens = options.max_num_batched_tokens or n_tokens
    n_sequences = min(options.max_num_seqs or n_sequences, n_tokens)
    if options.max_num_batched_tokens is None:
        n_tokens = min(n_tokens, n_sequences * length)
    return n_sequences, n_tokens
