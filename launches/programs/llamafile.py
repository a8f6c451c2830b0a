"""llamafile: llama.cpp in one file, with a model inside (``./Model.llamafile``) or given (``llamafile -m model.gguf``).

Its second server, ``llamafiler`` or ``llamafile --server --v2`` of 0.8.9 to 0.9, has a parser and defaults apart from
those of llama.cpp (llamafile/flags.cpp, llamafile/server/slot.cpp).

Flags of its own from its llamafile(1) and llamafile/README.md, github.com/mozilla-ai/llamafile 6b464191d (2025-10-31)
and its 0.10; the rest are llama.cpp's. Words of its own lie in ``.args`` within, which is a zip file.
"""

import os
import re
import zipfile
from collections.abc import Sequence
from dataclasses import replace

from estimator.llama_options import SPLIT_MODES, Options
from launches.command import Command, Program
from launches.errors import NoLaunch
from launches.launch import Launch
from launches.llama_defaults import ALL_LAYERS, Defaults
from launches.llama_models import from_repository
from launches.llama_programs import TOOLS
from launches.llama_settings import draft_of, misspelt, settings_of
from launches.llama_table import flags_of
from launches.numbers import Values
from launches.words import LLAMA_CPP, Given, table, take_apart

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
--no-display-prompt --silent-prompt !--display-prompt
--trace
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
_FORMER = frozenset(
    "--nobrowser --nocompile --recompile --tinyblas --fast --precise --trap --iq --trace --silent-prompt".split()
)
"""What 0.10 no longer takes (llamafile/args.cpp, `is_llamafile_flag`, 1877bdaae of 2026, and llama.cpp's own)."""
_FORMER_DEFAULTS = Defaults(
    context_tokens=8192,
    n_gpu_layers=0,
    is_flash_attention=False,
    n_server_sequences=1,
    fits=False,
    n_cached_mib=0,
    is_value_wanted=False,
)
"""Until 0.9.3 (llama.cpp/common.h, `gpt_params`, and llamafile/gpu.c, `llamafile_gpu_layers`, of 6b464191d)."""
_FORMER_BUILD = "b3599"
"""Of llama.cpp on 2024-08-16, which 0.9.3 was made from (llama.cpp/README.llamafile)."""
_RELEASE = re.compile(r"llamafile[-_]v?0\.(\d{1,2})(?=[-_/\\.]|$)", re.IGNORECASE)
_FIRST_OF_TODAY = 10
_ENDING = ("--help", "--version")
_SECOND = table("""
--model -m N
--mmproj -mm N
--ctx-size -c N
--slots -s N
--batch-size -b N
--ubatch-size -ub N
--flash-attn -fa
--gpu-layers -ngl --n-gpu-layers N
--main-gpu -mg N
--split-mode -sm N
--tensor-split -ts N
--gpu N
--mlock
--no-mmap
--listen -l N
--threads -t N
--threads-batch -tb N
--prompt --system-prompt -p N
--file -f N
--chat-template N
--seed N
--temp --temperature N
--top-p N
--frequency-penalty N
--presence-penalty N
--reserve-tokens N
--decay-delay N
--decay-growth N
--keepalive -k N
--workers -w N
--ip-header N
--trust N
--token-rate N
--token-burst N
--token-cidr N
--header -H N
--http-ibuf-size N
--http-obuf-size N
--db N
--db-startup-sql N
--url-prefix N
--www-root N
--server
--v2
--chat
--verbose -v
--log-disable
--ascii
--nologo
--nobrowser
--no-warmup
--no-display-prompt --silent-prompt
--display-prompt
--chatbot-mode
--completion-mode
--fast
--iq
--trace
--precise
--trap
--tinyblas
--nocompile
--recompile
--unsecure
--help -h
--version
""")
_SECOND_CONTEXT_TOKENS, _SECOND_BATCH_TOKENS = 8192, 256


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
    if program.name.casefold().startswith("llamafiler") or "--v2" in arguments:
        return (_second(program, command, arguments, path, model),)
    given = take_apart(
        arguments, (*_OWN, *flags_of(is_fork=False)), LLAMA_CPP, offset=program.offset, environment=program.environment
    )
    if any(given.is_on(flag) for flag in _ENDING):
        raise NoLaunch(f"{program.name} loads no model with these flags")
    values = Values(given, refusals=list(misspelt(given.unknown, (*_OWN, *flags_of(is_fork=False)))))
    is_former = _is_former(path, arguments)
    defaults = _FORMER_DEFAULTS if is_former else Defaults()
    is_answering = given.has("--cli") or (is_former and _has_prompt(given))
    tool = TOOLS["llama-cli" if is_answering else "llama-server"]
    build = _FORMER_BUILD if is_former else ""
    settings = tool(settings_of(values, defaults, build=build, is_fork=False), values, defaults)
    options = settings.options
    if is_former and not given.has("--gpu-layers"):
        options = replace(options, n_gpu_layers=ALL_LAYERS if _has_gpu(given) else 0)
    draft = given.last("--model-draft")
    options = draft_of(values, options, None if draft is None else command.path(draft))
    if (projector := given.last("--mmproj")) is not None and not projector.startswith("/zip/"):
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
            address=None if is_answering else _address(values),
            unknown=values.unknown,
            doubts=tuple(dict.fromkeys((*values.doubts, *_doubts(given, source, path, is_former=is_former)))),
            refusal="; ".join((*given.refusals, *values.refusals)),
            spans=given.spans if not own else (),
        ),
    )


