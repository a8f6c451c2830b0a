"""Apptainer and Singularity: ``exec``, ``run`` and ``instance run`` of an image, as the ``docker run`` it is like.

apptainer.org, "apptainer exec" and "apptainer run", 1.4: it starts where it is called, and sees what the shell has set.
"""

import re
from collections.abc import Iterator

VALUED = frozenset(
    "-B --bind --env --env-file -H --home --pwd --cwd -W --workdir -o --overlay --mount -S --scratch --app --add-caps "
    "--drop-caps --apply-cgroups --cpus --cpuset-cpus --cpuset-mems --memory --memory-reservation --memory-swap --dns "
    "--hostname --network --network-args --fusemount --security --blkio-weight --pids-limit --shell --config "
    "--docker-host".split()
)
_TAGGED = re.compile(r"(.+?)_(v?\d[\w.-]*|latest|[\w.-]*(?:cuda|rocm)[\w.-]*)")
"""``apptainer pull docker://a/b:c`` writes ``b_c.sif``."""


def as_docker(words: tuple[str, ...], directory: str) -> tuple[str, ...] | None:
    """The words behind ``docker``; None where no container is started so.

    Args:
        words: behind ``apptainer``.
        directory: where it is called.
    """
    task, position = _task(words)
    if task not in ("exec", "run"):
        return None
    options: list[str] = ["--gpus", "all"]  # with --nv or --rocm, or by the site's settings
    place = directory
    while position < len(words) and words[position].startswith("-"):
        name, equals, value = words[position].partition("=")
        position += 1
        if not equals and name in VALUED and position < len(words):
            value = words[position]
            position += 1
        options += _option(name, value)
        place = value if name in ("--pwd", "--cwd") else place
    if position >= len(words):
        return None
    image, behind = words[position], words[position + 1 :]
    if "instance" in words[:position] and behind[:1] and not behind[0].startswith("-"):
        behind = behind[1:]  # the instance's name
    options += ["-w", place] if place else []
    if task == "exec":
        return ("run", *options, "--entrypoint", behind[0], _name(image), *behind[1:]) if behind else None
    return ("run", *options, _name(image), *behind)


def _task(words: tuple[str, ...]) -> tuple[str, int]:
    """(what it is to do, where what stands behind that begins)."""
    for number, word in enumerate(words[:8]):
        if word == "instance" or word.startswith("-"):
            continue
        return ("run" if word == "start" else word), number + 1
    return "", len(words)


def _option(name: str, value: str) -> Iterator[str]:
    if name == "--env":
        for variable in re.split(r",(?=[A-Za-z_]\w*=)", value):
            yield from ("-e", variable)
    elif name in ("-B", "--bind"):
        for bind in value.split(","):
            yield from ("-v", bind if ":" in bind else f"{bind}:{bind}")
    elif name in ("--env-file", "--mount", "--memory"):
        yield from (name, value)


def _name(image: str) -> str:
    """As Docker calls it: ``vllm-openai_v0.8.3.sif`` is ``vllm-openai:v0.8.3``."""
    if "://" in image:
        return image.partition("://")[2]
    name = re.sub(r"\.(?:sif|img|simg)$", "", image.rstrip("/").rpartition("/")[2])
    found = _TAGGED.fullmatch(name)
    name, tag = (found[1], f":{found[2]}") if found is not None else (name, "")
    return f"ollama/ollama{tag}" if name == "ollama" else f"{name}{tag}"
