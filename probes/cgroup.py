"""Control groups: what a container or a service may use of the host's memory (cgroup v1, v2 and both at once).

https://docs.kernel.org/admin-guide/cgroup-v2.html and .../cgroup-v1/memory.html.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass

from probes.sysfs import read_fields, read_number, read_text


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """One level of a memory control group, by the names of its files."""

    limits: tuple[str, ...]
    used: str
    stat: str
    inactive: str
    """In ``stat``: the page cache that is given up first, and is in ``used``."""
    swap_limit: str | None
    swap_used: str | None

    def limit_bytes(self) -> int | None:
        limits = [limit for limit in map(read_number, self.limits) if limit is not None]
        return min(limits, default=None)

    def used_bytes(self) -> int:
        used_bytes = read_number(self.used) or 0
        return max(0, used_bytes - read_fields(self.stat).get(self.inactive, 0))

    def swap_limit_bytes(self) -> int | None:
        return None if self.swap_limit is None else read_number(self.swap_limit)

    def swap_used_bytes(self) -> int:
        return 0 if self.swap_used is None else read_number(self.swap_used) or 0


def _group_v2(folder: str) -> Group:
    return Group(
        # Above "high" a group is slowed down until it has given memory back: as good as a limit.
        limits=(f"{folder}/memory.max", f"{folder}/memory.high"),
        used=f"{folder}/memory.current",
        stat=f"{folder}/memory.stat",
        inactive="inactive_file",
        swap_limit=f"{folder}/memory.swap.max",
        swap_used=f"{folder}/memory.swap.current",
    )


def _group_v1(folder: str) -> Group:
    return Group(
        limits=(f"{folder}/memory.limit_in_bytes",),
        used=f"{folder}/memory.usage_in_bytes",
        stat=f"{folder}/memory.stat",
        inactive="total_inactive_file",
        # v1 limits memory and swap together, so it has no limit of the swap alone.
        swap_limit=None,
        swap_used=None,
    )


def groups(root: str) -> Iterator[Group]:
    """The memory groups that this process is in, from its own up to the top that can be seen from here.

    On a hybrid system both versions are mounted, and only one of them has the files of the memory controller.
    """
    paths = _own_paths(read_text(f"{root}/proc/self/cgroup") or "")
    for version, mount_root, mount_point in _mounts(read_text(f"{root}/proc/self/mountinfo") or ""):
        if version not in paths:
            continue
        folder = f"{root}{mount_point}{_below(mount_root, paths[version])}"
        top = f"{root}{mount_point}"
        while True:
            group = _group_v2(folder) if version == 2 else _group_v1(folder)
            if any(os.path.exists(limit) for limit in group.limits):
                yield group
            if len(folder) <= len(top):
                break
            folder = os.path.dirname(folder)


def _own_paths(cgroup: str) -> dict[int, str]:
    """Version -> path of this process's memory group, from /proc/self/cgroup: ``0::/a`` or ``4:memory:/a``."""
    paths = {}
    for line in cgroup.splitlines():
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if number == "0" and not controllers:
            paths[2] = path
        elif "memory" in controllers.split(","):
            paths[1] = path
    return paths


def _mounts(mountinfo: str) -> Iterator[tuple[int, str, str]]:
    """Version, root and mount point of each memory hierarchy, from /proc/self/mountinfo: see proc_pid_mountinfo(5)."""
    for line in mountinfo.splitlines():
        before, _, after = line.partition(" - ")
        mount, system = before.split(), after.split()
        if len(mount) < 5 or len(system) < 3:
            continue
        mount_point = mount[4].replace("\\040", " ").rstrip("/")
        if system[0] == "cgroup2":
            yield 2, mount[3], mount_point
        elif system[0] == "cgroup" and "memory" in system[2].split(","):
            yield 1, mount[3], mount_point


def _below(mount_root: str, path: str) -> str:
    """Where the group lies below the mount. A container mounts its own group as the top, but names it in full."""
    mount_root = mount_root.rstrip("/")
    if path != mount_root and not path.startswith(f"{mount_root}/"):
        return ""
    below = path[len(mount_root) :].rstrip("/")
    # "/../x": a group outside of the namespace that is seen from here
    return "" if ".." in below.split("/") else below
