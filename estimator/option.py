"""How an engine's options are declared: once, for the command line, the options screen and the JSON."""

from collections.abc import Sequence
from dataclasses import fields, replace
from typing import Any


def option(
    flag: str,
    text: str,
    choices: Sequence[str] = (),
    *,
    minimum: float = 0,
    maximum: float | None = None,
    is_of_model: bool = False,
) -> dict[str, object]:
    """The metadata of one field of an engine's ``Options``.

    Args:
        flag: the engine's own, with its dashes; empty where it has none.
        text: what it does to memory, for people.
        choices: all that it takes, where that is a closed list.
        minimum: of a number.
        maximum: of a number; None leaves it open.
        is_of_model: it counts layers of one model, or names its files: said of another one it means something else.
    """
    found: dict[str, object] = {"flag": flag, "help": text, "choices": tuple(choices), "minimum": minimum}
    if is_of_model:
        found["is_of_model"] = True
    return found if maximum is None else {**found, "maximum": maximum}


def for_another_model(options: Any) -> Any:
    """The same without what was said of one model alone: 36 of its layers, its image part."""
    return replace(options, **{one.name: one.default for one in fields(options) if one.metadata.get("is_of_model")})