def _second(program: Program, command: Command, arguments: tuple[str, ...], path: str, model: str) -> Launch:
    """Every slot has a context of its own, of as many tokens as are asked for or the model was made for.

    Raises:
        NoLaunch: it only shows something.
    """
    given = take_apart(arguments, _SECOND, LLAMA_CPP, offset=program.offset)
    if any(given.is_on(flag) for flag in _ENDING):
        raise NoLaunch(f"{program.name} loads no model with these flags")
    values = Values(given)
    n_slots = max(1, values.whole("--slots", 1))
    n_tokens = max(0, values.whole("--ctx-size", _SECOND_CONTEXT_TOKENS))
    gpu = (given.last("--gpu") or "auto").casefold()
    is_told = gpu not in ("auto", "disable", "disabled")
    projector = given.last("--mmproj")
    n_layers = max(0, values.whole("--gpu-layers", ALL_LAYERS if is_told else 0))
    values.doubts.append("without -ngl all layers go to the GPU of a Mac, and none elsewhere; none is counted")
    values.doubts.append("a context is no longer than the model was made for")
    if n_slots > 1:
        values.doubts.append("every slot computes in buffers of its own, of which one is counted")
    return Launch(
        program="llamafiler",
        engine_name="llamacpp",
        source=_source(values, command, program, path, model),
        context_tokens=n_tokens * n_slots,
        n_sequences=n_slots,
        options=Options(
            n_gpu_layers=n_layers,
            n_batch_tokens=values.whole("--batch-size", _SECOND_BATCH_TOKENS, least=1),
            n_ubatch_tokens=values.whole("--ubatch-size", 512, least=1),
            is_flash_attention=bool(given.is_on("--flash-attn")),
            split_mode=values.one_of("--split-mode", SPLIT_MODES, "layer"),
            main_device=values.whole("--main-gpu", 0, least=0),
            is_mapped=not given.has("--no-mmap"),
            projector=None if projector is None or projector.startswith("/zip/") else command.path(projector),
        ),
        devices=() if gpu in ("disable", "disabled") else None,
        environment=program.environment,
        address=_address(values),
        unknown=values.unknown,
        doubts=tuple(values.doubts),
        refusal="; ".join((*given.refusals, *values.refusals)),
        spans=given.spans,
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
    if stated is not None or path.casefold().endswith((".llamafile", ".llamafile.exe")) or model:
        return path  # which a container may have under another name
    if program.image:
        values.doubts.append("the model lies within the image, and which one that is isn't known")
        return None
    values.refuse("no model is named (-m), and none is known to be within")
    return None


def _is_former(path: str, arguments: Sequence[str]) -> bool:
    """Whether it is one before 0.10, as its name or its flags say."""
    named = _RELEASE.search(os.path.basename(path.replace("\\", "/")))
    return int(named[1]) < _FIRST_OF_TODAY if named is not None else not _FORMER.isdisjoint(arguments)


def _has_prompt(given: Given) -> bool:
    """It answers once and serves nobody (llamafile/main.cpp of 0.9)."""
    is_told = given.has("--prompt") or given.has("--file") or given.has("--random-prompt")
    return is_told and not given.has("--server") and not given.has("--chat")


def _has_gpu(given: Given) -> bool:
    return (given.last("--gpu") or "auto").casefold() not in ("auto", "disable", "disabled")


def _doubts(given: Given, source: str | None, path: str, *, is_former: bool) -> tuple[str, ...]:
    if not is_former:
        layers = (
            "what is not said is taken as of 0.10; before it only -ngl moved layers to a GPU, and contexts had 8192"
        )
    elif not given.has("--gpu-layers") and not given.has("--gpu"):
        layers = "without -ngl all layers go to the GPU of a Mac, and none elsewhere; none is counted"
    else:
        layers = "what is not said is taken as of 0.9.3, the last that has all of these flags"
    return (layers, "the model lies within the program's file") if source == path else (layers,)


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
