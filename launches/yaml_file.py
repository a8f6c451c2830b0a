"""The part of YAML that people write settings in: maps, lists and plain words, nested by indentation or in brackets.

No library for it is among Plimsoll's own. Words are read as YAML 1.1 has them, as the engines' PyYAML does; what is
beyond this (anchors, tags, blocks of text, several documents) is named, never guessed.
"""

import re
from dataclasses import dataclass
from typing import Any

from launches.errors import LaunchError
from launches.named_file import UnreadableFile, read_named_file
from launches.withheld import key_of

MOST_BYTES = 1 << 20
MOST_LINES = 10_000
DEEPEST = 16

Value = bool | int | float | str | list[Any] | dict[str, Any] | None

_KEY = re.compile(
    r"""(?:"(?P<double>[^"]*)"|'(?P<single>[^']*)'|(?P<plain>[^\s"'#\[\]{},&*!|>%@`-][^#:]*?|-[^\s#:][^#:]*?))\s*:(?=\s|$)"""
)
_WORDS: dict[str, bool | None] = {
    **dict.fromkeys(("true", "yes", "on"), True),
    **dict.fromkeys(("false", "no", "off"), False),
    **dict.fromkeys(("null", "~", ""), None),
}
_WHOLE = re.compile(r"[-+]?[0-9][0-9_]*")
_FRACTION = re.compile(r"[-+]?(?:[0-9][0-9_]*)?\.[0-9_]+(?:[eE][-+][0-9]+)?|[-+]?[0-9][0-9_]*\.(?:[eE][-+][0-9]+)?")


class UnreadableSettings(LaunchError):
    """The file is not there, too long, or no map."""


@dataclass(frozen=True, slots=True)
class Settings:
    """A file of them."""

    values: dict[str, Value]
    unread: tuple[str, ...] = ()
    """Keys of lines that are beyond what is read here; never what stands behind them, which may be a secret."""


def read_settings(path: str) -> Settings:
    """The map in a file.

    Raises:
        UnreadableSettings: there is none.
    """
    try:
        content = read_named_file(path, MOST_BYTES, "file of settings")
    except UnreadableFile as error:
        raise UnreadableSettings(f"{path} {error}") from error
    return settings_of(content.decode("utf-8", "replace"))


def settings_of(text: str) -> Settings:
    """The map that is written so."""
    reader = _Reader(text)
    value = reader.block(0, 0)
    return Settings(value if isinstance(value, dict) else {}, tuple(map(key_of, reader.unread)))


@dataclass(frozen=True, slots=True)
class _Line:
    indent: int
    text: str


class _Reader:
    """Lines, and how far they are read."""

    def __init__(self, text: str) -> None:
        self.unread: list[str] = []
        self.lines: list[_Line] = []
        for line in text.splitlines()[:MOST_LINES]:
            bare = _without_comment(line).rstrip()
            if not bare.strip() or bare == "---":
                continue
            if "\t" in bare[: len(bare) - len(bare.lstrip())]:
                self.unread.append(bare.strip())
                continue
            self.lines.append(_Line(len(bare) - len(bare.lstrip()), bare.strip()))
        self.position = 0

    def block(self, indent: int, depth: int) -> Value:
        """What begins at this indentation: a map or a list."""
        if depth > DEEPEST:
            self._skip(indent)
            return None
        if self.position < len(self.lines) and _is_item(self.lines[self.position].text):
            return self._list(self.lines[self.position].indent, depth)
        return self._map(self.lines[self.position].indent if self.position < len(self.lines) else indent, depth)

    def _map(self, indent: int, depth: int) -> dict[str, Value]:
        found: dict[str, Value] = {}
        while self.position < len(self.lines) and self.lines[self.position].indent >= indent:
            line = self.lines[self.position]
            key = _KEY.match(line.text)
            if line.indent != indent or key is None or _is_item(line.text):
                self.unread.append(line.text)
                self.position += 1
                continue
            self.position += 1
            name = next(part for part in key.group("double", "single", "plain") if part is not None)
            found[name] = self._value(line.text[key.end() :].strip(), indent, depth, line.text)
        return found

    def _list(self, indent: int, depth: int) -> list[Value]:
        found: list[Value] = []
        while (
            self.position < len(self.lines)
            and self.lines[self.position].indent == indent
            and _is_item(self.lines[self.position].text)
        ):
            line = self.lines[self.position]
            rest = line.text[1:].lstrip()
            if _KEY.match(rest):  # a map whose first key stands behind the dash
                inner = indent + len(line.text) - len(rest)
                self.lines[self.position] = _Line(inner, rest)
                found.append(self.block(inner, depth + 1))
                continue
            self.position += 1
            found.append(self._value(rest, indent, depth, line.text))
        return found

    def _value(self, text: str, indent: int, depth: int, whole: str) -> Value:
        if not text:
            following = self.lines[self.position] if self.position < len(self.lines) else None
            if following is not None and (
                following.indent > indent or (following.indent == indent and _is_item(following.text))
            ):
                if following.indent == indent and _is_item(whole):
                    return None
                return self.block(following.indent, depth + 1)
            return None
        if text[0] in "|>&*!%@`":
            self.unread.append(whole)
            self._skip(indent + 1)
            return None
        if text[0] in "[{" and not _is_closed(text):
            text = self._joined(text)
        flow = _Flow(text)
        value = flow.value(depth + 1)
        if flow.is_wrong or flow.rest():
            self.unread.append(whole)
        return value

    def _joined(self, text: str) -> str:
        """A bracket that is closed on a later line."""
        while not _is_closed(text) and self.position < len(self.lines):
            text += " " + self.lines[self.position].text
            self.position += 1
        return text

    def _skip(self, indent: int) -> None:
        while self.position < len(self.lines) and self.lines[self.position].indent >= max(1, indent):
            self.position += 1


