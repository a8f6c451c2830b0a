"""A probe that says what it is told to say, and counts what is done with it."""

from threading import Event, current_thread

from probes.probe import Probe, ProbeSource
from probes.snapshot import Device, Pool, Process, Reading

PATIENCE_SECONDS = 5.0
"""Only a broken test waits for so long."""
RAM = Reading(pools=(Pool(key="host", total_bytes=100, used_bytes=40, free_bytes=60),))
GPU = Reading(
    pools=(Pool(key="gpu", total_bytes=100, used_bytes=10, free_bytes=90),),
    devices=(Device(key="gpu", name="A GPU", vendor="test", index=0, pool_key="gpu"),),
    processes=(Process(pid=7, device_key="gpu", used_bytes=5), Process(pid=8, device_key="gpu", name="known")),
)


class FakeProbe:
    """Gives its readings in turn, the last one again and again; an exception is raised; an event is waited for."""

    def __init__(self, *readings: Reading | Exception | Event) -> None:
        self.readings = list(readings)
        self.threads: set[str] = set()
        self.n_opened = self.n_samples = self.n_closed = 0
        self.was_asked, self.was_closed = Event(), Event()

    def open(self) -> Probe:
        self.n_opened += 1
        return self

    def sample(self) -> Reading:
        self.threads.add(current_thread().name)
        self.n_samples += 1
        self.was_asked.set()
        reading = self.readings.pop(0) if len(self.readings) > 1 else self.readings[0]
        if isinstance(reading, Event):
            reading.wait(PATIENCE_SECONDS)
            return GPU
        if isinstance(reading, Exception):
            raise reading
        return reading

    def close(self) -> None:
        self.threads.add(current_thread().name)
        self.n_closed += 1
        self.was_closed.set()

    def source(self, name: str = "gpu", **fields: object) -> ProbeSource:
        return ProbeSource(name=name, open=self.open, **fields)  # type: ignore[arg-type]  # fields by name
