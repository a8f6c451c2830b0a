"""Services of a compose file, each as the ``docker run`` that it stands for.

docs.docker.com, "Compose file reference" and "docker compose up", 2026-11. Of a file only what moves memory is read;
what is written in a way that is not read here (anchors, ``extends``) is named.
"""

import os
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from launches.command import Command
from launches.compose_text import plain_text
from launches.errors import NoLaunch, UnknownProgram
from launches.named_file import UnreadableFile, read_named_file
from launches.variables import Variables
from launches.yaml_file import MOST_BYTES, UnreadableSettings, Value, settings_of

NAMES = ("compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml")
"""Looked for in this order; of each, what lies beside it as ``compose.override.yaml`` counts too."""
STARTING = frozenset({"up", "run", "create", "start", "restart"})
MOST_SERVICES = 64
"""Of one file that are looked at (ASSUMED bound)."""
_VALUED = frozenset(
    "-f --file -p --project-name --profile --env-file --project-directory --ansi --parallel --progress --scale -t "
    "--timeout --wait-timeout --pull --exit-code-from --attach --no-attach -e --env -v --volume -w --workdir -u --user "
    "--name --entrypoint -l --label --cap-add --cap-drop --publish "
    "-c --context -H --host".split()
)
"""Options of ``docker compose`` and of its commands that take a word of their own."""
_VARIABLE = re.compile(r"\$(?:\$|\{([^{}]{1,200})\}|([A-Za-z_]\w*))")
_JOINED = frozenset({"environment", "volumes", "devices", "env_file"})
"""Lists of several files that add to each other; others replace."""


@dataclass(frozen=True, slots=True)
class Service:
    """One of them."""

    name: str
    words: tuple[str, ...]
    """``docker run ...``."""
    directory: str
    """Where its paths begin."""
    unread: tuple[str, ...]
    """Lines of the file that are beyond what is read."""
    n_copies: int = 1
    """Started beside each other (``--scale``, ``deploy.replicas``)."""


def services_of(command: Command, words: Sequence[str]) -> tuple[Service, ...]:
    """Those that are started, in the file's order.

    Args:
        command: as it was typed.
        words: behind ``docker compose``.

    Raises:
        NoLaunch: it starts none.
        UnknownProgram: there is no file that says what it starts.
    """
    told, task, rest = taken_apart(words)
    if task not in STARTING:
        raise NoLaunch(f"docker compose {task} starts no service".replace("  ", " "))
    project = command.path(_last(told, "--project-directory") or ".")
    known = {**_dotenv(project, _every(told, "--env-file")), **command.environment}
    named = _every(told, "-f", "--file") or _listed_in(known, "COMPOSE_FILE", known.get("COMPOSE_PATH_SEPARATOR"))
    paths = [command.path(path) for path in named] or _found(project)
    if not paths:
        raise UnknownProgram(f"there is no {NAMES[0]} and no {NAMES[-1]} that says what docker compose {task} starts")
    folder = project if _last(told, "--project-directory") else os.path.dirname(paths[0])
    environment = {**_dotenv(folder, _every(told, "--env-file")), **command.environment}
    variables = Variables(environment)
    values: Value = {}
    unread: list[str] = []
    for path in paths[:8]:
        more, lines = _read(path, variables)
        values = _merged(values, more)
        unread += lines
    described = values.get("services") if isinstance(values, dict) else None
    if not isinstance(values, dict) or not isinstance(described, dict):
        raise UnknownProgram(f"{paths[0]} describes no service that can be read")
    unread += [f"include of {os.path.basename(paths[0])}"] if "include" in values else []
    wanted, behind = _wanted(task, rest, described)
    needed = frozenset() if "--no-deps" in rest else _needed(wanted, described)
    profiles = frozenset(_every(told, "--profile") or _listed_in(environment, "COMPOSE_PROFILES", ","))
    runs: list[tuple[str, tuple[str, ...], int]] = []
    for name, service in list(described.items())[:MOST_SERVICES]:
        if not isinstance(service, dict):
            continue
        is_run = task == "run" and name in wanted
        n_copies = 1 if is_run else _copies(name, service, rest)
        if n_copies and (name in wanted | needed or (not wanted and _is_active(service, profiles))):
            if "extends" in service:
                unread.append(f"{name[:60]} (a service): extends")
            try:
                runs.append((name, run_of(name, service, behind if is_run else ()), n_copies))
            except ValueError as error:
                unread.append(f"{name[:60]} (a service): {error}")
    return tuple(Service(name, run, folder, tuple(unread), n_copies) for name, run, n_copies in runs)


