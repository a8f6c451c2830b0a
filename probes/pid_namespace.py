"""Whose numbers process numbers are: in a container a driver's are the host's, and mean others here, or none."""

import os

FIRST = "pid:[4026531836]"
"""The namespace of the whole machine: PROC_PID_INIT_INO, include/linux/proc_ns.h."""
_DESCRIPTORS = 4096
"""How many open files of one process are looked through (ASSUMED)."""


def sees_whole_machine(root: str) -> bool:
    """Whether a process's number here is its number for the driver: this is no container with numbers of its own."""
    try:
        return os.readlink(f"{root}/proc/self/ns/pid") == FIRST
    except OSError:
        return True


def has_open(pid: int, root: str, beginnings: tuple[str, ...]) -> bool:
    """Whether the process of that number here has a file open whose path begins so, and lets that be seen."""
    try:
        with os.scandir(f"{root}/proc/{pid}/fd") as entries:
            for _, entry in zip(range(_DESCRIPTORS), entries, strict=False):
                if os.readlink(entry.path).startswith(beginnings):
                    return True
    except OSError:
        return False
    return False
