"""A Hugging Face ``config.json``: typed look-ups in what a stranger wrote, and the part that is the text model's."""

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from estimator.errors import UnreadableModel
from estimator.file_cursor import shown
from estimator.json_file import read_json_object

CONFIG_NAME = "config.json"
MAX_CONFIG_BYTES = 4 << 20
"""Configurations that list every quantised layer of a large mixture of experts have some 1.5 MB."""
MAX_NUMBER = 1 << 40
MAX_LISTED = 1 << 16
"""Elements of one list."""

MAX_NUMBERS = 1 << 12
"""Of these in a list of numbers, which has one for each layer at most; some are looked through once per layer."""

# Where models of several parts keep the text model's numbers, the usual first.
_TEXT_PARTS = ("text_config", "llm_config", "language_config", "thinker_config", "text_model_config")
_VISION_PARTS = ("vision_config", "vision_tower_config", "visual", "vit_config")
_AUDIO_PARTS = ("audio_config", "audio_encoder", "sound_config")


@dataclass(frozen=True, slots=True)
class Fields:
    """The fields of one object in the file."""

    values: Mapping[str, object]
    defaults: Mapping[str, int] | None = None
    """What the model's class takes where the file is silent."""

    def number(self, *names: str, default: int | None = None) -> int:
        """The first of these fields that is there, a whole number from 0 on.

        Raises:
            UnreadableModel: none is there and there is no default, or it is no such number.
        """
        for name in names:
            found = self.values.get(name)
            if found is None:
                continue
            if isinstance(found, float) and found.is_integer() and abs(found) <= MAX_NUMBER:
                found = int(found)
            if isinstance(found, bool) or not isinstance(found, int) or not 0 <= found <= MAX_NUMBER:
                raise UnreadableModel(f"config.json's {name} is not a number that a model can have")
            return found
        for name in names:
            if self.defaults is not None and name in self.defaults:
                return self.defaults[name]
        if default is None:
            raise UnreadableModel(f"config.json lacks {names[0]}; it is not a language model's, or not complete")
        return default

    def ratio(self, name: str, default: float) -> float:
        """A positive number that need not be whole; the default where it is anything else."""
        found = self.values.get(name)
        is_number = isinstance(found, int | float) and not isinstance(found, bool) and 0 < found <= MAX_NUMBER
        return float(found) if is_number and isinstance(found, int | float) else default

    def numbers(self, name: str) -> tuple[int, ...] | None:
        """A list of whole numbers; None where it is anything else."""
        found = self._list(name)
        if (
            found is None
            or len(found) > MAX_NUMBERS
            or not all(isinstance(n, int) and 0 <= n <= MAX_NUMBER for n in found)
        ):
            return None
        return tuple(int(n) for n in found if isinstance(n, int))

    def words(self, name: str) -> tuple[str, ...] | None:
        """A list of words; None where it is anything else."""
        found = self._list(name)
        if found is None or not all(isinstance(word, str) for word in found):
            return None
        return tuple(str(word) for word in found)

    def _list(self, name: str) -> Sequence[object] | None:
        found = self.values.get(name)
        return found if isinstance(found, list) and len(found) <= MAX_LISTED else None

    def word(self, *names: str) -> str:
        """The first of these that is a text, or nothing."""
        return next((found for name in names if isinstance(found := self.values.get(name), str)), "")

    def is_set(self, name: str, *, default: bool = False) -> bool:
        found = self.values.get(name)
        return found if isinstance(found, bool) else default

    def part(self, names: Iterable[str]) -> "Fields | None":
        """The first of these that is an object."""
        for name in names:
            found = self.values.get(name)
            if isinstance(found, dict):
                return Fields(found)
        return None


@dataclass(frozen=True, slots=True)
class HubConfig:
    """The file, by its parts."""

    whole: Fields
    text: Fields
    """The text model's fields: a part of the file where the model has several parts, otherwise the whole."""
    model_type: str
    """Of the text model, without a suffix that only says that it is one."""

    @property
    def vision(self) -> Fields | None:
        return self.whole.part(_VISION_PARTS) or self._within("vision_config")

    @property
    def audio(self) -> Fields | None:
        return self.whole.part(_AUDIO_PARTS) or self._within("audio_config")

    def _within(self, name: str) -> Fields | None:
        thinker = self.whole.part(("thinker_config",))
        return thinker.part((name,)) if thinker else None

    @property
    def quantization(self) -> Fields | None:
        """What the file says of how its weights are packed; MLX has a word of its own for it."""
        names = ("quantization_config", "compression_config", "quantization")
        return self.whole.part(names) or self.text.part(names)

    @property
    def is_tied(self) -> bool:
        """Whether the embedding serves as the output matrix."""
        for fields in (self.text, self.whole):
            for name in ("tie_word_embeddings", "tie_embedding"):
                if isinstance(fields.values.get(name), bool):
                    return fields.is_set(name)
        return self.model_type in TIED_UNASKED

    @property
    def float_type(self) -> str:
        """The stored type of what is not packed."""
        for fields in (self.text, self.whole):
            found = fields.word("dtype", "torch_dtype").removeprefix("torch.")
            if found in _FLOAT_TYPES:
                return _FLOAT_TYPES[found]
        return "BF16"


