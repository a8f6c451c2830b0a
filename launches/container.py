"""An engine started in a container: ``docker run``, ``podman run``, ``nerdctl run``, and ``exec`` in one that runs.

Options as docs.docker.com has them ("docker container run", 2026-11); what images start, by their Dockerfiles.
"""

import os
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from launches.command import APPTAINERS, COMPOSERS, Command, Further, Program, program_of
from launches.container_server import behind_options
from launches.errors import NoLaunch, UnknownEngine, UnknownProgram
from launches.limits import bytes_of, least_of
from launches.named_file import UnreadableFile, read_named_file
from launches.splitter import MOST_CHARACTERS
from launches.unestimated import unestimated
from launches.variables_file import variables_in

SWITCHES = frozenset(
    """--detach --interactive --tty --rm --init --privileged --read-only --sig-proxy --publish-all --no-healthcheck
    --oom-kill-disable --disable-content-trust --quiet --no-hosts --replace --rootfs --tls-verify
    """.split()
)
"""All others take a value."""
_LETTERS = frozenset("ditPq")
"""Switches of one letter, which may stand together, before one that takes the rest, or the next word, as its value:
``-it``, ``-dp 8000:8000`` (spf13/pflag, flag.go, ``parseSingleShortArg``)."""
MOST_FILE_BYTES = 1 << 20
_MOST_UNREAD = 4
"""Variables among the options (ASSUMED)."""
_TAGGED = re.compile(r"[a-z0-9.-]+(?::\d+)?(?:/[a-z0-9._-]+)+(?::[\w.-]+|@sha256:[0-9a-f]+)")
"""A name with a tag or a digest (docs.docker.com, "docker image tag": path components are in lower case)."""


@dataclass(frozen=True, slots=True)
class Image:
    """What a container of it starts."""

    pattern: str
    """Of its name and tag."""
    words: tuple[str, ...] = ()
    """Before what stands behind the image: the entry point."""
    usual: tuple[str, ...] = ()
    """In place of it, where nothing does."""
    environment: Mapping[str, str] = field(default_factory=dict)
    folder: str = "/"
    """Where it is started."""
    is_cpu: bool = False
    """Built for the CPU alone."""
    told_by: tuple[tuple[str, str], ...] = ()
    """(variable, flag) of what its script tells the program; what stands behind the image it never reads."""


IMAGES = (
    Image(r"(?:.*/)?vllm-openai(?:-[\w-]+)?(?:[:@].*)?", ("vllm", "serve")),
    Image(
        r"(?:.*/)?text-generation-inference(?:[:@].*)?",
        ("text-generation-launcher",),
        environment={"PORT": "80"},
    ),
    Image(r"(?:.*/)?huggingface-text-generation-inference-(?:cu|gpu)[\w.-]*(?:[:@].*)?", ("text-generation-launcher",)),
    Image(
        r"(?:.*/)?llama\.cpp:server(?:-(?:b?\d+|s390x|cpu)(?:-.*)?)?",
        ("llama-server",),
        environment={"LLAMA_ARG_HOST": "0.0.0.0"},  # noqa: S104  # told
        is_cpu=True,
    ),
    Image(r"(?:.*/)?llama\.cpp:server(?:-.*)?", ("llama-server",), environment={"LLAMA_ARG_HOST": "0.0.0.0"}),  # noqa: S104  # told, not listened on
    Image(r"(?:.*/)?llama\.cpp:light(?:-(?:b?\d+|s390x|cpu)(?:-.*)?)?", ("llama-cli",), is_cpu=True),
    Image(r"(?:.*/)?llama\.cpp:light(?:-.*)?", ("llama-cli",)),
    Image(r"(?:.*/)?llama\.cpp:full(?:-(?:b?\d+|s390x|cpu)(?:-.*)?)?", is_cpu=True),
    Image(r"(?:.*/)?llama-cpp-python(?:[:@].*)?", (), ("python", "-m", "llama_cpp.server")),
    Image(r"(?:.*/)?tabbyapi(?:[:@].*)?", ("python3",), ("main.py", "--host", "0.0.0.0"), folder="/app"),  # noqa: S104  # told, not listened on
    Image(r"(?:.*/)?vllm-cpu(?:[-\w]*)?(?:[:@].*)?", ("vllm", "serve"), is_cpu=True),
    Image(r"(?:.*/)?ollama(?:[:@].*)?", ("ollama",), ("serve",)),
    Image(
        r"(?:.*/)?koboldai/koboldcpp(?:[:@].*)?",
        ("koboldcpp", "--quiet"),
        folder="/workspace",
        told_by=(
            ("KCPP_ARGS", ""),
            ("KCPP_MODEL", "--model"),
            ("KCPP_MMPROJ", "--mmproj"),
            ("KCPP_IMGMODEL", "--sdmodel"),
            ("KCPP_EMBEDMODEL", "--embeddingsmodel"),
            ("KCPP_WHISPERMODEL", "--whispermodel"),
        ),
    ),
)
"""Images that have an entry point, by the Dockerfiles of vllm-project/vllm, huggingface/text-generation-inference,
huggingface/Google-Cloud-Containers (containers/tgi/gpu/), ggml-org/llama.cpp (.devops/), ollama/ollama,
abetlen/llama-cpp-python and theroyallab/tabbyAPI, and by the docker-helper.sh that KoboldCpp's starts (2026-11). Others
start what stands behind them. Tags of llama.cpp's images without a name of a device are built for the CPU
(docs/docker.md)."""
TOOLS = {
    **dict.fromkeys(("--server", "-s"), "llama-server"),
    **dict.fromkeys(("--run", "-r"), "llama-cli"),
    **dict.fromkeys(("--run-legacy", "-l"), "llama-completion"),
    **dict.fromkeys(("--bench", "-b"), "llama-bench"),
    **dict.fromkeys(("--perplexity", "-p"), "llama-perplexity"),
    **dict.fromkeys(("--quantize", "-q"), "llama-quantize"),
}
"""What llama.cpp's ``full`` images start by the first word (.devops/tools.sh)."""
DAEMON_PATH = "/etc/docker/daemon.json"


