"""An engine behind words that are not understood: a wrapper that nobody knows, an option's value, a word in quotes."""

import re
from collections.abc import Iterator
from dataclasses import replace

from launches.command import RUNTIMES, Command, Program, program_of
from launches.errors import NoLaunch, UnknownEngine, UnknownProgram
from launches.launch import reader_of
from launches.limits import least_of
from launches.shell import commanded, script_index

_MOST_SKIPPED, _MOST_BEFORE = 8, 3
"""Words that are tried as a value, and as a program behind one that nobody knows (ASSUMED)."""
_READING = frozenset(
    "ack ag apt apt-get awk bat brew cargo cat chmod chown code cp curl diff dnf dotnet du echo emacs file gh git glab "
    "go grep head hg jj journalctl kill killall less ln logger ls make man more mv nano notify-send npm nvim pacman "
    "pgrep pip pip3 pkill pnpm printf ps pytest rg rm rsync scp sed stat svn systemctl tail tar tee touch type vi vim "
    "whereis which xdg-open yarn yum zgrep".split()
)
"""Programs whose words name others without starting them."""
_PREPARING = frozenset({"cd", "export", "source", ".", "set", "ulimit", "exec"})


def further_of(command: Command, program: Program) -> Program | None:
    """An engine behind words that are not understood: the value of an option, or a wrapper that is not known.

    ``uvx --torch-backend auto vllm serve a/b`` where nobody knows that this option has a value; ``secrets run -- vllm
    serve a/b``. It has to load something, and to be told what: what only names an engine starts none.
    """
    positions = tuple(_where_else(program)) if program.name not in _READING else ()
    if not positions or _is_engine(program):
        return None
    inside = replace(command, environment=program.environment, directory=program.directory)
    for position in positions:
        found = program_of(inside, position)
        if found is None or not found.arguments:
            continue
        is_cover = found.name in RUNTIMES or script_index(found.name, found.arguments) is not None
        if (is_cover and not _is_bare(program)) or _loads(found, command):
            first = program.offset - 1 - program.may_be_value  # the option too, whose value it may be
            skipped = " ".join(command.arguments[first:position])[:80].removesuffix(" --")
            unknown = (*program.unknown, skipped, *found.unknown)
            limit, doubts = least_of(program.ram_bytes, found.ram_bytes), (*program.doubts, *found.doubts)
            return replace(
                found, ram_bytes=limit, unknown=unknown, doubts=doubts, is_guess=found.is_guess or _is_bare(program)
            )
    return None


def quoted_of(command: Command, program: Program) -> tuple[int, Command] | None:
    """An engine in one word of a program that nobody knows, and which: ``pm2 start --name a "vllm serve a/b"``.

    It has to begin with it, or with what prepares it: a sentence that mentions one starts none.
    """
    if program.name in _READING or not _is_bare(program) or _is_engine(program):
        return None
    told_in_one = [(n, word) for n, word in enumerate(program.arguments) if " " in word.strip()]
    for number, word in told_in_one[:_MOST_BEFORE]:
        told = commanded(word, program.environment)
        first = word.split()[0]
        if first not in told.arguments and first not in _PREPARING:
            continue
        inside = replace(
            command,
            arguments=told.arguments,
            environment=program.environment,
            directory=program.directory,
            files=(*command.files, *told.files),
        )
        found = program_of(inside)
        if found is not None and _loads(found, inside):
            return program.offset + number, inside
    return None


def _where_else(program: Program) -> Iterator[int]:
    """Where in the command another program may stand."""
    words = program.arguments
    if program.may_be_value:
        for number, word in enumerate(words[:_MOST_SKIPPED]):
            if not word.startswith("-"):
                yield program.offset + number
                if number == 0 or not words[number - 1].startswith("--"):
                    break
    if "--" in words:
        yield program.offset + words.index("--") + 1
    elif _is_bare(program):
        for number, word in enumerate(words[:_MOST_BEFORE]):
            if word.endswith(":"):  # of a sentence
                break
            if not word.startswith("-"):
                yield program.offset + number


def _is_bare(program: Program) -> bool:
    """Whether nothing but its place says that a program may stand behind it: ``some-wrapper vllm serve a/b``."""
    is_plain = not (program.may_be_value or program.is_module or program.image or "--" in program.arguments)
    return is_plain and re.fullmatch(r"[A-Za-z0-9][\w.+-]*", program.name) is not None


def _is_engine(program: Program) -> bool:
    try:
        return reader_of(program) is not None
    except UnknownEngine:
        return True
    except UnknownProgram:
        return False


def _loads(program: Program, command: Command) -> bool:
    try:
        return bool(reader_of(program).read(program, command))
    except (UnknownProgram, NoLaunch):
        return False
