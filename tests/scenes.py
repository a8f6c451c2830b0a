"""Machines made by hand, for the screens' tests and for the pictures of the documentation."""

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from typing import Any

from estimator.model import Model
from estimator.readers.catalogue import read
from probes.served import Served
from probes.snapshot import HOST_POOL, Absence, Details, Device, Fault, Machine, Pool, Process, Snapshot, Version
from tui.recognised import Phase, Predicted, Recognised

GIB = 1 << 30
NOON = 1_795_262_400.0
"""2026-11-21 12:00:00 UTC."""


def gib(number: float) -> int:
    return int(number * GIB)


def pool(key: str, total: float, used: float, late_seconds: float = 0.0) -> Pool:
    return Pool(
        key=key,
        total_bytes=gib(total),
        used_bytes=gib(used),
        free_bytes=gib(total) - gib(used),
        late_seconds=late_seconds,
    )


def device(
    index: int, name: str, *, busy: float = 0.97, celsius: float = 62, watts: float = 285, limit: float = 450
) -> Device:
    return Device(
        key=f"gpu-{index}",
        name=name,
        vendor="nvidia",
        index=index,
        pool_key=f"gpu-{index}",
        utilization_ratio=busy,
        temperature_celsius=celsius,
        power_watts=watts,
        power_limit_watts=limit,
        n_multiprocessors=128,
    )


def snapshot(
    gpus: Sequence[tuple[Device, Pool | None]],
    *,
    ram: tuple[float, float] = (125, 28),
    processes: Sequence[Process] = (),
    faults: Sequence[Fault] = (),
    at: float = 0.0,
) -> Snapshot:
    pools = tuple(found for _, found in gpus if found is not None)
    versions = (Version(name="NVIDIA", value="580.159.04"), Version(name="CUDA", value="13.0"))
    return Snapshot(
        taken_seconds=NOON + at,
        devices=tuple(found for found, _ in gpus),
        pools=(*pools, pool(HOST_POOL, *ram)),
        processes=tuple(processes),
        faults=tuple(faults),
        versions=versions if gpus else (),
        machine=Machine(host_name="lab-gpu-03", system="linux"),
    )


def workstation(used: float = 4.6, at: float = 0.0) -> Snapshot:
    """A large card with a small model on it, and a small one for the desktop."""
    return snapshot(
        [
            (device(0, "NVIDIA GeForce RTX 4090"), pool("gpu-0", 23.5, used)),
            (
                device(1, "NVIDIA GeForce RTX 3060", busy=0, celsius=41, watts=22, limit=170),
                pool("gpu-1", 11.7, 0.4),
            ),
        ],
        processes=[
            Process(
                pid=41233,
                device_key="gpu-0",
                used_bytes=gib(used - 0.4),
                name="llama-server",
                command="/usr/bin/llama-server -m /models/Qwen3-4B-Q8_0.gguf -c 8192",
            ),
            Process(pid=2210, device_key="gpu-1", used_bytes=gib(0.4), name="Xorg", command="/usr/lib/xorg/Xorg"),
        ],
        at=at,
    )


def desktop(used: float = 1.2, at: float = 0.0) -> Snapshot:
    """One card."""
    process = Process(
        pid=5120, device_key="gpu-0", used_bytes=gib(used - 0.3), name="python3", command="python3 train.py --lr 2e-5"
    )
    return snapshot(
        [(device(0, "NVIDIA GeForce RTX 4090"), pool("gpu-0", 23.5, used))],
        processes=[process] if used > 2 else [],
        at=at,
    )


def server(n_devices: int = 8, at: float = 0.0) -> Snapshot:
    gpus = [
        (device(n, "NVIDIA H100 80GB HBM3", limit=700), pool(f"gpu-{n}", 79.6, 20 + 3 * (n % 7)))
        for n in range(n_devices)
    ]
    processes = [
        Process(
            pid=4000 + n,
            device_key=f"gpu-{n % n_devices}",
            used_bytes=gib(0.5 + n),
            name="python3",
            command="python3 -m vllm",
        )
        for n in range(40)
    ]
    return snapshot(gpus, ram=(2015, 310), processes=processes, at=at)


def laptop(at: float = 0.0) -> Snapshot:
    """No GPU."""
    absences = (
        Absence(probe="nvidia", reason="no NVIDIA driver is here"),
        Absence(probe="apple", reason="this is no Mac with Apple silicon"),
    )
    return replace(snapshot([], ram=(31.2, 9.4), at=at), absences=absences)