_MOST_BESIDE = 7
"""Services beside the first that are judged (ASSUMED bound)."""
_UNREAD = frozenset({"start", "restart", "stack", "service", "swarm", "play", "kube"})
"""Commands that start containers which are described in a file, or were made before."""


def contained(command: Command, program: Program) -> tuple[Command, Program]:
    """The command as it is inside, and the program that it starts there.

    Raises:
        NoLaunch: it starts no container.
        UnknownProgram: nothing says what the container starts.
    """
    n_before = behind_options(program.name, program.arguments) if program.name not in APPTAINERS | COMPOSERS else 0
    words = program.arguments[n_before:]
    program = replace(program, arguments=words, offset=program.offset + n_before)
    if program.name in COMPOSERS or words[:1] == ("compose",):
        return _composed(command, program, words if program.name in COMPOSERS else words[1:])
    if program.name in APPTAINERS:
        return _of_apptainer(command, program)
    position = 1 if words[:1] == ("container",) else 0
    task = words[position] if position < len(words) else ""
    if task in _UNREAD or task.startswith("-"):
        raise UnknownProgram(f"what {program.name} {task} starts stands elsewhere, and is not read here")
    if task == "model" and (told := unestimated(replace(program, name="docker model", arguments=words[1:]))):
        raise UnknownEngine(told)
    if task not in ("run", "exec", "create"):
        raise NoLaunch(f"{program.name} {task} starts no container".replace("  ", " "))
    options, position, unread = _options(words, position + 1)
    if position >= len(words):
        raise UnknownProgram(f"{program.name} {task} names no image")
    image = words[position]
    inside = _inside(command, program, options, _image(image).folder)
    started = _started(options, image, words[position + 1 :], task, inside.environment)
    found = program_of(replace(inside, arguments=started))
    if found is None:
        raise UnknownProgram(f"nothing says what a container of {image[:80]} starts")
    n_behind = len(words) - position - 1
    known = _image(image)
    # What stands behind the image is at the end of both; of what variables tell, no word stands there.
    offset = program.offset + position + 1 + n_behind - (0 if known.told_by else len(found.arguments))
    has_entry = task == "exec" or any(name == "--entrypoint" for name, _ in options)
    likely = () if has_entry else _likely_words(image, words[position + 1 :])
    environment = {**known.environment, **found.environment}
    return inside, replace(
        found,
        offset=offset,
        environment=environment,
        image=image,
        given_devices="seen"
        if unread and not known.is_cpu
        else _given_devices(program, options, inside.environment, task, is_cpu=known.is_cpu),
        ram_bytes=least_of(_ram_bytes(options), found.ram_bytes),
        swap_bytes=_swap_bytes(options),
        unknown=(*unread, *(f"{image[:80]} (an image)" for _ in likely[:1]), *found.unknown),
    )


