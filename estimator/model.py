"""What a model file says: its tensors, and what each layer remembers. Numbers only, no engine's rules."""

from dataclasses import dataclass, field
from typing import Any

from records.record import record

COMPANION_PARTS = frozenset(
    (
        "scales zeros group_index nested_scales input_scales quant_map nested_quant_map quant_state packed_shape "
        "row_signs column_signs codebook cache_scales"
    ).split()
)
"""Last parts of the names of tensors that only say how another one is packed (``blk.0.attn_q.scales``)."""

TEXT_PART_ONLY = "text part only; its vision tower is a separate mmproj file"
"""What is said of a model with an image encoder where only its language model is loaded."""

PROJECTOR_PREFIXES = ("v.", "a.", "mm.")
"""Of the names of an image or sound encoder's tensors: a server loads them with the model, GGUF has a file for them."""


@dataclass(frozen=True, slots=True)
class Tensor:
    """One stored tensor."""

    name: str
    """As GGUF names it: ``blk.0.attn_q.weight``, ``token_embd.weight``, ``output.weight``."""
    shape: tuple[int, ...]
    """Elements per dimension, the fastest first: a row is ``shape[0]`` long."""
    type: str
    """A key of ``estimator.quant.BLOCKS``: ``F32``, ``Q4_K``, ``MXFP4`` ..."""


@record(frozen=True, slots=True, kw_only=True)
class Compression:
    """How keys that are values too are kept: the latest whole, earlier ones once for several tokens (DeepSeek V4)."""

    width: int
    """Elements of one key, of all heads together."""
    window_tokens: int
    """The latest ones."""
    ratio: int = 0
    """Tokens to one earlier key; 0: none are kept."""
    index_width: int = 0
    """Elements of an indexer's key beside each earlier one."""

    @property
    def is_overlapping(self) -> bool:
        """Each earlier key is made of its own stretch of tokens and of the one before."""
        return self.index_width > 0

    @property
    def n_waiting(self) -> int:
        """Tokens of a sequence that wait until there are enough of them."""
        return self.ratio * (2 if self.is_overlapping else 1)


@record(frozen=True, slots=True, kw_only=True)
class Layer:
    """What one block keeps of the tokens it has seen. All zero: nothing (its keys and values are another layer's)."""

    key_width: int = 0
    """Elements per cell of the key cache, all KV heads together. Latent attention keeps its latent here alone."""
    value_width: int = 0
    window_tokens: int | None = None
    """Sliding window; None attends to everything."""
    conv_state_width: int = 0
    """float32 elements per sequence, whatever the context (Mamba, short convolutions, gated delta net)."""
    recurrent_state_width: int = 0
    n_kv_heads: int = 0
    """What tensor parallelism divides the cache by; 0 for latent attention, which it can't divide."""
    index_key_width: int = 0
    """Of ``key_width``, what an indexer keeps in a cache of its own."""
    index_value_width: int = 0
    compression: Compression | None = None
    """How llama.cpp keeps it; the widths above are what comes of it for each token in the long run."""

    @property
    def own_key_width(self) -> int:
        """Without its indexer's."""
        return self.key_width - self.index_key_width

    @property
    def own_value_width(self) -> int:
        """Without its indexer's."""
        return self.value_width - self.index_value_width


@record(frozen=True, slots=True, kw_only=True)
class Latent:
    """Multi-head latent attention (DeepSeek): widths in elements per head, ranks in elements."""

    query_rank: int | None
    key_value_rank: int
    rope_width: int
    nope_width: int
    value_width: int


@record(frozen=True, slots=True, kw_only=True)
class Experts:
    """Mixture of experts."""

    n_experts: int
    n_used: int
    feed_forward_width: int
    """Of one expert."""
    n_leading_dense_layers: int = 0
    is_sigmoid: bool | None = None
    """Whether probabilities are sigmoids, not a softmax; None where the file leaves it to the architecture."""
    is_normalised: bool | None = None
    """Whether the chosen experts' weights are divided by their sum."""
    is_scaled: bool | None = None
    """Whether the weights are multiplied by a constant."""
    n_groups: int = 1
    """Experts are chosen among the best of so many groups; 1 where they stand for themselves."""
    n_used_groups: int = 1


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Model:
    """A model as an engine would load it. Compared by identity, so that what is derived from it can be remembered."""

    name: str
    architecture: str
    """``general.architecture`` of GGUF: ``llama``, ``qwen3moe`` ..."""
    source: str
    """The file, or ``catalogue``."""
    quant: str
    """The mixture's name (``Q4_K_M``), or the largest stored type where the file does not tell."""
    native_context_tokens: int
    embedding_width: int
    feed_forward_width: int
    n_heads: int
    n_kv_heads: int
    head_width: int
    value_head_width: int
    vocabulary_size: int
    layers: tuple[Layer, ...]
    tensors: tuple[Tensor, ...] = field(repr=False)
    experts: Experts | None = None
    latent: Latent | None = None
    n_indexed_tokens: int = 0
    """Of all earlier ones, those that an indexer lets a token attend to (DeepSeek V3.2); 0 where there is none."""
    n_predictor_layers: int = 0
    """The last of ``layers`` that only predict further tokens (MTP); not loaded unless asked for."""
    kind: str = "text"
    """``text``, ``code``, ``reasoning``, ``vision``, ``embedding``, ``audio``, ``image``, ``video``: what it is for."""
    format: str = "gguf"
    """What its tensors are stored as: ``gguf`` (catalogue names too), ``safetensors``, ``mlx``, ``exl``."""
    is_tied: bool = False
    """The embedding serves as the output matrix too."""
    size_band_ratio: tuple[float, float] = (1.0, 1.0)
    """The least and the most that a file of this mixture has of the bytes of ``tensors``; 1 where these are known."""
    n_projector_parameters: int = 0
    """Of an image or sound encoder that belongs to it and is not among ``tensors``: servers load it too."""
    may_bring_projector: bool = False
    """Whoever loads it would fetch that encoder with it, as a file of its own (mmproj), which is not here."""
    file_bytes: int | None = None
    """Of all parts together; None for a model that is known by name only."""
    doubts: tuple[str, ...] = ()
    """What had to be assumed, a sentence each; an estimate carries them on."""
    derived: dict[object, Any] = field(default_factory=dict, init=False, repr=False)
    """What was worked out from all that (``estimator.derived``); ``replace`` begins with nothing."""

    @property
    def doubts_with_encoder(self) -> tuple[str, ...]:
        """Of a load that has the encoder in it, too."""
        return tuple(doubt for doubt in self.doubts if doubt != TEXT_PART_ONLY)

    @property
    def n_layers(self) -> int:
        """Blocks, without the output layer that engines count as one more."""
        return len(self.layers)

    @property
    def stored_as(self) -> str:
        """The quant as a person should read it: gpt-oss was published at 16 bits, its experts as MXFP4."""
        has_packed_experts = self.quant in ("BF16", "F16") and any(tensor.type == "MXFP4" for tensor in self.tensors)
        return f"{self.quant}, experts MXFP4" if has_packed_experts else self.quant

    @property
    def has_context(self) -> bool:
        """Whether it works through a context of tokens; of models that are known by their size alone nobody knows."""
        return bool(self.layers)

    @property
    def n_parameters(self) -> int:
        """Elements of all tensors, without what only says how others are packed."""
        total = 0
        for tensor in self.tensors:
            if tensor.name.rpartition(".")[2] in COMPANION_PARTS:
                continue
            n = 1
            for width in tensor.shape:
                n *= width
            total += n
        return total
