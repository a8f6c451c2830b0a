"""What kind of machine a Linux system runs on: its system, container, hypervisor, limits, battery.

From os-release(5), proc_pid_limits(5), capabilities(7), /sys/class/dmi/id and /sys/class/power_supply
(docs.kernel.org, ABI/testing/sysfs-class-power).
"""

import os

from probes.access import Access
from probes.container import container_kind
from probes.processor import Processor
from probes.snapshot import Fault, Machine
from probes.sysfs import read_text, whole_number

_NAME_LENGTH = 100
_IPC_LOCK = 1 << 14
"""CAP_IPC_LOCK: who has it may lock all memory. include/uapi/linux/capability.h."""
_SUPPLIES = "/sys/class/power_supply"
_MOST_SUPPLIES = 16
_GUESTS = (
    ("amazon ec2", "Amazon EC2"),
    ("google", "Google Compute Engine"),
    ("vmware", "VMware"),
    ("virtualbox", "VirtualBox"),
    ("innotek", "VirtualBox"),
    ("parallels", "Parallels"),
    ("xen", "Xen"),
    ("bhyve", "bhyve"),
    ("openstack", "KVM"),
    ("qemu", "KVM"),
    ("kvm", "KVM"),
    ("microsoft corporation", "Hyper-V"),
    ("alibaba", "Alibaba Cloud"),
    ("digitalocean", "DigitalOcean"),
    ("hetzner", "KVM"),
)
"""A word in the maker's or product's name -> the hypervisor: systemd, src/basic/virt.c, names of clouds added."""

_CLOCKS = "/sys/devices/system/clocksource/clocksource0/available_clocksource"
_GUEST_CLOCKS = {"kvm-clock": "KVM", "hyperv": "Hyper-V", "xen": "Xen"}
"""Clocks that hypervisors offer: kvmclock.c, hyperv_timer.c and arch/x86/xen/time.c of Linux."""


def linux_machine(access: Access, processor: Processor, *, bandwidth: float | None, basis: str | None) -> Machine:
    """What stays as it is while the probe is open."""
    root = access.root.rstrip("/")
    release = read_text(f"{root}/proc/sys/kernel/osrelease", 256) or ""
    return Machine(
        host_name=(read_text(f"{root}/proc/sys/kernel/hostname", 256) or "localhost")[:_NAME_LENGTH],
        system="wsl" if "microsoft" in release.lower() else "linux",
        cpu_name=processor.name,
        n_cores=processor.n_cores,
        n_logical_cores=processor.n_logical_cores,
        usable_cores=processor.usable_cores,
        instruction_sets=processor.instruction_sets,
        n_numa_nodes=len(processor.node_bytes) or None,
        numa_node_bytes=processor.node_bytes,
        memory_bandwidth_gigabytes_per_second=bandwidth,
        memory_bandwidth_basis=basis,
        system_name=_system_name(root),
        kernel=release[:_NAME_LENGTH] or None,
        container=container_kind(root, access.environment),
        hypervisor=hypervisor(root, is_guest=processor.is_guest),
        locked_memory_limit_bytes=_locked_memory_limit_bytes(root),
    )


def hypervisor(root: str, *, is_guest: bool) -> str | None:
    """Whose guest this is; None where nothing says that it is one."""
    if os.path.isdir(f"{root}/proc/xen") or read_text(f"{root}/sys/hypervisor/type", 16) == "xen":
        return "Xen"
    names = " ".join(
        (read_text(f"{root}/sys/class/dmi/id/{name}", 128) or "") for name in ("sys_vendor", "product_name")
    )
    if not is_guest and "virtual" not in names.lower() and "qemu" not in names.lower():
        return None  # Google, Amazon and Microsoft make machines of metal too
    found = next((name for word, name in _GUESTS if word in names.lower()), None)
    clocks = read_text(f"{root}{_CLOCKS}", 256) or ""
    return found or next((name for clock, name in _GUEST_CLOCKS.items() if clock in clocks), "unknown")


def is_on_battery(root: str) -> bool | None:
    """Whether it runs from a battery now; None where there is none, or where nothing is said."""
    try:
        names = sorted(os.listdir(f"{root}{_SUPPLIES}"))[:_MOST_SUPPLIES]
    except OSError:
        return None
    is_discharging = None
    for name in names:
        folder = f"{root}{_SUPPLIES}/{name}"
        kind = read_text(f"{folder}/type", 32)
        if kind in ("Mains", "USB") and read_text(f"{folder}/online", 8) == "1":
            return False
        # A mouse has a battery too, of the scope "Device".
        if kind == "Battery" and read_text(f"{folder}/scope", 16) != "Device":
            status = read_text(f"{folder}/status", 32)
            is_discharging = is_discharging or status == "Discharging"
    return is_discharging


def _system_name(root: str) -> str | None:
    for path in ("/etc/os-release", "/usr/lib/os-release"):
        for line in (read_text(f"{root}{path}", 8192) or "").splitlines():
            if line.startswith("PRETTY_NAME="):
                return line.partition("=")[2].strip().strip("\"'")[:_NAME_LENGTH] or None
    return None


def _locked_memory_limit_bytes(root: str) -> int | None:
    """None too for who may lock as much as he likes."""
    for line in (read_text(f"{root}/proc/self/status", 4096) or "").splitlines():
        if line.startswith("CapEff:"):
            mask = line.partition(":")[2].strip()
            if (
                len(mask) <= 16
                and all(letter in "0123456789abcdef" for letter in mask)
                and int(mask or "0", 16) & _IPC_LOCK
            ):
                return None
    return _soft_limit(root, "Max locked memory")


def address_space_note(root: str) -> tuple[Fault, ...]:
    """Where programs started from here may map only so much. CUDA then fails to start: it maps far more."""
    limit_bytes = _soft_limit(root, "Max address space")
    if limit_bytes is None:
        return ()
    size = f"{limit_bytes / (1 << 30):.1f} GiB"
    message = f"programs started from here may map no more than {size}, files included: see ulimit -v"
    return (Fault(probe="host", message=message, is_note=True),)


def _soft_limit(root: str, name: str) -> int | None:
    """Of this process, which programs started from it inherit; None where there is none."""
    for line in (read_text(f"{root}/proc/self/limits", 4096) or "").splitlines():
        if line.startswith(name):
            words = line.split()
            return whole_number(words[3]) if len(words) > 3 else None
    return None
