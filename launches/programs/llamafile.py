"""llamafile: llama.cpp in one file, with a model inside (``./Model.llamafile``) or given (``llamafile -m model.gguf``).

Flags of its own from its llamafile(1) and llamafile/README.md, github.com/mozilla-ai/llamafile 6b464191d (2025-10-31)
and its 0.10; the rest are llama.cpp's. Words of its own lie in ``.args`` within, which is a zip file.
"""

import os
import zipfile

from launches.command import Command, Program
from launches.errors import NoLaunch
from launches.launch import Launch
from launches.llama_defaults import Defaults
from launches.llama_models import from_repository
from launches.llama_programs import TOOLS
from launches.llama_settings import draft_of, misspelt, settings_of
from launches.llama_table import flags_of
from launches.numbers import Values
from launches.words import LLAMA_CPP, table, take_apart

MAX_ARGS_BYTES = 1 << 16
MOST_MEMBERS = 4096
PORT = 8080
_OWN = table("""
--server
--cli
--chat
--v2
--gpu N
--nobrowser
--nocompile
--recompile
--tinyblas
--fast
--precise
--trap
--unsecure
--ascii
--nologo
--nothink
--no-think
--log-disable
--image N
--image-cache N
--workers N
--slots N
--listen -l N
--url-prefix N
--www-root N
--confine-reads
--tools N
--temp N
--mmproj N
--iq
--hash
""")
_ENDING = ("--help", "--version")


def recognises(program: Program) -> bool:
    """By its name, or its ending; on Windows ``.exe`` stands behind that."""
    name = program.name.casefold()
    return name in ("llamafile", "llamafiler") or name.startswith("llamafile-") or name.endswith(".llamafile")


def read(program: Program, command: Command) -> tuple[Launch, ...]:
    """The model within, or the one that is given.

    Raises:
        NoLaunch: it loads none.
    """
    path = command.path(command.arguments[program.offset - 1]) if program.offset else program.name
    own, model = _within(path)
    arguments = _joined(own, program.arguments)
    given = take_apart(
        arguments, (*_OWN, *flags_of(is_fork=False)), LLAMA_CPP, offset=program.offset, environment=program.environment
    )
    if any(given.is_on(flag) for flag in _ENDING):
        raise NoLaunch(f"{program.name} loads no model with these flags")
    values = Values(given, refusals=list(misspelt(given.unknown, (*_OWN, *flags_of(is_fork=False)))))
    defaults = Defaults()
    tool = TOOLS["llama-cli" if given.has("--cli") else "llama-server"]
    settings = tool(settings_of(values, defaults, build="", is_fork=False), values, defaults)
    options = settings.options
    draft = given.last("--model-draft")
    options = draft_of(values, options, None if draft is None else command.path(draft))
    if (projector := given.last("--mmproj")) is not None and not projector.startswith("/zip/"):
        from dataclasses import replace  # noqa: PLC0415

        options = replace(options, projector=command.path(projector))
    source = _source(values, command, program, path, model)
    is_off = (given.last("--gpu") or "").casefold() in ("disable", "disabled")
    return (
        Launch(
            program="llamafile",
            engine_name="llamacpp",
            source=source,
            context_tokens=settings.context_tokens,
            is_context_free=settings.is_context_free,
            n_sequences=settings.n_sequences or 1,
            kv_type=settings.kv_type,
            options=options,
            devices=() if is_off else None,
            environment=program.environment,
            address=None if given.has("--cli") else _address(values),
            unknown=values.unknown,
            doubts=tuple(dict.fromkeys((*values.doubts, *_doubts(source, path)))),
            refusal="; ".join((*given.refusals, *values.refusals)),
            spans=given.spans if not own else (),
        ),
    )


def _source(values: Values, command: Command, program: Program, path: str, model: str) -> str | None:
    """A file that is given; within the program's own file it is that."""
    given = values.given
    stated = given.last("--model")
    if stated is not None and not stated.startswith("/zip/") and stated != model:
        return command.path(stated)
    if (repository := given.last("--hf-repo")) is not None:
        meant = from_repository(repository, given.last("--hf-file") or "", command, program.environment)
        if meant is not None:
            return meant.source
    if stated is not None or program.name.casefold().endswith(".llamafile") or model:
        return path
    values.refuse("no model is named (-m), and none is known to be within")
    return None


def _doubts(source: str | None, path: str) -> tuple[str, ...]:
    mapped = "GPU layers are counted as by llama.cpp's newest build; before 0.10 only -ngl moved layers to a GPU"
    return (mapped, "the model lies within the program's file") if source == path else (mapped,)


def _within(path: str) -> tuple[tuple[str, ...], str]:
    """(words of its own, the model's name) in the zip that the program is; nothing where it can't be looked at."""
    if not os.path.isfile(path):
        return (), ""
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()[:MOST_MEMBERS]
            models = [name for name in names if name.endswith(".gguf") and "mmproj" not in name]
            if ".args" not in names or archive.getinfo(".args").file_size > MAX_ARGS_BYTES:
                return (), models[0] if models else ""
            text = archive.read(".args").decode("utf-8", errors="replace")
    except (OSError, zipfile.BadZipFile, RuntimeError, NotImplementedError, EOFError):
        return (), ""
    return tuple(line for line in text.splitlines() if line), models[0] if models else ""


def _joined(own: tuple[str, ...], typed: tuple[str, ...]) -> tuple[str, ...]:
    """``...`` in its own words stands for those that are typed; without it they stand behind."""
    if "..." not in own:
        return (*own, *typed)
    at = own.index("...")
    return (*own[:at], *typed, *own[at + 1 :])


def _address(values: Values) -> tuple[str, int]:
    listen = values.given.last("--listen")
    if listen is not None and ":" in listen:
        host, _, port = listen.rpartition(":")
        return host or "127.0.0.1", int(port) if port.isdigit() and len(port) < 6 else PORT
    return (values.given.last("--host") or "127.0.0.1").split(",")[0], values.whole("--port", PORT, least=0)
