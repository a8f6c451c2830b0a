"""Imports the library that draws without the parts that this app never uses, or uses long after its first picture.

A library imports at once whatever one of its functions may need some day. While it is being imported, stand-ins take
the place of such modules in ``sys.modules``; a name that they give imports the real one once it is called.
"""

from __future__ import annotations

import os
import sys
import typing
from contextlib import contextmanager
from importlib import import_module
from types import ModuleType

if typing.TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any

LEFT_OUT = (
    "textual.command",  # its palette, with lists and inputs; ours is another (``ActingApp.action_command_palette``)
    "platformdirs",  # with tempfile, shutil and what unpacks archives: the folder that a picture is saved in
    "rich.table",  # shows colours of themes
    "textual.canvas",  # lines between the cells of a grid
    "textual.css._help_text",  # what is said of a style sheet that is wrong
    "textual.suggestions",  # with difflib, for the same
)
"""Of Textual 8.2 and rich 14. Only Textual is imported meanwhile, by one thread, and no other thread draws on these."""
LEFT_OUT_RUNNING = ("textual.pilot",)
"""What the library imports when an app begins to run: it presses keys in tests."""


def import_asyncio() -> None:
    """Without OpenSSL, which it would load for connections that nobody makes here: 5 ms and 4.4 MiB (our measurement).

    None in ``sys.modules`` makes an import fail (docs.python.org/3/reference/import.html, "The module cache"), and
    asyncio goes on without, as where Python was built so. Whoever imports ssl later gets it.
    """
    if "ssl" in sys.modules:
        return
    sys.modules["ssl"] = None  # type: ignore[assignment]
    try:
        import asyncio  # noqa: F401, PLC0415
    finally:
        del sys.modules["ssl"]


def import_textual() -> None:
    """The library that draws, with what it needs on a terminal; what it does without, whoever imports it later gets."""
    import_asyncio()
    driver = () if os.name == "nt" else ("textual.drivers.linux_driver",)
    import_without(("textual.app", *driver), LEFT_OUT, {"typing_extensions": typing})


def import_without(
    names: Sequence[str], left_out: Sequence[str], instead: Mapping[str, ModuleType] | None = None
) -> None:
    """Import these with stand-ins for some of what they import; with the real ones where they do not bear it.

    Args:
        names: of what is imported.
        left_out: names of modules that are not to be.
        instead: by name, modules that have what is wanted of another.
    """
    try:
        with without(left_out, instead):
            for name in names:
                import_module(name)
    except (ImportError, AttributeError, TypeError):  # they do more with a name than to call it: another release
        for name in names:
            import_module(name)


@contextmanager
def without(left_out: Sequence[str], instead: Mapping[str, ModuleType] | None = None) -> Iterator[None]:
    """Meanwhile, stand-ins are imported for these, unless they are there already."""
    stand_ins = {name: _StandIn(name) for name in left_out} | dict(instead or {})
    absent = {name: module for name, module in stand_ins.items() if name not in sys.modules}
    sys.modules.update(absent)
    try:
        yield
    finally:
        for name, module in absent.items():
            if sys.modules.get(name) is module:
                del sys.modules[name]


class _StandIn(ModuleType):
    """A module of whose names nothing is known but that they are those of another."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return _Later.named(self.__name__, name)


class _Later(type):
    """The class of names that stand for others: classes, so that they may be the base of one."""

    _home: str

    @classmethod
    def named(cls, home: str, name: str) -> _Later:
        later: _Later = type.__call__(cls, name, (), {"_home": home})
        return later

    def __call__(cls, *values: Any, **options: Any) -> Any:
        return cls._real()(*values, **options)

    def __getattr__(cls, name: str) -> Any:
        return getattr(cls._real(), name)

    def _real(cls) -> Any:
        if isinstance(sys.modules.get(cls._home), _StandIn):  # it is wanted after all
            del sys.modules[cls._home]
        return getattr(import_module(cls._home), cls.__name__)
