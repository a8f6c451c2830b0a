"""Which kind of container this runs in, and which container another process runs in.

The kinds leave marks that are documented or read from their sources: systemd.io/CONTAINER_INTERFACE (the variable
``container`` and /run/systemd/container), /run/.containerenv (podman-run(1)), /.dockerenv (moby, daemon/initlayer),
the mount of a pod's service account (kubernetes.io/docs, "Service Accounts"), /dev/.lxc (lxc, conf.c). The paths of
control groups are those that runc, crun, conmon, containerd, LXC, systemd-nspawn and SLURM make.
"""

import os
import re
from collections.abc import Mapping
from functools import lru_cache

from probes.sysfs import read_text

_KINDS = {
    "docker": "docker",
    "podman": "podman",
    "lxc": "lxc",
    "lxc-libvirt": "lxc",
    "systemd-nspawn": "nspawn",
    "rkt": "rkt",
    "oci": "oci",
    "kubernetes": "kubernetes",
}
"""What the variable may say, and how it is called here; anything else is passed on if it is a short word."""
_FIRST_NAMESPACES = {"pid": "pid:[4026531836]", "uts": "uts:[4026531838]", "ipc": "ipc:[4026531839]"}
"""PROC_PID_INIT_INO and its neighbours: include/linux/proc_ns.h."""
_ID_LENGTH = 12
"""As ``docker ps`` shows it."""
_NAME_LENGTH = 60

_ID = r"(?P<id>[0-9a-f]{64}|[0-9a-f]{32})"
_PATTERNS = (
    # /kubepods.slice/kubepods-podUID.slice/cri-containerd-ID.scope, /kubepods/burstable/podUID/ID
    ("pod", ("/kubepods",), rf"/kubepods[^/]*/.*[/-]{_ID}(?:\.scope)?(?:/|$)"),
    ("docker", ("/docker",), rf"/docker[/-]{_ID}(?:\.scope)?(?:/|$)"),
    ("podman", ("/libpod-",), rf"/libpod-(?!conmon-){_ID}(?:\.scope)?(?:/|$)"),
    (
        "containerd",
        ("/nerdctl", "/cri-containerd", "/crio", "/default"),
        rf"/(?:nerdctl|cri-containerd|crio|default)[/-]{_ID}(?:\.scope)?(?:/|$)",
    ),
    ("lxc", ("/lxc",), r"/lxc(?:\.payload)?[./](?P<id>[^/]+)(?:/|$)"),
    ("nspawn", ("/machine.",), r"/machine\.slice/(?:machine-|systemd-nspawn@)(?P<id>[^/]+?)\.(?:scope|service)(?:/|$)"),
    ("slurm job", ("/job_",), r"/(?:slurm|slurmstepd\.scope)(?:/.*)?/job_(?P<id>\d{1,12})(?:/|$)"),
)
"""Label, parts of which what the pattern finds has one, and the pattern. Few processes are in any of them, so most
patterns are never compiled: all of them take 1 ms."""
_PARTS = tuple(part for _, parts, _ in _PATTERNS for part in parts)


def container_kind(root: str, environment: Mapping[str, str]) -> str | None:
    """``docker``, ``podman``, ``kubernetes``, ``lxc`` ..., or None where no container shows itself.

    Marks alone do not count: a virtual machine that was made of an image keeps them.
    """
    if _is_in_first_namespaces(root):
        return None
    if "KUBERNETES_SERVICE_HOST" in environment or os.path.isdir(f"{root}/var/run/secrets/kubernetes.io"):
        return "kubernetes"
    said = environment.get("container") or read_text(f"{root}/run/systemd/container", 64) or ""
    if os.path.exists(f"{root}/run/.containerenv"):
        return "podman"
    if os.path.exists(f"{root}/.dockerenv"):
        return "docker"
    if said and len(said) <= _ID_LENGTH * 2 and said.replace("-", "").isalnum():
        return _KINDS.get(said, said)
    return "lxc" if os.path.exists(f"{root}/dev/.lxc") or os.path.exists(f"{root}/dev/lxd/sock") else None


def _is_in_first_namespaces(root: str) -> bool:
    """Whether this is in those that the kernel began with; every container has some of its own."""
    try:
        return all(os.readlink(f"{root}/proc/self/ns/{name}") == first for name, first in _FIRST_NAMESPACES.items())
    except OSError:
        return False


@lru_cache(maxsize=64)  # few texts for many processes, which are named again and again: 17 looks at each line
def container_of(cgroup: str) -> str | None:
    """Of a process, from its /proc/PID/cgroup: ``docker 4f2c0ab1c9de``, ``pod 90ab...``, ``lxc web``, ``slurm job 7``.

    None where it is in none, or in one that cannot be told from here: a namespace hides the names above it.
    """
    if not any(part in cgroup for part in _PARTS):  # of most processes: line by line takes 50 µs, this 2
        return None
    for line in cgroup.splitlines():
        path = line.rpartition(":")[2] if "://" not in line else line.partition("::")[2]
        for label, parts, pattern in _PATTERNS:
            found = re.search(pattern, path) if any(part in path for part in parts) else None
            if found is not None:
                name = found["id"]
                is_hash = len(name) >= 32 and all(letter in "0123456789abcdef" for letter in name)
                return f"{label} {name[: _ID_LENGTH if is_hash else _NAME_LENGTH]}"
    return None
