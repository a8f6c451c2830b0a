"""A doubt that stands for memory: what fits without it is no sure fit."""


class Uncounted(str):
    """One sentence of ``Launch.doubts``: what else is taken, or may be, and is not reckoned with."""

    __slots__ = ()
