"""A compose file's text in the part of YAML that is read: blocks of text as words, anchors in full, one line a value.

yaml.org/spec/1.2.2: block scalars (8.1), plain and quoted scalars on several lines (7.3), aliases (7.1); the merge key
``<<`` of YAML 1.1, which Compose takes.
"""

import json
import re
from collections.abc import Iterator, Sequence

MOST_LINES = 20_000
MOST_COPIED = 5_000
"""Lines that aliases bring in (ASSUMED bound): aliases of aliases double with every one."""
_BLOCK = re.compile(r"^(\s*(?:- +)?(?:[\w.-]+:[ \t]+)?)([|>])[-+]?[ \t]*(?:#.*)?$")
_ANCHOR = re.compile(r"^(\s*)((?:- +)?(?:[\w.-]+:)?)[ \t]*&([\w-]+)[ \t]*(.*)$")
_MERGE = re.compile(r"^(\s*)<<:[ \t]*\[?[ \t]*(\*[\w-]+(?:[ \t]*,[ \t]*\*[\w-]+)*)[ \t]*\]?[ \t]*$")
_ALIAS = re.compile(r"^(\s*)((?:- +)?[\w.-]+:)[ \t]*\*([\w-]+)[ \t]*$")
_VALUED = re.compile(r"^\s*(?:- +(?:[\w.-]+:[ \t]+)?|[\w.-]+:[ \t]+)(\S.*)$")
_UNVALUED = re.compile(r"^\s*(?:- +)?[\w.-]+:\s*$")
_STARTED = re.compile(r"^\s*(?:-(?:\s|$)|[\w.\"'-]+:(?:\s|$)|<<:|#)")


def plain_text(text: str) -> str:
    """The same, for ``yaml_file``."""
    lines = [line.rstrip() for line in text.expandtabs(2).splitlines()[:MOST_LINES]]
    return "\n".join(_whole(_unfolded(_in_full(lines)))) + "\n"


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def _below(lines: Sequence[str], first: int, indent: int) -> int:
    """Where what stands deeper than ``indent`` ends."""
    end = first
    while end < len(lines) and (not lines[end].strip() or _indent(lines[end]) > indent):
        end += 1
    return end


def _in_full(lines: Sequence[str]) -> list[str]:
    """With what anchors name in place of their aliases."""
    held: dict[str, tuple[str, list[str]]] = {}
    found: list[str] = []
    n_left = MOST_COPIED
    for number, line in enumerate(lines):
        if (anchor := _ANCHOR.match(line)) is not None:
            held[anchor[3]] = (anchor[4], list(lines[number + 1 : _below(lines, number + 1, len(anchor[1]))]))
            found.append(f"{anchor[1]}{anchor[2]} {anchor[4]}".rstrip())
            continue
        merge, alias = _MERGE.match(line), _ALIAS.match(line)
        names = re.findall(r"[\w-]+", merge[2]) if merge else [alias[3]] if alias else []
        copied = [each for name in names for each in held.get(name, ("", []))[1]]
        n_left -= len(copied)
        if not names or any(name not in held for name in names) or n_left < 0:
            found.append(line)
        elif merge is not None:
            found += _moved(copied, len(merge[1]))
        elif alias is not None:
            found.append(f"{alias[1]}{alias[2]} {held[names[0]][0]}".rstrip())
            found += _moved(copied, len(alias[1]) + 2)
    return found


def _moved(lines: Sequence[str], indent: int) -> list[str]:
    own = min((_indent(line) for line in lines if line.strip()), default=0)
    return [" " * indent + line[own:] for line in lines if line.strip()]


def _unfolded(lines: Sequence[str]) -> Iterator[str]:
    """Blocks of text as quoted words; a script for a shell keeps the ends of its lines."""
    position = 0
    while position < len(lines):
        found = _BLOCK.match(lines[position])
        position += 1
        if found is None:
            yield lines[position - 1]
            continue
        end = _below(lines, position, _indent(found[1]))
        between = "\n" if found[2] == "|" else " "
        told = between.join(line.strip() for line in lines[position:end] if line.strip())
        yield f"{found[1]}{json.dumps(told, ensure_ascii=False)}"
        position = end


def _whole(lines: Iterator[str]) -> Iterator[str]:
    """Values that go on over several lines, on one."""
    held: _Held | None = None
    for line in lines:
        if held is None:
            held = _Held(line)
        elif held.goes_on(line):
            held = held.joined(line)
        else:
            yield " ".join(held.parts)
            held = _Held(line)
    if held is not None:
        yield " ".join(held.parts)


class _Held:
    """A line, and those that go on it; what is open is counted once, since a hostile file closes nothing."""

    def __init__(self, line: str) -> None:
        self.parts = [line]
        found = _VALUED.match(line)
        self.value = "" if found is None else found[1]
        self.n_open = self._opened(self.value)

    def _opened(self, text: str) -> int:
        """Brackets, or quotes, that this part of the value opens and does not close."""
        if self.value[:1] in ("[", "{"):
            return text.count("[") + text.count("{") - text.count("]") - text.count("}")
        return text.count(self.value[0]) if self.value[:1] in ('"', "'") else 0

    def goes_on(self, line: str) -> bool:
        """Whether the next one is a part of its value."""
        if not self.value or not line.strip():
            return line.strip()[:1] in ("[", "{") and _UNVALUED.match(self.parts[0]) is not None
        if self.value[0] in "\"'":
            return self.n_open % 2 == 1
        if self.value[0] in "[{":
            return self.n_open > 0
        is_deeper = _indent(line) > _indent(self.parts[0])
        return is_deeper and _STARTED.match(line) is None and self.value[0] not in "|>&*#"

    def joined(self, line: str) -> "_Held":
        """With one that goes on it."""
        part = line.strip()
        if not self.value:  # it begins there
            return _Held(f"{self.parts[0]} {part}")
        self.parts.append(part)
        self.n_open += self._opened(part)
        return self
