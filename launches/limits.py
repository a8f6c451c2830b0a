"""How much RAM a wrapper, a unit of systemd, a job or a shell lets a program have."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

_SIZE = re.compile(r"(\d{1,18}(?:\.\d{1,6})?)([bkmgtpe]?)(?:i?b)?", re.IGNORECASE)
_PROPERTIES = ("MemoryMax", "MemoryHigh", "MemoryLimit")
"""systemd.resource-control(5): the second slows a program down, the third is of cgroups before the second version."""
_SWAP = "MemorySwapMax"
_UNIT = re.compile(rf"^[ \t]*((?:{'|'.join((*_PROPERTIES, _SWAP))})=\S{{1,40}})", re.MULTILINE)
_MOST_TOLD = 8
"""Settings of a unit or a job (ASSUMED)."""
_STARTS = re.compile(r"^[ \t]*ExecStart=", re.MULTILINE)
_JOB = re.compile(
    r"^#SBATCH[ \t]+(--(?:mem|mem-per-cpu|mem-per-gpu|cpus-per-task|gpus-per-task|gpus-per-node|gpus|gres)|-c|-G)"
    r"(?:=|[ \t]+)(\S{1,40})",
    re.MULTILINE,
)
_ULIMIT = re.compile(r"(?:^|[;&|(])[ \t]*ulimit[ \t]+(?:-[SH][ \t]+)?-[SH]{0,2}v[ \t]+(\d{1,15})", re.MULTILINE)
"""In KiB (POSIX.1-2024 has ``-v``; bash(1))."""


@dataclass(frozen=True, slots=True)
class Limit:
    """What a wrapper's words say of it."""

    ram_bytes: int | None = None
    """None: no limit is said."""
    swap_bytes: int | None = None
    """Beside it; None: no limit is said."""
    unknown: tuple[str, ...] = ()
    """Limits whose size is not said there."""


def bytes_of(text: str, unit: str = "b") -> int | None:
    """``16g``, ``512M``, ``1.5G``; None where it says no number, or none that limits.

    Args:
        text: as it is given.
        unit: that it is in where it names none.
    """
    found = _SIZE.fullmatch(text.strip())
    return int(float(found[1]) * 2 ** (10 * "bkmgtpe".index((found[2] or unit).lower()))) or None if found else None


def least_of(*limits: int | None) -> int | None:
    """The one that counts."""
    return min((limit for limit in limits if limit is not None), default=None)


def limited_by(name: str, words: Sequence[str]) -> Limit:
    """What the options of this wrapper allow: systemd-run, srun, prlimit, cgexec."""
    if name == "systemd-run":
        return _of_properties(values_of(words, "-p", "--property"))
    if name == "srun":
        return _of_job(words)
    if name == "prlimit":
        return Limit(_last([value.partition(":")[0] for value in values_of(words, "-v", "--as")], "b"))
    if name == "chpst":
        return Limit(_last(values_of(words, "-m"), "b"))
    groups = [group for group in values_of(words, "-g") if "memory" in group] if name == "cgexec" else []
    return Limit(unknown=tuple(f"-g {group}" for group in groups))


def limiting_words(text: str) -> tuple[str, ...]:
    """What a unit (``MemoryMax=``), a job (``#SBATCH --mem``) or a shell (``ulimit -v``) says, as a wrapper's words."""
    words: list[str] = []
    if _STARTS.search(text) is not None and (told := _UNIT.findall(text)):
        words += ["systemd-run", "--scope", *(word for setting in told[:_MOST_TOLD] for word in ("-p", setting))]
    job = _JOB.findall(text)[:_MOST_TOLD]
    if any(flag.startswith("--mem") for flag, _ in job):
        words += ["srun", *(word for told in job for word in told)]
    if (shell := _ULIMIT.search(text)) is not None:
        words += ["prlimit", f"--as={int(shell[1]) << 10}"]
    return tuple(words)


_SHARES = {
    "--mem-per-cpu": ("--cpus-per-task", "-c"),
    "--mem-per-gpu": ("--gpus-per-task", "--gpus-per-node", "--gpus", "-G", "--gres"),
}
"""Of Slurm: a share of the RAM -> what says how many shares a task has (srun of 25.05)."""
_COUNT = re.compile(r"(?:.*[:=])?(\d{1,4})")
"""``4``, ``a100:4``, ``gpu:a100:4``."""


def _of_job(words: Sequence[str]) -> Limit:
    """``--mem``; a share for each processor or GPU, where their number is said too.

    A task may get more processors than it asks for, where a core has two of them; then it has more than this.
    """
    whole = _last(values_of(words, "--mem"), "m")
    unsized: list[str] = []
    for flag, counting in _SHARES.items():
        for told in values_of(words, flag)[-1:]:
            counts = [found for value in values_of(words, *counting) if (found := _COUNT.fullmatch(value)) is not None]
            share = bytes_of(told, "m")
            if share is not None and counts:
                whole = least_of(whole, share * int(counts[-1][1]) or None)
            elif share is not None:
                unsized.append(f"{flag} {told}")
    return Limit(whole, unknown=tuple(unsized))


def _of_properties(told: Sequence[str]) -> Limit:
    said = [each.partition("=") for each in told if each.partition("=")[0] in _PROPERTIES]
    sizes = [bytes_of(value) for _, _, value in said]
    shares = [f"{name}={value}" for name, _, value in said if value.endswith("%")]
    swap = [value.strip() for name, _, value in (each.partition("=") for each in told) if name == _SWAP][-1:]
    swap_bytes = 0 if swap == ["0"] else _last(swap, "b")
    return Limit(least_of(*sizes), swap_bytes=swap_bytes, unknown=tuple(shares))


def _last(values: Sequence[str], unit: str) -> int | None:
    return bytes_of(values[-1], unit) if values else None


def values_of(words: Sequence[str], *names: str) -> list[str]:
    """Of an option, each time it is given: ``-p A``, ``-pA``, ``--property A``, ``--property=A``."""
    found = []
    for word, following in zip(words, (*words[1:], ""), strict=False):
        name = next((name for name in names if word.startswith(name)), None)
        if name is None:
            continue
        attached = word[len(name) :]
        if not attached:
            found.append(following)
        elif attached.startswith("=") or not name.startswith("--"):
            found.append(attached.removeprefix("="))
    return found
