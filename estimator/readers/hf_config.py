"""A Hugging Face ``config.json`` alone, or a directory with one and no weights: the model that it would be."""

import os

from estimator.checkpoint_files import checkpoint_name
from estimator.errors import UnreadableModel
from estimator.file_cursor import shown
from estimator.hub_config import CONFIG_NAME, read_hub_config
from estimator.hub_model import model_of_config
from estimator.model import Model


def recognises(source: str) -> bool:
    """Whether it is a file of that name, or a directory with one."""
    try:
        if os.path.isdir(source):
            return os.path.isfile(os.path.join(source, CONFIG_NAME))
    except ValueError:  # a zero byte in it
        return False
    return source.lower().endswith(".json")


def read(source: str) -> Model:
    """The model that the configuration tells of, its weights reckoned.

    Raises:
        UnreadableModel: no such file, damaged, or some other file.
    """
    try:
        return model_of_config(read_hub_config(source), name=checkpoint_name(source), source=source)
    except UnreadableModel as error:
        message = str(error)
        raise UnreadableModel(message if shown(source) in message else f"{shown(source)}: {message}") from error
