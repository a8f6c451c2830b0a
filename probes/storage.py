"""The disk where a path lies: the room on it, and how fast about it can be read.

Nothing here takes rights or writes. What a path lies on is told by /proc/self/mountinfo (proc_pid_mountinfo(5)) and
/sys/dev/block (docs.kernel.org, ABI/stable/sysfs-block); both were read on a Linux of our own, the trees of the tests
were written after the documents. Rates are those of a class of disks, so they are ASSUMED; each says of what.
"""

import os

from probes.access import REAL, Access
from probes.sysfs import read_number, read_text
from records.record import record

_NETWORK = ("nfs", "nfs4", "cifs", "smb3", "smbfs", "ceph", "glusterfs", "lustre", "beegfs", "gpfs", "wekafs", "afs")
_SLOW_NETWORK = ("nfs", "nfs4", "cifs", "smb3", "smbfs", "fuse.sshfs")
_SHARED = ("9p", "virtiofs", "drvfs", "vboxsf", "fuse.vmhgfs-fuse", "prl_fs")
_MEMORY = ("tmpfs", "ramfs")
_MOST_LEVELS = 6
"""Of disks on disks: encryption on a volume on a RAID on a partition."""
_MOUNTINFO_BYTES = 256 * 1024

_SSD_BYTES_PER_SECOND = 0.5e9
"""ASSUMED: SATA carries 600 MB/s (6 Gb/s, 8 of 10 bits), and good drives read 500 to 560 of them."""
_DISK_BYTES_PER_SECOND = 0.15e9
"""ASSUMED: 7200 turns a minute read 100 to 250 MB/s, from the innermost tracks to the outermost."""
_NVME_BYTES_PER_SECOND = 3e9
"""ASSUMED: drives of PCIe 3.0 x4 read up to 3.5 GB/s, those of 4.0 5 to 7, but through the page cache and on one
thread, as a model is loaded, 2 to 4 GB/s are what is seen."""
_USB_BYTES_PER_SECOND = 0.4e9
"""ASSUMED: USB 3.0 carries 500 MB/s (5 Gb/s, 8 of 10 bits)."""
_NETWORK_BYTES_PER_SECOND = 0.117e9
"""ASSUMED: Ethernet of 1 Gb/s less the headers of its frames."""
_CARD_BYTES_PER_SECOND = 0.09e9
"""ASSUMED: cards of UHS-I carry 104 MB/s at most."""


@record(frozen=True, slots=True, kw_only=True)
class Storage:
    """What a path lies on."""

    kind: str | None = None
    """``nvme``, ``ssd``, ``disk`` (turning), ``usb``, ``card``, ``network``, ``shared`` (of the machine around this
    guest), ``memory``, ``virtual``; None where it is not known."""
    filesystem: str | None = None
    """``ext4``, ``btrfs``, ``overlay`` ..."""
    total_bytes: int | None = None
    free_bytes: int | None = None
    """What an ordinary user may still write."""
    read_bytes_per_second: float | None = None
    """Of one large file that is not in the page cache; an assumption by the kind."""
    basis: str = ""
    """What the rate rests on, in words."""


def free_bytes(path: str) -> int | None:
    """What an ordinary user may still write there; None where the system does not say."""
    return _room(path)[1]


def storage_of(path: str, access: Access = REAL) -> Storage:
    """The disk that an existing path lies on. A path on a network may take long to answer."""
    total, free = _room(access.path(path))
    if access.system != "linux":
        return Storage(total_bytes=total, free_bytes=free)
    mount = _mount_of(path, read_text(access.path("/proc/self/mountinfo"), _MOUNTINFO_BYTES) or "")
    if mount is None:
        return Storage(total_bytes=total, free_bytes=free)
    number, filesystem, source = mount
    kind = _kind_of_filesystem(filesystem) or _kind_of_disk(access, number, source)
    rate, basis = _rate(kind, filesystem)
    return Storage(
        kind=kind,
        filesystem=filesystem,
        total_bytes=total,
        free_bytes=free,
        read_bytes_per_second=rate,
        basis=basis,
    )


