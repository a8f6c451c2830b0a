"""Words into flags, by a table of what a program takes, and in its manner of reading them."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import field
from enum import Enum
from functools import lru_cache

from launches.launch import Span
from records.record import record


class Takes(Enum):
    """What follows a flag."""

    NOTHING = ""
    ONE = "N"
    TWO = "N N"
    OPTIONAL = "[N]"
    MANY = "N..."
    """At least one, to the next flag."""
    ANY = "[N...]"
    """As ``MANY``, or none."""


@record(frozen=True, slots=True, kw_only=True)
class Flag:
    """One line of a table."""

    names: tuple[str, ...]
    """The first stands for all."""
    takes: Takes
    variable: str = ""
    """The environment's name for it; empty where there is none."""
    negatives: tuple[str, ...] = ()
    """Names that say the contrary: ``--no-enforce-eager``."""


@record(frozen=True, slots=True, kw_only=True)
class Manner:
    """How a program's parser reads a word."""

    has_equals: bool = True
    """``--flag=value``."""
    has_abbreviations: bool = False
    """``--max-model`` for ``--max-model-len``, where only one flag begins so (argparse)."""
    folds_underscores: bool = False
    """``--max_model_len`` for ``--max-model-len``."""
    has_attached_values: bool = False
    """``-c4096`` for ``-c 4096``."""
    has_guarded_values: bool = False
    """What begins like a flag is never a value, unless a blank is in it or it is a number."""


LLAMA_CPP = Manner(has_equals=False, folds_underscores=True)
"""common/arg.cpp, `common_params_parse_ex`: names as they are, underscores of a long one as dashes; no ``=``."""
ARGPARSE = Manner(has_abbreviations=True, has_attached_values=True, has_guarded_values=True)
"""docs.python.org, argparse: "Option value syntax", "Arguments containing -", "allow_abbrev"."""
NEGATED = ("no",)
"""The words of a time when a flag was given by one of its contrary names."""
_OFF = frozenset({"no", "false", "0", "off", "n", "f", "disabled"})
"""What programs take for the contrary where a switch, or a variable for one, has a value."""


@record(frozen=True, slots=True, kw_only=True)
class Given:
    """A command line taken apart."""

    values: Mapping[str, tuple[tuple[str, ...], ...]]
    """First name of a flag -> the words of each time it was given; ``()`` for one without any."""
    positionals: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    """What begins like a flag and is in no table, with the word behind it where that may be its value."""
    spans: tuple[Span, ...] = ()
    refusals: tuple[str, ...] = ()
    """A flag without its value."""
    from_environment: frozenset[str] = field(default_factory=frozenset)
    """Of ``values``, what a variable says and no word does."""

    def has(self, flag: str) -> bool:
        return flag in self.values

    def last(self, flag: str) -> str | None:
        """The value given last, which counts; None where it was not given, or takes none."""
        times = self.values.get(flag)
        return times[-1][0] if times and times[-1] else None

    def is_on(self, flag: str) -> bool | None:
        """Whether a switch was left on; None where it was not given at all."""
        times = self.values.get(flag)
        if not times:
            return None
        return not times[-1] or times[-1][0].casefold() not in _OFF

    def every(self, flag: str) -> tuple[str, ...]:
        """All words of all times."""
        return tuple(word for time in self.values.get(flag, ()) for word in time)

    def over(self, below: "Given") -> "Given":
        """Both, where what stands here counts before what stands there: a command line over a file of settings."""
        names = dict.fromkeys((*below.values, *self.values))
        told = self.from_environment
        return Given(
            values={
                name: self.values[name]
                if name in self.values and name in told and name not in below.values
                else (*below.values.get(name, ()), *(() if name in told else self.values.get(name, ())))
                for name in names
            },
            positionals=self.positionals or below.positionals,
            unknown=(*self.unknown, *below.unknown),
            spans=self.spans,
            refusals=(*self.refusals, *below.refusals),
            from_environment=told - frozenset(below.values) | below.from_environment - frozenset(self.values),
        )


def table(text: str) -> tuple[Flag, ...]:
    """A flag a line: its names, what it takes as ``Takes`` writes it, contrary names behind ``!``, a ``$VARIABLE``.

    ``!`` alone stands for ``--no-`` and the name.
    """
    flags = []
    for line in text.splitlines():
        words = line.split()
        if not words:
            continue
        takes = Takes(" ".join(word for word in words if word in ("N", "[N]", "N...", "[N...]")))
        variable = next((word[1:] for word in words if word.startswith("$")), "")
        names = tuple(word for word in words if word[0] == "-")
        negatives = tuple(word[1:] for word in words if word[0] == "!" and len(word) > 1)
        if "!" in words:
            negatives += tuple(f"--no-{name[2:]}" for name in names if name.startswith("--"))
        flags.append(Flag(names=names, takes=takes, variable=variable, negatives=negatives))
    return tuple(flags)