def _of_apptainer(command: Command, program: Program) -> tuple[Command, Program]:
    """As of Docker, with all that the shell has set.

    Raises:
        NoLaunch: it starts no container.
        UnknownProgram: nothing says what the container starts.
    """
    from launches.apptainer import as_docker  # noqa: PLC0415  # which few commands need

    words = as_docker(program.arguments, command.directory)
    if words is None:
        raise NoLaunch(f"{program.name} {' '.join(program.arguments[:1])} starts no container")
    inside, found = contained(command, replace(program, name="docker", arguments=words))
    environment = {**program.environment, **found.environment}
    offset = len(command.arguments) - len(found.arguments)
    return replace(inside, environment=environment), replace(found, environment=environment, offset=offset)


def _composed(command: Command, program: Program, words: tuple[str, ...]) -> tuple[Command, Program]:
    """The first service that starts an engine, and others that load a model; what else starts one is named.

    Raises:
        UnknownProgram: there is none.
    """
    if "exec" in words and (entering := _entering(words)) is not None:
        n_left_out = len(program.arguments) - len(entering)
        offset = program.offset + n_left_out
        return contained(command, replace(program, name="docker", arguments=entering, offset=offset))
    # Which few commands need, and one of which reads commands itself.
    from launches.compose import services_of  # noqa: PLC0415
    from launches.launch import read_launches  # noqa: PLC0415

    found: list[Command] = []
    further: list[Further] = []
    others: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()
    for service in services_of(replace(command, environment=program.environment), words):
        unread = service.unread
        if any("compose" in word for word in service.words[2:]):  # which might start itself, and so on
            continue
        run = replace(command, arguments=service.words, directory=service.directory, environment=program.environment)
        try:
            launches = read_launches(run)
        except (NoLaunch, UnknownProgram):
            continue
        n_copies = service.n_copies if found else service.n_copies - 1
        found = found or [run]
        n_counted = min(n_copies, _MOST_BESIDE - len(further)) if launches[0].source is not None else 0
        further += [Further(command=run)] * n_counted
        if n_counted < n_copies:
            others += (f"{service.name[:60]} (a service that starts {launches[0].program})",)
    if not found:
        raise UnknownProgram("no service that is started so is an engine whose command line is known here")
    run = found[0]
    inside, started = contained(run, replace(program, name="docker", arguments=run.arguments[1:], offset=1))
    return inside, replace(started, unknown=(*others, *unread, *started.unknown), further=tuple(further))


def _entering(words: tuple[str, ...]) -> tuple[str, ...] | None:
    """``exec`` of ``docker compose`` in words of ``docker``; None where it is another command."""
    from launches.compose import taken_apart  # noqa: PLC0415  # which few commands need

    _, task, rest = taken_apart(words)
    return ("exec", *(word for word in rest if word not in ("-T", "--no-tty"))) if task == "exec" else None


def _options(words: tuple[str, ...], position: int) -> tuple[list[tuple[str, str]], int, tuple[str, ...]]:
    """(option, value) of each; where the image stands; variables among them of which nothing is known."""
    found: list[tuple[str, str]] = []
    unread: tuple[str, ...] = ()
    while position < len(words) and (_is_option(words[position]) or words[position].startswith("$")):
        if not _is_option(words[position]):
            if ":+" not in words[position]:  # ${TOKEN:+-e TOKEN=x}
                if len(unread) >= _MOST_UNREAD or not _has_image_behind(words, position + 1):
                    break  # an image whose name is a variable
                unread += (words[position],)
            position += 1
            continue
        option, position = _option(words, position)
        found.append(option)
    return found, position, unread


def _option(words: tuple[str, ...], position: int) -> tuple[tuple[str, str], int]:
    """((option, value), where the next word stands)."""
    word = words[position]
    position += 1
    name, equals, value = word.partition("=")
    is_switch = name in SWITCHES
    if not word.startswith("--"):
        n_switches = next((n for n, letter in enumerate(word[1:]) if letter not in _LETTERS), len(word) - 1)
        is_switch = n_switches > 0 and word[1 + n_switches : 2 + n_switches] in ("", "=")  # -it, and -d=true
        if not is_switch:
            letter, value = word[1 + n_switches], word[2 + n_switches :]
            name, equals, value = f"-{letter}", value[:1], value.removeprefix("=")
    if not equals and not is_switch and position < len(words):
        value = words[position]
        position += 1
    return (name, value), position


