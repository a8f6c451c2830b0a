"""How a checkpoint's weights are packed, from the ``quantization_config`` of its ``config.json``.

Fields by the writers' own names: transformers 5.24 (utils/quantization_config.py), compressed-tensors
(`QuantizationScheme`), NVIDIA's ModelOpt (hf_quant_config.json), mlx-lm (utils.py, `save_config`), exllamav3
(conversion/compile.py).
"""

import re
from collections.abc import Callable
from fnmatch import translate

from estimator.formats import GROUP, MLX_GROUP
from estimator.hub_config import Fields
from estimator.hub_names import hub_module
from records.record import record

MAX_IGNORED = 1 << 14
MAX_STARS = 6
"""Wild cards in one pattern of a stranger's; more could be made to take for ever."""


MAX_PATTERNS = 1 << 10
"""With a wild card. DeepSeek's files name some for each of 61 layers."""


@record(frozen=True, slots=True, kw_only=True)
class Packing:
    """What the file says of it."""

    label: str
    """The format's name as ``estimator.formats`` has it, or the packer's own where it is none of those."""
    method: str = ""
    bits: int = 0
    """Of a packed weight; 0 where the method does not say or needs not to."""
    group: int = 0
    """Weights that share a scale, where MLX says it."""
    ignored: tuple[str, ...] = ()
    """Modules that stay as they were: names, beginnings of names, or patterns with stars."""

    def keeps(self) -> Callable[[str], bool]:
        """Whether a module, by its GGUF name, is among the ignored."""
        literal = frozenset(_bare(name) for name in self.ignored if "*" not in name)
        starred = [_bare(name) for name in self.ignored if "*" in name and name.count("*") <= MAX_STARS]
        # Compiled here, for fnmatch remembers 256 patterns and would compile more of them anew for every module.
        patterns = [re.compile(translate(pattern)) for pattern in starred[:MAX_PATTERNS]]

        def keeps(gguf_module: str) -> bool:
            module = _bare(hub_module(gguf_module))
            words = module.split(".")
            # compressed-tensors means just the module, the others all that is in it.
            least = len(words) if self.method == "compressed-tensors" else 1
            if any(".".join(words[:n]) in literal for n in range(least, len(words) + 1)):
                return True
            return any(pattern.match(module) for pattern in patterns)

        return keeps


def _bare(name: str) -> str:
    """Without what only says that it is a model, and where in one of several parts."""
    for prefix in ("model.language_model.", "language_model.model.", "language_model.", "model."):
        name = name.removeprefix(prefix)
    return name


def packing_of(fields: Fields | None) -> Packing | None:
    """The packing that a configuration tells of; None where weights are not packed."""
    if fields is None:
        return None
    inner = fields.part(("quantization",))  # hf_quant_config.json
    if inner is not None:
        fields = inner
    method = (fields.word("quant_method") or fields.word("quant_algo")).casefold().replace("_", "-")
    if not method:
        is_mlx = "bits" in fields.values and "group_size" in fields.values
        return _mlx(fields) if is_mlx else None
    known = _METHODS.get(method)
    label, bits = known(fields) if known is not None else (_printable(method).upper(), 0)
    return Packing(label=label, method=method, bits=bits, ignored=_ignored(fields))


def _printable(text: str) -> str:
    return "".join(c for c in text if c.isprintable())[:32]


def _ignored(fields: Fields) -> tuple[str, ...]:
    for name in ("modules_to_not_convert", "ignore", "ignored_layers", "exclude_modules", "llm_int8_skip_modules"):
        found = fields.words(name)
        if found:
            return tuple(plain for word in found[:MAX_IGNORED] if (plain := _as_pattern(word)))
    return ()


def _as_pattern(word: str) -> str:
    """compressed-tensors writes regular expressions behind ``re:``; those of plain words and ``.*`` are understood."""
    if not word.startswith("re:"):
        return word
    plain = word[3:].removeprefix("^").removesuffix("$").replace(".*", "*").replace("\\.", ".")
    plain = re.sub(r"\[0-9\][+*]?|\\d[+*]?", "*", plain)
    return "" if re.search(r"[\\\[\](){}|+?^$]", plain) else plain


def _grouped_suffix(fields: Fields, *names: str) -> str:
    group = fields.values.get(names[0]) or fields.values.get(names[-1])
    return f"-g{group}" if isinstance(group, int) and group in (32, 64) else ""


