"""Commands that load no model, whatever they are told, and of which nothing is said; what else is not recognised may.

A shell's own commands and POSIX.1-2024's utilities, util-linux, procps, and what people write around an engine: tools
that fetch, build, install, ask and show. Of ``make`` the targets are those of the GNU Coding Standards ("Standard
Targets"), which build, install and remove.
"""

import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from launches.ordinary_names import BUILT_IN, DESKTOP, MANAGERS, SERVERS, TOOLS, WINDOWS
from launches.wrappers import WRAPPERS, base_name

_ORDINARY = BUILT_IN | TOOLS | MANAGERS | SERVERS | DESKTOP | WINDOWS
SUCCEEDING = (BUILT_IN | TOOLS | MANAGERS) - frozenset(
    "[ [[ test command type hash grep egrep fgrep rg pgrep which whereis where nvidia-smi rocm-smi amd-smi cmp diff "
    "curl nc read getopts id lsof lspci lsmod ping ss netstat mountpoint findstr jq false wait kill git-lfs".split()
)
"""What a script does and does not ask about: what stands behind ``&&`` of it is meant to be reached."""
_PLAIN = (
    (BUILT_IN | TOOLS | SERVERS)
    - frozenset(
        "builtin command coproc env eval exec find nice nohup source . sudo time timeout tmux at watch install".split()
    )
    - WRAPPERS.keys()
)
"""Those of them that start nothing that stands among their words, nor anything elsewhere."""
_TASKS: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "npm": frozenset("exec run run-script start test x restart".split()),
        "pnpm": frozenset("exec run start test dlx dev".split()),
        "yarn": frozenset("exec run start test dlx dev".split()),
        "bun": frozenset("run start test x dev".split()),
        "cargo": frozenset("run r bench test".split()),
        "go": frozenset("run test".split()),
        "gradle": frozenset("run bootRun".split()),
        "dotnet": frozenset("run watch test".split()),
        "brew": frozenset({"services"}),
        "systemctl": frozenset("start restart reload-or-restart try-restart enable reenable isolate".split()),
        "rc-service": frozenset("start restart".split()),
        "service": frozenset("start restart".split()),
        "launchctl": frozenset("load bootstrap start kickstart submit".split()),
        "supervisorctl": frozenset("start restart reload update".split()),
        "pm2": frozenset("start restart resurrect".split()),
        "ray": frozenset({"job", "exec", "submit", "up"}),
        "lms": frozenset({"load"}),
        "mise": frozenset("exec run r x watch".split()),
        "bundle": frozenset({"exec"}),
        "flatpak": frozenset({"run"}),
        "snap": frozenset({"run"}),
    }
)
"""Programs that start others by these of their commands only."""
_OLLAMA = re.compile(r"ollama(?:\.service)?|docker(?:\.service|\.socket)?|ssh|sshd|nginx|containerd|postgresql|redis")
"""Services that load nothing before they are asked."""
_TARGETS = frozenset("all clean distclean install uninstall check mostlyclean installdirs dist info TAGS".split())
_MODULES = frozenset(
    "pip venv ensurepip http.server json.tool site sysconfig platform compileall zipfile tarfile timeit virtualenv uv "
    "huggingface_hub.commands.huggingface_cli build ruff mypy black isort playwright nltk.downloader spacy".split()
)
"""Modules of Python that load nothing on a device."""
_LOADING = re.compile(
    r"from_pretrained|pipeline\(|vllm|sglang|llama_cpp|mlx_lm|ctransformers|exllama|tensorrt_llm|onnxruntime|diffusers"
    r"|sentence_transformers|whisper|subprocess|os\.(?:system|exec|popen|spawn)|runpy|exec\(|eval\(|\.load\(|import_module"
)
"""In a line of Python that may load a model, or start what does."""
_IMAGES = re.compile(
    r"(?:.*/)?(?:nginx|traefik|caddy|redis|valkey|postgres|pgvector|mysql|mariadb|mongo|rabbitmq|prometheus|grafana"
    r"|cadvisor|node-exporter|dcgm-exporter|alpine|busybox|hello-world|watchtower|portainer(?:-ce)?|litellm|minio|qdrant"
    r"|registry|searxng|cloudflared|haproxy)(?:[:@].*)?"
)
"""Of containers that hold no model."""
_SWITCHES = frozenset(
    "-d -i -t -P -q -it -ti -dit -itd -idt -tid -di -dt -td --detach --init --interactive --no-healthcheck "
    "--oom-kill-disable --privileged --publish-all --quiet --read-only --rm --sig-proxy --tty".split()
)
"""Options of ``docker run`` that take no value (docs.docker.com/reference/cli/docker/container/run, 2026-11)."""
_ASKED = frozenset("--version -version --help -V".split())
"""Alone behind a program, it only says what it is."""
_SETTING_UP = re.compile(
    r"(?:.*[/\\])?(?:[Aa]ctivate(?:\.\w{1,8})?|\.?\w*(?:rc|profile|env|aliases|completion)|conda\.sh|nvm\.sh|setvars\.sh"
    r"|vars\.sh|mamba\.sh|micromamba\.sh)"
)
"""A file that a shell reads to be set up: of an environment of Python, of the person, of a toolkit."""
_NO_PROGRAM = re.compile(r"[^\w./~$`<{\"'\\@]|\w+(?:\+\+|--)\Z|\w+://", re.ASCII)
"""What stands where a program would, and is a part of arithmetic (``((i++))``) or of a text."""
_PYTHON = re.compile(r"python[\d.]*|pypy\d*|py")


