"""Ollama: ``ollama serve`` by its environment, ``ollama run`` by its model, and the runners it starts for each model.

envconfig/config.go and cmd/cmd.go of github.com/ollama/ollama fb3076099 (2026-08-21); runners' flags from
runner/llamarunner/runner.go of 0.6. What it decides by itself is in estimator/ollama_launch.py.
"""

import re
from collections.abc import Mapping
from dataclasses import replace

from estimator.engines.ollama import KV_TYPES, Options
from launches.command import Command, Program
from launches.errors import LoadsElsewhere, NoLaunch
from launches.launch import Launch
from launches.numbers import Values
from launches.words import ARGPARSE, Given, table, take_apart

MIB = 1 << 20
PORT = 11434
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "0.0.0.0", "::1", "::", ""})  # noqa: S104  # compared, never bound
_TRUE = frozenset({"1", "t", "true"})
_FALSE = frozenset({"0", "f", "false"})
_WHOLE = re.compile(r"\d{1,15}")
_RUN = table("""
--keepalive N
--verbose
--insecure
--nowordwrap
--format N
--think [N]
--hidethinking
--truncate
--dimensions N
--experimental
--experimental-yolo
--experimental-websearch
--width N
--height N
--steps N
--seed N
--negative N
--help -h
--version -v
""")
_RUNNER = table("""
--model N
--ctx-size N
--batch-size N
--n-gpu-layers N
--parallel N
--port N
--kv-cache-type N
--flash-attn
--main-gpu N
--tensor-split N
--threads N
--no-mmap
--mlock
--lora N
--mmproj N
--multiuser-cache
--ollama-engine
--new-engine
--mlx-engine
--imagegen-engine
--embedding
--log-disable
--verbose
--numa N
--memory-f32
--status-fd N
""")
_NAMES = frozenset({"ollama", "ollama-linux-amd64", "ollama-darwin", "ollama_llama_server"})
_FORMER_RUNNER = "ollama_llama_server"
"""A program apart until 0.5, started without the word ``runner`` until 0.4 (llm/server.go)."""
_COUNTED = ("num_ctx", "num_gpu", "num_batch", "main_gpu", "use_mmap")
"""What a Modelfile's PARAMETER may say that moves memory."""
_OF_SERVER = (
    "OLLAMA_CONTEXT_LENGTH",
    "OLLAMA_NUM_PARALLEL",
    "OLLAMA_KV_CACHE_TYPE",
    "OLLAMA_FLASH_ATTENTION",
    "OLLAMA_GPU_OVERHEAD",
    "OLLAMA_SCHED_SPREAD",
)


_OF_ONE = re.compile(
    r"^it loads models as they are asked for|^the environment of the server counts|the server reads it when it starts$"
)
"""What is said of a server, or of its client, that is read without the other."""


def recognises(program: Program) -> bool:
    """By its name; Windows' tray program only starts the other one."""
    return program.name.casefold() in _NAMES and not program.is_module


def read(program: Program, command: Command) -> tuple[Launch, ...]:
    """What the command loads, or what its server will.

    Raises:
        NoLaunch: it loads nothing (``ollama list``), or not here.
    """
    name, rest = (program.arguments[0], program.arguments[1:]) if program.arguments else ("", ())
    if program.name.casefold() == _FORMER_RUNNER and name != "runner":
        return (_runner(program, command, take_apart(program.arguments, _RUNNER, ARGPARSE, offset=program.offset)),)
    if name in ("serve", "start"):
        if rest[:1] == ("&",) and rest[2:3] == ("run",):
            given = take_apart(rest[3:], _RUN, ARGPARSE, offset=program.offset + 4)
            return (as_served(_serve(program, take_apart((), _RUN, ARGPARSE)), _run(program, given)),)
        return (_serve(program, take_apart(rest, _RUN, ARGPARSE, offset=program.offset + 1)),)
    if name == "run":
        return (_run(program, take_apart(rest, _RUN, ARGPARSE, offset=program.offset + 1)),)
    if name == "runner":
        return (_runner(program, command, take_apart(rest, _RUNNER, ARGPARSE, offset=program.offset + 1)),)
    raise NoLaunch(f"ollama {name or 'alone'} loads no model")


