"""Keeps the loads that come to rest in the store; on the thread that watches for engines."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from tui.kept_load import NAME_LENGTH, KeptLoad, KeptPlace
from tui.places import device_label
from tui.watched import LoadWatch, Rested

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from probes.snapshot import Device, Snapshot
    from tui.recognised import Recognised

_BOOT = "/proc/sys/kernel/random/boot_id"
_DRIVERS = {"nvidia": ("NVIDIA driver", "NVIDIA"), "amd": ("amdgpu", "AMD driver"), "apple": ("macOS",)}
"""Vendor -> names of versions in a snapshot, of which the first that is there is meant."""


class Learner:
    """Watches loads, and keeps those that rest."""

    def __init__(
        self,
        path: Path,
        on_trouble: Callable[[str], object],
        *,
        host: str,
        boot: str | None = None,
        is_on: Callable[[], bool] = lambda: True,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self._path = path
        self._on_trouble = on_trouble
        self._host = host
        self._boot = boot_name() if boot is None else boot
        self._is_on = is_on
        """Asked at every reading: a person may switch it off."""
        self._wall_clock = wall_clock
        self._watch = LoadWatch()
        self._said = ""

    def learn(self, engines: Sequence[Recognised], snapshot: Snapshot, now: float) -> None:
        """Another reading: what came to rest with it is kept. Trouble with the file is told once, and stops nothing."""
        for rested in self._watch.look(engines, now):
            if self._is_on():
                self._keep(kept_load(rested, snapshot, self._host, self._boot, self._wall_clock()))

    def _keep(self, load: KeptLoad) -> None:
        # 8 ms with sqlite3, on this thread, with the first load that rests.
        from tui.store import Store  # noqa: PLC0415
        from tui.store_file import StoreError  # noqa: PLC0415

        store = Store(self._path)
        try:
            store.keep(load)
        except StoreError as error:
            self._say(str(error))
        else:
            self._say(store.notice)

    def _say(self, sentence: str) -> None:
        if sentence and sentence != self._said:
            self._said = sentence
            self._on_trouble(sentence)


def kept_load(rested: Rested, snapshot: Snapshot, host: str, boot: str, wall_seconds: float) -> KeptLoad:
    """What is kept of it."""
    engine = rested.engine
    return KeptLoad(
        host=host,
        boot=boot,
        pid=engine.pid,
        started_ticks=engine.started_ticks,
        rested_seconds=wall_seconds,
        loading_seconds=rested.loading_seconds,
        program=_without_folders(engine.program),
        engine_name=engine.engine_name,
        model_name=_without_folders(engine.model_name),
        quant=engine.quant[:NAME_LENGTH],
        architecture=engine.architecture[:NAME_LENGTH],
        engine_version=engine.engine_version[:NAME_LENGTH],
        context_tokens=engine.context_tokens,
        n_sequences=engine.n_sequences,
        places=tuple(_places(rested, snapshot)),
    )


def _places(rested: Rested, snapshot: Snapshot) -> list[KeptPlace]:
    devices = {device_label(device, snapshot.devices): device for device in snapshot.devices}
    engine = rested.engine
    found = []
    for name, predicted in engine.counted.items():
        device = devices.get(name)
        found.append(
            KeptPlace(
                name=name,
                product=device.name[:NAME_LENGTH] if device is not None else "",
                vendor=device.vendor if device is not None else "",
                driver=driver_version(device, snapshot) if device is not None else "",
                predicted_bytes=predicted.n_bytes,
                low_bytes=predicted.low_bytes,
                high_bytes=predicted.high_bytes,
                held_bytes=engine.held[name],
                peak_bytes=rested.peak.get(name, engine.held[name]),
                takes_share=predicted.takes_share,
            )
        )
    return found


def driver_version(device: Device, snapshot: Snapshot) -> str:
    """Of the device's driver, as the snapshot has it; empty where it is not told."""
    for name in _DRIVERS.get(device.vendor, ()):
        for version in snapshot.versions:
            if version.name == name:
                return version.value[:NAME_LENGTH]
    return ""


def _without_folders(name: str) -> str:
    """A path tells of a person; ``owner/model`` does not."""
    is_path = name.startswith(("/", "~", ".", "\\")) or "\\" in name or name.count("/") > 1
    return (name.replace("\\", "/").rstrip("/").rpartition("/")[2] if is_path else name)[:NAME_LENGTH]


def boot_name() -> str:
    """Which start of the machine it runs since; empty where the system does not name it."""
    try:
        with open(_BOOT, encoding="ascii") as file:
            return file.read(64).strip()
    except (OSError, ValueError):
        return ""


def machine_digest(name: str | None = None) -> str:
    """Under which this machine's loads stand, where a home directory serves several: no name can be read from it."""
    from hashlib import blake2b  # noqa: PLC0415  # 3 ms, on the thread that watches

    if name is None:
        name = os.uname().nodename if hasattr(os, "uname") else os.environ.get("COMPUTERNAME", "")
    return blake2b(name.encode("utf-8", "replace"), digest_size=8, person=b"plimsoll").hexdigest()
