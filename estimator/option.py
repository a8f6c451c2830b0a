"""How an engine's options are declared: once, for the command line, the options screen and the JSON."""

from collections.abc import Sequence


def option(
    flag: str, text: str, choices: Sequence[str] = (), *, minimum: float = 0, maximum: float | None = None
) -> dict[str, object]:
    """The metadata of one field of an engine's ``Options``.

    Args:
        flag: the engine's own, with its dashes; empty where it has none.
        text: what it does to memory, for people.
        choices: all that it takes, where that is a closed list.
        minimum: of a number.
        maximum: of a number; None leaves it open.
    """
    found: dict[str, object] = {"flag": flag, "help": text, "choices": tuple(choices), "minimum": minimum}
    return found if maximum is None else {**found, "maximum": maximum}