def take_apart(
    arguments: Sequence[str],
    flags: Sequence[Flag],
    manner: Manner,
    *,
    offset: int = 0,
    environment: Mapping[str, str] | None = None,
) -> Given:
    """The words of a command line, by flag.

    Args:
        arguments: what follows the program's name.
        flags: all that it knows; of a name that stands twice, the first counts.
        manner: how it reads them.
        offset: index of the first argument in the whole command, for the spans.
        environment: where flags that are not given as words may be set; an empty variable counts as none.
    """
    known = _known(tuple(flags), manner)
    values: dict[str, list[tuple[str, ...]]] = {}
    positionals: list[str] = []
    unknown: list[str] = []
    spans: list[Span] = []
    refusals: list[str] = []
    position = 0
    while position < len(arguments):
        word, first = arguments[position], position
        position += 1
        if word == "--":
            positionals.extend(arguments[position:])
            break
        if not _is_flag(word):
            (unknown if _MAYBE.match(word) else positionals).append(word)
            continue
        flag, attached = _found(word, known, manner)
        if flag is None:
            follows = position < len(arguments) and not _is_flag(arguments[position]) and "=" not in word
            unknown.append(f"{word} {arguments[position]}" if follows else word)
            position += follows
            continue
        is_negated = _folded(word.partition("=")[0], manner) in {_folded(name, manner) for name in flag.negatives}
        n_values = 0 if is_negated or attached is not None else _n_values(flag, arguments[position:], manner)
        given = (attached,) if attached is not None else tuple(arguments[position : position + n_values])
        given = NEGATED if is_negated else given
        position += n_values
        if not is_negated and len(given) < _N_LEAST.get(flag.takes, 0):
            refusals.append(f"{word} needs a value")
            continue
        values.setdefault(flag.names[0], []).append(given)
        spans.append(Span(flag=flag.names[0], first=offset + first, n_words=position - first))
    told = _told(flags, environment or {}, values)
    return Given(
        values={name: tuple(times) for name, times in {**values, **told}.items()},
        positionals=tuple(positionals),
        unknown=tuple(unknown),
        spans=tuple(spans),
        refusals=tuple(refusals),
        from_environment=frozenset(told),
    )


@lru_cache(maxsize=32)  # 0.3 ms for llama.cpp's; the tables of flags are few, and live as long as the program
def _known(flags: tuple[Flag, ...], manner: Manner) -> Mapping[str, Flag]:
    """By every name; of one that stands twice the first."""
    return {_folded(name, manner): flag for flag in reversed(flags) for name in (*flag.negatives, *flag.names)}


def _is_flag(word: str) -> bool:
    """Whether it begins one: a dash with something behind it that is no number."""
    return len(word) > 1 and word[0] == "-" and not (word[1].isdigit() or word[1] == ".")


_MAYBE = re.compile(r"\$\{\w+:?\+")
"""``${DRAFT:+--model-draft "$DRAFT"}``, where nothing says whether it stands for anything."""
_N_LEAST = {Takes.ONE: 1, Takes.TWO: 2, Takes.MANY: 1}


def _n_values(flag: Flag, following: Sequence[str], manner: Manner) -> int:
    if flag.takes is Takes.NOTHING or not following:
        return 0
    if flag.takes is Takes.ONE:
        return int(not manner.has_guarded_values or not _is_flag(following[0]) or " " in following[0])
    if flag.takes is Takes.TWO:
        return min(2, len(following))
    if flag.takes is Takes.OPTIONAL:
        return int(not _is_flag(following[0]))
    return next((n for n, word in enumerate(following) if _is_flag(word)), len(following))


def _folded(name: str, manner: Manner) -> str:
    """A long flag's name as it is compared."""
    return "--" + name[2:].replace("_", "-") if manner.folds_underscores and name.startswith("--") else name


def _found(word: str, known: Mapping[str, Flag], manner: Manner) -> tuple[Flag | None, str | None]:
    """The flag meant, and the value that is part of the word."""
    name, equals, attached = word.partition("=") if manner.has_equals else (word, "", "")
    is_long = name.startswith("--")
    name = _folded(name, manner)
    if (flag := known.get(name)) is not None:
        return flag, attached if equals else None
    if manner.has_abbreviations and is_long:
        meant = {id(flag): flag for other, flag in known.items() if other.startswith(name)}
        if len(meant) == 1:
            return next(iter(meant.values())), attached if equals else None
    if manner.has_attached_values and not is_long:
        short = known.get(word[:2])
        if short is not None and short.takes is not Takes.NOTHING:
            return short, word[2:].removeprefix("=")
    return None, None


def _told(
    flags: Sequence[Flag], environment: Mapping[str, str], values: Mapping[str, object]
) -> dict[str, list[tuple[str, ...]]]:
    """What the environment says of flags that no word gives."""
    told: dict[str, list[tuple[str, ...]]] = {}
    for flag in flags if environment else ():
        value = _of_variable(flag, environment)
        if value and flag.names[0] not in values and flag.names[0] not in told:
            told[flag.names[0]] = [(value,)]
    return told


def _of_variable(flag: Flag, environment: Mapping[str, str]) -> str:
    """What a variable says; llama.cpp's that have ``NO_`` in their name say the contrary (common/arg.cpp)."""
    if not flag.variable:
        return ""
    is_switch = flag.negatives and flag.variable.startswith("LLAMA_ARG_")
    if is_switch and f"LLAMA_ARG_NO_{flag.variable.removeprefix('LLAMA_ARG_')}" in environment:
        return NEGATED[0]
    return environment.get(flag.variable, "")
