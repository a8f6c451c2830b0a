"""What stands for the model in a line that starts an engine which loads checkpoints."""

from estimator.model import Model
from estimator.shell import quoted

PLACEHOLDER = "MODEL"


def repository_of(model: Model) -> str:
    """Its files where they are here, else its own repository on Hugging Face; where neither is it, a placeholder.

    A quant that the checkpoint is not published in is some other repository's, whose name nobody knows.
    """
    if model.file_bytes is not None:
        return model.source
    if model.source != "catalogue":
        return PLACEHOLDER
    from estimator.readers import catalogue  # noqa: PLC0415  # where the model came from, so it is there

    found = catalogue.find(model.name)
    return found.checkpoint if model.quant == found.published_quant else PLACEHOLDER


def repository_word(model: Model) -> str:
    """The same as one word of the shell."""
    return quoted(repository_of(model))