def _is_item(text: str) -> bool:
    return text == "-" or text.startswith("- ")


def _without_comment(line: str) -> str:
    quote = ""
    for position, character in enumerate(line):
        if quote:
            quote = "" if character == quote else quote
        elif character in "\"'" and (position == 0 or line[position - 1] in " [{,:"):
            quote = character
        elif character == "#" and (position == 0 or line[position - 1] in " \t"):
            return line[:position]
    return line


def _is_closed(text: str) -> bool:
    quote, open_brackets = "", 0
    for character in text:
        if quote:
            quote = "" if character == quote else quote
        elif character in "\"'":
            quote = character
        else:
            open_brackets += (character in "[{") - (character in "]}")
    return open_brackets <= 0


class _Flow:
    """A value on one line: a word, a quoted one, or brackets."""

    def __init__(self, text: str) -> None:
        self.text, self.position, self.is_wrong = text, 0, False

    def rest(self) -> str:
        return self.text[self.position :].strip()

    def value(self, depth: int, ends: str = "") -> Value:
        self._blanks()
        first = self._here()
        if depth > DEEPEST:
            self.is_wrong = True
            self.position = len(self.text)
            return None
        if first == "[":
            return self._list(depth)
        if first == "{":
            return self._map(depth)
        if first and first in "\"'":
            return self._quoted(first)
        begin = self.position
        while self.position < len(self.text) and self._here() not in ends:
            self.position += 1
        return plain_value(self.text[begin : self.position].strip())

    def _here(self) -> str:
        return self.text[self.position : self.position + 1]

    def _blanks(self) -> None:
        while self._here() == " ":
            self.position += 1

    def _quoted(self, quote: str) -> str:
        self.position += 1
        found = []
        while self.position < len(self.text):
            character = self._here()
            if character == "\\" and quote == '"':
                following = self.text[self.position + 1 : self.position + 2]
                found.append({"n": "\n", "t": "\t"}.get(following, following))
                self.position += 2
                continue
            self.position += 1
            if character == quote:
                if quote == "'" and self._here() == "'":
                    found.append("'")
                    self.position += 1
                    continue
                return "".join(found)
            found.append(character)
        self.is_wrong = True
        return "".join(found)

    def _list(self, depth: int) -> list[Value]:
        self.position += 1
        found: list[Value] = []
        while True:
            self._blanks()
            if self._closes("]"):
                return found
            found.append(self.value(depth + 1, ",]"))
            if not self._separates("]"):
                return found

    def _map(self, depth: int) -> dict[str, Value]:
        self.position += 1
        found: dict[str, Value] = {}
        while True:
            self._blanks()
            if self._closes("}"):
                return found
            key = self.value(depth + 1, ":,}")
            self._blanks()
            if self._here() != ":":
                self.is_wrong = True
                self.position = len(self.text)
                return found
            self.position += 1
            found[str(key)] = self.value(depth + 1, ",}")
            if not self._separates("}"):
                return found

    def _closes(self, end: str) -> bool:
        if self._here() == end:
            self.position += 1
            return True
        if not self._here():
            self.is_wrong = True
            return True
        return False

    def _separates(self, end: str) -> bool:
        """Whether another element may follow."""
        self._blanks()
        if self._here() == ",":
            self.position += 1
            return True
        self.is_wrong |= self._here() != end
        self.position += 1
        return False


def plain_value(text: str) -> Value:
    """A word without quotes, as YAML 1.1 has it."""
    lower = text.casefold()
    if lower in _WORDS and text in (lower, lower.upper(), lower.capitalize()):
        return _WORDS[lower]
    if len(text) < 64:
        if _WHOLE.fullmatch(text) and not (len(text.lstrip("+-")) > 1 and text.lstrip("+-")[0] == "0"):
            return int(text.replace("_", ""))
        if _FRACTION.fullmatch(text):
            return float(text.replace("_", ""))
    return text
