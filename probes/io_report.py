"""Power and clock of a Mac's GPU, without root: from the counters of IOReport, a library of Apple's that has no header.

Not run on a Mac. The prototypes are those that its users agree on: macmon (src_lib/sources.rs, 2026-08), Stats
(Modules/CPU/bridge.h) and socpowerbud (socpwrbud.h). Where they differ (the last argument of
``IOReportSimpleGetIntegerValue`` is an int or a pointer) zero is passed in the full width, which is both.

- group "Energy Model", channel "GPU Energy": energy since the sample before; the unit is in the channel's label (mJ on
  M1, nJ on later chips), and a label that is not known is no figure;
- group "GPU Stats", subgroup "GPU Performance States", channel "GPUPH": how long the GPU was in each state, of which
  OFF, IDLE and DOWN have no clock. The clocks of the others are in the registry (AppleARMIODevice ``pmgr``,
  "voltage-states9": pairs of frequency in Hz and voltage, 4 bytes each, the first for off).
"""

from __future__ import annotations

import ctypes
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from probes.libraries import Prototypes, declare

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from probes.core_foundation import CoreFoundation, Reference

LIBRARY = "/usr/lib/libIOReport.dylib"

_JOULES = {"mJ": 1e-3, "uJ": 1e-6, "nJ": 1e-9}
_WITHOUT_CLOCK = frozenset({"OFF", "IDLE", "DOWN"})
_MOST_STATES = 64
_LONGEST_SECONDS = 60.0
"""A mean over a longer time says nothing of now: nobody looked meanwhile (ASSUMED)."""
_MOST_WATTS = 1000.0
"""More than a whole Mac draws: a Mac Studio's supply has 480 W (support.apple.com/102027)."""

_ADDRESS = ctypes.c_void_p
_PROTOTYPES: Prototypes = {
    "IOReportCopyChannelsInGroup": (
        _ADDRESS,
        [_ADDRESS, _ADDRESS, ctypes.c_uint64, ctypes.c_uint64, ctypes.c_uint64],
    ),
    "IOReportCreateSubscription": (
        _ADDRESS,
        [_ADDRESS, _ADDRESS, ctypes.POINTER(_ADDRESS), ctypes.c_uint64, _ADDRESS],
    ),
    "IOReportCreateSamples": (_ADDRESS, [_ADDRESS, _ADDRESS, _ADDRESS]),
    "IOReportCreateSamplesDelta": (_ADDRESS, [_ADDRESS, _ADDRESS, _ADDRESS]),
    "IOReportChannelGetChannelName": (_ADDRESS, [_ADDRESS]),
    "IOReportChannelGetUnitLabel": (_ADDRESS, [_ADDRESS]),
    "IOReportSimpleGetIntegerValue": (ctypes.c_int64, [_ADDRESS, _ADDRESS]),
    "IOReportStateGetCount": (ctypes.c_int32, [_ADDRESS]),
    "IOReportStateGetNameForIndex": (_ADDRESS, [_ADDRESS, ctypes.c_int32]),
    "IOReportStateGetResidency": (ctypes.c_int64, [_ADDRESS, ctypes.c_int32]),
}


