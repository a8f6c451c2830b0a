"""Commands within another text: lists of words in Python and JavaScript, lines given to a shell, spans in prose."""

import ast
import re
import shlex
from collections.abc import Iterator, Sequence

_MOST_LISTS, _MOST_CHARACTERS = 32, 8000
"""That are looked at, and of each (ASSUMED bounds)."""
_BEGINS = re.compile(
    r"(?:^([ \t]*)(\w{1,64})[ \t]*(?::[^=\n]{1,40})?(\+?)=[ \t]*|(\w{1,64})\.extend\()?\[", re.MULTILINE
)
_PROGRAM_BEFORE = re.compile(r"\(\s*[\"']([\w./\\ -]{1,200})[\"']\s*,\s*$")
"""``spawn("llama-server", [...])``"""
_SHELL = re.compile(
    r"(?:system|run|Popen|call|check_call|check_output|getoutput|spawn|exec|execSync)\(\s*[fr]?(\"{3}|'{3}|[\"'`])(.{8,4000}?)\1(\.split\()?",
    re.DOTALL,
)
_SPAN = re.compile(r"(`{1,3})(?![`\s])((?:[^`\n]|\n(?![ \t]*\n)){8,4000})\1(?!`)")
"""Of Markdown."""
_SET = (
    r"^[ \t]*(?:const |let |var )?{name}[ \t]*(?::[^=\n]{{1,40}})?=[ \t]*"
    r"(?:[\"']([^\"'\n]{{0,400}})[\"']|(\d{{1,12}}))[ \t]*[;,]?[ \t]*(?:#.*)?$"
)
"""A variable of a text or a number."""


def started_in(text: str) -> str | None:
    """Its commands, a line each; None where there is none."""
    lines = [shlex.join(words) for words in _lists(text)]
    shells = list(_SHELL.finditer(text))[:_MOST_LISTS]
    lines += [" ".join(found[2].split()) if found[3] else found[2] for found in shells]
    return "\n".join(lines) or None


def spans_of(text: str) -> tuple[str, str]:
    """(what stands between the marks that Markdown has for code, a line each; the text without it)."""
    return "\n".join(found[2].strip() for found in list(_SPAN.finditer(text))[:_MOST_LISTS]), _SPAN.sub(" ", text)


def _lists(text: str) -> Iterator[Sequence[str]]:
    """Those of more than one word; one that is added to another stands behind it."""
    held: dict[str, tuple[str, list[str]]] = {}
    found: list[list[str]] = []
    for begun in list(_BEGINS.finditer(text))[:_MOST_LISTS]:
        words = _words(text, begun.end() - 1)
        if words is None:
            continue
        added_to = held.get(begun[2] if begun[3] else begun[4] or "")
        if added_to is not None:
            added_to[1].extend(words)
            continue
        program = _PROGRAM_BEFORE.search(text[max(0, begun.start() - 240) : begun.end() - 1])
        whole = [program[1], *words] if program else words
        if len(whole) > 1:
            found.append(whole)
            if begun[2]:
                held[begun[2]] = (begun[1], whole)
    yield from found


def _words(text: str, first: int) -> list[str] | None:
    """Of the list that begins there, what is no plain text in the form ``$name``."""
    end = _closed(text, first)
    if end < 0:
        return None
    try:
        node = ast.parse(re.sub(r"(?<![:\"'\w])//[^\n]*", "", text[first:end]), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    if not isinstance(node, ast.List) or not any(isinstance(each, ast.Constant) for each in node.elts):
        return None
    return [_word(each, text) for each in node.elts if not isinstance(each, ast.Starred)]


def _word(node: ast.expr, text: str) -> str:
    if isinstance(node, ast.Constant):
        return str(node.value)
    if (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in ("str", "String")
        and node.args
    ):
        return _word(node.args[0], text)
    if isinstance(node, ast.JoinedStr):
        return "".join(
            _word(part.value if isinstance(part, ast.FormattedValue) else part, text) for part in node.values
        )
    if isinstance(node, ast.Name):
        told = re.search(_SET.format(name=re.escape(node.id)), text, re.MULTILINE)
        if told is not None:
            return told[1] if told[1] is not None else told[2]
    return "$" + re.sub(r"\W+", "_", ast.unparse(node))[:60].strip("_")


def _closed(text: str, first: int) -> int:
    """Behind the bracket that closes it; -1 where none does."""
    depth, quote = 0, ""
    position = first
    end = min(len(text), first + _MOST_CHARACTERS)
    while position < end:
        character = text[position]
        if quote:
            if character == "\\":
                position += 1
            elif character in (quote, "\n"):
                quote = ""
        elif character in "\"'":
            quote = character
        elif character == "#":
            position = text.find("\n", position) if text.find("\n", position) > 0 else end
        else:
            depth += (character in "[({") - (character in "])}")
            if not depth:
                return position + 1
        position += 1
    return -1
