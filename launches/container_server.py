"""Which machine a container program asks to start a container, by its own options, variables and settings.

docs.docker.com, "docker" (Options, Environment variables) and "Docker contexts", 2026-11; the order is that of
docker/cli, cli/command/cli.go, `resolveContextName`; podman(1), "GLOBAL OPTIONS"; docs/command-reference.md of
containerd/nerdctl, whose address is always this machine's.
"""

import json
import os
import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from launches.named_file import UnreadableFile, read_named_file

_VALUED: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "docker": frozenset("--config -c --context -H --host -l --log-level --tlscacert --tlscert --tlskey".split()),
        "docker-compose": frozenset(
            "-c --context -H --host -f --file -p --project-name --profile --env-file --project-directory --ansi "
            "--parallel --progress --log-level --tlscacert --tlscert --tlskey".split()
        ),
        "podman": frozenset(
            "-c --connection --url --log-level --root --runroot --runtime --runtime-flag --storage-driver "
            "--storage-opt --cgroup-manager --conmon --cdi-spec-dir --events-backend --hooks-dir --identity "
            "--imagestore --module --network-cmd-path --network-config-dir --out --ssh --tmpdir --volumepath".split()
        ),
        "nerdctl": frozenset(
            "-a --address -H --host -n --namespace --snapshotter --storage-driver --cni-path --cni-netconfpath "
            "--data-root --cgroup-manager --hosts-dir --bridge-ip".split()
        ),
    }
)
"""Options before the command that take a word of their own."""
_HOSTS = {"docker": "DOCKER_HOST", "docker-compose": "DOCKER_HOST", "podman": "CONTAINER_HOST"}
_CONTEXTS = {"docker": "DOCKER_CONTEXT", "docker-compose": "DOCKER_CONTEXT", "podman": "CONTAINER_CONNECTION"}
SERVERS = frozenset(_HOSTS)
"""Programs that may ask another machine."""
_SERVED_HERE = re.compile(r"(?:unix|npipe|fd):|tcp://(?:localhost|127\.|\[::1\])|/|$")
_USUAL = "default"
"""The context that is this machine, or what ``DOCKER_HOST`` says."""
_MOST_BYTES = 1 << 20


def behind_options(name: str, words: Sequence[str]) -> int:
    """Where the command stands, ``run``: behind the options that come before it."""
    return _taken_apart(name, words)[1]


def is_elsewhere(name: str, words: Sequence[str], environment: Mapping[str, str]) -> bool:
    """Whether another machine starts it, or may.

    Args:
        name: one of ``SERVERS``.
        words: behind it.
        environment: what it sees; without a ``PATH`` it is of a posted text, and no settings of this machine count.
    """
    told, _ = _taken_apart(name, words)
    if name == "podman" and any(flag in ("-r", "--remote") and value != "false" for flag, value in told):
        return True
    context = _last(told, "-c", "--context", "--connection")
    host = _last(told, "-H", "--host", "--url")
    host = host or (environment.get(_HOSTS[name], "") if context in ("", _USUAL) else "")
    if host:
        return _SERVED_HERE.match(host) is None
    context = context or environment.get(_CONTEXTS[name], "")
    if name == "podman":
        return bool(context)
    folder = _settings_folder(told, environment)
    if not context and "PATH" in environment:
        set_to = _json(os.path.join(folder, "config.json")).get("currentContext")
        context = set_to if isinstance(set_to, str) else ""
    if context in ("", _USUAL):
        return False
    return "PATH" not in environment or _SERVED_HERE.match(_host_of(context, folder)) is None


def _taken_apart(name: str, words: Sequence[str]) -> tuple[list[tuple[str, str]], int]:
    """((option, value) of each, where the command stands)."""
    valued = _VALUED.get(name, frozenset())
    told: list[tuple[str, str]] = []
    position = 0
    while position < len(words) and words[position].startswith("-"):
        flag, equals, value = words[position].partition("=")
        if not equals and len(flag) > 2 and flag[:2] in valued and flag[1] != "-":  # -Htcp://...
            flag, value, equals = flag[:2], flag[2:], "="
        position += 1
        if not equals and flag in valued and position < len(words):
            value = words[position]
            position += 1
        told.append((flag, value))
    return told, position


def _last(told: Sequence[tuple[str, str]], *flags: str) -> str:
    return next((value for flag, value in reversed(told) if flag in flags), "")


def _settings_folder(told: Sequence[tuple[str, str]], environment: Mapping[str, str]) -> str:
    """docs.docker.com, "docker", Configuration files: ``--config``, DOCKER_CONFIG, else below the home."""
    named = _last(told, "--config") or environment.get("DOCKER_CONFIG", "")
    return named or os.path.join(environment.get("HOME") or os.path.expanduser("~"), ".docker")


def _host_of(context: str, folder: str) -> str:
    """Where the context of this name has its server; a host of no name where that is not known.

    Kept below the name's SHA-256 (docker/cli, cli/context/store/store.go, `contextdirOf`).
    """
    from hashlib import sha256  # noqa: PLC0415  # 2 ms, which only a context of one's own pays

    place = sha256(context.encode("utf-8", "replace")).hexdigest()
    meta = _json(os.path.join(folder, "contexts", "meta", place, "meta.json"))
    ends = meta.get("Endpoints")
    server = ends.get("docker") if isinstance(ends, dict) else None
    return str(server.get("Host") or "?") if isinstance(server, dict) else "?"


def _json(path: str) -> dict[str, object]:
    """An object; empty where there is none."""
    try:
        found = json.loads(read_named_file(path, _MOST_BYTES))
    except (UnreadableFile, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
