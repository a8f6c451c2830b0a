"""A shell's variables while a posted text is read: what it sets itself, never what this machine has set.

What is not known stays as it is written, ``$MODEL``, so that it can be named. POSIX.1-2024, "Shell Command Language",
2.6; arrays as bash has them. Nothing is run: of ``$(...)`` only ``pwd``, ``echo``, ``basename`` and the like are told.
"""

import ast
import operator
import re
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType

from launches.printed import printed_by

MOST_CHARACTERS = 1 << 16
"""Of one value: variables that hold each other double with every line (ASSUMED bound)."""
MOST_TOLD = 1 << 20
"""Characters of all values that a text asks for, together (ASSUMED bound): beyond, they are not known."""
_WORD = 16
"""Characters that each word counts for besides its own: one of a letter takes as long as one of ten (ASSUMED)."""
MOST_WITHIN = 64
"""Commands within ``$(...)`` that are kept (ASSUMED bound)."""
_MOST_COUNTED = 64
"""Numbers of one ``seq`` (ASSUMED bound)."""
MOST_STEPS = 1 << 17
"""Characters looked through for ends of ``$(`` and ``${``, of which a hostile text closes none (ASSUMED bound)."""
STEPS_WITHIN = 64
"""That what stands within counts for besides (ASSUMED)."""
NAME = re.compile(r"[A-Za-z_]\w*")
_MOST_DIGITS = 12
_PARAMETER = re.compile(r"(\w+|[@*#?$!-])(\[[@*]\])?(?:(:?[-=+?]|##|#|%%|%|/|\^|,|:|@)(.*))?", re.DOTALL)
_PRINTED = re.compile(r"\A\$\((?!\()(.*)\)\Z", re.DOTALL)
_WITHIN = re.compile(r"\\([$`\\])|\$(?:\{([^{}]{1,200})\}|([A-Za-z_]\w*))")
_USUAL: Mapping[str, str] = MappingProxyType({"PWD": ".", "HOME": "~", "USERPROFILE": "~", "PSScriptRoot": "."})
"""What holds wherever the text is read: here, and the person's home."""
_GIVEN = re.compile(r"\$\{?(?:[1-9@*]|OPTARG\b)")
"""One of the words that a script is given."""
_ASKED = re.compile(r"\$\{?#?(\w{1,100})")
_SHELLS_OWN = frozenset(
    "BASH BASHPID BASH_SOURCE BASH_VERSION DIRSTACK EPOCHREALTIME EPOCHSECONDS EUID FUNCNAME GROUPS HOSTNAME HOSTTYPE "
    "IFS LINENO MACHTYPE OLDPWD OPTARG OPTERR OPTIND OSTYPE PATH PIPESTATUS PPID PS1 PS4 PWD RANDOM REPLY SECONDS "
    "SHELL SHELLOPTS SHLVL SRANDOM TERM UID ZSH_VERSION".split()
)
"""Set by the shell itself (bash(1), "Shell Variables")."""
_PRINTING = frozenset({"echo", "printf", "cat"})
_OPERATORS: Mapping[type[ast.operator], Callable[[int, int], int]] = MappingProxyType(
    {
        ast.Add: operator.add,
        ast.Sub: operator.sub,
        ast.Mult: operator.mul,
        ast.FloorDiv: operator.floordiv,
        ast.Mod: operator.mod,
    }
)