class GpuReport:
    """What the GPU drew and how fast it ran since the last question; None at the first."""

    def __init__(
        self,
        library: Any,
        foundation: CoreFoundation,
        *,
        clocks_megahertz: Sequence[float] = (),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """``library`` is a handle to IOReport, ``clocks_megahertz`` those of the states that have one.

        Raises:
            AttributeError: it lacks a function.
        """
        call = declare(library, _PROTOTYPES)
        self._call = call
        self._foundation = foundation
        self._clocks_megahertz = tuple(clocks_megahertz)
        self._energy = _Group(call, foundation, "Energy Model", None, clock)
        self._states = _Group(call, foundation, "GPU Stats", "GPU Performance States", clock)

    @property
    def most_megahertz(self) -> float | None:
        """The highest clock of the states."""
        return max(self._clocks_megahertz, default=None)

    def power_watts(self) -> float | None:
        with self._energy.since_last() as (channels, seconds):
            channel = self._channel(channels, "GPU Energy")
            if channel is None or seconds <= 0:
                return None
            label = self._foundation.value(self._call["IOReportChannelGetUnitLabel"](channel))
            joules = _JOULES.get(label.strip()) if isinstance(label, str) else None
            n_units = self._call["IOReportSimpleGetIntegerValue"](channel, None)
        watts = None if joules is None else n_units * joules / seconds
        return watts if watts is not None and 0 <= watts <= _MOST_WATTS else None

    def clock_megahertz(self) -> float | None:
        """The mean while it was running; None while it was not, or where the states' clocks are not known."""
        with self._states.since_last() as (channels, _):
            channel = self._channel(channels, "GPUPH")
            residencies = [] if channel is None else self._residencies(channel)
        total = sum(residencies)
        if len(residencies) != len(self._clocks_megahertz) or total <= 0 or min(residencies) < 0:
            return None
        return sum(share * clock for share, clock in zip(residencies, self._clocks_megahertz, strict=True)) / total

    def close(self) -> None:
        self._energy.close()
        self._states.close()

    def _channel(self, channels: Sequence[Reference], name: str) -> Reference:
        for channel in channels:
            if channel is not None:
                found = self._foundation.value(self._call["IOReportChannelGetChannelName"](channel))
                if found == name:
                    return channel
        return None

    def _residencies(self, channel: int) -> list[int]:
        """Of the states that have a clock, in their order."""
        n_states = self._call["IOReportStateGetCount"](channel)
        if not 0 < n_states <= _MOST_STATES:
            return []
        names = [
            self._foundation.value(self._call["IOReportStateGetNameForIndex"](channel, index))
            for index in range(n_states)
        ]
        return [
            self._call["IOReportStateGetResidency"](channel, index)
            for index, name in enumerate(names)
            if name not in _WITHOUT_CLOCK
        ]


class _Group:
    """A subscription to one group of channels, and its last sample. Empty where the Mac has no such group."""

    def __init__(
        self,
        call: dict[str, Any],
        foundation: CoreFoundation,
        group: str,
        subgroup: str | None,
        clock: Callable[[], float],
    ) -> None:
        self._call = call
        self._foundation = foundation
        self._clock = clock
        self._items_key = foundation.new_string("IOReportChannels")
        self._channels: Reference = self._wanted(group, subgroup)
        self._subscription: Reference = None
        self._sample: Reference = None
        self._sampled_seconds = 0.0
        if self._channels is not None:
            subscribed = ctypes.c_void_p()
            self._subscription = call["IOReportCreateSubscription"](
                None, self._channels, ctypes.byref(subscribed), 0, None
            )

    @contextmanager
    def since_last(self) -> Iterator[tuple[Sequence[Reference], float]]:
        """The channels with what was added since the last question, lent, and how long that is; none at the first."""
        before, before_seconds = self._sample, self._sampled_seconds
        self._sample = self._new_sample()
        self._sampled_seconds = self._clock()
        change: Reference = None
        try:
            is_recent = self._sampled_seconds - before_seconds <= _LONGEST_SECONDS
            if before is not None and self._sample is not None and is_recent:
                change = self._call["IOReportCreateSamplesDelta"](before, self._sample, None)
            channels = self._foundation.items(self._foundation.item(change, self._items_key))
            yield channels, self._sampled_seconds - before_seconds
        finally:
            self._foundation.release(change)
            self._foundation.release(before)

    def close(self) -> None:
        for reference in (self._sample, self._subscription, self._channels, self._items_key):
            self._foundation.release(reference)
        self._sample = self._subscription = self._channels = self._items_key = None

    def _new_sample(self) -> Reference:
        if self._subscription is None or self._channels is None:
            return None
        sample: Reference = self._call["IOReportCreateSamples"](self._subscription, self._channels, None)
        return sample

    def _wanted(self, group: str, subgroup: str | None) -> Reference:
        """The channels of that group, as a dictionary that a subscription may change."""
        names = [
            self._foundation.new_string(group),
            None if subgroup is None else self._foundation.new_string(subgroup),
        ]
        found = self._call["IOReportCopyChannelsInGroup"](*names, 0, 0, 0)
        for name in names:
            self._foundation.release(name)
        if found is None:
            return None
        wanted = self._foundation.new_mutable_copy(found)
        self._foundation.release(found)
        return wanted


def state_clocks_megahertz(voltage_states: object) -> tuple[float, ...]:
    """The clocks of the states in which the GPU runs, from "voltage-states9"; none where it is garbage."""
    if not isinstance(voltage_states, bytes) or len(voltage_states) % 8 or len(voltage_states) > 8 * _MOST_STATES:
        return ()
    hertz = [int.from_bytes(voltage_states[at : at + 4], "little") for at in range(0, len(voltage_states), 8)]
    clocks = tuple(value / 1e6 for value in hertz[1:])
    return clocks if all(100 <= clock <= 5000 for clock in clocks) else ()
