"""What llama.cpp's programs do where a command says nothing, by build; ik_llama.cpp's is a history of its own."""

import re
from collections.abc import Mapping
from datetime import date

from estimator.builds import MEASURED, day_of_number
from estimator.change import Change, values_on
from records.record import record

PULL = "github.com/ggml-org/llama.cpp/pull"
FORK_PULL = "github.com/ikawrakow/ik_llama.cpp/pull"
ALL_LAYERS = 999
"""More than any model has: what people write, and what -1 and "all" come to."""
OLD_NAMES = frozenset(
    "main server perplexity embedding llava-cli speculative batched-bench imatrix parallel lookup lookahead infill "
    "finetune simple batched retrieval passkey".split()
)
"""The programs' names until 2024-06-13 (github.com/ggml-org/llama.cpp/pull/7809); all begin with ``llama-`` since."""
OLD_BUILD = "2024-05"
"""The last whole month in which programs were called so."""
NEWEST = date(9999, 1, 1)
_NUMBER = re.compile(
    r"llama[^/\\]*?-b(\d{4,5})(?=[-/\\])|(?:^|[/\\])b(\d{4,5})(?=[/\\])|llama\.cpp:[\w.-]{1,80}-b?(\d{4,5})$"
    r"|llama[.-]cpp[/\\-](\d{4,5})(?=[/\\])"
)
"""A release is unpacked as ``llama-b6168-bin-win-cuda-12.8-x64``; folders of ggml-org, of Homebrew (``Cellar/llama.cpp/
6710``) and of Nix (``llama-cpp-6710``), and tags of images, have the number."""
_FORK = re.compile(r"ik[_-]llama", re.IGNORECASE)


@record(frozen=True, slots=True, kw_only=True)
class Defaults:
    """Of one build; these are the newest one's (common/common.h, 0c1e57098)."""

    context_tokens: int = 0
    n_batch_tokens: int = 2048
    n_gpu_layers: int | None = None
    is_flash_attention: bool = True
    n_server_sequences: int = 4
    """Slots of the server where no number was given; they share their cells if it is more than one."""
    fits: bool = True
    """Leaves in RAM what devices have no room for, and shortens a context that was not asked for (--fit)."""
    n_cached_mib: int = 8192
    """RAM that the server fills with past prompts as they come (--cache-ram)."""
    splits_calibration: bool = True
    """llama-imatrix computes as many chunks at once as a batch has room for."""
    is_value_wanted: bool = True
    """``-fa`` alone is refused."""


CHANGES = (
    Change(date(2024, 3, 13), "n_batch_tokens", f"{PULL}/6017", before=512, after=2048),
    Change(date(2024, 6, 4), "context_tokens", f"{PULL}/7675", before=512, after=0),
    Change(date(2024, 11, 2), "context_tokens", f"{PULL}/10136", before=0, after=4096),
    Change(date(2025, 12, 15), "context_tokens", f"{PULL}/16653", before=4096, after=0),
    Change(date(2025, 8, 30), "n_gpu_layers", f"{PULL}/15434", before=0, after=ALL_LAYERS),
    Change(date(2025, 12, 15), "n_gpu_layers", f"{PULL}/16653", before=ALL_LAYERS, after=None),
    Change(date(2025, 8, 30), "is_flash_attention", f"{PULL}/15434", before=False, after=True),
    Change(date(2025, 8, 30), "is_value_wanted", f"{PULL}/15434", before=False, after=True),
    Change(date(2025, 7, 19), "splits_calibration", "tools/imatrix/imatrix.cpp", before=False, after=True),
    Change(date(2025, 10, 9), "n_cached_mib", f"{PULL}/16391", before=0, after=8192),
    Change(date(2025, 11, 2), "n_server_sequences", f"{PULL}/16736", before=1, after=4),
    Change(date(2025, 12, 15), "fits", f"{PULL}/16653", before=False, after=True),
)
FORK_CHANGES = (
    Change(date(2025, 10, 25), "is_flash_attention", f"{FORK_PULL}/863", before=False, after=True),
    Change(date(2025, 11, 14), "n_cached_mib", f"{FORK_PULL}/954", before=0, after=8192),
    Change(date(2026, 7, 30), "n_gpu_layers", f"{FORK_PULL}/2209", before=0, after=ALL_LAYERS),
)
_FORK_ALWAYS: Mapping[str, object] = {
    "n_server_sequences": 1,
    "fits": False,
    "splits_calibration": False,
    "is_value_wanted": False,
}


def is_fork_path(path: str) -> bool:
    """Whether the program lies in a folder of ik_llama.cpp's."""
    return _FORK.search(path) is not None


def build_named(path: str, name: str, *, is_fork: bool) -> str:
    """What ``estimator.builds`` calls the build, as far as where it lies and what it is called tell; else empty."""
    if is_fork:
        return "ik"
    numbered = _NUMBER.search(path)
    if numbered is not None:
        return f"b{next(filter(None, numbered.groups()))}"
    return OLD_BUILD if name in OLD_NAMES else ""


def defaults_of(build: str) -> Defaults:
    """What holds where nothing is said; the newest where the build is not known."""
    if build == "ik":
        return Defaults(**{**_FORK_ALWAYS, **values_on(NEWEST, FORK_CHANGES)})
    if build == OLD_BUILD:
        return Defaults(**values_on(date(2024, 5, 15), CHANGES))
    if build.startswith("b"):
        day = day_of_number(int(build[1:]))
        return Defaults() if day >= MEASURED else Defaults(**values_on(day, CHANGES))
    return Defaults()