def mixed(at: float = 0.0) -> Snapshot:
    """A card that spills into RAM, one that is hidden from this shell, and one that sleeps."""
    full = replace(device(0, "NVIDIA GeForce RTX 4090"), shared_used_bytes=gib(3.2), shared_limit_bytes=gib(62.5))
    hidden = replace(
        device(1, "NVIDIA GeForce RTX 3060"), hidden_by="CUDA_VISIBLE_DEVICES=0", bus_address="0000:41:00.0"
    )
    asleep = Device(
        key="gpu-2",
        name="AMD Radeon RX 7600M XT",
        vendor="amd",
        index=2,
        pool_key="gpu-2",
        is_asleep=True,
        capacity_bytes=gib(8),
        driver="amdgpu",
    )
    full = replace(
        full,
        bus_address="0000:01:00.0",
        compute_capability="8.9",
        bandwidth_gigabytes_per_second=1008.1,
        details=Details(
            graphics_clock_megahertz=2520,
            most_graphics_clock_megahertz=3105,
            memory_clock_megahertz=10251,
            most_memory_clock_megahertz=10501,
            throttle_reasons=("the power limit", "heat"),
            pcie_generation=4,
            most_pcie_generation=4,
            n_pcie_lanes=16,
            most_n_pcie_lanes=16,
            pcie_received_bytes_per_second=1.2 * GIB,
            pcie_sent_bytes_per_second=0.1 * GIB,
            is_ecc_on=False,
            fan_ratio=0.62,
            memory_utilization_ratio=0.41,
        ),
    )
    gpus = [(full, pool("gpu-0", 23.5, 22.9)), (hidden, pool("gpu-1", 11.7, 0.4)), (asleep, None)]
    return snapshot(gpus, at=at)


def unified(at: float = 0.0) -> Snapshot:
    """A GPU that draws on the RAM."""
    gpu = replace(device(0, "NVIDIA GB10"), pool_key=HOST_POOL, used_bytes=gib(60.2))
    return snapshot([(gpu, None)], ram=(119.6, 71.3), at=at)


@cache
def model(name: str = "Qwen3 30B-A3B", quant: str | None = None) -> Model:
    return read(name, quant)


def lost(at: float = 0.0) -> Snapshot:
    """Two cards, of which one has fallen off the bus."""
    fault = Fault(
        probe="nvidia",
        device_key="gpu-1",
        message="GPU 1 fell off the bus; look for Xid in `dmesg` and at `nvidia-smi -q`, try "
        "`sudo nvidia-smi --gpu-reset -i 1`, or restart the machine",
    )
    gone = Device(key="gpu-1", name="NVIDIA GeForce RTX 3060", vendor="nvidia", index=1, pool_key="gpu-1")
    return snapshot(
        [(device(0, "NVIDIA GeForce RTX 4090"), pool("gpu-0", 23.5, 4.6)), (gone, None)], faults=[fault], at=at
    )


def stale_driver(at: float = 0.0) -> Snapshot:
    """The driver's library and its kernel module are of two releases: no GPU can be read."""
    fault = Fault(
        probe="nvidia",
        message="the NVIDIA driver was updated while the old one is still loaded: restart the machine "
        "(library 580.159.04, kernel module 580.126.09)",
    )
    return replace(laptop(at), faults=(fault,), absences=laptop().absences[1:])


def late(at: float = 0.0) -> Snapshot:
    """A card whose figures are from before, since its driver has not answered for half a minute."""
    fault = Fault(probe="nvidia", message="no answer for 31 s; the figures are from before")
    return snapshot(
        [(device(0, "NVIDIA GeForce RTX 4090"), pool("gpu-0", 23.5, 4.6, late_seconds=31))], faults=[fault], at=at
    )


HOSTILE = "[bold red]evil[/]\x1b]0;owned\x07\x1b[2J\x9b31m\u202egnp.exe\u2066\u200b\u00ad\x00\r\nnext\ud800\x85]8;;"
"""Markup, escape sequences (ESC, CSI, OSC, C1), BEL, bidi controls, the invisible, line breaks, half a surrogate."""
LONG = "Accelerator With A Very Long Marketing Name " * 12
WIDE = (
    "漢字かな交じり文 한국어 \U0001f469\u200d\U0001f4bb\U0001f1e9\U0001f1ea\u2764\ufe0f e\u0301\u0302\u0303 שלום مرحبا"
)
"""Wide characters, a joined emoji, a flag, stacked accents, right to left."""


