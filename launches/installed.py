"""Which release of a Python engine a command would start, by what is installed beside its program."""

import os
import re
import shutil
from functools import lru_cache

from launches.command import Command, Program

MOST_ENTRIES = 20_000
_TAG = re.compile(r":v?(\d{1,3}\.\d{1,3}(?:\.\d{1,4})?(?:[.-]?(?:post|rc)\d{1,3})?)(?:-.*)?$")


def installed_version(command: Command, program: Program, package: str) -> str | None:
    """As its ``.dist-info`` names it; None where it is not found, or in a container whose tag does not say it."""
    if program.image:
        tag = _TAG.search(program.image)
        return tag[1] if tag is not None else None
    word = _started_word(command, program)
    path = word if os.sep in word else shutil.which(word, path=program.environment.get("PATH", ""))
    if not path:
        return None
    return _beside(os.path.realpath(command.path(path)), package) or _beside(command.path(path), package)


def _started_word(command: Command, program: Program) -> str:
    """The program's own file, or that of the Python that runs it."""
    words = command.arguments[: program.offset]
    position = len(words) - 1
    while program.is_module and position > 0 and not os.path.basename(words[position]).startswith(("python", "pypy")):
        position -= 1
    return words[position] if 0 <= position < len(words) else ""


@lru_cache(maxsize=64)
def _beside(path: str, package: str) -> str | None:
    """In the environment that has this file in its ``bin``."""
    root = os.path.join(os.path.dirname(os.path.dirname(path)), "lib")
    wanted = re.compile(rf"{re.escape(package)}-(\d[\w.+!]{{0,40}})\.dist-info")
    for folder in _listed(root):
        if re.fullmatch(r"python3\.\d{1,2}", folder):
            for entry in _listed(os.path.join(root, folder, "site-packages")):
                found = wanted.fullmatch(entry)
                if found is not None:
                    return found[1]
    return None


def _listed(path: str) -> list[str]:
    try:
        with os.scandir(path) as entries:
            return [entry.name for entry, _ in zip(entries, range(MOST_ENTRIES), strict=False)]
    except OSError:
        return []
