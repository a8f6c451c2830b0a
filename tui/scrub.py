"""What a bug report should not tell: who and where. Names, home folders, addresses and the tails of identities go."""

import os
import re
from collections.abc import Iterable, Mapping
from typing import Any

MOST_CHARACTERS = 1000
"""Of a text."""
CUT = "…"
_CUTS = re.compile(f"{CUT}{{2,}}")
"""Where what was cut out stood before the end of a text that is cut short."""

_IDENTITY = re.compile(r"(?i)\b([0-9a-f]{8})-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b")
_LONG_HEX = re.compile(r"(?i)\b([0-9a-f]{8})[0-9a-f]{8,}\b")
"""A container's id, a hash, a serial number."""
_HOME = re.compile(r"(?i)(/home|/users|[a-z]:[\\/]users)[\\/][^\\/\s:,;\"']+")
_MAIL = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
_ADDRESS = re.compile(r"\b\d{1,3}(?:\.\d{1,3}){3}\b(?!\.)")
_SECRET = re.compile(r"(?i)token|key|secret|passw|auth|credential|cookie")
_PLAIN_VALUE = re.compile(r"[\w .,:;+=~%/\\()*-]{0,200}")
_WHERE = re.compile(r"(?i)host|origin|proxy|url|endpoint|addr")
_COMMON = frozenset(
    {"root", "admin", "user", "users", "host", "local", "localhost", "home", "linux", "windows", "darwin", "wsl", "gpu"}
    | {"nvidia", "amd", "intel", "apple", "ollama", "models", "cache", "simulated", "ubuntu", "debian"}
)
"""Names that name nobody, and whose removal would make a report unreadable."""

MATTERING = (
    "CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER", "CUDA_DEVICE_MAX_CONNECTIONS", "CUDA_MODULE_LOADING", "CUDA_HOME",
    "NVIDIA_VISIBLE_DEVICES", "NVIDIA_DRIVER_CAPABILITIES", "HIP_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES",
    "GPU_DEVICE_ORDINAL", "HSA_OVERRIDE_GFX_VERSION", "ONEAPI_DEVICE_SELECTOR", "ZE_AFFINITY_MASK", "RADV_PERFTEST",
    "HF_HOME", "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_HUB_OFFLINE", "TRANSFORMERS_CACHE", "XDG_CACHE_HOME",
    "PYTORCH_CUDA_ALLOC_CONF", "PYTORCH_ALLOC_CONF", "PYTORCH_NO_CUDA_MEMORY_CACHING", "OMP_NUM_THREADS", "LLAMA_CACHE",
)  # fmt: skip
"""Variables that change what is seen, where models lie, or how memory is taken."""
MATTERING_PREFIXES = ("GGML_", "LLAMA_ARG_", "OLLAMA_", "VLLM_", "SGLANG_", "MLX_", "NCCL_", "AMD_VULKAN_")


class Scrub:
    """Takes out the names of one machine and its user."""

    def __init__(self, names: Iterable[str]) -> None:
        """``names`` are those of hosts and users, each replaced where it stands as a word."""
        wanted = {name for name in names if len(name) > 1 and name.casefold() not in _COMMON}
        longest_first = sorted(wanted, key=len, reverse=True)
        self._names = (
            re.compile(rf"(?i)(?<![0-9a-z])(?:{'|'.join(map(re.escape, longest_first))})(?![0-9a-z])")
            if longest_first
            else None
        )

    def text(self, text: str) -> str:
        """The same without who and where."""
        shown = _HOME.sub("~", text[:MOST_CHARACTERS])
        shown = _MAIL.sub(CUT, shown)
        shown = _IDENTITY.sub(rf"\1-{CUT}", shown)
        shown = _LONG_HEX.sub(rf"\1{CUT}", shown)
        shown = _ADDRESS.sub(CUT, shown)
        return _CUTS.sub(CUT, shown if self._names is None else self._names.sub(CUT, shown))

    def lines(self, lines: Iterable[str]) -> str:
        """Lines of a report, joined."""
        return "\n".join(self.text(line) for line in lines)

    def value(self, value: Any) -> Any:
        """All text in a value of JSON, keys left as they are."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return {key: self.value(item) for key, item in value.items()}
        return [self.value(item) for item in value] if isinstance(value, list | tuple) else value

    def variables(self, environment: Mapping[str, str]) -> dict[str, str]:
        """The variables that matter. What may be a secret or an address is only said to be ``(set)``."""
        found = {}
        for name in sorted(environment):
            if name not in MATTERING and not name.startswith(MATTERING_PREFIXES):
                continue
            value = environment[name]
            is_shown = not (_SECRET.search(name) or _WHERE.search(name)) and _PLAIN_VALUE.fullmatch(value)
            found[name] = self.text(value) if is_shown else "(set)"
        return found


def own_names(environment: Mapping[str, str], host_name: str) -> set[str]:
    """What the user and the host are called, as far as the environment tells."""
    names = {
        environment.get(name, "") for name in ("USER", "LOGNAME", "USERNAME", "SUDO_USER", "HOSTNAME", "COMPUTERNAME")
    }
    home = environment.get("HOME") or environment.get("USERPROFILE") or ""
    names.add(os.path.basename(home.replace("\\", "/").rstrip("/")))
    names |= {host_name, environment.get("HOSTNAME", "").partition(".")[0], host_name.partition(".")[0]}
    return {name for name in names if name}
