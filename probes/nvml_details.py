"""What is read of an NVIDIA GPU only while somebody looks at its details: clocks, links, error counters.

The names of the throttle reasons are those of nvml.h (`nvmlClocksEventReason*`), the fields those of `NVML_FI_DEV_*`.
What a call costs decides how often it is made: nvmlDeviceGetPcieThroughput measures over 20 ms each time (nvml.h), the
fan takes 0.14 ms (flightlessmango/MangoHud pull 2104); a field of counters costs one call for all of them.
"""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, NamedTuple, TypeVar

from probes import nvml_codes as codes
from probes.nvml_binding import Nvml, RefusedError
from probes.nvml_figures import DETAIL_KINDS, Figures
from probes.snapshot import Details

_Number = TypeVar("_Number", int, float)

_LIVE_SECONDS = 1.0
_SLOW_SECONDS = 5.0
_RARE_SECONDS = 15.0
_CLOCK_GRAPHICS, _CLOCK_MEMORY = 0, 2
"""NVML_CLOCK_GRAPHICS and NVML_CLOCK_MEM of nvmlClockType_t."""
_SENT, _RECEIVED = 0, 1
"""NVML_PCIE_UTIL_TX_BYTES and NVML_PCIE_UTIL_RX_BYTES."""
_PCIE_BUS = 2
"""NVML_BUS_TYPE_PCIE. A GB10 is on another bus (3), and its PCIe figures are placeholders (lablup/all-smi pull 146)."""
_MOST_LINKS = 18
"""NVML_NVLINK_MAX_LINKS."""
_ALL_LINKS = 0xFFFFFFFF
_MEMORY_TEMPERATURE, _CORRECTED, _UNCORRECTED, _RETIRED_SINGLE, _RETIRED_DOUBLE = 82, 3, 4, 29, 30
_REMAPPED_CORRECTED, _REMAPPED_UNCORRECTED = 142, 143
_LINK_SENT_KIB, _LINK_RECEIVED_KIB, _PCIE_SENT, _PCIE_RECEIVED = 138, 139, 197, 198

_REASONS = {
    0x1: "idle",
    0x2: "clocks set by the user",
    0x4: "power limit",
    0x8: "hardware slowdown (heat or power)",
    0x10: "kept in step with other GPUs (sync boost)",
    0x20: "heat (software)",
    0x40: "heat (hardware)",
    0x80: "power brake (power supply)",
    0x100: "display clocks",
    0x200: "board limit",
    0x400: "low utilization or voltage reliability",
}

_MOST_MEGAHERTZ = 100_000
_MOST_LANES = 64
_MOST_GENERATION = 20
_MOST_CELSIUS = 200
_MOST_BYTES_PER_SECOND = 1e12
"""Above these, each far from any GPU's, an answer is garbage (ASSUMED)."""


class _Counted(NamedTuple):
    """A counter, and when it was read."""

    seconds: float
    value: int


