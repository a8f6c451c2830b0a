"""How much Transformers holds at once while it reads a prompt, counted in its own code, beside what we say it holds.

    pip install torch transformers
    python bench/torch_storages.py [--tokens N]

Model classes are made without weights (PyTorch's ``meta`` device), and every storage that a forward pass makes is
followed until it is let go. Attention itself stands as one kernel that makes its output only, as FlashAttention and
PyTorch's fused kernels do. Widths are small of layers and tokens, and true otherwise.
"""

import argparse
import sys
import weakref
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter
from transformers import AutoConfig, AutoModelForCausalLM, DynamicCache
from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from estimator.metadata import describe
from estimator.prompt_pass import prompt_pass
from estimator.templates import tensors_of

WIDTH, HEADS, KV_HEADS, HEAD_WIDTH, LAYERS, VOCABULARY = 2048, 32, 8, 128, 4, 32000
FUSED = "one_kernel"


@dataclass(frozen=True)
class Subject:
    """A family of models, in both worlds."""

    model_type: str
    """Transformers' name."""
    architecture: str
    """GGUF's name, by which we know it."""
    config: dict[str, Any]
    keys: dict[str, Any]
    """GGUF's metadata that goes with the config."""


def dense(model_type: str, architecture: str, inner: int) -> Subject:
    return Subject(model_type, architecture, {"intermediate_size": inner}, {"feed_forward_length": inner})


def mixture(model_type: str, architecture: str, n_used: int, inner: int, **names: str) -> Subject:
    config = {
        names.get("count", "num_experts"): 64,
        "num_experts_per_tok": n_used,
        names.get("width", "moe_intermediate_size"): inner,
    }
    keys = {"expert_count": 64, "expert_used_count": n_used, "expert_feed_forward_length": inner}
    return Subject(model_type, architecture, config, {**keys, "feed_forward_length": inner})


SUBJECTS = (
    dense("llama", "llama", 64),
    dense("llama", "llama", 16384),
    dense("qwen2", "qwen2", 16384),
    dense("qwen3", "qwen3", 16384),
    dense("gemma2", "gemma2", 16384),
    dense("gemma3_text", "gemma3", 16384),
    dense("phi3", "phi3", 16384),
    dense("starcoder2", "starcoder2", 16384),
    mixture("qwen3_moe", "qwen3moe", 8, 768),
    mixture("qwen3_moe", "qwen3moe", 4, 768),
    mixture("mixtral", "llama", 2, 14336, count="num_local_experts", width="intermediate_size"),
)


class Storages(TorchDispatchMode):
    """Follows every storage that operations make."""

    def __init__(self, known: list[torch.Tensor]) -> None:
        super().__init__()
        self.n_bytes = self.peak_bytes = 0
        self._seen: weakref.WeakSet[Any] = weakref.WeakSet(tensor.untyped_storage() for tensor in known)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        for tensor in tree_iter(made):
            if isinstance(tensor, torch.Tensor):
                self._follow(tensor.untyped_storage())
        return made

    def _follow(self, storage: Any) -> None:
        if storage in self._seen:
            return
        self._seen.add(storage)
        n_bytes = storage.nbytes()
        self.n_bytes += n_bytes
        self.peak_bytes = max(self.peak_bytes, self.n_bytes)
        weakref.finalize(storage, self._let_go, n_bytes)

    def _let_go(self, n_bytes: int) -> None:
        self.n_bytes -= n_bytes


def one_kernel(_module: Any, query: Any, _key: Any, value: Any, _mask: Any, **_: Any) -> tuple[Any, None]:
    n_sequences, n_heads, n_tokens, _ = query.shape
    made = torch.empty(n_sequences, n_tokens, n_heads, value.shape[-1], dtype=query.dtype, device=query.device)
    return made, None


def counted_elements(subject: Subject, n_tokens: int) -> float:
    """Per token of a prompt, without the cache, in 16-bit elements."""
    config = AutoConfig.for_model(
        subject.model_type,
        hidden_size=WIDTH,
        num_hidden_layers=LAYERS,
        num_attention_heads=HEADS,
        num_key_value_heads=KV_HEADS,
        head_dim=HEAD_WIDTH,
        vocab_size=VOCABULARY,
        max_position_embeddings=131072,
        pad_token_id=None,
        **subject.config,
    )
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16, attn_implementation=FUSED).eval()
    storages = Storages([*model.parameters(), *model.buffers()])
    with torch.no_grad(), storages:
        cache = DynamicCache(config=config)
        tokens = torch.zeros(1, n_tokens, dtype=torch.long, device="meta")
        model(tokens, past_key_values=cache, logits_to_keep=1)
    kept = sum(getattr(layer, name).untyped_storage().nbytes() for layer in cache.layers for name in ("keys", "values"))
    return float(storages.peak_bytes - kept) / 2 / n_tokens


def expected_elements(subject: Subject) -> int:
    keys = {
        "block_count": LAYERS,
        "context_length": 131072,
        "embedding_length": WIDTH,
        "vocab_size": VOCABULARY,
        "attention.head_count": HEADS,
        "attention.head_count_kv": KV_HEADS,
        "attention.key_length": HEAD_WIDTH,
        "attention.value_length": HEAD_WIDTH,
        **subject.keys,
    }
    name = subject.architecture
    metadata = {"general.architecture": name, **{f"{name}.{key}": value for key, value in keys.items()}}
    model = describe(metadata, tensors_of(metadata), name=name, source="bench", quant="BF16")
    return prompt_pass(model).expected


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tokens", type=int, default=4096)
    n_tokens = parser.parse_args().tokens
    ALL_ATTENTION_FUNCTIONS.register(FUSED, one_kernel)
    ALL_MASK_ATTENTION_FUNCTIONS.register(FUSED, lambda *_, **__: None)
    print(f"{'family':<12} {'widths':<46} {'counted':>8} {'expected':>8} {'error':>7}   (16-bit elements a token)")
    for subject in SUBJECTS:
        counted, expected = counted_elements(subject, n_tokens), expected_elements(subject)
        said = ", ".join(f"{key} {value}" for key, value in subject.config.items())
        error = 100 * (expected / counted - 1)
        print(f"{subject.model_type:<12} {said[:46]:<46} {counted:8.0f} {expected:8} {error:+6.1f} %")


if __name__ == "__main__":
    main()
