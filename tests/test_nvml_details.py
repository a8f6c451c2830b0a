"""What is read of an NVIDIA GPU while somebody looks at its details, and only then."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from fake_nvml import FUNCTION_NOT_FOUND, GPU_IS_LOST, NOT_SUPPORTED, FakeNvml, NvmlError
from hypothesis import given
from hypothesis import strategies as st

from probes.access import Access, Attention
from probes.nvml_details import field_number, reasons_of
from probes.snapshot import Details
from probes.vendors.nvidia import NvidiaProbe

MEMORY_TEMPERATURE, CORRECTED, UNCORRECTED, RETIRED_SINGLE, RETIRED_DOUBLE = 82, 3, 4, 29, 30
REMAPPED_CORRECTED, REMAPPED_UNCORRECTED, LINK_SENT, LINK_RECEIVED, PCIE_SENT, PCIE_RECEIVED = (
    142,
    143,
    138,
    139,
    197,
    198,
)


class Looked:
    """A GPU whose details are looked at. ``fields``: number -> value; others are refused."""

    def __init__(self) -> None:
        self.nvml = FakeNvml()
        self.fields: dict[int, int] = {}
        self.n_fields_asked = 0
        self.gpu = self.nvml.gpus[0]
        self.gpu.answers |= {
            "nvmlDeviceGetClockInfo": 2520,
            "nvmlDeviceGetCurrentClocksEventReasons": 0x4,
            "nvmlDeviceGetUtilizationRates": SimpleNamespace(gpu=50, memory=30),
            "nvmlDeviceGetBusType": 2,
            "nvmlDeviceGetCurrPcieLinkGeneration": 1,
            "nvmlDeviceGetMaxPcieLinkGeneration": 4,
            "nvmlDeviceGetCurrPcieLinkWidth": 8,
            "nvmlDeviceGetMaxPcieLinkWidth": 16,
            "nvmlDeviceGetFanSpeed": 40,
            "nvmlDeviceGetEccMode": [1, 1],
        }
        self.access = Access(root="/nonexistent", environment={}, attention=Attention(is_on_details=True))
        self.nvml.nvmlDeviceGetFieldValues = self.field_values  # type: ignore[attr-defined]  # over the general answer
        self.probe = NvidiaProbe(self.access, lambda _: self.nvml, clock=lambda: self.nvml.seconds)

    def field_values(self, _: Any, wanted: list[int | tuple[int, int]]) -> list[SimpleNamespace]:
        self.n_fields_asked += 1
        numbers = [one[0] if isinstance(one, tuple) else one for one in wanted]
        return [
            SimpleNamespace(
                fieldId=number,
                nvmlReturn=0 if number in self.fields else NOT_SUPPORTED,
                valueType=3,
                value=SimpleNamespace(ullVal=self.fields.get(number, 0)),
            )
            for number in numbers
        ]

    def details(self) -> Details | None:
        return self.probe.sample().devices[0].details


@pytest.fixture
def looked() -> Looked:
    return Looked()


def shown(looked: Looked) -> Details:
    details = looked.details()
    assert details is not None
    return details


def test_clocks_link_fan_and_modes_have_the_units_of_their_names(looked: Looked) -> None:
    details = shown(looked)
    assert (details.graphics_clock_megahertz, details.most_graphics_clock_megahertz) == (2520, 10501)
    assert (details.pcie_generation, details.most_pcie_generation) == (1, 4)
    assert (details.n_pcie_lanes, details.most_n_pcie_lanes) == (8, 16)
    assert (details.fan_ratio, details.memory_utilization_ratio, details.is_ecc_on) == (0.4, 0.3, True)
    assert details.throttle_reasons == ("power limit",)


def test_nothing_is_read_while_nobody_looks(looked: Looked) -> None:
    looked.access.attention.is_on_details = False
    assert looked.details() is None
    asked = {name for name, _ in looked.nvml.calls}
    assert asked.isdisjoint({"nvmlDeviceGetFanSpeed", "nvmlDeviceGetPcieThroughput", "nvmlDeviceGetClockInfo"})
    assert looked.n_fields_asked == 0


def test_details_are_forgotten_when_nobody_looks_any_more(looked: Looked) -> None:
    shown(looked)
    looked.access.attention.is_on_details = False
    assert looked.details() is None


def test_older_driver_names_its_reasons_by_the_older_call(looked: Looked) -> None:
    looked.gpu.refusals["nvmlDeviceGetCurrentClocksEventReasons"] = FUNCTION_NOT_FOUND
    looked.gpu.answers["nvmlDeviceGetCurrentClocksThrottleReasons"] = 0x60
    assert shown(looked).throttle_reasons == ("heat (software)", "heat (hardware)")


@given(st.integers(0, (1 << 64) - 1))
def test_each_bit_of_the_reasons_is_told_once(mask: int) -> None:
    reasons = reasons_of(mask)
    assert len(set(reasons)) == len(reasons)
    assert (mask == 0) == (reasons == ())


def test_reason_that_the_header_does_not_name_has_its_number() -> None:
    assert reasons_of(0x1 | 0x8000) == ("idle", "reason 0x8000")


def test_error_counts_and_remapped_rows_are_counted(looked: Looked) -> None:
    looked.fields = {
        CORRECTED: 3,
        UNCORRECTED: 0,
        REMAPPED_CORRECTED: 1,
        REMAPPED_UNCORRECTED: 2,
        MEMORY_TEMPERATURE: 66,
    }
    details = shown(looked)
    assert (details.n_corrected_errors, details.n_uncorrected_errors, details.n_retired_pages) == (3, 0, 3)
    assert details.memory_temperature_celsius == 66


def test_before_ampere_pages_were_retired(looked: Looked) -> None:
    looked.fields = {RETIRED_SINGLE: 4, RETIRED_DOUBLE: 1}
    assert shown(looked).n_retired_pages == 5


def test_card_without_counters_has_none_not_zero(looked: Looked) -> None:
    details = shown(looked)
    assert details.n_corrected_errors is details.n_retired_pages is details.memory_temperature_celsius is None
    assert details.n_links is details.link_sent_bytes_per_second is None


def test_memory_without_a_sensor_is_not_at_0_degrees(looked: Looked) -> None:
    looked.fields = {MEMORY_TEMPERATURE: 0}
    assert shown(looked).memory_temperature_celsius is None


def test_traffic_is_the_counters_growth_over_the_time(looked: Looked) -> None:
    looked.fields = {PCIE_SENT: 1000, PCIE_RECEIVED: 5000}
    assert shown(looked).pcie_sent_bytes_per_second is None
    looked.nvml.seconds += 2
    looked.fields = {PCIE_SENT: 3000, PCIE_RECEIVED: 5000}
    details = shown(looked)
    assert (details.pcie_sent_bytes_per_second, details.pcie_received_bytes_per_second) == (1000.0, 0.0)
    assert looked.nvml.n_calls("nvmlDeviceGetPcieThroughput") == 0


def test_counter_that_was_reset_gives_no_rate(looked: Looked) -> None:
    looked.fields = {PCIE_SENT: 9000, PCIE_RECEIVED: 9000}
    shown(looked)
    looked.nvml.seconds += 2
    looked.fields = {PCIE_SENT: 10, PCIE_RECEIVED: 9100}
    details = shown(looked)
    assert (details.pcie_sent_bytes_per_second, details.pcie_received_bytes_per_second) == (None, 50.0)


def test_driver_without_counters_measures_and_that_seldom(looked: Looked) -> None:
    looked.gpu.answers["nvmlDeviceGetPcieThroughput"] = 100
    assert shown(looked).pcie_sent_bytes_per_second == 100 * 1024
    for _ in range(11):
        shown(looked)
        looked.nvml.seconds += 1
    assert looked.nvml.n_calls("nvmlDeviceGetPcieThroughput") == 2 * 3, "once in five seconds, each way"


def test_driver_that_knows_no_fields_is_measured_too(looked: Looked) -> None:
    del looked.nvml.nvmlDeviceGetFieldValues
    looked.gpu.refusals["nvmlDeviceGetFieldValues"] = FUNCTION_NOT_FOUND
    looked.gpu.answers["nvmlDeviceGetPcieThroughput"] = 7
    assert shown(looked).pcie_received_bytes_per_second == 7 * 1024


def test_links_that_are_up_are_counted_and_their_traffic_is_in_kibibytes(looked: Looked) -> None:
    def state(handle: Any, link: int) -> int:
        if link >= 4:
            raise NvmlError(2)
        return int(link != 3)

    looked.nvml.nvmlDeviceGetNvLinkState = state  # type: ignore[attr-defined]  # over the general answer
    looked.fields = {LINK_SENT: 10, LINK_RECEIVED: 0}
    assert shown(looked).n_links == 3
    looked.nvml.seconds += 2
    looked.fields = {LINK_SENT: 30, LINK_RECEIVED: 4}
    details = shown(looked)
    assert (details.link_sent_bytes_per_second, details.link_received_bytes_per_second) == (10 * 1024, 2 * 1024)


def test_gpu_that_is_on_no_pcie_bus_has_no_such_link(looked: Looked) -> None:
    looked.gpu.answers["nvmlDeviceGetBusType"] = 3
    assert shown(looked).pcie_generation is None


def test_gpu_that_is_lost_while_details_are_read_says_so(looked: Looked) -> None:
    looked.gpu.refusals["nvmlDeviceGetFanSpeed"] = GPU_IS_LOST
    reading = looked.probe.sample()
    assert (reading.devices[0].details, len(reading.faults)) == (None, 1)


def test_slow_driver_is_not_asked_for_all_details_at_once() -> None:
    looked = Looked()
    looked.nvml.call_seconds = 0.5
    looked.probe.sample()
    for _ in range(40):
        before = looked.nvml.seconds
        looked.probe.sample()
        assert looked.nvml.seconds - before <= 6.0
    assert shown(looked).fan_ratio == 0.4


@pytest.mark.parametrize(
    ("kind", "name", "value", "number"),
    [
        (1, "uiVal", 5, 5),
        (1, "uiVal", 0xFFFFFFFF, None),
        (2, "ulVal", 6, 6),
        (3, "ullVal", 1 << 40, 1 << 40),
        (3, "ullVal", (1 << 64) - 1, None),
        (4, "sllVal", -1, None),
        (5, "siVal", 7, 7),
        (6, "usVal", 8, 8),
        (0, "dVal", 1.5, None),
        (99, "uiVal", 1, None),
    ],
)
def test_field_is_read_by_its_type(kind: int, name: str, value: float, number: int | None) -> None:
    assert field_number(SimpleNamespace(valueType=kind, value=SimpleNamespace(**{name: value}))) == number


def test_attention_is_shared_by_all_who_hold_the_access(looked: Looked) -> None:
    assert replace(looked.access, root="/").attention is looked.access.attention