class DetailsReader:
    """Asks one GPU for one kind of details at a time, and tells what is known."""

    def __init__(self, nvml: Nvml, clock: Callable[[], float]) -> None:
        self._nvml = nvml
        self._clock = clock
        self._figures = Figures(clock)
        self._counted: dict[int, _Counted] = {}
        """Field -> its counter when it was read last."""
        self._measures_traffic = False

    def read(self, handle: Any, kind: str, *, is_unified: bool) -> None:
        """One kind. Raises RefusedError where the GPU is lost."""
        if kind in ("pcie", "traffic") and is_unified:
            return
        ask, period_seconds = {
            "clocks": (self._ask_clocks, _LIVE_SECONDS),
            "throttle": (self._ask_reasons, _LIVE_SECONDS),
            "memory use": (self._ask_memory_use, _LIVE_SECONDS),
            "pcie": (self._ask_link, _SLOW_SECONDS),
            "traffic": (self._ask_traffic, _SLOW_SECONDS if self._measures_traffic else _LIVE_SECONDS),
            "heat": (self._ask_heat, _LIVE_SECONDS),
            "counters": (self._ask_counters, _RARE_SECONDS),
            "links": (self._ask_links, _RARE_SECONDS),
            "link traffic": (self._ask_link_traffic, _LIVE_SECONDS),
            "fan": (self._ask_fan, _SLOW_SECONDS),
            "ecc": (self._ask_ecc, _RARE_SECONDS),
        }[kind]
        self._figures.refresh(kind, lambda: ask(handle), period_seconds=period_seconds)

    def due_seconds(self, kind: str) -> float:
        """When it is asked for again."""
        return self._figures.due_seconds(kind)

    def details(self) -> Details | None:
        """None where nothing was read yet."""
        if self._figures.are_unread:  # of all GPUs, unless somebody looks at their details
            return None
        values = [self._figures.value(kind) for kind in DETAIL_KINDS]
        known: dict[str, Any] = {}
        for value in values:
            known |= value or {}
        return Details(**known) if any(kind in self._figures for kind in DETAIL_KINDS) else None

    # --- asking; each answer gives fields of Details

    def _ask_clocks(self, handle: Any) -> dict[str, Any]:
        graphics = self._nvml.call("nvmlDeviceGetClockInfo", handle, _CLOCK_GRAPHICS)
        memory = self._number("nvmlDeviceGetClockInfo", handle, _CLOCK_MEMORY)
        for name, clock in (("most graphics", _CLOCK_GRAPHICS), ("most memory", _CLOCK_MEMORY)):
            self._figures.once(name, partial(self._nvml.call, "nvmlDeviceGetMaxClockInfo", handle, clock))
        return {
            "graphics_clock_megahertz": within(graphics, _MOST_MEGAHERTZ),
            "memory_clock_megahertz": within(memory, _MOST_MEGAHERTZ),
            "most_graphics_clock_megahertz": within(self._figures.value("most graphics"), _MOST_MEGAHERTZ),
            "most_memory_clock_megahertz": within(self._figures.value("most memory"), _MOST_MEGAHERTZ),
        }

    def _ask_reasons(self, handle: Any) -> dict[str, Any]:
        try:
            mask = self._nvml.call("nvmlDeviceGetCurrentClocksEventReasons", handle)
        except RefusedError as refused:
            if refused.code != codes.FUNCTION_NOT_FOUND:
                raise
            # its name in drivers before 535
            mask = self._nvml.call("nvmlDeviceGetCurrentClocksThrottleReasons", handle)
        return {"throttle_reasons": reasons_of(mask)}

    def _ask_memory_use(self, handle: Any) -> dict[str, Any]:
        percent = self._nvml.call("nvmlDeviceGetUtilizationRates", handle).memory
        return {"memory_utilization_ratio": percent / 100 if 0 <= percent <= 100 else None}

    def _ask_link(self, handle: Any) -> dict[str, Any]:
        bus = self._number("nvmlDeviceGetBusType", handle)
        if bus is not None and bus != _PCIE_BUS:
            return {}
        return {
            "pcie_generation": within(self._nvml.call("nvmlDeviceGetCurrPcieLinkGeneration", handle), _MOST_GENERATION),
            "most_pcie_generation": within(
                self._number("nvmlDeviceGetMaxPcieLinkGeneration", handle), _MOST_GENERATION
            ),
            "n_pcie_lanes": within(self._number("nvmlDeviceGetCurrPcieLinkWidth", handle), _MOST_LANES),
            "most_n_pcie_lanes": within(self._number("nvmlDeviceGetMaxPcieLinkWidth", handle), _MOST_LANES),
        }

    def _ask_traffic(self, handle: Any) -> dict[str, Any]:
        """By the driver's counters; where it has none, by measuring, which takes 40 ms."""
        try:
            fields = self._fields(handle, (_PCIE_SENT, _PCIE_RECEIVED))
        except RefusedError as refused:
            if refused.code not in codes.MISSING:
                raise
            fields = {}
        if _PCIE_SENT in fields and _PCIE_RECEIVED in fields:
            return {
                "pcie_sent_bytes_per_second": self._rate(_PCIE_SENT, fields, 1),
                "pcie_received_bytes_per_second": self._rate(_PCIE_RECEIVED, fields, 1),
            }
        self._measures_traffic = True
        sent = self._nvml.call("nvmlDeviceGetPcieThroughput", handle, _SENT)
        received = self._nvml.call("nvmlDeviceGetPcieThroughput", handle, _RECEIVED)
        return {
            "pcie_sent_bytes_per_second": within(sent * 1024.0, _MOST_BYTES_PER_SECOND),
            "pcie_received_bytes_per_second": within(received * 1024.0, _MOST_BYTES_PER_SECOND),
        }

    def _ask_counters(self, handle: Any) -> dict[str, Any]:
        fields = self._fields(
            handle,
            (
                _CORRECTED,
                _UNCORRECTED,
                _RETIRED_SINGLE,
                _RETIRED_DOUBLE,
                _REMAPPED_CORRECTED,
                _REMAPPED_UNCORRECTED,
            ),
        )
        return {
            "n_corrected_errors": fields.get(_CORRECTED),
            "n_uncorrected_errors": fields.get(_UNCORRECTED),
            # since Ampere rows are remapped, before that pages were retired
            "n_retired_pages": _sum(fields, (_REMAPPED_CORRECTED, _REMAPPED_UNCORRECTED))
            if _REMAPPED_CORRECTED in fields
            else _sum(fields, (_RETIRED_SINGLE, _RETIRED_DOUBLE)),
        }

    def _ask_heat(self, handle: Any) -> dict[str, Any]:
        celsius = self._fields(handle, (_MEMORY_TEMPERATURE,)).get(_MEMORY_TEMPERATURE)
        # 0 where there is no such sensor, as on GeForce cards (ASSUMED: no memory is at 0 °C in use)
        return {"memory_temperature_celsius": within(celsius, _MOST_CELSIUS) or None}

    def _ask_links(self, handle: Any) -> dict[str, Any]:
        n_links = 0
        for link in range(_MOST_LINKS):
            try:
                n_links += self._nvml.call("nvmlDeviceGetNvLinkState", handle, link) == 1
            except RefusedError as refused:
                if refused.code in codes.LOST:
                    raise
                if link == 0:
                    raise RefusedError(codes.NOT_SUPPORTED) from refused
                break
        return {"n_links": n_links}

    def _ask_link_traffic(self, handle: Any) -> dict[str, Any]:
        if not (self._figures.value("links") or {}).get("n_links"):
            return {}
        fields = self._fields(handle, ((_LINK_SENT_KIB, _ALL_LINKS), (_LINK_RECEIVED_KIB, _ALL_LINKS)))
        return {
            "link_sent_bytes_per_second": self._rate(_LINK_SENT_KIB, fields, 1024),
            "link_received_bytes_per_second": self._rate(_LINK_RECEIVED_KIB, fields, 1024),
        }

    def _ask_fan(self, handle: Any) -> dict[str, Any]:
        percent = self._nvml.call("nvmlDeviceGetFanSpeed", handle)
        # "may exceed 100% in certain cases" (nvml.h)
        return {"fan_ratio": percent / 100 if 0 <= percent <= 200 else None}

    def _ask_ecc(self, handle: Any) -> dict[str, Any]:
        return {"is_ecc_on": self._nvml.call("nvmlDeviceGetEccMode", handle)[0] == 1}

    # --- the pieces of an answer

    def _number(self, name: str, *arguments: Any) -> int | None:
        value: int | None = self._nvml.try_call(name, *arguments, lost=codes.LOST)
        return value

    def _fields(self, handle: Any, wanted: Iterable[int | tuple[int, int]]) -> dict[int, int]:
        """Field -> value, of those that the GPU knows; all in one call."""
        values = self._nvml.call("nvmlDeviceGetFieldValues", handle, list(wanted))
        return {
            value.fieldId: number
            for value in values
            if value.nvmlReturn == codes.SUCCESS and (number := field_number(value)) is not None
        }

    def _rate(self, field: int, fields: dict[int, int], unit_bytes: int) -> float | None:
        """Bytes a second since the counter was read last; None at first, and where it was reset or overflowed."""
        value = fields.get(field)
        before = self._counted.get(field)
        if value is None:
            self._counted.pop(field, None)
            return None
        now_seconds = self._clock()
        self._counted[field] = _Counted(now_seconds, value)
        if before is None or value < before.value or now_seconds <= before.seconds:
            return None
        rate = (value - before.value) * unit_bytes / (now_seconds - before.seconds)
        return within(rate, _MOST_BYTES_PER_SECOND)


def within(number: _Number | None, most: float) -> _Number | None:
    """The number, or None where it is no figure."""
    return number if number is not None and 0 <= number <= most else None


def reasons_of(mask: int) -> tuple[str, ...]:
    """Why a GPU runs below its clocks, in words; a bit that nvml.h does not name is shown by its number."""
    known = tuple(reason for bit, reason in _REASONS.items() if mask & bit)
    rest = mask & ~sum(_REASONS)
    return (*known, f"reason {rest:#x}") if rest > 0 else known


def field_number(value: Any) -> int | None:
    """The whole number of one nvmlFieldValue_t, by its type (nvmlValueType_t); None where it is no count."""
    name = {1: "uiVal", 2: "ulVal", 3: "ullVal", 4: "sllVal", 5: "siVal", 6: "usVal"}.get(value.valueType)
    if name is None:
        return None
    number: int | None = getattr(value.value, name, None)
    # 2**32 - 1 and 2**64 - 1 mean "not available"
    return number if number is not None and 0 <= number < (0xFFFFFFFF if name == "uiVal" else 1 << 63) else None


def _sum(fields: dict[int, int], wanted: Iterable[int]) -> int | None:
    known = [fields[field] for field in wanted if field in fields]
    return sum(known) if known else None
