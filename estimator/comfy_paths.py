"""ComfyUI's ``extra_model_paths.yaml``: further folders with models, often those of another program.

Read as `load_extra_path_config` of utils/extra_config.py does (2026-10): sections, each with an optional
``base_path`` and folders by kind, one or, in a block, one a line. Two levels of keys and blocks are all it has: no YAML
library for that.
"""

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

_LINE = re.compile(r"(?P<key>[\w.-]+)\s*:(?:\s+(?P<value>.*))?")
_VARIABLE = re.compile(r"\$\{?(\w+)\}?|%(\w+)%")
_NOT_FOLDERS = frozenset({"base_path", "is_default", "custom_nodes", "configs", "datasets", "fonts"})
_BLOCKS = frozenset({"|", "|-", "|+", ">", ">-"})
_MOST_LINES = 2000


@dataclass(frozen=True, slots=True)
class _Entry:
    """One key of a section."""

    section: int
    key: str
    indent: int
    is_block: bool
    lines: list[str]


def extra_paths(text: str, source: str, environment: Mapping[str, str], home: str) -> Iterator[tuple[str, str]]:
    """(kind, folder) of each that the file names.

    Args:
        text: of the file.
        source: its path: relative folders without a base count from there.
        environment: for variables in paths.
        home: for ``~``.
    """
    entries = _entries(text)
    beside = os.path.dirname(source)
    bases = {entry.section: entry.lines[0] for entry in entries if entry.key == "base_path" and entry.lines}
    for entry in entries:
        if entry.key not in _NOT_FOLDERS:
            base = os.path.join(beside, _expanded(bases.get(entry.section, ""), environment, home))
            for line in entry.lines:
                yield entry.key, os.path.normpath(os.path.join(base, _expanded(line, environment, home)))


def _entries(text: str) -> list[_Entry]:
    entries: list[_Entry] = []
    section = 0
    for line in text.splitlines()[:_MOST_LINES]:
        bare = line.strip()
        if not bare or bare.startswith("#"):
            continue
        indent = len(line) - len(line.lstrip(" "))
        if entries and entries[-1].is_block and indent > entries[-1].indent:
            entries[-1].lines.append(bare)  # though it may look like a key: C:/models
            continue
        found = _LINE.fullmatch(bare)
        if found is None or indent == 0:
            section += indent == 0
            continue
        value = (found["value"] or "").partition(" #")[0].strip()
        is_block = value in _BLOCKS
        quoted = len(value) > 1 and value[0] in "\"'" and value[0] == value[-1]
        value = value[1:-1] if quoted else value
        entries.append(_Entry(section, found["key"], indent, is_block, [value] if value and not is_block else []))
    return entries


def _expanded(path: str, environment: Mapping[str, str], home: str) -> str:
    path = _VARIABLE.sub(lambda found: environment.get(found[1] or found[2], found[0]), path)
    return os.path.join(home, path[2:]) if path.startswith(("~/", "~\\")) else path
