"""Tensors that go elsewhere than their layer: what ``-ot`` is told of them, read and written."""

from collections.abc import Sequence
from itertools import groupby

from estimator.errors import Unjudgeable
from estimator.placement import HOST, Override, compiled

MAX_OVERRIDES_LENGTH = 1 << 16
_HOST_BUFFER = r"(?i)cpu|host|.*_host"
_BUFFER_PREFIXES = {"cuda": "CUDA", "rocm": "ROCm", "metal": "MTL", "gpu": "Vulkan"}
"""What llama.cpp calls the buffers of a kind of device, before the number (ggml_backend_*_buffer_type_name)."""
_OF_BLOCK = r"blk\\\.(\d{1,4})\\\."
"""A pattern as --fit writes it, ``blk\\.7\\.``, is about one block alone."""
_OF_BLOCKS = r"blk\\\.\((\d{1,4}(?:\|\d{1,4}){0,999})\)\\\.(.+)"
_GROUP = r"\([^()]*\)"
_DEVICE_BUFFER = r"[A-Za-z_ ]*?(\d+)"


def overrides_of(text: str, n_devices: int) -> tuple[Override, ...]:
    """As `parse_tensor_buffer_overrides` in common/arg.cpp reads them: ``pattern=buffer``, commas between."""
    if len(text) > MAX_OVERRIDES_LENGTH:
        raise Unjudgeable("the list of tensor overrides is longer than any that makes sense")
    found: list[Override] = []
    for part in filter(None, text.split(",")):
        pattern, equals, buffer = part.rpartition("=")
        if not equals or not pattern:
            raise Unjudgeable(f"{part!r} is no tensor override; say pattern=CPU or pattern=CUDA0")
        compiled(pattern)
        several = compiled(_OF_BLOCKS).fullmatch(pattern)
        if several and compiled(_HOST_BUFFER).fullmatch(buffer) and not _has_others(pattern):
            numbers = dict.fromkeys(map(int, several[1].split("|")))
            found += [Override(pattern=rf"blk\.{n}\.{several[2]}", device=HOST, block=n) for n in numbers]
            continue
        block = _block_of(pattern)
        if compiled(_HOST_BUFFER).fullmatch(buffer):
            found.append(Override(pattern=pattern, device=HOST, block=block))
            continue
        named = compiled(_DEVICE_BUFFER).fullmatch(buffer)
        if named is None or len(named[1]) > 3 or int(named[1]) >= n_devices:
            known = ["CPU", *(f"CUDA{number}" for number in range(n_devices))]
            raise Unjudgeable(f"there is no buffer {buffer!r} for a tensor override; {', '.join(known)} are there")
        found.append(Override(pattern=pattern, device=int(named[1]), block=block))
    return tuple(found)


def overrides_text(overrides: Sequence[Override], kind: str) -> str:
    """As -ot takes them; what follows one another and differs in the block alone is said once for all of them.

    Args:
        overrides: as they are looked through.
        kind: of the devices, after which their buffers are called.
    """
    prefix = _BUFFER_PREFIXES.get(kind, "GPU")
    parts = []
    for (tail, device), alike in groupby(overrides, lambda one: (_after_block(one), one.device)):
        group = list(alike)
        buffer = "CPU" if device == HOST else f"{prefix}{device}"
        if tail is None or len(group) < 2:
            parts += [f"{one.pattern}={buffer}" for one in group]
        else:
            parts.append(rf"blk\.({'|'.join(str(one.block) for one in group)})\.{tail}={buffer}")
    return ",".join(parts)


def _block_of(pattern: str) -> int | None:
    """The one block that a pattern is about; None where it may be about others too."""
    found = compiled(_OF_BLOCK).match(pattern)
    return int(found[1]) if found and not _has_others(pattern) else None


def _has_others(pattern: str) -> bool:
    """Whether it has another choice outside of all groups."""
    return "|" in compiled(_GROUP).sub("", pattern)


def _after_block(override: Override) -> str | None:
    """What a pattern about one block says of its tensors; None of any other."""
    tail = override.pattern.removeprefix(rf"blk\.{override.block}\.")
    return None if override.block is None or tail == override.pattern else tail
