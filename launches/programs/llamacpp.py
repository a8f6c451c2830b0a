"""llama.cpp's and ik_llama.cpp's programs: ``llama-server``, ``llama-cli`` and those like it, ``llama serve``."""

from dataclasses import replace

from launches.command import Command, Program
from launches.errors import NoLaunch
from launches.launch import Launch
from launches.llama_config import with_config
from launches.llama_defaults import OLD_NAMES, Defaults, build_named, defaults_of, is_fork_path
from launches.llama_models import Meant, from_address, from_repository
from launches.llama_presets import with_preset
from launches.llama_programs import LOADLESS, TOOLS, UNIFIED, tool_name, unmarked
from launches.llama_settings import Settings, draft_of, is_on, misspelt, settings_of
from launches.llama_table import flags_of, is_for_fork
from launches.numbers import Values
from launches.uncounted import Uncounted
from launches.variables import is_unset
from launches.words import LLAMA_CPP, Given, take_apart
from launches.wrappers import base_name

_MODEL_FLAGS = frozenset(
    {"-m", "--model", "-hf", "-hfr", "--hf-repo", "--hf_repo", "-mu", "--model-url", "--model_url"}
)
_ENDING = ("--help", "--version", "--cache-list", "--list-devices", "--completion-bash")
"""Flags with which nothing is loaded."""
_SEEING = frozenset({"llama-server", "llama-cli", "llama-mtmd-cli", "llama-tts"})
"""Programs that load the image part of a repository's model by themselves (`mmproj_examples`, common/arg.cpp)."""
PORT = 8080
_NOT_COUNTED = {
    **{
        flag: Uncounted(f"what {flag} loads is not counted")
        for flag in ("--lora", "--lora-scaled", "--control-vector", "--control-vector-scaled", "--model-vocoder")
    },
    **{
        flag: f"the draft model's experts are counted on the devices, not in RAM ({flag})"
        for flag in ("--spec-draft-cpu-moe", "--spec-draft-n-cpu-moe", "--spec-draft-override-tensor")
    },
    "--rpc": "devices of other machines are not counted (--rpc)",
    "--no-host": Uncounted("weights in RAM may be rearranged for the CPU's kernels, which is not counted (--no-host)"),
}


def recognises(program: Program) -> bool:
    """By name; ``main`` and ``server`` may be anybody's, and are llama.cpp's where a model follows."""
    name = unmarked(program.name)
    if name == "llama":
        return bool(program.arguments) and program.arguments[0] in UNIFIED
    if name in OLD_NAMES or name == "llama_server":
        return not program.is_module and not _MODEL_FLAGS.isdisjoint(program.arguments)
    return name in TOOLS or name in LOADLESS


def read(program: Program, command: Command) -> tuple[Launch, ...]:
    """One model.

    Raises:
        NoLaunch: it loads none.
    """
    name, arguments, offset = unmarked(program.name), program.arguments, program.offset
    if name == "llama":
        name, arguments, offset = UNIFIED[arguments[0]], arguments[1:], offset + 1
    if name in LOADLESS:
        raise NoLaunch(f"{name} loads no model to run it")
    tool = tool_name(name)
    path = program.image or program.path or name
    is_fork = is_fork_path(command.path(path)) or tool == "llama-sweep-bench" or is_for_fork(arguments)
    build = build_named(path, base_name(program.path or name), is_fork=is_fork)
    given = take_apart(arguments, flags_of(is_fork=is_fork), LLAMA_CPP, offset=offset, environment=program.environment)
    if any(given.is_on(flag) for flag in _ENDING):
        raise NoLaunch(f"{program.name} loads no model with these flags")
    defaults = defaults_of(build)
    if defaults.fits:
        given = with_config(given, command, program.environment)
    values = Values(with_preset(given), refusals=list(misspelt(given.unknown, flags_of(is_fork=is_fork))))
    settings = TOOLS[tool](settings_of(values, defaults, build=build, is_fork=is_fork), values, defaults)
    return (_launch(tool, program, command, values, settings, defaults),)


