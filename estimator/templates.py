"""The tensors that a GGUF conversion of a model has, by architecture, from GGUF-style metadata.

``estimator.recipes`` has one recipe per architecture. What metadata does not say, such as tied embeddings, comes as
flags.
"""

from collections.abc import Mapping

from estimator.blocks import Sheet, head_widths, predictor
from estimator.errors import UnreadableModel
from estimator.model import Tensor
from estimator.patience import rest
from estimator.recipes import RECIPES, Recipe

__all__ = ["RECIPES", "tensors_of"]


def tensors_of(metadata: Mapping[str, object], flags: frozenset[str] = frozenset()) -> tuple[Tensor, ...]:
    """The tensors before quantisation: BF16 and F32 (gpt-oss' experts: MXFP4).

    Args:
        metadata: GGUF's keys, ``vocab_size`` among them.
        flags: ``tied``, ``rope_freqs``, ``long_rope``, ``qkv_bias``, ``qk_norm``, ``per_head_qk_norm``,
            ``router_bias``, ``no_ssm_norm``, ``values_are_keys``, ``lean_predictor``, ``two_norms``.

    Raises:
        UnreadableModel: no recipe for this architecture, or a number that it needs is missing.
    """
    architecture = metadata.get("general.architecture")
    recipe = RECIPES.get(str(architecture))
    if recipe is None:
        raise UnreadableModel(
            f"the tensors of the architecture {architecture!r} are not known here; give a file instead"
        )
    sheet = Sheet(metadata, recipe.flags | flags)
    _embeddings(sheet, recipe)
    n_predictors = sheet.number("nextn_predict_layers", 0)
    for layer in range(sheet.n_layers):
        rest()
        for name in recipe.norms:
            sheet.norm(f"blk.{layer}.{name}", sheet.width)
        for part in recipe.parts:
            part(sheet, layer)
        if layer >= sheet.n_layers - n_predictors:
            predictor(sheet, layer)
    return tuple(sheet.tensors)


def _embeddings(sheet: Sheet, recipe: Recipe) -> None:
    vocabulary_size = sheet.number("vocab_size")
    sheet.matrix("token_embd.weight", sheet.width, vocabulary_size + sheet.number("vocab_extra_rows", 0))
    if recipe.output_norm:
        sheet.norm(recipe.output_norm, sheet.width)
    if "tied" not in sheet.flags:
        sheet.matrix("output.weight", sheet.width, vocabulary_size)
        if "head_bias" in sheet.flags:
            sheet.exact("output.bias", vocabulary_size)
    if sheet.flags & {"rope_freqs", "long_rope"}:
        half = sheet.number("rope.dimension_count", head_widths(sheet, sheet.n_layers - 1)[0]) // 2
        for name in ("rope_freqs",) if "rope_freqs" in sheet.flags else ("rope_factors_long", "rope_factors_short"):
            sheet.exact(f"{name}.weight", half)
    if recipe.whole is not None:
        recipe.whole(sheet)
