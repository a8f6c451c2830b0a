"""Where an engine that loads checkpoints finds what a word of its command line names."""

import os

from launches.command import Command


def checkpoint_source(command: Command, word: str) -> str:
    """What ``read_model`` takes: the path where there is one of that name, as engines look first, else the name."""
    word = word.strip().removeprefix("hf://").removeprefix("https://huggingface.co/").rstrip("/") or word
    if word.startswith(("/", "~", "./", "../")) or word in (".", ".."):
        return os.path.abspath(command.path(word))
    if "://" not in word and "\0" not in word and os.path.exists(command.path(word)):
        return os.path.abspath(command.path(word))
    return word