def _listed_in(environment: Mapping[str, str], name: str, separator: str | None) -> list[str]:
    """docs.docker.com, "Configure pre-defined environment variables in Docker Compose", 2026-11."""
    return [part.strip() for part in environment.get(name, "").split(separator or os.pathsep) if part.strip()]


def _is_active(service: Mapping[str, Value], profiles: frozenset[str]) -> bool:
    """One of its profiles is enough, and ``*`` stands for all."""
    own = _words(service.get("profiles"))
    return not own or "*" in profiles or not profiles.isdisjoint(own)


def _copies(name: str, service: Mapping[str, Value], rest: Sequence[str]) -> int:
    """How many containers of it are started; the command counts before the file."""
    told = [str(service.get("scale", "")), str(_at(service, "deploy").get("replicas", ""))]
    for position, word in enumerate(rest):
        flag, equals, value = word.partition("=")
        which, _, number = (value if equals else "".join(rest[position + 1 : position + 2])).partition("=")
        told = [number] if flag == "--scale" and which == name else told
    counts = [int(count) for count in told if re.fullmatch(r"\d{1,6}", count)]
    return counts[-1] if counts else 1


def taken_apart(words: Sequence[str]) -> tuple[list[tuple[str, str]], str, tuple[str, ...]]:
    """(options before the command, the command, what stands behind it)."""
    told: list[tuple[str, str]] = []
    position = 0
    while position < len(words) and words[position].startswith("-"):
        name, equals, value = words[position].partition("=")
        position += 1
        if not equals and name in _VALUED and position < len(words):
            value = words[position]
            position += 1
        told.append((name, value))
    return told, words[position] if position < len(words) else "", tuple(words[position + 1 :])


def _wanted(task: str, rest: Sequence[str], described: Mapping[str, Value]) -> tuple[frozenset[str], tuple[str, ...]]:
    """(services that are named, words in place of their command)."""
    names: list[str] = []
    position = 0
    while position < len(rest):
        word = rest[position]
        position += 1
        if word.startswith("-"):
            position += word in _VALUED
        elif word not in described:
            raise UnknownProgram(f"the compose file describes no service {word[:60]!r}")
        elif task == "run":
            return frozenset({word}), tuple(rest[position:])
        else:
            names.append(word)
    return frozenset(names), ()


def _needed(wanted: frozenset[str], described: Mapping[str, Value]) -> frozenset[str]:
    """What those that are named are started after, and that in its turn."""
    found: set[str] = set()
    left = list(wanted)
    while left:
        service = described.get(left.pop())
        if not isinstance(service, dict):
            continue
        told = [each for key in ("depends_on", "links") for each in _names(service.get(key))]
        more = {name.partition(":")[0] for name in told} - found - wanted
        found |= more
        left += more
    return frozenset(found)


def _names(told: Value) -> list[str]:
    """Of a list, or of a map by name."""
    return [str(each) for each in told] if isinstance(told, (list, dict)) else []


def _every(told: Sequence[tuple[str, str]], *names: str) -> list[str]:
    return [value for name, value in told if name in names]


def _last(told: Sequence[tuple[str, str]], name: str) -> str:
    return (["", *_every(told, name)])[-1]


def _found(folder: str) -> list[str]:
    for name in NAMES:
        path = os.path.join(folder, name)
        if os.path.isfile(path):
            stem, ending = os.path.splitext(path)
            override = f"{stem}.override{ending}"
            return [path, override] if os.path.isfile(override) else [path]
    return []


