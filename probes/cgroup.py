"""Control groups: what a container, a service or a job may use of the host's memory and processors (v1, v2, both).

https://docs.kernel.org/admin-guide/cgroup-v2.html and .../cgroup-v1/memory.html. A limit at any level above a process
binds it, so all levels are walked that can be seen from here: a container that has a namespace of its own (the
default of Docker on v2) sees itself as "/", one without it (``--cgroupns host``), a systemd service and a SLURM job
see the way down to them.
"""

import os
from collections.abc import Iterator
from typing import NamedTuple

from probes.sysfs import read_named_fields, read_number, read_text

_NAME_LENGTH = 200
"""Of a group's path, for a person; the kernel allows 4096."""


class Level(NamedTuple):
    """One group above this process."""

    version: int
    folder: str
    """Where its files are."""
    name: str
    """Its path below the top that can be seen from here: ``/`` or ``/slurm/job_12``."""


class Limit(NamedTuple):
    """The most that a group may hold, and which file says so."""

    n_bytes: int
    reason: str
    """``memory.high of control group /user.slice``."""


class Group(NamedTuple):
    """One level of a memory control group, by the names of its files."""

    name: str
    limits: tuple[str, ...]
    used: str
    stat: str
    inactive: str
    """In ``stat``: the page cache that is given up first, and is in ``used``."""
    outer_limit: str | None
    """In ``stat``: the tightest limit of all levels above, also of those that cannot be seen from here (v1)."""
    swap_limit: str | None
    swap_used: str | None
    joint_limit: str | None
    """Of memory and swap together (v1)."""
    joint_used: str | None
    pressure: str | None

    def limit(self) -> Limit | None:
        """The tightest one of this level, or None where it has none."""
        found = [(limit, os.path.basename(path)) for path in self.limits if (limit := read_number(path)) is not None]
        if self.outer_limit is not None:
            outer = read_named_fields(self.stat, (self.outer_limit,)).get(self.outer_limit)
            found += [] if outer is None else [(outer, self.outer_limit)]
        if not found:
            return None
        n_bytes, file = min(found, key=lambda one: one[0])
        return Limit(n_bytes=n_bytes, reason=f"{file} of control group {self.name}")

    def held_bytes(self) -> tuple[int, int]:
        """What it holds, and the part of that which is page cache that is given up first."""
        used_bytes = read_number(self.used) or 0
        cached_bytes = read_named_fields(self.stat, (self.inactive,)).get(self.inactive, 0)
        return used_bytes, min(used_bytes, cached_bytes)

    def swap(self) -> tuple[int, int] | None:
        """The most that it may have in swap, and what it has there; None where that is not limited."""
        if self.swap_limit is not None and self.swap_used is not None:
            limit_bytes = read_number(self.swap_limit)
            return None if limit_bytes is None else (limit_bytes, read_number(self.swap_used) or 0)
        return self._joint_swap()

    def _joint_swap(self) -> tuple[int, int] | None:
        """Under v1: what memory and swap together may be, less what memory alone may be."""
        joint = None if self.joint_limit is None else read_number(self.joint_limit)
        own = read_number(self.limits[0])
        if joint is None or own is None or self.joint_used is None:
            return None
        used_bytes = (read_number(self.joint_used) or 0) - (read_number(self.used) or 0)
        return max(0, joint - own), max(0, used_bytes)


def groups(root: str) -> tuple[Group, ...]:
    """The memory groups that this process is in, from its own up to the top that can be seen from here.

    On a hybrid system both versions are mounted, and only one of them has the files of the memory controller.
    """
    made = [_group_v2(level) if level.version == 2 else _group_v1(level) for level in levels(root, "memory")]
    found = [group for group in made if any(os.path.exists(limit) for limit in group.limits)]
    # What binds the lower levels is seen at the levels above; only the uppermost may have some that cannot be seen.
    return (*(group._replace(outer_limit=None) for group in found[:-1]), *found[-1:])


def levels(root: str, controller: str) -> Iterator[Level]:
    """The groups of a controller above this process, its own first."""
    paths = _own_paths(read_text(f"{root}/proc/self/cgroup") or "", controller)
    for version, mount_root, mount_point in _mounts(read_text(f"{root}/proc/self/mountinfo") or "", controller):
        if version not in paths:
            continue
        top = f"{root}{mount_point}"
        below = _below(mount_root, paths[version])
        while True:
            yield Level(version=version, folder=f"{top}{below}", name=(below or "/")[:_NAME_LENGTH])
            if not below:
                break
            below = below.rpartition("/")[0]


def _group_v2(level: Level) -> Group:
    folder = level.folder
    return Group(
        name=level.name,
        # Above "high" a group is slowed down until it has given memory back: as good as a limit.
        limits=(f"{folder}/memory.max", f"{folder}/memory.high"),
        used=f"{folder}/memory.current",
        stat=f"{folder}/memory.stat",
        inactive="inactive_file",
        outer_limit=None,
        swap_limit=f"{folder}/memory.swap.max",
        swap_used=f"{folder}/memory.swap.current",
        joint_limit=None,
        joint_used=None,
        pressure=f"{folder}/memory.pressure",
    )


def _group_v1(level: Level) -> Group:
    folder = level.folder
    return Group(
        name=level.name,
        limits=(f"{folder}/memory.limit_in_bytes",),
        used=f"{folder}/memory.usage_in_bytes",
        stat=f"{folder}/memory.stat",
        inactive="total_inactive_file",
        outer_limit="hierarchical_memory_limit",
        swap_limit=None,
        swap_used=None,
        joint_limit=f"{folder}/memory.memsw.limit_in_bytes",
        joint_used=f"{folder}/memory.memsw.usage_in_bytes",
        pressure=None,
    )


def _own_paths(cgroup: str, controller: str) -> dict[int, str]:
    """Version -> path of this process's group, from /proc/self/cgroup: ``0::/a`` or ``4:memory:/a``."""
    paths = {}
    for line in cgroup.splitlines():
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if number == "0" and not controllers:
            paths[2] = path
        elif controller in controllers.split(","):
            paths[1] = path
    return paths


def _mounts(mountinfo: str, controller: str) -> Iterator[tuple[int, str, str]]:
    """Version, root and mount point of each such hierarchy, from /proc/self/mountinfo: see proc_pid_mountinfo(5)."""
    for line in mountinfo.splitlines():
        before, _, after = line.partition(" - ")
        if not after.startswith("cgroup"):  # most mounts are none, and to split them takes as long as all else
            continue
        mount, system = before.split(), after.split()
        if len(mount) < 5 or len(system) < 3:
            continue
        mount_point = mount[4].replace("\\040", " ").rstrip("/")
        if system[0] == "cgroup2":
            yield 2, mount[3], mount_point
        elif system[0] == "cgroup" and controller in system[2].split(","):
            yield 1, mount[3], mount_point


def _below(mount_root: str, path: str) -> str:
    """Where the group lies below the mount. A container mounts its own group as the top, but names it in full."""
    mount_root = mount_root.rstrip("/")
    if path != mount_root and not path.startswith(f"{mount_root}/"):
        return ""
    below = path[len(mount_root) :].rstrip("/")
    # "/../x": a group outside of the namespace that is seen from here
    return "" if ".." in below.split("/") else below
