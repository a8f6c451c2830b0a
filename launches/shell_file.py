"""A shell's script in a file: ``bash start.sh``, ``./start.sh``, ``. start.sh``."""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass

from launches.command import Command, Program
from launches.named_file import UnreadableFile, read_named_file
from launches.shell import SHELLS
from launches.splitter import MOST_CHARACTERS

_READING = frozenset({"source", "."})
_HEADER = re.compile(rb"#![ \t]*\S*?(?:env[ \t]+(?:-S[ \t]+)?)?(?:\S*/)?(?:ba|z|da|a|k)?sh\b")
_ENDING = re.compile(r".+\.(?:sh|bash|zsh)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class ShellFile:
    """What a shell would read."""

    path: str
    text: str | None
    """None: it is there, and cannot be read here."""
    arguments: tuple[str, ...]
    """What it is given."""


def shell_file_of(command: Command, program: Program) -> ShellFile | None:
    """The script that the program is; None where it is none.

    Args:
        command: that it stands in, with the files that its text has written before.
        program: behind all that is around it.
    """
    words = _words(program)
    if not words:
        return None
    path, *arguments = words
    written = {_plain(name): content for name, content in command.files}
    if _plain(path) in written:
        return ShellFile(path, written[_plain(path)], tuple(arguments))
    is_told = program.name in SHELLS | _READING or _ENDING.fullmatch(path) is not None
    if not command.reads_scripts or not (is_told or "/" in path):
        return None
    return _read(command.path(path), is_told=is_told, arguments=arguments)


def shell_operands(arguments: Sequence[str]) -> Sequence[str]:
    """Of a shell: the file that it reads, and what that is given; nothing where it reads its input."""
    position = 0
    while position < len(arguments) and arguments[position][:1] in ("-", "+"):
        if arguments[position] in ("-", "-s"):
            return ()
        position += 2 if arguments[position] in ("-o", "+o", "-O", "+O", "--rcfile", "--init-file") else 1
    return arguments[position:]


def text_at(command: Command, path: str) -> str | None:
    """A file that the command's text has written before, or that lies here; None where there is none to be read."""
    written = {_plain(name): content for name, content in command.files}
    if _plain(path) in written:
        return written[_plain(path)]
    if not command.reads_scripts or "\0" in path:
        return None
    try:
        return read_named_file(command.path(path), MOST_CHARACTERS).decode("utf-8", "replace")
    except UnreadableFile:
        return None


def _words(program: Program) -> Sequence[str]:
    """The file and what it is given."""
    if program.name in _READING:
        return program.arguments
    if program.name in SHELLS:
        return shell_operands(program.arguments)
    return (program.path, *program.arguments) if program.path and not program.is_module else ()


def _read(path: str, *, is_told: bool, arguments: Sequence[str]) -> ShellFile | None:
    """None where it is not there, or is no script of a shell."""
    if "\0" in path or not os.path.isfile(path):
        return None
    try:
        content = read_named_file(path, MOST_CHARACTERS)
    except UnreadableFile:
        return ShellFile(path, None, tuple(arguments)) if is_told else None
    if not (_HEADER.match(content) if content.startswith(b"#!") else is_told) or b"\0" in content:
        return None
    return ShellFile(path, content.decode("utf-8", "replace"), tuple(arguments))


def _plain(path: str) -> str:
    return path.removeprefix("./")