def is_ordinary(words: Sequence[str]) -> bool:
    """Whether what a command starts loads no model.

    Args:
        words: of the program and behind it, without assignments and wrappers.
    """
    name, rest = base_name(words[0]).removeprefix("@"), words[1:]  # of cmd.exe: not to be shown
    if _NO_PROGRAM.match(words[0]) or (len(rest) == 1 and rest[0] in _ASKED):
        return True
    plain = name if name in _ORDINARY else name.casefold()
    if name in _TASKS:
        return _is_harmless_task(name, rest)
    if plain == "find" and (started := _behind(rest, ("-exec", "-execdir", "-ok", "-okdir"))):
        return is_ordinary(started)
    if plain == "watch":
        return is_ordinary((_first_of(rest) or "true").split())
    if plain == "tmux":
        return not {"send-keys", "send"}.intersection(rest) or rest[-1:] in (["C-c"], ["Enter"], ["C-m"], ["C-d"])
    if plain in ("source", "."):
        return not rest or _SETTING_UP.fullmatch(rest[0]) is not None
    if name in ("make", "gmake"):
        return _TARGETS.issuperset(_targets(rest))
    if plain == "docker" and "run" in rest[:1]:
        return _IMAGES.fullmatch(_image_of(rest[1:])) is not None
    if _PYTHON.fullmatch(name):
        return _is_harmless_python(rest)
    return plain in _ORDINARY or plain.startswith("cloudflared-")


def is_plain(words: Sequence[str]) -> bool:
    """Whether no more than its name need be looked at."""
    return words[0] in _PLAIN and not words[0].startswith("llama-")


def is_interpreter(words: Sequence[str]) -> bool:
    """Whether it is Python without a script, which reads one from its input: ``python - <<EOF``."""
    place = next((number for number, word in enumerate(words) if _PYTHON.fullmatch(base_name(word))), len(words))
    return place < len(words) and not _is_harmless_python(words[place + 1 :])


def sets_up(path: str) -> bool:
    """Whether a file that a shell reads only sets it up."""
    return _SETTING_UP.fullmatch(path) is not None


def _is_harmless_task(name: str, rest: Sequence[str]) -> bool:
    told = [word for word in rest if not word.startswith("-")]
    if name in ("systemctl", "service", "rc-service") and told:
        services = told[1:] if name == "systemctl" else told[:1] + told[2:]
        if services and all(_OLLAMA.fullmatch(service) for service in services):
            return True
    if name == "brew" and told[:1] == ["services"]:
        return not {"start", "restart", "run"}.intersection(told) or all(map(_OLLAMA.fullmatch, told[2:]))
    return _TASKS[name].isdisjoint(told[:2] if name in ("service", "rc-service") else told[:1])


def _is_harmless_python(rest: Sequence[str]) -> bool:
    if not rest:
        return False
    if rest[0] in ("--version", "-V", "-VV", "--help", "-h"):
        return True
    if rest[0] == "-c":
        return _LOADING.search(" ".join(rest[1:2])) is None
    if rest[0] == "-m":
        return any(module == rest[1] for module in _MODULES) if len(rest) > 1 else True
    return rest[0].endswith(("convert_hf_to_gguf.py", "convert-hf-to-gguf.py", "convert.py", "setup.py"))


def _image_of(rest: Sequence[str]) -> str:
    """Of ``docker run``: the first word that is neither an option nor an option's value."""
    is_value = False
    for word in rest:
        if not is_value and not word.startswith("-"):
            return word
        is_value = word.startswith("-") and "=" not in word and word not in _SWITCHES
    return ""


def _behind(words: Sequence[str], flags: Sequence[str]) -> Sequence[str]:
    return next((words[number + 1 :] for number, word in enumerate(words) if word in flags), ())


def _first_of(rest: Sequence[str]) -> str:
    """What ``watch`` does again and again, behind its options."""
    return next((word for word in rest if word[:1] != "-" and not re.fullmatch(r"[\d.]+", word)), "")


def _targets(rest: Sequence[str]) -> list[str]:
    """Of ``make``: without its options and the variables that it is given."""
    found = []
    is_value = False
    for word in rest:
        if not is_value and not word.startswith("-") and "=" not in word:
            found.append(word)
        is_value = word in ("-C", "-f", "-o", "-W", "-I", "--directory", "--file", "-j", "-l")
    return found