class Variables:
    """Names and what they stand for, in the order in which a text sets them."""

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        self._environment = environment or {}
        """What is found set; of a posted text nothing is known but where it is read."""
        self._words: dict[str, tuple[str, ...]] = {}
        self._n_held: dict[str, int] = {}
        """Characters of the arrays among them: a hostile text adds to one ten thousand times."""
        self._n_left = MOST_TOLD
        self.n_steps_left = MOST_STEPS
        """Of those, what is left."""
        self.whole: set[str] = set()
        """Names whose values hold their quotes (``set A="b c"`` of cmd.exe), and so are one word."""
        self.documents: list[str] = []
        """What stood below ``<<EOF``: a unit of systemd, another script."""
        self.fed: list[str] = []
        """Of those, what a shell reads as its script: ``bash <<EOF``, ``cat <<EOF | sh``."""
        self.files: dict[str, str] = {}
        """Of those, what is written into a file, by its path."""
        self.run_within: list[list[str]] = []
        """Commands whose output stands for something, ``A=$(llama-cli ...)``, as far as that is not told."""
        self.positionals: tuple[str, ...] | None = None
        """``$1``, ``$2`` and so on; None: those of the environment."""
        self.has_no_words = False
        """It is a script of its own, and is given none; which it may be meant to be, so that ``$1`` is not known."""
        self.last_job = ""
        """``$!``, of what was put in the background last; empty: of nothing."""
        self.unsure: set[str] = set()
        """Names that a condition, or what is typed, may have set to something else."""
        self.doubtful: set[str] = set()
        """Of those, which a condition may have set to something else than what is taken."""
        self.is_maybe = False
        """Nobody knows whether what is read now is reached."""
        self.is_open = False
        """Variables of any name may have been set by what is not read here."""
        self.is_passed = False
        """What is read now is surely not reached, and sets nothing."""
        self.is_followed = False
        """Arrays are set by who follows the way of the script, and knows whether what sets them is reached."""
        self.arrays: list[tuple[str, list[str], bool]] = []
        """(name, words, whether they are added to what it has) of those that are to be set so."""
        self.changed: Callable[[str], object] = lambda _: None
        """Is given the name of each that is set."""
        self.asked: set[str] = set()
        """Names that were asked for."""
        self.read: Callable[[str], str | None] = lambda _: None
        """The text of a file, where it lies here."""
        self.n_descriptors = 0
        """Of ``<(echo a)``, each a file of its own."""
        self.redirected = ""
        """The file that a command reads as its input."""

    def set(self, name: str, value: str, *, is_sure: bool = True) -> None:
        """Set it to one word.

        Args:
            name: of the variable.
            value: what it stands for.
            is_sure: it is set in any case, and not only under a condition.
        """
        if self.is_passed:
            return
        self.changed(name)
        is_known = is_sure and not is_unset(value)
        (self.unsure.discard if is_known else self.unsure.add)(name)
        is_given = self.has_no_words and _GIVEN.search(value) is not None  # and none is: nothing is set
        if (
            not is_sure
            and self._words.get(name) != (value,)
            and not is_given
            and (self.is_followed or not is_unset(value))
        ):
            self.doubtful.add(name)
        elif is_known:
            self.doubtful.discard(name)
        if name in self._words and (not is_sure or (is_unset(value) and not self.is_followed)):
            return  # what a loop over arguments, or a condition, would set: without them it is as before
        if not is_sure and is_unset(value):
            return
        self._words[name] = (value[:MOST_CHARACTERS],)
        self._n_held.pop(name, None)

    def add(self, name: str, words: Sequence[str], *, is_more: bool) -> None:
        """Set an array, or add to what it has (``NAME+=(...)``)."""
        self.changed(name)
        before = self._words.get(name, ()) if is_more else ()
        n_before = self._n_held.get(name) if before else 0
        n_held = sum(map(len, words)) + (sum(map(len, before)) if n_before is None else n_before)
        if n_held <= MOST_CHARACTERS:
            self._words[name], self._n_held[name] = (*before, *words), n_held
        if self.is_maybe:
            self.doubtful.add(name)
        elif not is_more:
            self.doubtful.discard(name)

    def words(self, name: str) -> tuple[str, ...] | None:
        """What it stands for; None where the text does not say."""
        if not name.isidentifier():
            return self._special(name)
        self.asked.add(name)
        if name in self._words:
            words = self._words[name]
            if self._n_left >= 0:  # beyond, to count them would take as long
                self._n_left -= sum(map(len, words)) + _WORD * len(words)
            return words if self._n_left >= 0 else None
        if name in _USUAL:
            return (_USUAL[name],)
        return (self._environment[name][:MOST_CHARACTERS],) if name in self._environment else None

    def _special(self, name: str) -> tuple[str, ...] | None:
        """``$1``, ``$@``, ``$#``, ``$!``."""
        if name == "!":
            return (self.last_job,) if self.last_job else None
        held = self.positionals
        if held is None and self.has_no_words and name in ("@", "*", "#"):
            held = ()
        if held is None:
            if "1" not in self._environment or name == "0":
                return (self._environment[name][:MOST_CHARACTERS],) if name in self._environment else None
            held = tuple(_positionals(self._environment))
        if name in ("@", "*"):
            self._n_left -= sum(map(len, held)) + _WORD * len(held)
            return held if self._n_left >= 0 else None
        if name == "#":
            return None if any(map(is_unset, held)) else (str(len(held)),)
        return held[int(name) - 1 : int(name)] if name.isdecimal() and name != "0" and len(name) < 4 else None

    def unset(self, name: str) -> None:
        """Nothing is known of it from here on."""
        if self.is_passed:
            return
        self.changed(name)
        self.unsure.add(name)
        self._words.pop(name, None)
        self._n_held.pop(name, None)

    def filled(self, text: str) -> str:
        """A document with its variables, as below ``<<EOF`` without quotes."""

        def told(found: re.Match[str]) -> str:
            if found[1]:  # a backslash takes its meaning
                return found[1]
            words = self.parameter(found[2] or found[3], str)
            return found[0] if words is None else " ".join(words)

        return _WITHIN.sub(told, text)

    def commands(self) -> list[str]:
        """Values that may be whole commands: ``CMD=(vllm serve a/b)``, ``CMD="vllm serve a/b"``; or what they print."""
        return [
            shlex.join(words) if len(words) > 1 else self.filled(_PRINTED.sub(r"\1", words[0]))
            for words in self._words.values()
            if len(words) > 1 or " " in words[0].strip()
        ]

    def has(self, name: str) -> bool:
        """Whether the text says what it stands for."""
        return self.words(name) is not None

    def doubted(self, written: str) -> str:
        """A variable in a text that may stand for something else than what is taken; empty where none does."""
        if not self.doubtful:
            return ""
        return next((name for name in _ASKED.findall(written) if name in self.doubtful), "")

    def is_empty(self, name: str) -> bool:
        """Whether it is surely not set: not by the text, nor in the whole environment that its shell finds."""
        is_shells = name in _SHELLS_OWN or not NAME.fullmatch(name)
        is_told = "PATH" in self._environment and not self.is_open and name not in self.unsure
        return is_told and not is_shells and self.words(name) is None

    def parameter(self, body: str, expanded: Callable[[str], str]) -> tuple[str, ...] | None:
        """Of ``${body}``; several words where it is an array; None where it is not known.

        Args:
            body: between the braces.
            expanded: a text with its variables replaced, for what stands behind ``:-``.
        """
        found = _PARAMETER.fullmatch(body)
        if found is None:
            return None
        name, sign, rest = found[1], found[3] or "", found[4] or ""
        words = self.words(name)
        value = None if words is None else " ".join(words)
        if sign in (":-", "-", ":=", "="):
            if value or (value is not None and ":" not in sign):
                return words
            chosen = expanded(rest)
            if sign.endswith("=") and NAME.fullmatch(name):
                self.set(name, chosen)
            return (chosen,)
        if sign in (":+", "+"):
            return None if value is None else (expanded(rest),) if value or sign == "+" else ()
        if value is None or not sign or sign in (":?", "?"):
            return words
        return _shortened(value, sign, expanded(rest))

    def substituted(self, commands: Sequence[Sequence[str]]) -> str | None:
        """What ``$(...)`` with these commands prints; None where that is not known."""
        folder = "."
        if commands and all(words[0] in _PRINTING for words in commands):
            printed = [printed_by(words, self.read) for words in commands]
            return None if None in printed else "\n".join(text or "" for text in printed)[:MOST_CHARACTERS]
        for words in commands:
            name, rest = words[0], list(words[1:])
            if name == "cd" and rest:
                folder = rest[-1]
            elif name == "pwd":
                return folder
            elif name == "dirname" and rest:
                return "." if is_unset(rest[-1]) else rest[-1].rstrip("/").rpartition("/")[0] or "."
            elif name == "basename" and rest and not is_unset(rest[0]):
                return rest[0].rstrip("/").rpartition("/")[2].removesuffix(rest[1] if len(rest) > 1 else "\0")
            elif name in ("realpath", "readlink", "cygpath", "wslpath") and rest:
                plain = [word for word in rest if not re.fullmatch(r"-\w{1,3}", word)]
                return " ".join(plain)[:MOST_CHARACTERS]
            elif name == "seq" and all(re.fullmatch(r"\d{1,6}", word) for word in rest) and 1 <= len(rest) <= 3:
                first, step, last = [1, 1, *map(int, rest)][-3:] if len(rest) != 2 else (int(rest[0]), 1, int(rest[1]))
                return " ".join(map(str, range(first, last + 1, step or 1)[:_MOST_COUNTED]))
            else:
                return None
        return None

    def reckoned(self, expression: str) -> str | None:
        """Of ``$((...))``: whole numbers with + - * / and %; None where it is something else."""
        if len(expression) > 200:
            return None
        try:
            tree = ast.parse(expression.strip().replace("/", "//").replace("$", ""), mode="eval")
            return str(self._number(tree.body))
        except (SyntaxError, ValueError, TypeError, ZeroDivisionError, RecursionError, MemoryError):
            return None

    def _number(self, node: ast.expr) -> int:
        """Raises: ValueError where it is no sum of whole numbers."""
        if isinstance(node, ast.Constant) and isinstance(node.value, int) and node.value < 10**_MOST_DIGITS:
            return node.value
        if isinstance(node, ast.Name):
            return int((self.words(node.id) or ("",))[0])
        if isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
            found = _OPERATORS[type(node.op)](self._number(node.left), self._number(node.right))
            if abs(found) < 10**_MOST_DIGITS:
                return found
        raise ValueError(ast.dump(node)[:80])


