"""From GGUF metadata to a Model: which layers attend to what, and what each keeps. Files and catalogue both come here.

The rules are those of llama.cpp's loader (src/llama-model.cpp and src/models/*.cpp, `load_hparams`, as of 2026-10).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from estimator.errors import UnreadableModel
from estimator.model import Compression, Experts, Latent, Layer, Model, Tensor
from estimator.windows import LISTED, WINDOWS, Windows

MAX_LAYERS = 4096
"""More than any model has; a header that claims more is broken."""
MAX_WIDTH = 1 << 32
"""A single dimension beyond this is a broken header, not a model."""

# Architectures whose caches follow the rules below, by llama.cpp's own source; any other gets them with a doubt.
KNOWN_ARCHITECTURES = frozenset(
    (
        "llama llama4 qwen2 qwen2moe qwen3 qwen3moe qwen3next qwen35 qwen35moe gemma gemma2 gemma3 gemma3n gemma4 "
        "gpt-oss deepseek2 phi2 phi3 falcon-h1 granite granitemoe granitehybrid mamba mamba2 lfm2 command-r cohere2 "
        "glm4 glm4moe olmo2 starcoder2 smollm3 mistral3 nemotron stablelm falcon internlm2 minicpm exaone exaone4 "
        "olmoe ernie4_5 hunyuan-dense seed_oss nemotron_h nemotron_h_moe ernie4_5-moe minimax-m2 lfm2moe "
        "qwen2vl qwen3vl qwen3vlmoe hunyuan-moe dots1 bailingmoe2 deepseek deepseek32 glm-dsa mistral4 chatglm phimoe "
        "exaone-moe hy_v3 kimi-linear kimi-k3 minimax-01 minimax-m3 mimo2 step35 laguna afmoe muse-glimmer olmo "
        "cohere2moe apertus arcee bitnet deci gptneox bloom gpt2 starcoder opt bert nomic-bert jina-bert-v2 "
        "gemma-embedding jamba longcat-flash mllama glm5-next qwen4exp baichuan bailingmoe codeshell dbrx eurobert "
        "hunyuan_vl jais jais2 jina-bert-v3 maincoder mellum modern-bert mpt neo-bert nomic-bert-moe openelm orion "
        "arctic deepseek2-ocr grok minicpm3 smallthinker paddleocr pangu-embedded plamo qwen refact spark2_5 xverse"
    ).split()
)

INDEXED_TOKENS = 2048
"""`index_topk` of DeepSeek V3.2's and GLM-5's config.json; a GGUF file always says it."""

SIGMOID_GATING = 2
"""`LLAMA_EXPERT_GATING_FUNC_TYPE_SIGMOID` (src/llama-hparams.h)."""

# `create_memory` of src/llama-model.cpp gives these no cache: they see a whole text at once.
ENCODERS = frozenset(
    ("bert eurobert gemma-embedding jina-bert-v2 jina-bert-v3 modern-bert neo-bert nomic-bert nomic-bert-moe").split()
)


@dataclass(frozen=True, slots=True)
class Keys:
    """Typed look-ups in metadata that is not to be trusted."""

    values: Mapping[str, object]
    architecture: str

    def count(self, key: str, default: int | None = None, *, maximum: int = MAX_WIDTH) -> int:
        """A non-negative whole number, or its default.

        Raises:
            UnreadableModel: missing without a default, or not such a number.
        """
        found = self.values.get(f"{self.architecture}.{key}")
        if found is None:
            if default is None:
                raise UnreadableModel(f"the header lacks {self.architecture}.{key}; the file is not a complete model")
            return default
        if isinstance(found, Sequence) and not isinstance(found, str):
            numbers = [n for n in found if isinstance(n, int) and not isinstance(n, bool)]
            found = max(numbers, default=None)
        if isinstance(found, bool) or not isinstance(found, int) or not 0 <= found <= maximum:
            raise UnreadableModel(f"the header's {self.architecture}.{key} is not a number that a model can have")
        return found

    def per_layer(self, key: str, n_layers: int, default: int) -> tuple[int, ...]:
        """One number per layer, from an array or from one number for all."""
        found = self.values.get(f"{self.architecture}.{key}")
        if isinstance(found, Sequence) and not isinstance(found, str):
            numbers = tuple(n for n in found if isinstance(n, int) and not isinstance(n, bool) and 0 <= n <= MAX_WIDTH)
            if len(numbers) != len(found) or len(numbers) < n_layers:
                raise UnreadableModel(f"the header's {self.architecture}.{key} does not say a number for each layer")
            return numbers[:n_layers]
        return (self.count(key, default),) * n_layers

    def flag(self, key: str) -> bool | None:
        """A truth value, or None where the header has none."""
        found = self.values.get(f"{self.architecture}.{key}")
        return found if isinstance(found, bool) else None

    def number(self, key: str) -> float | None:
        """A number that need not be whole, or None where the header has none."""
        found = self.values.get(f"{self.architecture}.{key}")
        return float(found) if isinstance(found, int | float) and not isinstance(found, bool) else None

    def flags(self, key: str, n_layers: int) -> tuple[bool, ...] | None:
        """One truth value per layer, where the header has such an array."""
        found = self.values.get(f"{self.architecture}.{key}")
        if not isinstance(found, Sequence) or isinstance(found, str) or len(found) < n_layers:
            return None
        return tuple(bool(n) for n in found[:n_layers])


def describe(
    metadata: Mapping[str, object],
    tensors: Sequence[Tensor],
    *,
    name: str,
    source: str,
    quant: str,
    file_bytes: int | None = None,
    doubts: Sequence[str] = (),
    is_known: bool = False,
) -> Model:
    """The model that metadata and tensors tell of.

    Args:
        metadata: GGUF's keys.
        tensors: of the model; their names are GGUF's.
        name: as people say it.
        source: where it is from.
        quant: what its mixture is called.
        file_bytes: of all parts together.
        doubts: what had to be assumed so far.
        is_known: the metadata says of each layer what it attends to, whatever the architecture.

    Raises:
        UnreadableModel: a number that every model has is missing or absurd.
    """
    architecture = metadata.get("general.architecture")
    if not isinstance(architecture, str) or not architecture:
        raise UnreadableModel("the header names no architecture; the file is not a language model")
    keys = Keys(metadata, architecture)
    n_layers = keys.count("block_count", maximum=MAX_LAYERS)
    if n_layers == 0:
        raise UnreadableModel(f"the header's {architecture}.block_count is 0; the file is not a language model")
    embedding_width = keys.count("embedding_length")
    heads = keys.per_layer("attention.head_count", n_layers, 0)
    kv_heads = keys.per_layer("attention.head_count_kv", n_layers, 0)
    if f"{architecture}.attention.head_count_kv" not in metadata:
        kv_heads = heads
    n_heads = max(heads)
    head_width = keys.count("attention.key_length", embedding_width // n_heads if n_heads else 0)
    value_head_width = keys.count("attention.value_length", embedding_width // n_heads if n_heads else 0)
    latent = _latent(keys)
    layers = _layers(keys, kv_heads, head_width, value_head_width, latent)
    known = tuple(doubts)
    if architecture == "deepseek4":
        known += (
            "its compressed cache is reckoned in whole blocks but for llama.cpp: up to a fifth more than it takes at "
            "long contexts",
        )
    elif architecture not in KNOWN_ARCHITECTURES and not is_known:
        known += (
            f"the architecture {architecture!r} is not known here: its cache is taken as full attention in every "
            "layer, an upper bound",
        )
    return Model(
        name=name,
        architecture=architecture,
        source=source,
        quant=quant,
        native_context_tokens=keys.count("context_length", 0),
        embedding_width=embedding_width,
        feed_forward_width=keys.count("feed_forward_length", 0),
        n_heads=n_heads,
        n_kv_heads=max(kv_heads),
        head_width=head_width,
        value_head_width=value_head_width,
        vocabulary_size=_vocabulary_size(keys, tensors),
        layers=layers,
        tensors=tuple(tensors),
        experts=_experts(keys),
        latent=latent,
        n_indexed_tokens=keys.count("attention.indexer.top_k", INDEXED_TOKENS)
        if keys.count("attention.indexer.key_length", 0)
        else 0,
        n_predictor_layers=min(keys.count("nextn_predict_layers", 0), n_layers - 1),
        file_bytes=file_bytes,
        doubts=known,
    )


def _latent(keys: Keys) -> Latent | None:
    """Latent attention is used where the file was converted for it, which it shows by the full heads' widths."""
    full_width = keys.count("attention.key_length_mla", 0)
    value_width = keys.count("attention.value_length_mla", 0)
    rank = keys.count("attention.kv_lora_rank", 0)
    if not (full_width and value_width and rank):
        return None
    rope = keys.count("rope.dimension_count", 0)
    return Latent(
        query_rank=keys.count("attention.q_lora_rank", 0) or None,
        key_value_rank=rank,
        rope_width=rope,
        nope_width=max(0, full_width - rope),
        value_width=value_width,
    )


