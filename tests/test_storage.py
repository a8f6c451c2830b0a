"""What a path lies on, from trees of files as the kernel writes them."""

from pathlib import Path

import pytest

from probes.access import Access
from probes.storage import Storage, free_bytes, storage_of

ROOT = "25 1 259:2 / / rw,relatime shared:1 - ext4 /dev/nvme0n1p2 rw\n"


class Tree:
    def __init__(self, root: Path) -> None:
        self.root = root
        self.write("proc/self/mountinfo", ROOT)

    def write(self, path: str, text: str) -> None:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")

    def disk(self, number: str, folder: str, *, rotational: str = "0", partition: str = "") -> None:
        """A disk below /sys/devices, and its partition of that number where it has one."""
        self.write(f"sys/devices/{folder}/queue/rotational", f"{rotational}\n")
        if partition:
            self.write(f"sys/devices/{folder}/{partition}/partition", "1\n")
        target = self.root / "sys/devices" / folder / partition
        link = self.root / "sys/dev/block" / number
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(target)

    def storage(self, path: str = "/home") -> Storage:
        (self.root / path.lstrip("/")).mkdir(parents=True, exist_ok=True)
        return storage_of(path, Access(root=str(self.root), system="linux"))


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path)


def test_partition_is_of_the_kind_of_its_disk(tree: Tree) -> None:
    tree.disk("259:2", "pci0000:00/nvme/nvme0/nvme0n1", partition="nvme0n1p2")
    storage = tree.storage()
    assert (storage.kind, storage.filesystem) == ("nvme", "ext4")
    assert storage.read_bytes_per_second == 3e9
    assert "assumed" in storage.basis


@pytest.mark.parametrize(
    ("folder", "rotational", "kind"),
    [
        ("pci0000:00/ata1/host0/block/sda", "1", "disk"),
        ("pci0000:00/ata1/host0/block/sda", "0", "ssd"),
        ("pci0000:00/usb2/2-1/host6/block/sdb", "1", "usb"),
        ("platform/mmc_host/mmc0/block/mmcblk0", "0", "card"),
        ("virtio/block/vda", "1", "virtual"),
    ],
)
def test_kind_of_a_disk(tree: Tree, folder: str, rotational: str, kind: str) -> None:
    tree.disk("259:2", folder, rotational=rotational, partition="part1")
    assert tree.storage().kind == kind


def test_volume_is_of_the_kind_of_the_disk_below_it(tree: Tree) -> None:
    tree.disk("8:1", "pci0000:00/ata1/block/sda", rotational="1", partition="sda1")
    tree.write("sys/devices/virtual/block/dm-0/queue/rotational", "1\n")
    (tree.root / "sys/devices/virtual/block/dm-0/slaves").mkdir()
    (tree.root / "sys/devices/virtual/block/dm-0/slaves/sda1").symlink_to(tree.root / "sys/dev/block/8:1")
    (tree.root / "sys/dev/block/259:2").symlink_to(tree.root / "sys/devices/virtual/block/dm-0")
    assert tree.storage().kind == "disk"


def test_file_system_without_a_number_of_its_own_names_its_disk(tree: Tree) -> None:
    tree.write("proc/self/mountinfo", "25 1 0:31 /@home /home rw - btrfs /dev/nvme0n1p2 rw,subvol=/@home\n")
    tree.write("sys/class/block/nvme0n1p2/partition", "2\n")
    assert tree.storage("/home/models").filesystem == "btrfs"


@pytest.mark.parametrize(
    ("filesystem", "kind", "rate"),
    [("nfs4", "network", 0.117e9), ("lustre", "network", None), ("9p", "shared", None), ("tmpfs", "memory", None)],
)
def test_kind_of_a_file_system(tree: Tree, filesystem: str, kind: str, rate: float | None) -> None:
    tree.write("proc/self/mountinfo", f"{ROOT}40 25 0:44 / /models rw - {filesystem} server:/models rw\n")
    storage = tree.storage("/models/llm")
    assert (storage.kind, storage.read_bytes_per_second) == (kind, rate)


def test_path_is_below_the_longest_mount_and_names_that_only_begin_alike_do_not_count(tree: Tree) -> None:
    mounts = f"{ROOT}40 25 0:44 / /data rw - tmpfs tmpfs rw\n41 25 0:45 / /data\\040old rw - nfs server:/old rw\n"
    tree.write("proc/self/mountinfo", mounts)
    assert tree.storage("/data/llm").filesystem == "tmpfs"
    assert tree.storage("/database").filesystem == "ext4"
    assert tree.storage("/data old/llm").filesystem == "nfs"


def test_file_system_of_a_container_hides_the_disk(tree: Tree) -> None:
    tree.write("proc/self/mountinfo", "25 1 0:50 / / rw - overlay overlay rw,lowerdir=/a,upperdir=/b\n")
    storage = tree.storage()
    assert (storage.kind, storage.read_bytes_per_second) == (None, None)
    assert storage.basis == "nothing tells how fast it is"


def test_room_is_known_where_nothing_else_is(tmp_path: Path) -> None:
    storage = storage_of("/", Access(root=str(tmp_path), system="darwin"))
    assert storage.kind is None
    assert storage.free_bytes is not None
    assert storage.free_bytes == pytest.approx(free_bytes(str(tmp_path)), rel=0.2)


def test_path_that_is_not_there_has_no_room(tmp_path: Path) -> None:
    assert free_bytes(str(tmp_path / "absent")) is None
    assert free_bytes("nul\0") is None
