"""Keeps the loads that come to rest in the store; on the thread that watches for engines."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from tui.boot import boot_name
from tui.calibrations_here import FILE_NAME
from tui.driver_version import driver_version, product_name
from tui.kept_load import NAME_LENGTH, KeptLoad, KeptPlace
from tui.places import device_label
from tui.watched import LoadWatch, Rested

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from estimator.calibration import Calibration
    from probes.snapshot import Device, Snapshot
    from tui.recognised import Recognised


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
        on_calibrations: Callable[[tuple[Calibration, ...]], object] = lambda _: None,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self._path = path
        self._on_trouble = on_trouble
        self._host = host
        self._boot = boot_name() if boot is None else boot
        self._is_on = is_on
        """Asked at every reading: a person may switch it off."""
        self._on_calibrations = on_calibrations
        """Told what holds of this machine, after each load that is kept."""
        self._wall_clock = wall_clock
        self._watch = LoadWatch()
        self._said = ""
        self._lessons = path.with_name(FILE_NAME)
        self._stamp = _stamp(self._lessons)
        """Of that file as it was last read."""

    def learn(self, engines: Sequence[Recognised], snapshot: Snapshot, now: float) -> None:
        """Another reading: what came to rest with it is kept. Trouble with the file is told once, and stops nothing."""
        self._heed_others()
        for rested in self._watch.look(engines, now):
            if self._is_on():
                self._keep(kept_load(rested, snapshot, self._host, self._boot, self._wall_clock()))

    def _heed_others(self) -> None:
        """What another app has learned, or ``plimsoll forget`` has taken away, meanwhile. A look takes 3 us."""
        stamp = _stamp(self._lessons)
        if stamp == self._stamp:
            return
        from tui.lesson_file import read_calibrations  # noqa: PLC0415  # 4 ms, where there is something new

        self._stamp = stamp
        self._on_calibrations(read_calibrations(self._lessons, self._host).calibrations)

    def _keep(self, load: KeptLoad) -> None:
        # 8 ms with sqlite3, on this thread, with the first load that rests.
        from tui.store import Store  # noqa: PLC0415
        from tui.store_file import StoreError  # noqa: PLC0415

        store = Store(self._path)
        try:
            store.keep(load)
            loads = store.loads()
        except StoreError as error:
            self._say(str(error))
            return
        self._say(store.notice)
        self._calibrate(loads)

    def _calibrate(self, loads: Sequence[KeptLoad]) -> None:
        """Anew from the whole store: what was wrong in the file is gone."""
        from tui.lesson_file import read_calibrations, write_calibrations  # noqa: PLC0415  # 4 ms, once

        path = self._lessons
        try:
            write_calibrations(path, loads)
        except OSError as error:
            self._say(f"{path}: {error.strerror or error}; predictions are not corrected by what loads took here")
        else:
            self._stamp = _stamp(path)
            self._on_calibrations(read_calibrations(path, self._host).calibrations)

    def _say(self, sentence: str) -> None:
        if sentence and sentence != self._said:
            self._said = sentence
            self._on_trouble(sentence)


def _stamp(path: Path) -> tuple[int, int] | None:
    """Size and time of a file, by which a change of it is seen; None where there is none."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns


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
        plain = predicted.plain or predicted
        is_telling = device is not None and is_held_by_one(engine, device, snapshot)
        found.append(
            KeptPlace(
                name=name,
                product=product_name(device) if device is not None else "",
                vendor=device.vendor if device is not None else "",
                driver=driver_version(device, snapshot) if device is not None else "",
                predicted_bytes=plain.n_bytes,
                low_bytes=plain.low_bytes,
                high_bytes=plain.high_bytes,
                held_bytes=engine.held[name],
                peak_bytes=rested.peak.get(name, engine.held[name]),
                takes_share=predicted.takes_share,
                runtime_bytes=plain.runtime_bytes if is_telling else None,
                calibrated_bytes=None if predicted.plain is None else predicted.n_bytes,
            )
        )
    return found


def is_held_by_one(engine: Recognised, device: Device, snapshot: Snapshot) -> bool:
    """Whether one process holds all that the engine has on the device: each has a context of its own."""
    own = [one for one in snapshot.processes if one.device_key == device.key and one.pid in engine.pids]
    return len({one.pid for one in own}) == 1 and all(one.used_bytes is not None for one in own)


def _without_folders(name: str) -> str:
    """A path tells of a person; ``owner/model`` does not."""
    is_path = name.startswith(("/", "~", ".", "\\")) or "\\" in name or name.count("/") > 1
    return (name.replace("\\", "/").rstrip("/").rpartition("/")[2] if is_path else name)[:NAME_LENGTH]