def _experts(keys: Keys) -> Experts | None:
    n_experts = keys.count("expert_count", 0)
    if not n_experts:
        return None
    return Experts(
        n_experts=n_experts,
        n_used=keys.count("expert_used_count", 0),
        feed_forward_width=keys.count("expert_feed_forward_length", keys.count("feed_forward_length", 0)),
        n_leading_dense_layers=keys.count("leading_dense_block_count", 0),
        is_sigmoid=None if (gating := keys.count("expert_gating_func", 0)) == 0 else gating == SIGMOID_GATING,
        is_normalised=keys.flag("expert_weights_norm"),
        is_scaled=None if (scale := keys.number("expert_weights_scale")) is None else scale not in (0.0, 1.0),
        n_groups=max(1, keys.count("expert_group_count", 1)),
        n_used_groups=max(1, keys.count("expert_group_used_count", 1)),
    )


def _vocabulary_size(keys: Keys, tensors: Sequence[Tensor]) -> int:
    """Rows of the embedding: what the logits are as wide as, whatever the tokenizer lists."""
    for tensor in tensors:
        if tensor.name in ("token_embd.weight", "output.weight") and len(tensor.shape) == 2:
            return tensor.shape[1]
    return keys.count("vocab_size", 0)


def _layers(
    keys: Keys, kv_heads: Sequence[int], head_width: int, value_head_width: int, latent: Latent | None
) -> tuple[Layer, ...]:
    n_layers = len(kv_heads)
    if keys.architecture == "deepseek4":
        return _compressed_layers(keys, n_layers)
    n_predictors = min(keys.count("nextn_predict_layers", 0), n_layers - 1)
    attends = _attending(keys, kv_heads)
    windows = _windows(keys, n_layers)
    owns = _owning(keys, n_layers)
    conv, recurrent = _state_widths(keys)
    keeps_state = _recurrent(keys, attends)
    index_widths = _index_widths(keys, n_layers)
    # MiniMax M3's indexer has keys and values in its cache.
    index_values = index_widths if keys.architecture == "minimax-m3" else (0,) * n_layers
    # Gemma 4 has other head widths in its windowed layers (src/llama-model.cpp, LLM_KV_ATTENTION_KEY_LENGTH_SWA).
    windowed_head_width = keys.count("attention.key_length_swa", head_width)
    windowed_value_width = keys.count("attention.value_length_swa", value_head_width)
    layers = []
    for i in range(n_layers):
        if i >= n_layers - n_predictors:  # the main context's cache leaves them out: create_memory, src/llama-model.cpp
            layers.append(Layer())
            continue
        key_width = value_width = 0
        window = windows[i] if attends[i] else None
        if attends[i] and owns[i]:
            key_width = kv_heads[i] * (windowed_head_width if window else head_width)
            value_width = 0 if latent else kv_heads[i] * (windowed_value_width if window else value_head_width)
            key_width += index_widths[i]
            value_width += index_values[i]
        layers.append(
            Layer(
                key_width=key_width,
                value_width=value_width,
                window_tokens=window,
                conv_state_width=conv if keeps_state[i] else 0,
                recurrent_state_width=recurrent if keeps_state[i] else 0,
                n_kv_heads=kv_heads[i] if key_width and not latent else 0,
                index_key_width=index_widths[i] if key_width else 0,
                index_value_width=index_values[i] if value_width else 0,
            )
        )
    return tuple(layers)