def _serve(program: Program, given: Given) -> Launch:
    environment = program.environment
    values = Values(given)
    n_sequences = max(1, _number(environment, "OLLAMA_NUM_PARALLEL") or 1)
    context = _number(environment, "OLLAMA_CONTEXT_LENGTH")
    most = _number(environment, "OLLAMA_MAX_LOADED_MODELS")
    values.doubts.append(
        f"it loads models as they are asked for, {f'up to {most} on a device' if most else 'as many as have room'}"
    )
    if program.environment.get("LLAMA_ARG_FIT_TARGET"):
        values.doubts.append("--fit is reckoned with a margin of 1024 MiB, not with that of LLAMA_ARG_FIT_TARGET")
    return Launch(
        program="ollama serve",
        engine_name="ollama",
        source=None,
        context_tokens=context * n_sequences if context else None,
        n_sequences=n_sequences,
        kv_type=_kv_type(environment, values),
        options=Options(
            flash_attention=_flash_attention(environment),
            gpu_overhead_mib=-(-(_number(environment, "OLLAMA_GPU_OVERHEAD") or 0) // MIB),
            is_spread=_switch(environment.get("OLLAMA_SCHED_SPREAD", "")) or False,
        ),
        environment=environment,
        address=address_of(environment),
        unknown=values.unknown,
        doubts=tuple(values.doubts),
        spans=given.spans,
    )


def _run(program: Program, given: Given) -> Launch:
    if given.has("--help") or not given.positionals:
        raise NoLaunch("ollama run loads no model without a name")
    host, _ = address_of(program.environment)
    if host not in _LOOPBACK:
        raise LoadsElsewhere(f"the model is loaded by the server on {host[:80]}, not on this machine")
    source = given.positionals[0]
    if source.endswith((":cloud", "-cloud")):
        raise NoLaunch(f"{source} runs in Ollama's cloud, not on this machine")
    said, doubts = _parameters(source, program.environment)
    context = said.get("num_ctx")
    doubts.append("the environment of the server counts, not this command's: what is set there is not known")
    if told := [name for name in _OF_SERVER if program.environment.get(name)]:
        doubts.append(f"{', '.join(told)} here changes nothing: the server reads it when it starts")
    return Launch(
        program="ollama run",
        engine_name="ollama",
        source=source,
        context_tokens=context or None,
        options=Options(
            num_gpu=None if said.get("num_gpu", -1) < 0 else said["num_gpu"],
            num_batch=said.get("num_batch") or None,
            main_gpu=said.get("main_gpu"),
            is_mapped=said.get("use_mmap", 1) != 0,
        ),
        fetches_projector=True,
        environment=program.environment,
        unknown=given.unknown,
        doubts=tuple(doubts),
        refusal="; ".join(given.refusals),
        spans=given.spans,
    )


def as_served(server: Launch, run: Launch) -> Launch:
    """A client's model as this server loads it: ``X=1 ollama serve & ollama run a``."""
    options, told = run.options, server.options
    if isinstance(options, Options) and isinstance(told, Options):
        options = replace(
            options,
            flash_attention=told.flash_attention,
            gpu_overhead_mib=told.gpu_overhead_mib,
            is_spread=told.is_spread,
        )
    context = run.context_tokens and run.context_tokens * server.n_sequences
    return replace(
        run,
        context_tokens=context or server.context_tokens,
        n_sequences=server.n_sequences,
        kv_type=server.kv_type,
        options=options,
        environment=server.environment,
        address=server.address,
        unknown=(*server.unknown, *run.unknown),
        doubts=tuple(doubt for doubt in (*server.doubts, *run.doubts) if not _OF_ONE.search(doubt)),
    )


def _runner(program: Program, command: Command, given: Given) -> Launch:
    """A child of the server; newer ones are told all but the model's file once they run."""
    values = Values(given)
    model = given.last("--model")
    context = values.whole("--ctx-size", 0, least=0) if given.has("--ctx-size") else None
    if context is None:
        values.doubts.append("context, batch and layers are told to the runner after it started")
    usual = -1 if context is None else 0  # of a runner that is told all by flags (runner/llamarunner/runner.go, 0.6)
    layers = values.whole("--n-gpu-layers", usual) if given.has("--n-gpu-layers") else usual
    unsaid = _flash_attention(program.environment) if context is None else "off"
    kv_type = given.last("--kv-cache-type") or _kv_type(program.environment, values)
    return Launch(
        program="ollama runner",
        engine_name="ollama",
        source=None if model is None else command.path(model),
        context_tokens=context,
        n_sequences=values.whole("--parallel", 1, least=1),
        kv_type=kv_type if kv_type in KV_TYPES else None,
        options=Options(
            num_gpu=None if layers < 0 else layers,
            num_batch=values.whole("--batch-size", 512, least=1) if given.has("--batch-size") else None,
            main_gpu=values.whole("--main-gpu", 0, least=0) if given.has("--main-gpu") else None,
            flash_attention="on" if given.is_on("--flash-attn") else unsaid,
            is_mapped=not given.is_on("--no-mmap"),
        ),
        environment=program.environment,
        address=("127.0.0.1", values.whole("--port", 0, least=0)) if given.has("--port") else None,
        unknown=values.unknown,
        doubts=tuple(values.doubts),
        refusal="; ".join((*given.refusals, *values.refusals)),
        spans=given.spans,
    )


def address_of(environment: Mapping[str, str]) -> tuple[str, int]:
    """OLLAMA_HOST: a host, a port, both, or an address with its scheme (`Host`, envconfig/config.go)."""
    text = environment.get("OLLAMA_HOST", "").strip()
    scheme, has_scheme, rest = text.rpartition("://")
    usual = {"http": 80, "https": 443}.get(scheme, PORT) if has_scheme else PORT
    plain = rest.partition("/")[0]
    if plain.startswith("["):
        host, _, port = plain[1:].partition("]")
        port = port.removeprefix(":")
    elif plain.count(":") == 1:
        host, _, port = plain.partition(":")
    else:
        host, port = plain, ""
    number = int(port) if _WHOLE.fullmatch(port) and int(port) <= 65535 else usual
    return host or "127.0.0.1", number


def _number(environment: Mapping[str, str], name: str) -> int | None:
    """A whole number; None where nothing, or something else, is said."""
    text = environment.get(name, "").strip().strip("\"'")
    return int(text) if _WHOLE.fullmatch(text) else None


def _switch(text: str) -> bool | None:
    """As Go's `ParseBool`; what it can't read counts as on (`BoolWithDefault`)."""
    folded = text.strip().strip("\"'").casefold()
    if not folded:
        return None
    return folded not in _FALSE or folded in _TRUE


def _flash_attention(environment: Mapping[str, str]) -> str:
    told = _switch(environment.get("OLLAMA_FLASH_ATTENTION", ""))
    return "auto" if told is None else "on" if told else "off"


def _kv_type(environment: Mapping[str, str], values: Values) -> str | None:
    text = environment.get("OLLAMA_KV_CACHE_TYPE", "").strip().strip("\"'").casefold()
    if not text:
        return None
    if text not in KV_TYPES:
        values.doubts.append(f"Ollama takes no KV cache of type {text[:20]!r} and keeps f16")
        return None
    return text


def _parameters(source: str, environment: Mapping[str, str]) -> tuple[dict[str, int], list[str]]:
    """What the model's own Modelfile says of memory, where the model is in the store."""
    from estimator.errors import UnreadableModel  # noqa: PLC0415  # 3 ms with the store's reader
    from estimator.ollama_store import store_roots, stored_parameters  # noqa: PLC0415  # as above

    try:
        stored = stored_parameters(source, store_roots(environment))
    except UnreadableModel as error:
        return {}, [str(error)]
    return {name: int(value) for name in _COUNTED if isinstance(value := stored.get(name), int)}, []
