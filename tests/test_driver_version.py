"""A device's driver is told from others by its version, or by the kernel that it came with."""

from dataclasses import replace

import pytest
from scenes import workstation

from probes.snapshot import Machine, Version
from tui.driver_version import driver_version


def version(vendor: str, kernel: str | None, *versions: Version, system: str = "linux") -> str:
    snapshot = workstation()
    machine = Machine(host_name="a", system=system, kernel=kernel)
    return driver_version(
        replace(snapshot.devices[0], vendor=vendor), replace(snapshot, machine=machine, versions=versions)
    )


def test_nvidias_is_what_the_driver_says() -> None:
    assert version("nvidia", "6.8.0-49-generic", Version(name="NVIDIA driver", value="580.95.05")) == "580.95.05"


@pytest.mark.parametrize(
    ("kernel", "told"),
    [("6.8.0-49-generic", "Linux 6.8"), ("6.17.2-arch1-1", "Linux 6.17"), ("rolling", ""), (None, ""), ("6", "")],
)
def test_amds_may_have_come_with_the_kernel(kernel: str | None, told: str) -> None:
    assert version("amd", kernel) == told


def test_amds_own_version_counts_first() -> None:
    assert version("amd", "6.8.0-49-generic", Version(name="amdgpu", value="6.12.12")) == "6.12.12"


def test_elsewhere_it_is_not_known() -> None:
    assert version("amd", "10.0.26100", system="windows") == ""
    assert version("nvidia", "6.8.0-49-generic") == ""