def _has_image_behind(words: tuple[str, ...], position: int) -> bool:
    """Whether the first word there that is no option names an image: ``docker run $ARGS ghcr.io/x/y:2.0``."""
    while position < len(words) and (_is_option(words[position]) or words[position].startswith("$")):
        position = _option(words, position)[1] if _is_option(words[position]) else position + 1
    image = "".join(words[position : position + 1])
    return _image(image).pattern != "" or _TAGGED.fullmatch(image) is not None


def _is_option(word: str) -> bool:
    return word.startswith("-") and len(word) > 1


_LIKELY = (
    (re.compile(r"vllm"), ("vllm", "serve")),
    (re.compile(r"text-generation-inference|(?:^|-)tgi(?:-|$)"), ("text-generation-launcher",)),
    (re.compile(r"koboldcpp"), ("koboldcpp",)),
    (re.compile(r"llamafiler"), ("llamafiler",)),
    (re.compile(r"llamafile"), ("llamafile",)),
    (re.compile(r"llama[.-]?cpp|llama-server"), ("llama-server",)),
)
"""What an image of one's own starts by its name, where flags alone stand behind it (ASSUMED)."""


def _likely_words(image: str, behind: tuple[str, ...]) -> tuple[str, ...]:
    """The entry point of an image that is not known; none where a program stands behind it."""
    if _image(image).pattern or not behind:
        return ()
    name = image.rpartition("/")[2].partition(":")[0].partition("@")[0]
    likely = next((words for pattern, words in _LIKELY if pattern.search(name)), ())
    if not behind[0].startswith("--") and not (likely[:1] == ("vllm",) and _is_model(behind)):
        return ()
    return () if likely == ("llama-server",) and behind[0] in TOOLS else likely


def _is_model(behind: tuple[str, ...]) -> bool:
    """Whether the name of a model stands first, and options behind it: no program that a container starts."""
    model, following = behind[0], "".join(behind[1:2])
    is_named = re.fullmatch(r"[\w.-]+/[\w.-]+|(?:/[\w.-]+){2,}", model) is not None
    is_program = model.startswith(("/usr/", "/bin/", "/opt/", "/sbin/")) or model.endswith((".sh", ".py"))
    return is_named and not is_program and following.startswith("--")


def _started(
    options: list[tuple[str, str]],
    image: str,
    behind: tuple[str, ...],
    task: str,
    environment: Mapping[str, str],
) -> tuple[str, ...]:
    """The words that are run inside."""
    entry = next((value for name, value in reversed(options) if name == "--entrypoint"), None)
    if entry:
        return (entry, *behind)
    known = _image(image)
    if re.fullmatch(r"(?:.*/)?llama\.cpp:full(?:-.*)?", image) and behind[:1] and behind[0] in TOOLS:
        return (TOOLS[behind[0]], *behind[1:])
    if task == "exec" or entry == "":
        return behind
    if known.told_by:
        return (*known.words, *_told_by(known, environment))
    if known.words and behind and os.path.basename(behind[0]) == known.words[0]:  # said again
        return behind
    return (*(known.words or _likely_words(image, behind)), *(behind or known.usual))


def _told_by(image: Image, environment: Mapping[str, str]) -> Iterator[str]:
    """The words that its script makes of variables.

    Raises:
        UnknownProgram: a quote is never closed.
    """
    for name, flag in image.told_by:
        value = environment.get(name, "")[:MOST_CHARACTERS]
        try:
            words = shlex.split(value) if not flag else [flag, value] if value else []
        except ValueError as error:
            raise UnknownProgram(f"{name} cannot be taken apart; check its quotes") from error
        yield from words


def _image(image: str) -> Image:
    return next((known for known in IMAGES if re.fullmatch(known.pattern, image)), Image(""))


def _given_devices(
    program: Program, options: list[tuple[str, str]], environment: Mapping[str, str], task: str, *, is_cpu: bool
) -> str:
    """A key of ``launches.launch.GIVEN``: whether it sees devices at all."""
    if is_cpu:
        return "cpu image"
    has_devices = any(
        name in ("--gpus", "--privileged", "--cdi-spec-dir", "--volumes-from")
        or (name == "--runtime" and "nvidia" in value)
        or (name == "--device" and re.search(r"nvidia|/dev/(?:dri|kfd|dxg|davinci)|gpu", value) is not None)
        for name, value in options
    )
    if has_devices or task == "exec":
        return "seen"
    if environment.get("NVIDIA_VISIBLE_DEVICES", "void") not in ("", "void", "none") or _is_nvidia_usual(program.name):
        return "assumed"
    return "none"