def _awq(fields: Fields) -> tuple[str, int]:
    bits = fields.number("bits", "w_bit", default=4)
    return "AWQ" + _grouped_suffix(fields, "group_size", "q_group_size"), bits


def _gptq(fields: Fields) -> tuple[str, int]:
    bits = fields.number("bits", "wbits", default=4)
    order = "-actorder" if fields.is_set("desc_act") else ""
    return f"GPTQ-Int{bits}" + _grouped_suffix(fields, "group_size") + order, bits


def _fp8(fields: Fields) -> tuple[str, int]:
    if fields.numbers("weight_block_size"):
        return "FP8", 8
    return ("FP8-tensor" if fields.word("activation_scheme") == "static" else "FP8-dynamic"), 8


def _compressed_tensors(fields: Fields) -> tuple[str, int]:
    groups = fields.part(("config_groups",))
    first = groups.part(sorted(groups.values)) if groups is not None else None
    weights = first.part(("weights",)) if first is not None else None
    if first is None or weights is None:
        return "COMPRESSED-TENSORS", 0
    bits = weights.number("num_bits", default=0)
    is_float = weights.word("type") == "float"
    has_activations = first.part(("input_activations",)) is not None
    if is_float and bits == 4:
        return ("NVFP4" if weights.number("group_size", default=16) == 16 else "MXFP4"), 4
    if is_float and bits == 8:
        return {"block": "FP8", "tensor": "FP8-tensor"}.get(weights.word("strategy"), "FP8-dynamic"), 8
    if bits == 8 and has_activations:
        return "W8A8", 8
    group = weights.values.get("group_size")
    suffix = f"-g{group}" if isinstance(group, int) and group in (32, 64) and group != GROUP else ""
    if weights.values.get("symmetric") is False:
        suffix += "-asym"
    return f"W{bits}A16{suffix}", bits


def _modelopt(fields: Fields) -> tuple[str, int]:
    algorithm = fields.word("quant_algo", "quant_method").upper()
    if "NVFP4" in algorithm or "FP4" in algorithm:
        return "NVFP4", 4
    if "FP8" in algorithm:
        return "FP8-tensor", 8
    return {"W4A16_AWQ": "AWQ", "INT4_AWQ": "AWQ", "W8A8_SQ_PER_CHANNEL": "W8A8"}.get(algorithm, algorithm), 0


def _bitsandbytes(fields: Fields) -> tuple[str, int]:
    if fields.is_set("load_in_8bit") or fields.is_set("_load_in_8bit"):
        return "bnb-8bit", 8
    return ("bnb-4bit" if fields.is_set("bnb_4bit_use_double_quant") else "bnb-nf4"), 4


def _mlx(fields: Fields) -> Packing:
    bits, group = fields.number("bits", default=4), fields.number("group_size", default=MLX_GROUP)
    mode = fields.word("mode")
    label = f"MLX-{mode}" if mode in ("mxfp4", "nvfp4", "mxfp8") else f"MLX-{bits}bit"
    if label.endswith("bit") and group != MLX_GROUP:
        label += f"-g{group}"
    return Packing(label=label, method="mlx", bits=bits, group=group)


def _exl(version: str) -> Callable[[Fields], tuple[str, int]]:
    def label(fields: Fields) -> tuple[str, int]:
        head = fields.number("head_bits", "lm_head_bits", default=6)
        return f"EXL{version}-{fields.ratio('bits', 4.0):g}bpw" + (f"-h{head}" if head != 6 else ""), 0

    return label


def _mxfp4(_: Fields) -> tuple[str, int]:
    return "MXFP4", 4


_METHODS: dict[str, Callable[[Fields], tuple[str, int]]] = {
    "awq": _awq,
    "gptq": _gptq,
    "gptqmodel": _gptq,
    "auto-round": _gptq,
    "intel/auto-round": _gptq,
    "fp8": _fp8,
    "fbgemm-fp8": _fp8,
    "compressed-tensors": _compressed_tensors,
    "modelopt": _modelopt,
    "modelopt-fp4": _modelopt,
    "nvfp4": _modelopt,
    "bitsandbytes": _bitsandbytes,
    "mxfp4": _mxfp4,
    "exl2": _exl("2"),
    "exl3": _exl("3"),
}
