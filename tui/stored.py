"""What a model that is known by name would be stored as for an engine; what is in a file stays what it is."""

from estimator.engine import Engine
from estimator.mixture import DEFAULT_TYPES, UNQUANTISED
from estimator.model import Model
from tui.plan import model_bytes, with_quant

TRAINED_IN = frozenset({"MXFP4", "MXFP4_MOE"})
"""gpt-oss: files of it keep its experts so, and its attention at 8 bits (ggml-org/gpt-oss-20b-GGUF)."""
PUBLISHED = "BF16"
"""What checkpoints are published in; gpt-oss apart, which its own quant stands for."""
QUANTISED = "FP8"
"""Engines that are offered it load checkpoints as they were published, in whatever else they are quantised."""
ALIKE_RATIO = 0.1
"""Sizes that differ by less are alike: then the quant that is named first is taken, as the one most people use."""


def has_usual_quant(engine: Engine, model: Model) -> bool:
    """Whether the engine is usually given it as it is."""
    takes_any_mixture = any(quant in DEFAULT_TYPES and quant not in UNQUANTISED for quant in engine.QUANTS)
    if model.quant in TRAINED_IN and takes_any_mixture:  # not among those that are offered for other models
        return True
    return model.file_bytes is not None or model.quant in engine.QUANTS or not engine.QUANTS


def as_published_for(engine: Engine, model: Model) -> Model:
    """As the engine would load it by its name alone: the checkpoint, or the nearest in size to it that it takes."""
    if has_usual_quant(engine, model):
        return model
    if engine.CONVERTED_QUANT:
        return with_quant(model, engine.CONVERTED_QUANT)
    published = _published_quant(model)
    if published in engine.QUANTS or (published != PUBLISHED and QUANTISED in engine.QUANTS):
        return with_quant(model, published)
    return with_quant(model, PUBLISHED) if PUBLISHED in engine.QUANTS else near_size_for(engine, model)


def _published_quant(model: Model) -> str:
    if model.source != "catalogue":
        return PUBLISHED
    from estimator.readers import catalogue  # noqa: PLC0415  # where the model came from, so it is there

    return catalogue.find(model.name).published_quant


def near_size_for(engine: Engine, model: Model) -> Model:
    """The quant of about the same size that this engine is given, for who compares engines."""
    if has_usual_quant(engine, model):
        return model
    others = [with_quant(model, quant) for quant in engine.QUANTS]
    differences = [abs(model_bytes(other) / max(1, model_bytes(model)) - 1) for other in others]
    alike = min(differences) + ALIKE_RATIO
    usual = engine.CONVERTED_QUANT
    if usual and differences[engine.QUANTS.index(usual)] <= alike:
        return with_quant(model, usual)
    return next(other for other, difference in zip(others, differences, strict=True) if difference <= alike)