def _dotenv(folder: str, named: Sequence[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for path in named or [".env"]:
        try:
            text = read_named_file(os.path.join(folder, path), MOST_BYTES).decode("utf-8", "replace")
        except UnreadableFile:
            continue
        for line in text.splitlines():
            name, equals, value = line.strip().removeprefix("export ").partition("=")
            if equals and not name.startswith("#"):
                found[name.strip()] = value.strip().strip("\"'")
    return found


def _read(path: str, variables: Variables) -> tuple[Value, list[str]]:
    """(what it says, with its variables; lines that are not read)."""
    try:
        text = read_named_file(path, MOST_BYTES).decode("utf-8", "replace")
    except UnreadableFile as error:
        raise UnknownProgram(f"{path} cannot be read, which says what docker compose starts") from error
    try:
        settings = settings_of(plain_text(text))
    except UnreadableSettings as error:
        raise UnknownProgram(str(error)) from error
    name = os.path.basename(path)
    return expanded(settings.values, variables), [f"{name}: {line}" for line in settings.unread]


def expanded(value: Value, variables: Variables) -> Value:
    """With its variables."""
    if isinstance(value, dict):
        return {name: expanded(each, variables) for name, each in value.items()}
    if isinstance(value, list):
        return [expanded(each, variables) for each in value]
    return _VARIABLE.sub(lambda found: _variable(found, variables), value) if isinstance(value, str) else value


def _variable(found: re.Match[str], variables: Variables) -> str:
    """Its value; as it is written where nothing says it (Compose would take it as empty)."""
    if found[0] == "$$":
        return "$"
    words = variables.parameter(found[1] or found[2], str)
    return found[0] if words is None else " ".join(words)


def _merged(before: Value, more: Value, name: str = "") -> Value:
    if isinstance(before, dict) and isinstance(more, dict):
        return {**before, **{key: _merged(before.get(key), value, key) for key, value in more.items()}}
    if isinstance(before, list) and isinstance(more, list) and name in _JOINED:
        return [*before, *more]
    return before if more is None else more


def run_of(name: str, service: Mapping[str, Value], behind: Sequence[str]) -> tuple[str, ...]:
    """``docker run ...`` of a service.

    Args:
        name: its own.
        service: as the file describes it.
        behind: in place of its command.

    Raises:
        ValueError: a quote is never closed.
    """
    entry = _words(service.get("entrypoint"))
    own = tuple(behind) or _words(service.get("command"))
    image = str(service.get("image") or f"{name}:built")
    options = [word for option in _options(service) for word in option]
    if entry:
        options += ["--entrypoint", entry[0]]
    return ("docker", "run", *options, image, *entry[1:], *own)


def _options(service: Mapping[str, Value]) -> Iterator[tuple[str, ...]]:
    yield from (("-e", variable) for variable in _pairs(service.get("environment")))
    for path in _listed(service.get("env_file")):
        yield "--env-file", str(path.get("path", "")) if isinstance(path, dict) else str(path)
    yield from map(_volume, _listed(service.get("volumes")))
    yield from (("--device", str(device)) for device in _listed(service.get("devices")))
    for key, flag in (("runtime", "--runtime"), ("working_dir", "-w"), ("mem_limit", "--memory")):
        if service.get(key):
            yield flag, str(service[key])
    if service.get("privileged") is True:
        yield ("--privileged",)
    resources = _at(service, "deploy", "resources")
    if limit := _at(resources, "limits").get("memory"):
        yield "--memory", str(limit)
    yield from (("--gpus", told) for told in _gpus(service.get("gpus"), resources))


def _volume(volume: Value) -> tuple[str, str]:
    if isinstance(volume, dict):
        return "--mount", ",".join(f"{key}={volume[key]}" for key in ("type", "source", "target") if key in volume)
    return "-v", str(volume)


def _gpus(told: Value, resources: Mapping[str, Value]) -> Iterator[str]:
    """Of ``gpus``, and of what is reserved."""
    if isinstance(told, str):
        yield told
    reserved = [
        device
        for device in _listed(_at(resources, "reservations").get("devices"))
        if isinstance(device, dict) and "gpu" in _words(device.get("capabilities"))
    ]
    for device in (*(each for each in _listed(told) if isinstance(each, dict)), *reserved):
        ids = _words(device.get("device_ids"))
        yield f"device={','.join(ids)}" if ids else str(device.get("count") or "all")


def _at(value: Value | Mapping[str, Value], *names: str) -> Mapping[str, Value]:
    for name in names:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value if isinstance(value, Mapping) else {}


def _listed(value: Value) -> list[Value]:
    return value[:256] if isinstance(value, list) else [] if value is None or isinstance(value, dict) else [value]


def _pairs(value: Value) -> list[str]:
    """``A=1`` of a map or a list; a name alone is as the shell has it."""
    if isinstance(value, dict):
        return [name if each is None else f"{name}={_text(each)}" for name, each in value.items()][:256]
    return [_text(each) for each in _listed(value)]


def _words(value: Value) -> tuple[str, ...]:
    """Of a list, or of a line as a shell takes it apart.

    Raises:
        ValueError: a quote is never closed.
    """
    if isinstance(value, str):
        return tuple(shlex.split(value.replace("\\\n", " ")))
    return tuple(_text(each) for each in _listed(value))


def _text(value: Value) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