def _attending(keys: Keys, kv_heads: Sequence[int]) -> tuple[bool, ...]:
    """Which layers have attention at all. Hybrids mark the others with 0 KV heads, list them, or go by a period."""
    n_layers = len(kv_heads)
    if keys.architecture in ("mamba", "mamba2") or keys.architecture in ENCODERS:
        return (False,) * n_layers
    if keys.architecture == "mllama":  # the others attend to the image's tokens
        return tuple(i % 5 != 3 for i in range(n_layers))
    if keys.architecture in ("qwen3next", "qwen35", "qwen35moe", "qwen4exp", "minimax-01"):
        listed = keys.flags("attention.recurrent_layers", n_layers)
        if listed is not None:
            return tuple(not is_recurrent for is_recurrent in listed)
        period = keys.count("full_attention_interval", 4) or 4  # llama.cpp's own default
        return tuple((i + 1) % period == 0 for i in range(n_layers))
    return tuple(n > 0 for n in kv_heads)


def _recurrent(keys: Keys, attends: Sequence[bool]) -> tuple[bool, ...]:
    keeps_any = any(keys.count(key, 0) for key in ("ssm.inner_size", "shortconv.l_cache", "kda.head_dim"))
    if not keeps_any and keys.architecture != "minimax-01":
        return (False,) * len(attends)
    if keys.architecture == "falcon-h1":  # attention and Mamba side by side in every layer
        return (True,) * len(attends)
    if keys.architecture in ("nemotron_h", "nemotron_h_moe"):  # a layer is Mamba, attention or feed-forward
        widths = keys.per_layer("feed_forward_length", len(attends), 0)
        return tuple(not attending and not width for attending, width in zip(attends, widths, strict=True))
    return tuple(not attending for attending in attends)