def _is_nvidia_usual(name: str) -> bool:
    """Whether Docker's own settings name NVIDIA's runtime as the usual one."""
    if name != "docker":
        return False
    try:
        content = read_named_file(DAEMON_PATH, MOST_FILE_BYTES)
    except UnreadableFile:
        return False
    return re.search(rb'"default-runtime"\s*:\s*"nvidia', content) is not None


def _swap_bytes(options: list[tuple[str, str]]) -> int | None:
    """``--memory-swap 20g``, of RAM and swap together; None where it is unlimited, or as much as RAM (as above)."""
    ram_bytes = _ram_bytes(options)
    both = bytes_of(next((value for name, value in reversed(options) if name == "--memory-swap"), ""))
    return None if ram_bytes is None or both is None else max(0, both - ram_bytes)


def _ram_bytes(options: list[tuple[str, str]]) -> int | None:
    """``--memory 16g``; None where it has no limit (docs.docker.com, "Resource constraints": b, k, m, g)."""
    return bytes_of(next((value for name, value in reversed(options) if name in ("-m", "--memory")), ""))


def _inside(command: Command, program: Program, options: list[tuple[str, str]], folder: str) -> Command:
    environment: dict[str, str] = {}
    mounts: list[tuple[str, str]] = []
    directory = folder
    gpus: str | None = None
    for name, value in options:
        if name in ("-e", "--env"):
            key, equals, text = value.partition("=")
            environment[key] = text if equals else program.environment.get(key, "")
        elif name == "--env-file":
            environment.update(variables_in(command.path(value)))
        elif name in ("-v", "--volume"):
            mounts += _volume(command, value)
        elif name == "--mount":
            mounts += _mount(command, value)
        elif name in ("-w", "--workdir"):
            directory = value
        elif name == "--gpus":
            gpus = value
        elif name == "--device" and value.startswith("nvidia.com/gpu="):
            gpus = f"device={value.partition('=')[2]}" if not value.endswith("=all") else "all"
    given = _given(gpus, environment)
    if given is not None:
        environment["CUDA_VISIBLE_DEVICES"] = _visible(given, environment.get("CUDA_VISIBLE_DEVICES"))
        environment["CUDA_DEVICE_ORDER"] = "PCI_BUS_ID"  # the runtime counts as the driver does
    return replace(
        command,
        environment=environment,
        directory=directory,
        ram_limit_bytes=None,
        mounts=tuple(sorted(mounts, key=lambda mount: -len(mount[0]))),
    )


def _given(gpus: str | None, environment: Mapping[str, str]) -> list[str] | None:
    """The GPUs that the runtime lets the container see, by number or name; None where it is all of them."""
    text = (gpus or environment.get("NVIDIA_VISIBLE_DEVICES", "")).strip("\"' ")
    listed = re.search(r"device=([^;]+)", text)
    if listed is not None:
        return [part.strip("\"' ") for part in listed[1].split(",") if "=" not in part]
    if text.isdecimal() and gpus is not None:
        return [str(number) for number in range(min(int(text), 64))]
    if gpus is None and re.fullmatch(r"\d{1,3}(?:,\d{1,3})*|GPU-[\w,-]+", text):
        return text.split(",")
    return None


def _visible(given: Sequence[str], inner: str | None) -> str:
    """``CUDA_VISIBLE_DEVICES`` as it would be outside, where inside it is ``inner``."""
    if inner is None:
        return ",".join(given)
    numbers = [part.strip() for part in inner.split(",")]
    return ",".join(given[int(part)] for part in numbers if part.isdecimal() and int(part) < len(given))


def _volume(command: Command, value: str) -> list[tuple[str, str]]:
    parts = value.split(":")
    if len(parts) < 2 or not parts[0].startswith(("/", "~", ".")):
        return []  # a volume that the runtime keeps by name
    return [(parts[1], os.path.abspath(command.path(parts[0])))]


def _mount(command: Command, value: str) -> list[tuple[str, str]]:
    said = dict(part.partition("=")[::2] for part in value.split(","))
    source = said.get("source") or said.get("src")
    target = said.get("target") or said.get("dst") or said.get("destination")
    if said.get("type", "bind") != "bind" or not source or not target:
        return []
    return [(target, os.path.abspath(command.path(source)))]