def _room(path: str) -> tuple[int | None, int | None]:
    try:
        if hasattr(os, "statvfs"):
            found = os.statvfs(path)
            return found.f_blocks * found.f_frsize, found.f_bavail * found.f_frsize
        import shutil  # noqa: PLC0415 - 5 ms, which only Windows pays

        usage = shutil.disk_usage(path)
    except (OSError, ValueError):
        return None, None
    return usage.total, usage.free


def _mount_of(path: str, mountinfo: str) -> tuple[str, str, str] | None:
    """Device number, file system and source of the mount that the path is below; of equals, the one on top."""
    found: tuple[int, tuple[str, str, str]] | None = None
    for line in mountinfo.splitlines():
        before, _, after = line.partition(" - ")
        mount, system = before.split(), after.split()
        if len(mount) < 5 or len(system) < 2:
            continue
        point = _unescaped(mount[4])
        is_above = point in ("/", path) or path.startswith(f"{point}/")
        if is_above and (found is None or len(point) >= found[0]):
            found = len(point), (mount[2], system[0], _unescaped(system[1]))
    return None if found is None else found[1]


def _unescaped(text: str) -> str:
    r"""The kernel writes blanks, tabs, ends of lines and backslashes as octal numbers: ``\040``."""
    for number, letter in (("040", " "), ("011", "\t"), ("012", "\n"), ("134", "\\")):
        text = text.replace(f"\\{number}", letter)
    return text


def _kind_of_filesystem(filesystem: str) -> str | None:
    if filesystem in _NETWORK or filesystem in _SLOW_NETWORK:
        return "network"
    if filesystem in _SHARED:
        return "shared"
    return "memory" if filesystem in _MEMORY else None


def _kind_of_disk(access: Access, number: str, source: str) -> str | None:
    """By the block device; file systems over several (btrfs, ZFS) have no number of their own, and name one."""
    folder = access.path(f"/sys/dev/block/{number}")
    if not os.path.isdir(folder):
        folder = access.path(f"/sys/class/block/{os.path.basename(source)}")
    for _ in range(_MOST_LEVELS):
        folder = os.path.realpath(folder)
        if os.path.exists(f"{folder}/partition"):
            folder = os.path.dirname(folder)
        try:
            below = sorted(os.listdir(f"{folder}/slaves"))
        except OSError:
            below = []
        if not below:
            break
        folder = f"{folder}/slaves/{below[0]}"
    return _kind_of_device(folder)


def _kind_of_device(folder: str) -> str | None:
    name = os.path.basename(folder)
    if name.startswith("nvme"):
        return "nvme"
    if name.startswith("mmcblk"):
        return "card"
    if name.startswith(("vd", "xvd", "nbd", "rbd")):
        return "virtual"  # what is behind it is the machine's around this one; it often claims to turn
    if "/usb" in folder:
        return "usb"
    is_turning = read_number(f"{folder}/queue/rotational")
    if is_turning is None:
        return None
    if "virtual" in (read_text(f"{folder}/device/model", 64) or "").lower():
        return "virtual"
    return "disk" if is_turning else "ssd"


_RATES = {
    "nvme": (_NVME_BYTES_PER_SECOND, "NVMe drives (assumed)"),
    "ssd": (_SSD_BYTES_PER_SECOND, "solid-state drives on SATA (assumed)"),
    "disk": (_DISK_BYTES_PER_SECOND, "turning disks (assumed)"),
    "usb": (_USB_BYTES_PER_SECOND, "drives on USB 3 (assumed)"),
    "card": (_CARD_BYTES_PER_SECOND, "memory cards (assumed)"),
}


def _rate(kind: str | None, filesystem: str) -> tuple[float | None, str]:
    if filesystem in _SLOW_NETWORK:
        return _NETWORK_BYTES_PER_SECOND, "a network of 1 Gb/s (assumed)"
    if kind in _RATES:
        return _RATES[kind]
    return None, "" if kind == "memory" else "nothing tells how fast it is"