def is_unset(text: str) -> bool:
    """Whether a part of it is left open: ``$CTX``, ``${CTX}``, ``%CTX%``, ``!CTX!``, ``{{ c }}``, ``<n>``, ``..``."""
    return _UNSET.search(text) is not None


_UNSET = re.compile(
    r"\$(?:[A-Za-z_{(@*]|\d)|%[A-Za-z_]\w*%|![A-Za-z_]\w*!|\{\{[^{}]{1,80}\}\}|^<[\w .|/-]{1,60}>$|^\{[\w.]{1,40}\}$|^`"
    r"|^(?:\.\.\.|…|\[\.\.\.\])$"
)


def _positionals(environment: Mapping[str, str]) -> Iterator[str]:
    """``$1``, ``$2`` and so on, as long as they are set."""
    number = 1
    while (word := environment.get(str(number))) is not None:
        yield word[:MOST_CHARACTERS]
        number += 1


def _shortened(value: str, sign: str, pattern: str) -> tuple[str, ...] | None:
    """A folder or an ending taken off; None where it is another change."""
    if sign == "##" and pattern == "*/":
        return (value.rpartition("/")[2],)
    if sign == "%" and pattern == "/*":
        return (value.rpartition("/")[0] or value,)
    if sign in ("%", "%%") and "*" not in pattern and "?" not in pattern:
        return (value.removesuffix(pattern),)
    return None
