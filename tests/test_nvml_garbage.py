"""Whatever a driver answers, in the types of its header: a reading that can be written and read back, or a sentence."""

import json
from types import SimpleNamespace
from typing import Any

from fake_nvml import FakeGpu, FakeNvml, used_by
from hypothesis import given, settings
from hypothesis import strategies as st

from probes.access import Access, Attention
from probes.answer import Answer, take_snapshot
from probes.errors import ProbeError
from probes.recording import snapshot_from_json, snapshot_to_json
from probes.snapshot import Details, Device, Snapshot
from probes.vendors.nvidia import NvidiaProbe

uint = st.one_of(st.integers(0, 300), st.integers(0, 0xFFFFFFFF))
ulong = st.one_of(st.integers(0, 1 << 37), st.integers(0, (1 << 64) - 1))
name = st.one_of(st.binary(max_size=96), st.text(max_size=40))
code = st.sampled_from([1, 2, 3, 4, 6, 9, 10, 13, 15, 16, 17, 18, 25, 27, 28, 999])
lists = st.lists(st.builds(used_by, uint, st.one_of(st.none(), ulong)), max_size=4)

ANSWERS: dict[str, st.SearchStrategy[Any]] = {
    "nvmlDeviceGetUUID": name,
    "nvmlDeviceGetName": name,
    "nvmlDeviceGetPciInfo": st.builds(lambda text: SimpleNamespace(busId=text), name),
    "nvmlDeviceGetMigMode": st.lists(uint, min_size=2, max_size=2),
    "nvmlDeviceGetUtilizationRates": st.builds(lambda a, b: SimpleNamespace(gpu=a, memory=b), uint, uint),
    "nvmlDeviceGetTemperatureV": st.integers(-(1 << 31), (1 << 31) - 1),
    "nvmlDeviceGetTemperature": uint,
    "nvmlDeviceGetPowerUsage": uint,
    "nvmlDeviceGetEnforcedPowerLimit": uint,
    "nvmlDeviceGetComputeRunningProcesses_v3": lists,
    "nvmlDeviceGetGraphicsRunningProcesses_v3": lists,
    "nvmlDeviceGetMPSComputeRunningProcesses_v3": lists,
    "nvmlDeviceGetCudaComputeCapability": st.tuples(uint, uint),
    "nvmlDeviceGetNumGpuCores": uint,
    "nvmlDeviceGetMaxClockInfo": uint,
    "nvmlDeviceGetClockInfo": uint,
    "nvmlDeviceGetMemoryBusWidth": uint,
    "nvmlDeviceGetAddressingMode": uint,
    "nvmlDeviceGetGpuInstanceId": uint,
    "nvmlDeviceGetComputeInstanceId": uint,
    "nvmlDeviceGetAttributes": st.builds(lambda n: SimpleNamespace(multiprocessorCount=n), uint),
    "nvmlDeviceGetProcessUtilization": st.lists(
        st.builds(lambda pid, stamp, sm: SimpleNamespace(pid=pid, timeStamp=stamp, smUtil=sm), uint, ulong, uint),
        max_size=4,
    ),
    "nvmlDeviceGetCurrentClocksEventReasons": ulong,
    "nvmlDeviceGetBusType": uint,
    "nvmlDeviceGetCurrPcieLinkGeneration": uint,
    "nvmlDeviceGetMaxPcieLinkGeneration": uint,
    "nvmlDeviceGetCurrPcieLinkWidth": uint,
    "nvmlDeviceGetMaxPcieLinkWidth": uint,
    "nvmlDeviceGetPcieThroughput": uint,
    "nvmlDeviceGetFanSpeed": uint,
    "nvmlDeviceGetEccMode": st.lists(uint, min_size=2, max_size=2),
    "nvmlDeviceGetNvLinkState": uint,
}
MEMORY = st.fixed_dictionaries(dict.fromkeys(("total", "used", "free", "reserved"), ulong))


@st.composite
def gpus(draw: st.DrawFn, number: int, *, has_parts: bool = True) -> FakeGpu:
    gpu = FakeGpu(number)
    gpu.answers = {}
    for function, answers in ANSWERS.items():
        if draw(st.integers(0, 3)) == 0:
            gpu.refusals[function] = draw(code)
        else:
            gpu.answers[function] = draw(answers)
    gpu.memory = draw(MEMORY)
    for call in ("v1", "v2", "handle"):
        if draw(st.integers(0, 5)) == 0:
            gpu.refusals[call] = draw(code)
    if has_parts and draw(st.booleans()):
        gpu.parts = [draw(gpus(100 + number, has_parts=False)), None]
    return gpu


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_any_answers_make_a_snapshot_that_can_be_written_and_read_back(data: st.DataObject) -> None:
    nvml = FakeNvml(0)
    nvml.gpus = [data.draw(gpus(number)) for number in range(data.draw(st.integers(0, 2)))]
    nvml.driver = data.draw(st.one_of(st.just("580.1"), st.just("535.54.03"), st.text(max_size=8)))
    access = Access(root="/nonexistent", environment={}, attention=Attention(is_on_details=True))
    probe = NvidiaProbe(access, lambda _: nvml, clock=lambda: nvml.seconds)
    for _ in range(2):
        try:
            reading = probe.sample()
        except ProbeError:
            return
        snapshot = take_snapshot(
            [Answer(probe="nvidia", has_answered=True, reading=reading)],
            now_seconds=0.0,
            taken_seconds=0.0,
            silent_seconds=9.0,
        )
        for pool in snapshot.pools:
            assert pool.used_bytes + pool.free_bytes == pool.total_bytes
        written = json.dumps(snapshot_to_json(snapshot), allow_nan=False)
        assert snapshot_from_json(json.loads(written)).devices == snapshot.devices
        nvml.seconds += 5


def test_traffic_of_the_fastest_links_can_be_recorded() -> None:
    details = Details(n_links=18, link_sent_bytes_per_second=9e11)
    device = Device(key="a", name="B200", vendor="nvidia", index=0, pool_key="a", details=details)
    snapshot = Snapshot(taken_seconds=0.0, devices=(device,))
    assert snapshot_from_json(json.loads(json.dumps(snapshot_to_json(snapshot)))).devices == (device,)