def named(name: str, at: float = 0.0) -> Snapshot:
    """Two cards, their processes, a fault and versions with a name from outside in every place for one."""
    taken = snapshot(
        [
            (replace(device(0, name), driver=name), pool("gpu-0", 23.5, 4.6)),
            (replace(device(1, name, busy=0), hidden_by=name), pool("gpu-1", 11.7, 0.4)),
        ],
        processes=[
            Process(
                pid=41233,
                device_key="gpu-0",
                used_bytes=gib(4.2),
                name=name,
                command=f"/opt/{name} -m /models/{name}.gguf --alias {name}",
                user=name,
                container=name,
            ),
            Process(pid=7, device_key="gpu-1", used_bytes=gib(0.4), name="sh", command=f"sh -c {name}"),
        ],
        faults=[Fault(probe="nvidia", device_key="gpu-0", message=name), Fault(probe="amd", message=name)],
        at=at,
    )
    return replace(
        taken,
        absences=(Absence(probe="intel", reason=name),),
        versions=(Version(name="NVIDIA", value=name),),
        machine=Machine(host_name=name, system="linux"),
    )


def serving(at: float = 0.0) -> Snapshot:
    """Two cards with an engine in every state there is, its processes among others."""
    commands = {
        41233: ("gpu-0", 4.6, "llama-server", "/usr/bin/llama-server -m /models/Qwen3-4B-Q8_0.gguf -c 8192"),
        41990: ("gpu-0", 3.1, "llama-server", "/usr/bin/llama-server -m /models/Qwen3-14B-Q4_K_M.gguf -c 16384"),
        5120: ("gpu-0", 2.4, "python3", "python3 train.py --lr 2e-5"),
        42007: ("gpu-1", 1.9, "python3", "python3 -m vllm.entrypoints.openai.api_server --model /gone/it"),
        42100: ("gpu-1", 5.2, "ollama", "/usr/bin/ollama runner --model /blobs/sha256-1 --ctx-size 4096"),
        42200: ("gpu-1", 0.7, "llama-server", "/usr/bin/llama-server -m /models/x.gguf"),
    }
    processes = [
        Process(pid=pid, device_key=key, used_bytes=gib(held), name=name, command=command, user="you")
        for pid, (key, held, name, command) in commands.items()
    ]
    gpus = [
        (device(0, "NVIDIA GeForce RTX 4090"), pool("gpu-0", 23.5, 16.2)),
        (device(1, "NVIDIA GeForce RTX 3060", busy=0.1), pool("gpu-1", 11.7, 8.2)),
    ]
    return snapshot(gpus, processes=processes, at=at)


def engine(
    pid: int, place: str, held: float, predicted: float | None, *, program: str = "llama-server", **known: Any
) -> Recognised:
    """One that holds and will hold so many GiB at one place."""
    band = {} if predicted is None else {place: _predicted(predicted)}
    given = {"pids": frozenset({pid}), "engine_name": "llamacpp", "phase": Phase.RESTING, **known}
    return Recognised(pid=pid, started_ticks=pid, program=program, predicted=band, held={place: gib(held)}, **given)


def _predicted(n_gib: float) -> Predicted:
    return Predicted(n_bytes=gib(n_gib), low_bytes=gib(0.97 * n_gib), high_bytes=gib(1.03 * n_gib))


def engines() -> tuple[Recognised, ...]:
    """Of ``serving``: asked, loading beyond its room, not known, known by its name, hostile, in RAM alone."""
    return (
        engine(
            41233, "GPU 0", 4.6, 4.5, model_name="Qwen3 4B", quant="Q8_0", context_tokens=8192,
            served=Served(cache_ratio=0.31, n_running=2, n_waiting=1), ports=(8080,),
        ),
        engine(
            41990, "GPU 0", 3.1, 11.4, model_name="Qwen3 14B", quant="Q4_K_M", context_tokens=16384,
            phase=Phase.LOADING, is_growing=True, growth_bytes_per_second=gib(0.9),
        ),
        engine(
            42007, "GPU 1", 1.9, None, program="vllm serve", engine_name="vllm", phase=Phase.UNKNOWN,
            reason="/gone/it: no such file or folder",
        ),
        engine(
            42100, "GPU 1", 5.2, 5.4, program="ollama runner", engine_name="ollama", model_name="Llama 3.1 8B",
            quant="Q4_K_M", context_tokens=4096, is_by_name=True,
        ),
        engine(
            42200, "GPU 1", 0.7, 0.8, program=HOSTILE, model_name=HOSTILE, quant=HOSTILE, context_tokens=2048,
            unknown=(HOSTILE,),
        ),
        engine(43001, "RAM", 2.6, 2.7, model_name="Qwen3 1.7B", quant="Q8_0", context_tokens=4096),
    )  # fmt: skip