_FLOAT_TYPES: Mapping[str, str] = {"bfloat16": "BF16", "float16": "F16", "float32": "F32", "half": "F16"}

TIED_UNASKED = frozenset(
    (
        "gemma gemma2 gemma3 gemma3n gemma4 cohere cohere2 cohere2_moe lfm2 lfm2_moe smollm3 starcoder2 ernie4_5 "
        "ernie4_5_moe falcon bloom gpt2 gpt_bigcode opt mpt mamba falcon_mamba paligemma jetmoe minicpm3 zamba2"
    ).split()
)
"""Model types whose class ties where the file is silent: defaults of transformers 5.24's configuration classes."""

DEFAULTS: Mapping[str, Mapping[str, int]] = {
    "gemma3": {
        "num_attention_heads": 8, "num_key_value_heads": 4, "head_dim": 256, "vocab_size": 262208,
        "max_position_embeddings": 131072, "sliding_window": 4096,
    },
    "gemma3n": {
        "num_attention_heads": 8, "num_key_value_heads": 2, "head_dim": 256, "vocab_size": 262400,
        "max_position_embeddings": 32768, "sliding_window": 512, "num_hidden_layers": 35, "hidden_size": 2048,
        "intermediate_size": 16384,
    },
    "gemma2": {"head_dim": 256, "max_position_embeddings": 8192, "sliding_window": 4096, "vocab_size": 256000},
    "gemma": {"head_dim": 256, "max_position_embeddings": 8192, "vocab_size": 256000},
    "gemma4": {"head_dim": 256, "max_position_embeddings": 131072, "sliding_window": 512, "vocab_size": 262144},
    "llama": {
        "hidden_size": 4096, "intermediate_size": 11008, "num_hidden_layers": 32, "num_attention_heads": 32,
        "vocab_size": 32000, "max_position_embeddings": 2048,
    },
    "mistral": {
        "hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 32, "num_attention_heads": 32,
        "num_key_value_heads": 8, "vocab_size": 32000, "max_position_embeddings": 131072,
    },
    "mllama": {
        "hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 40, "num_attention_heads": 32,
        "num_key_value_heads": 8, "vocab_size": 128256, "max_position_embeddings": 131072,
    },
    "llama4": {
        "hidden_size": 5120, "intermediate_size": 8192, "intermediate_size_mlp": 16384, "num_hidden_layers": 48,
        "num_attention_heads": 40, "num_key_value_heads": 8, "head_dim": 128, "num_local_experts": 16,
        "num_experts_per_tok": 1, "vocab_size": 202048, "attention_chunk_size": 8192,
        "interleave_moe_layer_step": 1,
    },
}  # fmt: skip
"""By model type, what transformers' classes take for what their own files leave out: a part of a file (``text_config``)
has only what differs from the class. Of transformers 5.24, configuration_*.py."""


def read_hub_config(path: str) -> HubConfig:
    """The configuration in a file, or in a directory's ``config.json``.

    Raises:
        UnreadableModel: there is none, or it is damaged.
    """
    if os.path.isdir(path):
        path = os.path.join(path, CONFIG_NAME)
    return parse_hub_config(read_json_object(path, MAX_CONFIG_BYTES), shown(path))


def parse_hub_config(values: Mapping[str, object], name: str) -> HubConfig:
    """The configuration by its parts.

    Raises:
        UnreadableModel: it is some other file.
    """
    whole = Fields(values)
    text = whole.part(_TEXT_PARTS) or whole
    inner = text.part(_TEXT_PARTS)  # Qwen-Omni's thinker has one more
    text = inner or text
    model_type = _plain_type(text.word("model_type") or whole.word("model_type"))
    if not model_type:
        model_type = _plain_type_of_class(whole.words("architectures"))
    if not model_type:
        raise UnreadableModel(f"{name}: names no model type; it is not a model's configuration")
    return HubConfig(whole, Fields(text.values, DEFAULTS.get(model_type)), model_type)


def _plain_type(name: str) -> str:
    for suffix in ("_text_model", "_text"):
        name = name.removesuffix(suffix)
    return name if len(name) <= 64 and name.isprintable() else ""


def _plain_type_of_class(classes: tuple[str, ...] | None) -> str:
    """``llama`` of ``LlamaForCausalLM``, for files that name only a class."""
    if not classes:
        return ""
    return _plain_type(classes[0].partition("For")[0].removesuffix("Model").casefold())
