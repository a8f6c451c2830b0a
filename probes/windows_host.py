"""What Windows says of its processor and of itself, beside what psutil tells.

From documents: winnt.h (PF_* of IsProcessorFeaturePresent) and the text that
``platform.processor()`` takes from PROCESSOR_IDENTIFIER. Nothing was recorded by us.
"""

import re
import sys
from collections.abc import Callable

_FEATURES = {40: "avx2", 41: "avx512", 19: "neon", 43: "dotprod", 46: "sve"}
"""PF_AVX2_INSTRUCTIONS_AVAILABLE, PF_AVX512F_..., PF_ARM_NEON_..., PF_ARM_V82_DP_..., PF_ARM_SVE_...: winnt.h."""


def instruction_sets(is_present: Callable[[int], bool]) -> tuple[str, ...]:
    """Those that inference gains from, of what ``IsProcessorFeaturePresent`` says."""
    return tuple(name for number, name in _FEATURES.items() if is_present(number))


def vendor_family_model(identifier: str) -> tuple[str, int, int] | None:
    """Of ``AMD64 Family 25 Model 97 Stepping 2, AuthenticAMD``."""
    found = re.fullmatch(r"\S{1,20} Family (\d{1,5}) Model (\d{1,5}) Stepping \d{1,5}, (\w{1,20})", identifier.strip())
    return None if found is None else (found[3], int(found[1]), int(found[2]))


def processor_feature(number: int) -> bool:
    """Whether the processor of this Windows has it; False anywhere else."""
    if sys.platform == "win32":
        import ctypes  # noqa: PLC0415 - deferred: 5 ms, which other systems do not pay

        return bool(ctypes.windll.kernel32.IsProcessorFeaturePresent(number))
    return False
