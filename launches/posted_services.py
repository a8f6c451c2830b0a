"""Containers as people post them in YAML or JSON, each as the ``docker run`` that it stands for.

Services of Compose (``launches.compose``), and containers of Kubernetes' pods by kubernetes.io/docs, "Pod" (API
reference v1: command, args, env, resources, volumeMounts), 2026-11; whole files, and what is cut out of one.
"""

import json
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import pairwise

from launches.compose import expanded, run_of
from launches.compose_text import plain_text
from launches.variables import Variables
from launches.yaml_file import Value, settings_of

_MOST_CONTAINERS, _MOST_DEPTH, _MOST_DOCUMENTS = 64, 12, 32
"""Of one text (ASSUMED bounds)."""
_LIKELY = re.compile(r"(?:^[ \t]*(?:- +)?|[{,]\s*)[\"']?(?:image|build|command|args)[\"']?[ \t]*:", re.MULTILINE)
_DOCUMENT = re.compile(r"^---.*$", re.MULTILINE)
_FIRST = re.compile(r"(- +)?[\w.-]+:[ \t]+\S.*\n( +)[\w.-]+:")
"""A line whose blanks were cut off, which those below still have."""
_FIRST_LIST = re.compile(r"(- +)[\w.-]+:[ \t]*\n( {3,})- ")
"""The same of one whose value is a list."""
_NAMED = re.compile(r"\$\(([A-Za-z_]\w{0,99})\)")
"""Kubernetes' own way to write a variable among the words of a command."""

_QUANTITY = re.compile(r"(\d{1,18}(?:\.\d{1,6})?)(?:([kKMGT])(i?))?")


def started_by(text: str) -> str | None:
    """Its containers, a line each; None where it describes none that is told what to start."""
    if _LIKELY.search(text) is None:
        return None
    lines = [line for value in _values(text) for line in _lines(value)]
    return "\n".join(lines[:_MOST_CONTAINERS]) or None


def _values(text: str) -> Iterator[Value]:
    if text[:1] in "{[":
        with suppress(ValueError, RecursionError):
            yield json.loads(text)
        return
    for document in _DOCUMENT.split(text)[:_MOST_DOCUMENTS]:
        body = document.strip("\n")
        if (first := _FIRST.match(body)) is not None:
            body = " " * max(0, len(first[2]) - len(first[1] or "")) + body
        elif (first := _FIRST_LIST.match(body)) is not None:
            beside = re.search(rf"^( {{3,{len(first[2])}}})[\w.-]+:", body, re.MULTILINE)
            body = " " * (max(0, len(beside[1]) - len(first[1])) if beside is not None else 0) + body
        if body.lstrip().startswith("- "):
            body = f"it:\n{body}"
        yield expanded(settings_of(plain_text(body)).values, Variables({}))


def _lines(value: Value, name: str = "", depth: int = 0) -> Iterator[str]:
    if depth > _MOST_DEPTH:
        return
    if isinstance(value, list):
        for each in value:
            yield from _lines(each, name, depth + 1)
    elif isinstance(value, dict):
        words = _words(name, value)
        if words:
            yield shlex.join(words)
            return
        for key, each in value.items():
            yield from _lines(each, key, depth + 1)


def _words(name: str, told: Mapping[str, Value]) -> tuple[str, ...]:
    """Of one container; none where it is none."""
    is_listed = any(isinstance(told.get(key), list) for key in ("command", "args", "entrypoint"))
    is_container = isinstance(told.get("image"), str) or "build" in told
    if not is_listed and not (
        is_container and any(key in told for key in ("command", "environment", "env", "entrypoint"))
    ):
        return ()
    is_pods = "ontainers" in name or any(key in told for key in ("args", "volumeMounts", "resources"))
    is_pods = is_pods or isinstance(told.get("env"), list)
    service = _of_pod(told) if is_pods else {**told, "environment": told.get("environment", told.get("env"))}
    try:
        words = run_of(str(service.get("container_name") or told.get("name") or name or "it"), service, ())
    except ValueError:
        return ()
    if is_container:
        return words
    plain = {**service, "image": "it", "volumes": None}
    return _without_container(run_of("it", plain, ()))


def _without_container(words: Sequence[str]) -> tuple[str, ...]:
    """``docker run -e A=1 --entrypoint b it c`` as ``env A=1 b c``: nothing says what it is started in."""
    behind = list(words[words.index("it") + 1 :])
    options = words[2 : words.index("it")]
    pairs = list(pairwise(options))
    told = [value for option, value in pairs if option == "-e" and "=" in value]
    program = [value for option, value in pairs if option == "--entrypoint"]
    return (*(["env", *told] if told else []), *program, *behind)


def _of_pod(told: Mapping[str, Value]) -> dict[str, Value]:
    """A pod's container in the terms of Compose."""
    limits = _map(_map(told.get("resources")).get("limits"))
    environment = _environment(told.get("env"))
    gpus = [str(count) for key, count in limits.items() if "gpu" in key or "amd.com" in key]
    if not limits:  # cut out of a manifest, or given its devices in another way: as this machine has them
        gpus = ["all"]
    return {
        "image": told.get("image"),
        "entrypoint": _filled(told.get("command"), environment),
        "command": _filled(told.get("args"), environment),
        "environment": dict(environment),
        "working_dir": told.get("workingDir"),
        "mem_limit": _bytes(str(limits.get("memory") or "")),
        "gpus": gpus[0] if gpus else None,
    }


def _bytes(quantity: str) -> str:
    """``16Gi``, ``20G``, of 1024 and of 1000 each (kubernetes.io/docs, "Resource Management for Pods", 2026-11)."""
    found = _QUANTITY.fullmatch(quantity)
    if found is None:
        return ""
    return str(int(float(found[1]) * (1024 if found[3] else 1000) ** "?kmgt".index((found[2] or "?").lower())))


def _environment(told: Value) -> dict[str, str]:
    if isinstance(told, dict):
        return {name: str(value) for name, value in told.items()}
    listed = [each for each in told if isinstance(each, dict)] if isinstance(told, list) else []
    return {str(each["name"]): str(each["value"]) for each in listed if "name" in each and "value" in each}


def _filled(told: Value, environment: Mapping[str, str]) -> Value:
    """With its variables."""
    if isinstance(told, list):
        return [_filled(each, environment) for each in told]
    if not isinstance(told, str):
        return told
    return _NAMED.sub(lambda found: environment.get(found[1], found[0]), told)


def _map(value: Value) -> Mapping[str, Value]:
    return value if isinstance(value, dict) else {}
