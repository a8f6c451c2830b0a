"""A Model from a Hugging Face configuration, with the tensors of a checkpoint or, without one, those it would have."""

from collections.abc import Sequence
from dataclasses import replace
from math import prod

from estimator.errors import UnreadableModel
from estimator.formats import parse_format
from estimator.hub_config import HubConfig
from estimator.hub_metadata import HubMetadata, hub_metadata
from estimator.hub_quant import Packing, packing_of
from estimator.hub_tower import DOUBT, tower_tensors
from estimator.metadata import describe
from estimator.model import Layer, Model, Tensor
from estimator.packed_tensors import stored
from estimator.templates import RECIPES, tensors_of

MAX_WEIGHTS = 1 << 47
"""Elements of one tensor; a hundred times the largest model."""


def model_of_config(config: HubConfig, *, name: str, source: str) -> Model:
    """The model that a configuration alone tells of.

    Raises:
        UnreadableModel: a number that every model has is missing or absurd.
    """
    told = hub_metadata(config)
    plain, doubts = plain_tensors(config, told)
    packing = packing_of(config.quantization)
    tensors, quant, packing_doubts = _packed(plain, packing, config)
    return build(config, told, tensors, name=name, source=source, quant=quant, doubts=(*doubts, *packing_doubts))


def build(
    config: HubConfig,
    told: HubMetadata,
    tensors: Sequence[Tensor],
    *,
    name: str,
    source: str,
    quant: str,
    file_bytes: int | None = None,
    doubts: Sequence[str] = (),
    metadata: dict[str, object] | None = None,
) -> Model:
    """The model with these tensors."""
    model = describe(
        told.metadata if metadata is None else metadata,
        tensors,
        name=name,
        source=source,
        quant=quant,
        file_bytes=file_bytes,
        doubts=(*told.doubts, *doubts),
        is_known=told.is_known,
    )
    return replace(
        model,
        layers=_windowed(model.layers, told.windows),
        kind=kind_of(config),
        format=files_of(quant),
        is_tied=config.is_tied,
    )


def files_of(quant: str) -> str:
    """As ``Model.format``: whose files a checkpoint's are."""
    stored_as = parse_format(quant)
    return stored_as.files if stored_as is not None else "safetensors"


def kind_of(config: HubConfig) -> str:
    """``vision``, ``audio``, ``embedding`` or ``text``."""
    if config.vision is not None:
        return "vision"
    if config.audio is not None or config.model_type == "whisper":
        return "audio"
    classes = config.whole.words("architectures") or ()
    makes_text = any("For" in name or "LMHead" in name for name in classes)
    return "embedding" if classes and not makes_text and classes[0].endswith("Model") else "text"


def _windowed(layers: Sequence[Layer], windows: Sequence[int | None]) -> tuple[Layer, ...]:
    """With the windows of the file, which servers heed in every architecture."""
    return tuple(
        replace(layer, window_tokens=windows[i]) if layer.key_width and i < len(windows) else layer
        for i, layer in enumerate(layers)
    )


def plain_tensors(config: HubConfig, told: HubMetadata) -> tuple[tuple[Tensor, ...], tuple[str, ...]]:
    """(tensors before any packing, what had to be assumed for them)."""
    own = told.architecture
    built_as = own if own in RECIPES else "llama"
    metadata = {key.replace(f"{own}.", f"{built_as}.", 1): value for key, value in told.metadata.items()}
    metadata["general.architecture"] = built_as
    doubts = []
    if own not in RECIPES:
        doubts.append(f"the tensors of the architecture {own!r} are not known here: they are taken as a Llama's")
    try:
        tensors = tensors_of(metadata, told.flags)
    except (ArithmeticError, LookupError, StopIteration) as error:  # a divisor that is 0, a list that is too short
        raise UnreadableModel("config.json's numbers contradict each other; it is damaged or incomplete") from error
    if any(not 0 < prod(tensor.shape) < MAX_WEIGHTS for tensor in tensors):
        raise UnreadableModel("config.json's numbers make a tensor that no model has; it is damaged or incomplete")
    width = told.metadata[f"{own}.embedding_length"]
    assert isinstance(width, int)
    tower = tower_tensors(config, width)
    if tower:
        doubts.append(DOUBT)
    if config.audio is not None or config.whole.is_set("is_encoder_decoder"):
        doubts.append("its audio encoder, or what else it reads with, is not counted")
    return (*tensors, *tower), tuple(doubts)


def _packed(
    plain: Sequence[Tensor], packing: Packing | None, config: HubConfig
) -> tuple[tuple[Tensor, ...], str, tuple[str, ...]]:
    """(tensors as packed, the quant's name, doubts)."""
    float_type = config.float_type
    if packing is None:
        return tuple(plain_in(plain, float_type)), float_type, ()
    if packing.label == "MXFP4" and config.model_type == "gpt_oss":
        return tuple(plain), "MXFP4", ()
    stored_as = parse_format(packing.label)
    if stored_as is None:
        doubt = (
            f"packed by {packing.label}, whose size is not known here: its weights count 16 bits each, an upper bound"
        )
        return tuple(plain), packing.label, (doubt,)
    keeps = packing.keeps()
    kept = [keeps(tensor.name.removesuffix(".weight")) for tensor in plain]
    packed = {
        tensor.name: tensor
        for tensor in stored([t for t, is_kept in zip(plain, kept, strict=True) if not is_kept], stored_as)
    }
    others = plain_in([t for t, is_kept in zip(plain, kept, strict=True) if is_kept], stored_as.plain_type)
    return (*packed.values(), *others), stored_as.name, ()


def plain_in(tensors: Sequence[Tensor], type_name: str) -> list[Tensor]:
    """Unpacked tensors in the model's own type; float32 states and router corrections stay."""
    return [
        Tensor(tensor.name, tensor.shape, type_name)
        if tensor.type in ("BF16", "F16") or (tensor.type == "F32" and "ssm_" not in tensor.name)
        else tensor
        for tensor in tensors
    ]
