"""Mixtures that uploaders make by hand under names of their own: the quantizer's rules don't say what is in them.

What is known of each is a mixture to begin with, which tensors its maker keeps better, and how far published files
lie from what that gives. The band says so; a file on disk says its own types.
"""

from collections.abc import Sequence
from types import MappingProxyType

from estimator.model import Tensor
from estimator.quant import BLOCKS
from records.record import record

HEADS = frozenset({"output.weight", "token_embd.weight", "per_layer_token_embd.weight"})


@record(frozen=True, slots=True, kw_only=True)
class Handmade:
    """One such mixture, as a change to one of the quantizer's."""

    name: str
    base: str
    """The quantizer's mixture that it begins with."""
    head_type: str | None = None
    """Of output and embedding; None: as in the base."""
    lifted_type: str | None = None
    """Of the matrices in some layers."""
    lifted_ratio: float = 0.0
    """How many of the layers."""
    low_ratio: float
    high_ratio: float
    """The band: bytes of a published file over bytes of this description."""

    def changed(self, tensors: Sequence[Tensor], n_layers: int) -> tuple[Tensor, ...]:
        """The tensors of the base with what is kept better."""
        lifted = {i for i in range(n_layers) if int((i + 1) * self.lifted_ratio) > int(i * self.lifted_ratio)}
        return tuple(self._changed(tensor, lifted) for tensor in tensors)

    def _changed(self, tensor: Tensor, lifted: set[int]) -> Tensor:
        wanted = self.head_type if tensor.name in HEADS else self.lifted_type if _layer(tensor) in lifted else None
        is_packed = BLOCKS[tensor.type].n_weights > 1
        if wanted is None or not is_packed or tensor.shape[0] % BLOCKS[wanted].n_weights:
            return tensor
        return Tensor(tensor.name, tensor.shape, wanted)


def _layer(tensor: Tensor) -> int:
    number = tensor.name.split(".", 2)[1] if tensor.name.startswith("blk.") else ""
    return int(number) if number.isdecimal() and len(number) < 8 else -1


def _larger_heads(name: str, base: str, low_ratio: float = 0.99) -> Handmade:
    """bartowski's: embedding and output in Q8_0, as the cards of the repositories say.

    15 files of Mistral Small 24B, Qwen2.5 14B and Nemotron Nano 12B lie within 0.5 per cent of it
    (menloresearch/model-catalog, model_catalog.json, 5126f73); others use the name Q2_K_L for less.
    """
    return Handmade(name=name, base=base, head_type="Q8_0", low_ratio=low_ratio, high_ratio=1.01)


def _dynamic(
    name: str,
    base: str,
    low_ratio: float,
    high_ratio: float,
    *,
    head: str | None = None,
    lift: tuple[str, float] = ("", 0),
) -> Handmade:
    """Unsloth's "dynamic" ones: 65 files of 12 models, ibid., and DeepSeek R1 671B at 211.03 GiB as UD-Q2_K_XL.

    Qwen3 30B-A3B and Qwen3.5 35B-A3B reach the ends of two bands: 0.95 and 1.06 of Q4_K_M, 1.08 of Q5_K_M
    (Nathanw1014/strix-halo-llamacpp, benchmarks/results, 6fd2b24).
    """
    return Handmade(
        name=f"UD-{name}",
        base=base,
        head_type=head,
        lifted_type=lift[0] or None,
        lifted_ratio=lift[1],
        low_ratio=low_ratio,
        high_ratio=high_ratio,
    )


def _ik(name: str, base: str) -> Handmade:
    """ik_llama.cpp's own types, by the mixture that files of that name come nearest to.

    15 files of 9 models, most of them mixed by hand, lie within 12 per cent of it (ikawrakow/ik_llama.cpp, logs in its
    issues and discussions); there is no file of IQ1_KT, IQ2_KT, IQ2_KS, IQ3_KS, IQ4_KT and IQ5_KS among them. A file
    of DeepSeek R1 called Q4_K_R4, llama.cpp's type in an order of its own, weighs 1.10 of Q4_K_M (discussion 258).
    """
    return Handmade(name=name, base=base, low_ratio=0.85, high_ratio=1.15)


_ALL = (
    _larger_heads("Q2_K_L", "Q2_K", low_ratio=0.93),
    _larger_heads("Q3_K_XL", "Q3_K_L"),
    _larger_heads("Q4_K_L", "Q4_K_M"),
    _larger_heads("Q5_K_L", "Q5_K_M"),
    _larger_heads("Q6_K_L", "Q6_K"),
    *(
        _dynamic(name, name, 0.85, 1.2)
        for name in ("IQ1_S", "IQ1_M", "IQ2_XXS", "IQ2_XS", "IQ2_M", "IQ3_S", "IQ3_XXS", "IQ4_XS", "IQ4_NL")
    ),
    _dynamic("Q2_K_XL", "Q2_K", 0.88, 1.07, lift=("Q4_K", 0.09)),
    _dynamic("Q3_K_XL", "Q3_K_M", 0.93, 1.05, lift=("Q5_K", 0.04)),
    _dynamic("Q4_K_XL", "Q4_K_M", 0.94, 1.07),
    _dynamic("Q5_K_XL", "Q5_K_M", 0.97, 1.09),
    _dynamic("Q6_K_XL", "Q6_K", 0.96, 1.03, head="Q8_0", lift=("Q8_0", 0.24)),
    _dynamic("Q8_K_XL", "Q8_0", 0.89, 1.06, head="BF16", lift=("BF16", 0.12)),
    _ik("IQ1_KT", "IQ1_M"),
    _ik("IQ2_KT", "IQ2_XXS"),
    _ik("IQ2_KS", "IQ2_XXS"),
    _ik("IQ2_K", "IQ2_M"),
    _ik("IQ2_KL", "Q2_K"),
    _ik("IQ3_KT", "IQ3_S"),
    _ik("IQ3_KS", "IQ3_XXS"),
    _ik("IQ3_K", "Q3_K_M"),
    _ik("IQ4_KSS", "IQ4_XS"),
    _ik("IQ4_KT", "IQ4_XS"),
    _ik("IQ4_KS", "Q4_K_S"),
    _ik("IQ4_K", "Q4_K_M"),
    _ik("IQ5_KS", "Q5_K_S"),
    _ik("IQ5_K", "Q5_K_M"),
    _ik("IQ6_K", "Q6_K"),
    *(_ik(f"{name}_R4", f"{name}_M") for name in ("Q3_K", "Q4_K", "Q5_K")),
)
HANDMADE = MappingProxyType({mixture.name: mixture for mixture in _ALL})

_SPELLINGS = MappingProxyType(
    {name.replace("_", "").replace("-", ""): name for name in HANDMADE}
    # Unsloth's stand without the prefix in most logs; Q3_K_XL is bartowski's there.
    | {name[3:].replace("_", ""): name for name in HANDMADE if name.endswith("_K_XL") and name != "UD-Q3_K_XL"}
)
_REPACKED = ("R4", "R8", "R16")
"""ik_llama.cpp's ends of names: the same bytes in another order."""


def parse_handmade(text: str) -> str | None:
    """The mixture meant, in any usual spelling: ``ud-q4_k_xl``, ``Q4_K_XL``, ``Q6_K_L``, ``IQ4_KS_R4``; None: none."""
    wanted = "".join(c for c in text.upper().partition(" - ")[0] if c.isalnum())
    for end in ("", *_REPACKED):
        found = _SPELLINGS.get(wanted.removesuffix(end)) if wanted.endswith(end) else None
        if found is not None:
            return found
    return None
