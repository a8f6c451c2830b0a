"""Holds memory of an NVIDIA GPU until its standard input ends, as another program would.

    python bench/hold_gpu_memory.py BYTES [--device 0] [--leave]

Speaks to the CUDA driver alone, so that its context is as small as one can be. Prints a line of JSON when it holds:
``held_bytes``, and ``free_bytes`` and ``total_bytes`` as ``cuMemGetInfo`` tells them then. It allocates plain device
memory and changes no setting of the card.
"""

import argparse
import ctypes
import json
import sys
from ctypes import byref, c_int, c_size_t, c_uint64, c_void_p

PAGE_BYTES = 2 << 20
"""The driver hands out device memory in pages of 2 MiB; a smaller allocation takes a whole one."""


class Cuda:
    """One device's primary context."""

    def __init__(self, number: int) -> None:
        """Raises OSError where there is no driver, RuntimeError where it refuses."""
        self._library = ctypes.CDLL("libcuda.so.1")
        device, context = c_int(), c_void_p()
        self._call("cuInit", 0)
        self._call("cuDeviceGet", byref(device), number)
        self._call("cuDevicePrimaryCtxRetain", byref(context), device)
        self._call("cuCtxSetCurrent", context)

    def free_and_total_bytes(self) -> tuple[int, int]:
        free, total = c_size_t(), c_size_t()
        self._call("cuMemGetInfo_v2", byref(free), byref(total))
        return free.value, total.value

    def allocate(self, n_bytes: int) -> None:
        """Held until the process ends."""
        self._call("cuMemAlloc_v2", byref(c_uint64()), c_size_t(n_bytes))

    def _call(self, name: str, *arguments: object) -> None:
        code = getattr(self._library, name)(*arguments)
        if code:
            raise RuntimeError(f"{name}: CUDA error {code}")


def hold(cuda: Cuda, n_bytes: int, *, leaves: bool) -> int:
    """Allocate so much, or all but so much; the bytes held."""
    if leaves:
        n_bytes = max(0, cuda.free_and_total_bytes()[0] - n_bytes)
    n_bytes = n_bytes // PAGE_BYTES * PAGE_BYTES
    if n_bytes:
        cuda.allocate(n_bytes)
    return n_bytes


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("bytes", type=int)
    parser.add_argument("--device", type=int, default=0, help="CUDA's number of it (default: 0)")
    parser.add_argument("--leave", action="store_true", help="hold all that is free but BYTES")
    options = parser.parse_args()
    cuda = Cuda(options.device)
    held_bytes = hold(cuda, options.bytes, leaves=options.leave)
    free_bytes, total_bytes = cuda.free_and_total_bytes()
    print(json.dumps({"held_bytes": held_bytes, "free_bytes": free_bytes, "total_bytes": total_bytes}), flush=True)
    sys.stdin.read()
    return 0


if __name__ == "__main__":
    sys.exit(main())