def _launch(  # the parts of one launch, put together
    tool: str, program: Program, command: Command, values: Values, settings: Settings, defaults: Defaults
) -> Launch:
    given = values.given
    meant = _model(values, command, program)
    if meant is None and tool != "llama-server":
        if given.last("--server-base") is not None:
            raise NoLaunch(f"{tool} asks another server and loads no model itself")
        values.refuse("no model is named (-m, -hf)")
    options = _with_companions(tool, values, settings, meant, command, program)
    _doubt(tool, values, settings, meant, defaults)
    return Launch(
        program=tool,
        engine_name="llamacpp",
        source=None if meant is None else meant.source,
        context_tokens=settings.context_tokens,
        is_context_free=settings.is_context_free,
        n_sequences=settings.n_sequences or 1,
        kv_type=settings.kv_type,
        options=options,
        fetches_projector=meant is not None and not meant.is_here and _looks_for_projector(tool, given),
        devices=_devices(given),
        environment=program.environment,
        address=_address(values) if tool == "llama-server" else None,
        unknown=values.unknown,
        doubts=tuple(dict.fromkeys(values.doubts)),
        refusal="; ".join((*given.refusals, *values.refusals)),
        spans=given.spans,
    )


def _model(values: Values, command: Command, program: Program) -> Meant | None:
    """By the engine's own precedence: a repository, a container's registry, an address, a path."""
    given = values.given
    repository, address, path = given.last("--hf-repo"), given.last("--model-url"), given.last("--model")
    if repository is not None:
        meant = from_repository(repository, given.last("--hf-file") or "", command, program.environment)
        if meant is None and is_unset(repository):
            return Meant(source=repository, is_here=False)
        if meant is None:
            values.refuse(f"--hf-repo takes owner/name or owner/name:quant, not {repository!r}")
        return meant
    if (image := given.last("--docker-repo")) is not None:
        values.doubts.append("a model of a container registry is known by its name only")
        return Meant(source=image, is_here=False)
    if path is not None:
        return Meant(source=command.path(path))
    return None if address is None else from_address(address, command, program.environment)


def _with_companions(
    tool: str, values: Values, settings: Settings, meant: Meant | None, command: Command, program: Program
) -> object:
    given, options = values.given, settings.options
    projector = given.last("--mmproj")
    if projector is not None:
        options = replace(options, projector=command.path(projector))
    elif (address := given.last("--mmproj-url")) is not None:
        options = replace(options, projector=from_address(address, command, program.environment).source)
    elif meant is not None and _looks_for_projector(tool, given):
        options = replace(options, projector=meant.projector)
    return draft_of(values, options, _draft(values, command, program))


def _looks_for_projector(tool: str, given: Given) -> bool:
    """In the repository, by itself."""
    return tool in _SEEING and given.has("--hf-repo") and is_on(given, "--mmproj-auto", default=True)


def _draft(values: Values, command: Command, program: Program) -> str | None:
    given = values.given
    repository, path = given.last("--hf-repo-draft"), given.last("--model-draft")
    if repository is not None:
        meant = from_repository(repository, given.last("--hf-file-draft") or "", command, program.environment)
        return repository if meant is None else meant.source
    return None if path is None else command.path(path)


def _doubt(tool: str, values: Values, settings: Settings, meant: Meant | None, defaults: Defaults) -> None:
    """What is not counted, or not sure."""
    given = values.given
    values.doubts += [text for flag, text in _NOT_COUNTED.items() if given.has(flag)]
    if any("mtp" in text for text in given.every("--spec-type")):
        values.doubts.append(
            Uncounted("layers that predict further tokens, and their cache, are not counted (--spec-type)")
        )
    if settings.is_context_free:
        values.doubts.append("no context is asked for: it is the model's own, or shorter where devices have less room")
    if tool != "llama-server":
        return
    if settings.options.prompt_cache_mib is None and defaults.n_cached_mib and not given.has("--cache-ram"):
        values.doubts.append(f"past prompts may fill up to {defaults.n_cached_mib} MiB of RAM as they come")
    if meant is None:
        n = given.last("--models-max") or "4"
        values.doubts.append(f"it loads models as they are asked for, up to {n} at a time (--models-max)")


def _devices(given: Given) -> tuple[str, ...] | None:
    text = given.last("--device")
    if text is None:
        return None
    names = tuple(name for name in text.split(",") if name)
    return () if names == ("none",) else names


def _address(values: Values) -> tuple[str, int] | None:
    """The first host that it listens at; none where that is a socket in the file system."""
    host = (values.given.last("--host") or "127.0.0.1").split(",")[0]
    port = values.whole("--port", PORT, least=0)
    return None if host.endswith(".sock") else (host, port)
