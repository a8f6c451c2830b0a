"""What a wrapper hands over to the program that it starts: variables, and the folder in which it begins.

By their manual pages: env(1), exec of bash(1), sudo(8) and sudoers(5), doas(1), systemd-run(1), sbatch and srun of
Slurm 25.05, ``uv help run`` of 0.13.9, ``conda run --help`` of 25.
"""

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from launches.limits import values_of
from launches.variables_file import variables_in
from launches.wrappers import folder_of

_VARIABLE = re.compile(r"[$`{]|%\w+%")
"""Of a shell: of a folder in whose name one stands nothing is known."""
_KEPT_BY_SUDO = re.compile(r"PATH|TERM|COLORTERM|DISPLAY|XAUTHORITY|LANG|LANGUAGE|LC_\w+|TZ|SUDO_\w+")
"""``env_reset`` is on unless sudoers says otherwise; what of these it keeps decides nothing here."""
MOVING = re.compile(r"(?:CUDA|HIP|ROCR|GPU|ZE|NVIDIA|GGML|LLAMA|OLLAMA|VLLM|SGLANG|HF|HUGGINGFACE|PYTORCH)_\w+")
"""Variables that move memory, or say where a model lies."""
_MOST_SAID = 3


@dataclass(frozen=True, slots=True)
class Handover:
    """With what the next program begins."""

    environment: Mapping[str, str]
    directory: str
    """Empty: here."""
    doubts: tuple[str, ...] = ()
    """What is taken from it, and might not be."""


def handed_over(name: str, words: Sequence[str], before: Handover) -> Handover:
    """By the wrapper's own words, which stand behind its name."""
    change = _CHANGES.get(name)
    after = before if change is None else change(words, before)
    folder = folder_of(name, words)
    if name == "systemd-run" and not folder:
        folder = next((value for key, value in _properties(words) if key == "WorkingDirectory"), "")
    is_known = folder and _VARIABLE.search(folder) is None
    return replace(after, directory=_joined(after.directory, folder)) if is_known else after


def _joined(directory: str, folder: str) -> str:
    return os.path.join(directory, os.path.expanduser(folder))


def _by_env(words: Sequence[str], before: Handover) -> Handover:
    is_empty = not {"-", "-i", "--ignore-environment"}.isdisjoint(words)
    gone = set(values_of(words, "-u", "--unset"))
    kept = {} if is_empty else {key: value for key, value in before.environment.items() if key not in gone}
    return replace(before, environment=kept)


def _by_exec(words: Sequence[str], before: Handover) -> Handover:
    is_empty = any(re.fullmatch(r"-l?cl?", word) for word in words)
    return replace(before, environment={}) if is_empty else before


def _by_sudo(words: Sequence[str], before: Handover) -> Handover:
    return _reset(words, before, "sudo starts it without {}, unless sudoers keeps them (sudo -E does)")


def _by_doas(words: Sequence[str], before: Handover) -> Handover:
    return _reset(words, before, "doas starts it without {}, unless doas.conf keeps them")


def _reset(words: Sequence[str], before: Handover, doubt: str) -> Handover:
    """Without what this shell has set, unless it is told to keep it; and with another home."""
    if not {"-E", "--preserve-env"}.isdisjoint(words):
        return before
    listed = {key for told in values_of(words, "--preserve-env") for key in told.split(",")}
    kept = {key: value for key, value in before.environment.items() if key in listed or _KEPT_BY_SUDO.fullmatch(key)}
    home = os.path.expanduser(f"~{(values_of(words, '-u', '--user') or ['root'])[-1]}")
    if os.path.isabs(home):
        kept["HOME"] = home
    gone = sorted(key for key in before.environment.keys() - kept.keys() if MOVING.fullmatch(key))
    if not gone:
        return replace(before, environment=kept)
    more = f" and {len(gone) - _MOST_SAID} more" if len(gone) > _MOST_SAID else ""
    told = doubt.format(f"{', '.join(gone[:_MOST_SAID])}{more}")
    return replace(before, environment=kept, doubts=(*before.doubts, told))


def _by_systemd(words: Sequence[str], before: Handover) -> Handover:
    """A service is begun by the manager, with the manager's variables and in its folder; a scope by this shell."""
    told = [setting for key, setting in _properties(words) if key == "Environment"]
    told += values_of(words, "-E", "--setenv")
    added = {}
    for setting in told:
        key, equals, value = setting.partition("=")
        added[key] = value if equals else before.environment.get(key, "")
    if "--scope" in words:
        return replace(before, environment={**before.environment, **added})
    is_here = not {"-d", "--same-dir"}.isdisjoint(words)
    home = os.path.expanduser("~") if "--user" in words else "/"
    kept = {"HOME": os.path.expanduser("~")} if "--user" in words else {}
    return replace(before, environment={**kept, **added}, directory=before.directory if is_here else home)


def _by_srun(words: Sequence[str], before: Handover) -> Handover:
    """``--export=ALL,A=1``, ``--export=NONE``, or only those that are named."""
    told = [part for value in values_of(words, "--export") for part in value.split(",") if part]
    if not told:
        return before
    added = {key: value for key, equals, value in (part.partition("=") for part in told) if equals}
    named = {part for part in told if "=" not in part}
    kept = {key: value for key, value in before.environment.items() if "ALL" in named or key in named}
    return replace(before, environment={**kept, **added})


def _by_file(words: Sequence[str], before: Handover) -> Handover:
    """What is set already counts more than what stands in the file."""
    told: dict[str, str] = {}
    for path in values_of(words, "--env-file"):
        told |= variables_in(_joined(before.directory, path))
    return replace(before, environment={**told, **before.environment})


_CHANGES = {
    "env": _by_env,
    "exec": _by_exec,
    "sudo": _by_sudo,
    "doas": _by_doas,
    "systemd-run": _by_systemd,
    "srun": _by_srun,
    "uv": _by_file,
}


def _properties(words: Sequence[str]) -> list[tuple[str, str]]:
    """``-p MemoryMax=8G``, as (name, value)."""
    return [setting.partition("=")[::2] for setting in values_of(words, "-p", "--property")]