def _state_widths(keys: Keys) -> tuple[int, int]:
    """(convolution, recurrence) in float32 elements per layer and sequence: `n_embd_r`, `n_embd_s`."""
    kernel = keys.count("shortconv.l_cache", 0)
    if kernel:
        return (kernel - 1) * keys.count("embedding_length"), 0
    n_heads = keys.count("attention.head_count", 0)
    if narrow := keys.count("kda.head_dim", 0):
        return 3 * max(0, keys.count("ssm.conv_kernel", 4) - 1) * n_heads * narrow, narrow * narrow * n_heads
    if keys.architecture == "minimax-01":
        return 0, keys.count("attention.key_length") ** 2 * n_heads
    inner, state, groups = (keys.count(f"ssm.{key}", 0) for key in ("inner_size", "state_size", "group_count"))
    return max(0, keys.count("ssm.conv_kernel", 0) - 1) * (inner + 2 * groups * state), state * inner


def _windows(keys: Keys, n_layers: int) -> tuple[int | None, ...]:
    none = (None,) * n_layers
    rule = WINDOWS.get(keys.architecture)
    window = keys.count("attention.sliding_window", rule.default_tokens if rule else 0)
    if not window or keys.architecture not in LISTED:
        return none
    pattern = keys.flags("attention.sliding_window_pattern", n_layers)
    if pattern is None:
        if rule is None or (rule.layer_counts and n_layers not in rule.layer_counts):
            return none
        period = keys.count("attention.sliding_window_pattern", rule.period)
        rule = Windows(period or n_layers + 1, is_full_first=rule.is_full_first)
        pattern = tuple(rule.covers(i) for i in range(n_layers))
    return tuple(window if is_windowed else None for is_windowed in pattern)


