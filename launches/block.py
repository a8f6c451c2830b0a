"""A part of a script that begins and ends: a condition and its branches, a loop, a group, a function that is called."""

from dataclasses import dataclass, field

from launches.choices import Chosen
from launches.splitter import Piece


@dataclass(slots=True)
class Block:
    """Something that ends: ``if``, a loop, a group, a function that is called."""

    kind: str
    is_maybe: bool = False
    """Nobody knows whether what stands here is reached."""
    is_repeated: bool = False
    """It is done again, nobody knows how often or with what."""
    is_otherwise: bool = False
    """It stands behind ``||``."""
    is_passed: bool = False
    """What stands here is surely not reached."""
    is_within_passed: bool = False
    """The block itself is not, behind a test that does not hold."""
    is_around_maybe: bool = False
    """As the first one, of all that is around it."""
    is_around_passed: bool = False
    """What is around it is surely not reached."""
    is_around_repeated: bool = False
    """As the second one, of all that is around it."""
    is_in_loop: bool = False
    """It, or one around it, is ``while`` or ``until``."""
    is_asking: bool = False
    """Of ``if``: its condition is read."""
    n_asked: int = 0
    """Commands of that condition."""
    holds: bool | None = False
    """Whether one of its conditions did; None: it may have."""
    asked: bool | None = None
    """Whether the one that was read last does."""
    name: str = ""
    """Of a loop's variable; or the word that it begins with."""
    values: list[str] = field(default_factory=list)
    """That the variable has in the rounds that are left."""
    start: int = 0
    """Where what a loop does begins."""
    back: int = 0
    """Where it goes on behind a function."""
    positionals: tuple[str, ...] | None = None
    """Outside of a function."""
    closing: list[str] = field(default_factory=list)
    """What ends behind the call of a function."""
    settings: list[Piece] = field(default_factory=list)
    """What stood before that call, and is set in it alone."""
    begins: int = 0
    """Where the condition does that is read."""
    compared: slice = field(default_factory=lambda: slice(0))
    """Where the word of ``case`` stands; ``values`` has what it is, where that is known."""
    pattern_start: int = -1
    """Where the pattern begins that is read; negative: none is."""
    is_matched: bool = False
    """A pattern of ``case`` was read before."""
    is_counted: bool = False
    """All that a loop asks is known, so that its rounds are gone through."""
    n_rounds: int = 0
    """Of those."""
    is_entered: bool = False
    """What a loop does is read."""
    goes_on: bool = False
    """What stands behind the next pattern is done too."""
    chosen: list[Chosen] = field(default_factory=list)
    """Outcomes by which something is done to the end of the block."""
    has_other: bool = False
    """Something stands behind ``else``, or behind another pattern."""
    listed: list[Chosen] = field(default_factory=list)
    """As ``Flow`` has them, of the list around it."""
