"""What PowerShell starts otherwise than by its name: ``Start-Process``, and arrays that hold a command's words.

learn.microsoft.com, "Start-Process" (7.5) and "about_Splatting", 2026-11.
"""

import re
from collections.abc import Iterator
from functools import partial

_ARRAY = re.compile(r"^[ \t]*\$(\w{1,64})[ \t]*(\+?)=[ \t]*(?=@\(|[\"'][^\"'\n]*[\"'][ \t]*,)", re.MULTILINE)
_STARTS = re.compile(
    r"^([ \t]*)(?:\$\w{1,64}[ \t]*=[ \t]*)?(?:Start-Process|saps)[ \t]+(.*)$", re.MULTILINE | re.IGNORECASE
)
_CONTINUED = re.compile(r"`[ \t]*\r?\n|,[ \t]*\r?\n")
_TOKEN = re.compile(r"\"((?:[^\"`]|`.)*)\"|'([^']*)'|(@\()|([(),])|#[^\n]*|([^\s,()\"']+)", re.DOTALL)
_SWITCHES = frozenset("-nonewwindow -passthru -wait -usenewenvironment -loaduserprofile -whatif -confirm".split())
_MOST_COPIES = 16
"""Of one array in a text (ASSUMED bound)."""


def plain_commands(text: str) -> str:
    """The text with each of these as the command that it stands for."""
    text = _spread(text)
    if _STARTS.search(text) is None:
        return text
    joined = _CONTINUED.sub(lambda found: ", " if found[0][0] == "," else " ", text)
    return _STARTS.sub(lambda found: found[1] + (_started(found[2]) or found[0].strip()), joined)


def _spread(text: str) -> str:
    """With the elements of arrays in place of ``@name`` and ``$name``."""
    held: dict[str, list[str]] = {}
    parts: list[str] = []
    position = 0
    for found in _ARRAY.finditer(text):
        if found.start() < position:
            continue
        elements, end = _elements(text, found.end())
        if not any(element.startswith("-") for element in elements):  # nothing that a program is told
            continue
        name = found[1].casefold()
        held[name] = [*(held.get(name, []) if found[2] else []), *elements]
        parts.append(text[position : found.start()])
        position = end
    text = "".join([*parts, text[position:]])
    for name, elements in held.items():
        pattern = rf"(-(?:ArgumentList|Args)[ \t]+)?(?<![\w$@:'\"])[@$]{re.escape(name)}(?![\w.:\[])(?![ \t]*\+?=)"
        text = re.sub(pattern, partial(_in_place, elements), text, count=_MOST_COPIES, flags=re.IGNORECASE)
    return text


def _elements(text: str, first: int) -> tuple[list[str], int]:
    """Those of an array that begins there, and where it ends."""
    has_bracket = text.startswith("@(", first)
    position = first + 2 if has_bracket else first
    found: list[str] = []
    is_expected = True
    while (token := _TOKEN.search(text, position)) is not None:
        between = text[position : token.start()]
        if not has_bracket and not is_expected and ("\n" in between or token[4] != ","):
            break
        position = token.end()
        if token[4] == ")":
            break
        is_expected = token[4] == ","
        value = next((each for each in token.group(1, 2, 5) if each is not None), None)
        if value is not None:
            found.append(value)
    return found, position


def _in_place(elements: list[str], found: re.Match[str]) -> str:
    """Of an array: what ``Start-Process`` takes as one value, or words."""
    if found[1]:
        return found[1] + ", ".join(f'"{element}"' for element in elements)
    return " ".join(map(_quoted, elements))


def _quoted(element: str) -> str:
    return f'"{element}"' if re.search(r"[\s;|&<>(),]", element) or not element else element


def _started(told: str) -> str:
    """Of the parameters of ``Start-Process``; empty where they name no program."""
    named: dict[str, str] = {}
    free: list[str] = []
    name = ""
    for value in _values(told):
        if isinstance(value, list):
            text = " ".join(value)
            if name:
                named[name] = text
                name = ""
            else:
                free.append(text)
        else:
            name = "" if value in _SWITCHES else value
    program = named.get("-filepath") or (free.pop(0) if free else "")
    words = named.get("-argumentlist") or named.get("-args") or (free.pop(0) if free else "")
    folder = named.get("-workingdirectory")
    line = f"& {_quoted(program)} {words}".rstrip() if program else ""
    return f"cd {_quoted(folder)}\n{line}" if folder and line else line


def _values(told: str) -> Iterator[str | list[str]]:
    """Names of parameters in lower case, and lists of what stands between commas."""
    held: list[str] = []
    is_joined = False
    for token in _TOKEN.finditer(told):
        text = next((each for each in token.group(1, 2) if each is not None), None)
        if token[4] == "," or token[3]:
            is_joined = True
        elif text is None and token[5] in ("|", ";", "&&"):
            break
        elif text is None and token[5] and token[5].startswith("-") and not is_joined:
            yield from ([held] if held else [])
            held = []
            yield token[5].casefold()
        elif text is not None or token[5]:
            value = (text if text is not None else token[5]).replace('`"', '"')
            if not is_joined:
                yield from ([held] if held else [])
                held = []
            held.append(value)
            is_joined = False
    yield from ([held] if held else [])