def _owning(keys: Keys, n_layers: int) -> tuple[bool, ...]:
    """Which layers keep their own keys and values; the last ones of Gemma 3n and 4 read those of earlier layers."""
    n_owning = n_layers
    if keys.architecture == "gemma3n":
        n_owning = 20  # src/models/gemma3n.cpp, n_layer_kv_from_start
    elif keys.architecture == "gemma4":
        n_owning = n_layers - min(keys.count("attention.shared_kv_layers", 0), n_layers)
    return tuple(i < n_owning for i in range(n_layers))


def _compressed_layers(keys: Keys, n_layers: int) -> tuple[Layer, ...]:
    """DeepSeek V4's: one key that is the value too, of which older ones are kept once for 4 or 128 tokens.

    What does not grow with the context is reckoned as a state: the latest keys, and those being compressed
    (src/llama-kv-cache-dsv4.cpp; 75 MiB of DeepSeek V4 Flash at 4 096 tokens, of which ours are 75.1).
    """
    width, indexed = keys.count("attention.key_length"), keys.count("attention.indexer.key_length", 0)
    latest = WINDOW_CELLS * width // 2  # float16, as float32 elements
    made = []
    for ratio in keys.per_layer("attention.compress_ratios", n_layers, 0):
        growing = compressing = 0
        if ratio == OVERLAPPING_RATIO:
            growing, compressing = (width + indexed) // ratio, 2 * ratio * 2 * 2 * (width + indexed)
        elif ratio:
            growing, compressing = width // ratio, ratio * 2 * width
        key_width = -(-growing // BLOCK_WIDTH) * BLOCK_WIDTH
        compression = Compression(
            width=width,
            window_tokens=keys.count("attention.sliding_window", COMPRESSED_WINDOW_TOKENS),
            ratio=ratio,
            index_width=indexed if ratio == OVERLAPPING_RATIO else 0,
        )
        made.append(Layer(key_width=key_width, recurrent_state_width=latest + compressing, compression=compression))
    return tuple(made)


COMPRESSED_WINDOW_TOKENS = 128
"""`sliding_window` of DeepSeek V4's config.json."""
WINDOW_CELLS = 768
"""Of its window of 128 tokens beside a physical batch of 512, in multiples of 256."""
BLOCK_WIDTH = 32
"""Widths are whole blocks of a quantised cache."""
OVERLAPPING_RATIO = 4
"""Layers that compress by so much have an indexer (src/models/deepseek4.cpp)."""


def _index_widths(keys: Keys, n_layers: int) -> tuple[int, ...]:
    """Elements per cell that an indexer remembers beside the keys (src/llama-kv-cache-dsa.cpp)."""
    width = keys.count("attention.indexer.key_length", 0)
    if not width or keys.architecture not in ("deepseek32", "glm-dsa", "glm5-next", "minimax-m3", "qwen4exp"):
        return (0,) * n_layers
    if keys.architecture == "minimax-m3":
        n_dense = keys.count("leading_dense_block_count", 0)
        return tuple(width if i >= n_dense else 0 for i in range(n_layers))
    if (
        keys.architecture == "glm5-next"
    ):  # its key, and what its pooling needs (measured: 33 MiB, 11 layers, 4 096 cells)
        width *= 3
    owns = keys.flags("attention.indexer.types", n_layers) or (True,) * n_layers
    return tuple(width if is_owner else 0 for is_owner in owns)
