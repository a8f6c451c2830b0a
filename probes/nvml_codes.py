"""NVML's error codes (nvml.h, `nvmlReturn_t`), and what a user can do about each."""

SUCCESS = 0
UNINITIALIZED = 1
INVALID_ARGUMENT = 2
NOT_SUPPORTED = 3
NO_PERMISSION = 4
NOT_FOUND = 6
DRIVER_NOT_LOADED = 9
TIMEOUT = 10
LIBRARY_NOT_FOUND = 12
FUNCTION_NOT_FOUND = 13
GPU_IS_LOST = 15
RESET_REQUIRED = 16
OPERATING_SYSTEM = 17
VERSION_MISMATCH = 18
MEMORY = 20
ARGUMENT_VERSION_MISMATCH = 25
DEPRECATED = 26
NOT_READY = 27
GPU_NOT_FOUND = 28
UNKNOWN = 999

LOST = frozenset({UNINITIALIZED, GPU_IS_LOST, RESET_REQUIRED, GPU_NOT_FOUND})
"""After one of these no further call is made on the handle: some drivers crash on it (XuehaiPan/nvitop #139)."""
MISSING = frozenset({NOT_SUPPORTED, FUNCTION_NOT_FOUND, ARGUMENT_VERSION_MISMATCH, DEPRECATED})

START = {
    UNINITIALIZED: "the NVIDIA driver was stopped while it was being read; it is read again as soon as it is back",
    NO_PERMISSION: "this user may not speak to the NVIDIA driver: allow it to read and write /dev/nvidia* "
    "(often by joining group video or render)",
    TIMEOUT: "the NVIDIA driver waited for its devices in vain; if it stays so, look for Xid in `dmesg`",
    DRIVER_NOT_LOADED: "the NVIDIA driver is installed but not loaded: try `sudo modprobe nvidia`, or restart the "
    "machine; a container must be started with its GPUs (`--gpus all`)",
    LIBRARY_NOT_FOUND: "the NVIDIA driver's library cannot be loaded: install the driver again",
    FUNCTION_NOT_FOUND: "the NVIDIA driver is too old for this program: install 450 or newer",
    GPU_IS_LOST: "a GPU fell off the bus, and the NVIDIA driver cannot start: look for Xid in `dmesg`, and restart "
    "the machine",
    OPERATING_SYSTEM: "the operating system keeps the NVIDIA driver from its devices: a container that has lost its "
    "device rules (after `systemctl daemon-reload` on its host) must be restarted; else look into `dmesg`",
    VERSION_MISMATCH: "the NVIDIA driver was updated while the old one is still loaded: restart the machine",
    MEMORY: "the NVIDIA driver could not start for want of memory",
    UNKNOWN: "the NVIDIA driver could not start, and does not say why: a container that has lost its GPUs (after "
    "`systemctl daemon-reload` on its host) must be restarted; else look into `dmesg`",
}
START_OTHERWISE = "the NVIDIA driver could not start (NVML error {code}): see what `nvidia-smi` says"

GPU = {
    UNINITIALIZED: "GPU {index}: the driver was stopped while it was being read",
    NO_PERMISSION: "GPU {index}: this user may not read it: in a container, check that the GPU was given to it; "
    "else join group video or render",
    TIMEOUT: "GPU {index}: the driver waited for it in vain; if it stays so, look for Xid in `dmesg`",
    GPU_IS_LOST: "GPU {index} fell off the bus; look for Xid in `dmesg` and at `nvidia-smi -q`, try "
    "`sudo nvidia-smi --gpu-reset -i {index}`, or restart the machine",
    RESET_REQUIRED: "GPU {index} must be reset: end the programs that use it, then "
    "`sudo nvidia-smi --gpu-reset -i {index}`, or restart the machine",
    OPERATING_SYSTEM: "GPU {index}: the operating system blocks it: a container that has lost its device rules (after "
    "`systemctl daemon-reload` on its host) must be restarted; else look into `dmesg`",
    NOT_READY: "GPU {index} is not ready yet: the driver is still starting it",
    GPU_NOT_FOUND: "GPU {index} is gone: it was taken out, or fell off the bus; look into `dmesg`",
}
GPU_OTHERWISE = "GPU {index} cannot be read now (NVML error {code}); see `nvidia-smi -q -i {index}`"
MEMORY_OTHERWISE = "GPU {index}: the driver cannot say now how much memory is in use (NVML error {code})"


def start_sentence(code: int) -> str:
    return START.get(code, START_OTHERWISE.format(code=code))
