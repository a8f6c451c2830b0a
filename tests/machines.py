"""Machines that are not at hand, each described in one file of ``tests/machines``: what its probes would find there.

A TOML file per machine::

    origin = "built from documents: ..."        # or "recorded: ...", or "simulated driver: ..."
    system = "linux"
    directories = ["sys/fs/cgroup/empty"]
    [files]                                     # path below the root = content
    "proc/meminfo" = '''...'''
    [binary_files]                             # path = bytes in base64, for files that are no text
    [links]                                     # path = where the symbolic link points
    [commands]                                  # command line = what it prints; any other cannot be run
    [environment]
    [[drm]]                                     # path and driver of a render node, own and ram = [total, used]
    [nvml]                                      # driver, cuda; is_complete: what is not listed is NOT_SUPPORTED
    [[nvml.gpu]]                                # NVML function = answer; "refused" = {function = code}
    [[nvml.gpu.part]]                           # a part of it (MIG), described as a GPU is
    [mac]                                       # the fields of FakeMac: what a Mac's libraries answer
    [windows]                                   # the fields of FakeWindows, likewise
"""

import base64
import json
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from fake_drm import FakeNode, FakeNodes
from fake_mac import FakeMac
from fake_nvml import FakeGpu, FakeNvml, used_by
from fake_windows import FakeWindows

from probes.access import Access, Load
from probes.errors import ProbeUnavailable
from probes.nvml_library import load_library
from probes.presence import MISSING
from probes.probe import Probe, ProbeSource, real_sources
from probes.sampler import take_one
from probes.snapshot import Snapshot
from probes.vendors.intel import IntelProbe
from probes.vendors.nvidia import open_probe
from tui.dump import run_snapshot

FOLDER = Path(__file__).parent / "machines"
PATIENCE_SECONDS = 30.0


@dataclass(frozen=True, kw_only=True)
class RecordedMachine:
    """What one file describes, laid out under a root."""

    origin: str
    access: Access
    described: dict[str, Any]

    def sources(self) -> tuple[ProbeSource, ...]:
        """As the app would open them there; NVML and render nodes alone are stood in for."""
        return tuple(
            self._with_nodes(self._with_nvml(source)) for source in real_sources(self.access, tell_command=" ".join)
        )

    def snapshot(self) -> Snapshot:
        return take_one(self.sources(), PATIENCE_SECONDS)

    def _with_nvml(self, source: ProbeSource) -> ProbeSource:
        if source.name != "nvidia":
            return source
        nvml = self.described.get("nvml")
        fake = None if nvml is None else nvml_of(nvml)

        def binding(access: Access) -> Any:
            if fake is None:
                load_library(access)
            return fake

        def open_nvidia() -> Probe:
            reason = MISSING["nvidia"](self.access)
            if reason is not None and fake is None:
                raise ProbeUnavailable(reason, is_expected=True)
            return open_probe(self.access, binding)

        return ProbeSource(name=source.name, open=open_nvidia, describe_process=source.describe_process)

    def _with_nodes(self, source: ProbeSource) -> ProbeSource:
        drm = self.described.get("drm")
        if source.name != "intel" or drm is None:
            return source
        nodes = nodes_of(drm)

        def open_intel() -> Probe:
            return IntelProbe(self.access, nodes=nodes.access())

        return ProbeSource(name=source.name, open=open_intel, describe_process=source.describe_process)


def recorded_machine(name: str, folder: Path) -> RecordedMachine:
    """The machine of that name, its files laid out in ``folder``."""
    described = tomllib.loads((FOLDER / f"{name}.toml").read_text(encoding="utf-8"))
    for path in described.get("directories", ()):
        (folder / path).mkdir(parents=True, exist_ok=True)
    for path, text in described.get("files", {}).items():
        _write(folder / path, text.encode())
    for path, text in described.get("binary_files", {}).items():
        _write(folder / path, base64.b64decode(text))
    for path, target in described.get("links", {}).items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).symlink_to(target)
    commands = described.get("commands", {})

    def run(command: Sequence[str]) -> bytes:
        printed: str | None = commands.get(" ".join(command))
        if printed is None:
            raise FileNotFoundError(2, "No such file or directory", command[0])
        return printed.encode()

    access = Access(
        root=str(folder),
        system=described.get("system", "linux"),
        run=run,
        load=_libraries(described),
        environment=described.get("environment", {}),
    )
    return RecordedMachine(origin=described["origin"], access=access, described=described)


def _libraries(described: dict[str, Any]) -> Load:
    """What can be loaded there: nothing but what a section of the file describes."""
    if "mac" in described:
        mac = dict(described["mac"])
        states = bytes.fromhex(mac.pop("voltage_states", ""))
        return FakeMac(**mac, voltage_states=states or None).load
    if "windows" in described:
        return FakeWindows(**described["windows"]).load

    def load(path: str) -> Any:
        raise OSError(f"{path}: cannot open shared object file: No such file or directory")

    return load


def nvml_of(described: dict[str, Any]) -> FakeNvml:
    """The driver's library as the section ``nvml`` describes it."""
    gpus = described.get("gpu", [])
    fake = FakeNvml(len(gpus))
    fake.driver = described.get("driver", fake.driver)
    fake.cuda = described.get("cuda", fake.cuda)
    is_complete = described.get("is_complete", False)
    for gpu, listed in zip(fake.gpus, gpus, strict=True):
        _describe(gpu, listed, is_complete=is_complete)
    return fake


def nodes_of(described: list[dict[str, Any]]) -> FakeNodes:
    """The render nodes as the sections ``drm`` describe them."""
    nodes = {}
    for node in described:
        regions = [(kind == "own", *node[kind]) for kind in ("ram", "own") if kind in node]
        nodes[node["path"]] = FakeNode(driver=node["driver"], regions=regions, refused=node.get("refused"))
    return FakeNodes(nodes)


def _describe(gpu: FakeGpu, listed: dict[str, Any], *, is_complete: bool) -> None:
    answers = dict(listed)
    gpu.refusals = answers.pop("refused", {})
    gpu.memory = answers.pop("memory", gpu.memory)
    for number, part in enumerate(answers.pop("part", ())):
        gpu.parts.append(FakeGpu(100 * (gpu.number + 1) + number))
        _describe(gpu.parts[-1], part, is_complete=is_complete)
    own = {name: _answer(name, answer) for name, answer in answers.items()}
    gpu.answers = own if is_complete else gpu.answers | own


def _answer(name: str, answer: Any) -> Any:
    if name.endswith(("RunningProcesses_v3", "RunningProcesses_v2")):
        return [used_by(process["pid"], process.get("used")) for process in answer]
    return SimpleNamespace(**answer) if isinstance(answer, dict) else answer


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def printed(name: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """What ``plimsoll snapshot --json`` prints on that machine."""
    machine = recorded_machine(name, folder)
    assert run_snapshot(machine.snapshot, is_json=True) == 0
    shown: dict[str, Any] = json.loads(capsys.readouterr().out)
    return shown


def pool(shown: dict[str, Any], key: str = "host") -> dict[str, Any]:
    found: dict[str, Any] = next(pool for pool in shown["pools"] if pool["key"] == key)
    return found


def pools(shown: dict[str, Any]) -> dict[str, Any]:
    """By their keys."""
    return {pool["key"]: pool for pool in shown["pools"]}
