"""Descriptions of GPUs that go wrong, for a stand-in of NVIDIA's library that simulates what a file describes.

A GPU of ``clock`` tells the time: its free memory, its processes' memory and its power are functions of the wall clock,
so that each figure says when the driver gave it, and so how old it is (``told_age_seconds``).
"""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from random import Random

from stand_in import write_config

_BYTES_PER_SECOND = 1_000_000
_MEMORY_PERIOD = 68_719
"""Seconds, so that 64 GiB of ``free`` count microseconds."""
_MILLIWATTS_PER_SECOND = 1_000
_POWER_PERIOD = 700
_MOST_AGE_SECONDS = 300.0
"""Younger than any age that is told wrongly by a period that has ended."""

CLOCK_UUID = "GPU-c10c"

_CLOCK = f"""
name = NVIDIA H100 80GB HBM3
uuid = {CLOCK_UUID}0000-0000-4000-9000-0000000000{{h}}
cc = 9.0
bus_id = 00000000:{{h}}:00.0
total = 81559MiB
reserved = 551MiB
free = saw 0 {_MEMORY_PERIOD * _BYTES_PER_SECOND} {_MEMORY_PERIOD}
util = noise 20 90
memutil = noise 10 50
temp = wave 40 80 30
temp_slowdown = 90
power = saw 0mW {_POWER_PERIOD * _MILLIWATTS_PER_SECOND}mW {_POWER_PERIOD}
power_limit = 700W
clock_graphics = 1980
clock_sm = 1980
clock_mem = 2619
max_clock_graphics = 1980
max_clock_sm = 1980
max_clock_mem = 2619
pcie_gen = 5
pcie_width = 16
pcie_gen_max = 5
pcie_width_max = 16
ecc = on
mig = off
"""
_HOLDER = (
    f'process = pid=@{{n}} used="saw 0 {_MEMORY_PERIOD * _BYTES_PER_SECOND} {_MEMORY_PERIOD}" sm=50 name=python3\n'
)


def told_age_seconds(n_bytes: int, wall_seconds: float) -> float:
    """How old a memory figure of a clock is, by the simulated driver's own clock."""
    return _age(n_bytes / _BYTES_PER_SECOND, wall_seconds, _MEMORY_PERIOD)


def told_age_of_power_seconds(watts: float, wall_seconds: float) -> float:
    return _age(watts * 1000 / _MILLIWATTS_PER_SECOND, wall_seconds, _POWER_PERIOD)


def _age(told: float, wall_seconds: float, period: int) -> float:
    age = (wall_seconds % period - told) % period
    return age - period if age > period - _MOST_AGE_SECONDS else age  # a rounding upwards is no age of a period


def clocks(n_gpus: int, *, head: str = "", each: str = "") -> str:
    return f"driver = 580.159.04\ncuda = 13.0\n{head}\n[gpu 0-{n_gpus - 1}]\n{_CLOCK}{_HOLDER}{each}\n"


def _well(random: Random) -> str:
    return clocks(random.randint(1, 8))


def _crowd(random: Random) -> str:
    """Processes come and go, and numbers of processes that live here name others."""
    pids = [random.randint(1, 4_000_000) for _ in range(40)] + list(range(1, 20))
    processes = "".join(
        f"process = pid={pid} used={random.randint(1, 900)}MiB name=p{pid} from={random.random():.2f}\n" for pid in pids
    )
    return clocks(8) + f"[gpu {random.randint(0, 7)}]\n{processes}"  # the stand-in needs much memory for many more


def _many(_: Random) -> str:
    return clocks(64)


def _lost(random: Random) -> str:
    return clocks(4) + f"[gpu {random.randint(0, 3)}]\nlost_after = 0.5\nlost_for = {random.uniform(0.3, 2):.1f}\n"


def _all_lost(random: Random) -> str:
    return clocks(3, each=f"lost_after = 0.3\nlost_error = {random.choice(['GPU_IS_LOST', 'RESET_REQUIRED'])}\n")


def _reloaded(random: Random) -> str:
    """As when the kernel module is taken out and put in again, by another version."""
    return clocks(2, head="fault = * UNINITIALIZED after=0.2 for=0.8").replace("580.", f"{random.randint(570, 610)}.")


def _slow(random: Random) -> str:
    return clocks(4, head=f"latency = {random.randint(5, 20)}..{random.randint(30, 120)}")


def _very_slow(_: Random) -> str:
    return clocks(2, head="latency = 500")


def _hanging(random: Random) -> str:
    return clocks(2, head=f"hang = after=0.5 for={random.uniform(1, 4):.1f}")


def _hanging_call(random: Random) -> str:
    call = random.choice(["*ComputeRunningProcesses*", "nvmlDeviceGetMemoryInfo*", "nvmlDeviceGetCount*", "*Power*"])
    return clocks(3, head=f"hang = {call} after=0.3 for={random.uniform(1, 3):.1f}")


def _hotplug(random: Random) -> str:
    n_gpus = [random.randint(0, 6) for _ in range(8)]
    return clocks(6, head=f"count = steps 6@0 {' '.join(f'{n}@{0.4 * (i + 1):.1f}' for i, n in enumerate(n_gpus))}")


def _shrinking_in_a_hang(_: Random) -> str:
    return clocks(4, head="count = steps 4@0 1@1 3@3\nhang = nvmlDeviceGetMemoryInfo* after=0.5 for=1.5")


def _partial(random: Random) -> str:
    code = random.choice(["UNKNOWN", "TIMEOUT", "NO_PERMISSION", "NOT_READY", "OPERATING_SYSTEM", "NO_DATA"])
    return clocks(5, head=f"fault = * {code} chance={random.uniform(0.05, 0.5):.2f}")


def _old_driver(_: Random) -> str:
    faults = ("nvmlDeviceGetMemoryInfo_v2", "*RunningProcesses_v3", "nvmlDeviceGetTemperatureV")
    return clocks(2, head="".join(f"fault = {name} FUNCTION_NOT_FOUND\n" for name in faults))


def _split(random: Random) -> str:
    parts = "".join(
        f'mig_device = profile={size}g.{10 * size}gb total={size * 9984}MiB used="procs 20MiB" gi={number + 1}\n'
        for number, size in enumerate(random.sample([3, 2, 1, 1, 2], random.randint(0, 5)))
    )
    lost = random.choice(["", "lost_after = 1\nlost_for = 1\n"])
    return clocks(2) + f"[gpu 0]\nmig = on\n{parts}{lost}process = pid=@9 used=400MiB gi=1 ci=0\n"


def _unified(random: Random) -> str:
    lost = random.choice(["", "lost_after = 1\nlost_for = 1\n"])
    return (
        "[gpu 0]\nname = NVIDIA GB10\ncc = 12.1\ntotal = na\npower_limit = na\naddressing = ats\nmig = na\n"
        f'process = pid=@1 type=C used="noise 580MiB 610MiB"\n{lost}'
    )


def _garbage(random: Random) -> str:
    """Names that break who trusts them."""
    names = [
        "".join(f"\\x{random.randint(1, 255):02x}" for _ in range(random.randint(0, 90))),
        "\\e[31mRED\\e[0m\\e]0;title\\x07\\e[2J\\e[H",
        "[bold red]NVIDIA[/bold red] [/] [@click=app.quit]q[/]",
        "nan",
        "\\xe2\\x80\\xaeRTL",
        "a" * 95,
        "",
    ]
    return clocks(1) + "".join(
        f'[gpu {i + 1}]\n{_CLOCK}name = "{name}"\nprocess = pid=@{i + 1} used=100MiB name="{name}"\n'
        for i, name in enumerate(names)
    )


def _nonsense(random: Random) -> str:
    """Figures that cannot be."""
    gpus = (
        "total = 0\n",
        "used = 200GiB\n",
        "free = 200GiB\n",
        "total = 16777216TiB\n",
        "util = 4294967295\ntemp = 4000000000\npower = 4294967W\n",
        f"process = pid=@1 used={random.randint(1 << 50, 1 << 60)}\nprocess = pid=0 used=1\nprocess = pid=4294967295\n",
    )
    return "".join(f"[gpu {i}]\nname = NVIDIA L40S\ntotal = 46068MiB\n{text}" for i, text in enumerate(gpus))


def _refused(random: Random) -> str:
    code = random.choice(
        ["DRIVER_NOT_LOADED", "LIB_RM_VERSION_MISMATCH", "NO_PERMISSION", "UNKNOWN", "OPERATING_SYSTEM"]
    )
    return f"init_error = {code}\nfault = * UNINITIALIZED\n[gpu 0]\nname = NVIDIA L40S\n"


def _hanging_start(random: Random) -> str:
    return clocks(2, head=f"fault = * UNINITIALIZED for=1\nhang = nvmlInit* for={random.uniform(1, 3):.1f}")


def _no_gpus(_: Random) -> str:
    return clocks(1, head="count = 0")


SCENES: dict[str, tuple[Callable[[Random], str], float]] = {
    "well": (_well, 2.0),
    "crowd": (_crowd, 2.0),
    "lost": (_lost, 2.5),
    "all lost": (_all_lost, 2.0),
    "slow": (_slow, 3.0),
    "very slow": (_very_slow, 5.0),
    "hanging": (_hanging, 4.0),
    "hanging call": (_hanging_call, 3.0),
    "hotplug": (_hotplug, 3.5),
    "shrinking in a hang": (_shrinking_in_a_hang, 4.0),
    "partial": (_partial, 2.0),
    "old driver": (_old_driver, 1.5),
    "split": (_split, 2.5),
    "unified": (_unified, 2.0),
    "garbage": (_garbage, 2.0),
    "nonsense": (_nonsense, 2.0),
    "many": (_many, 3.0),
    "no GPUs": (_no_gpus, 1.0),
    "reloaded": (_reloaded, 3.0),
    "hanging start": (_hanging_start, 3.0),
    "refused": (_refused, 3.0),
}
"""Name -> what writes it, and for how many seconds it lasts. In this order once, and then by chance.

The largest comes behind "split", for which the binding is imported and stays, some 1.5 MiB: else they meet for the
first time long after the moment from which growth is judged.
"""


class Scenes:
    """Writes the file that the stand-in reads: a scene each few seconds."""

    def __init__(self, path: Path, seed: int, pace: float) -> None:
        self.shown: Counter[str] = Counter()
        self.have_all_ended = False
        """Each was there once, so that what any of them needs has been made."""
        self.name = ""
        self._path, self._random, self._pace = path, Random(seed), pace
        self._waiting = list(SCENES)

    def next(self, name: str = "") -> float:
        """The next one, and for how many seconds it shall last."""
        is_first_time = bool(self._waiting)
        self.have_all_ended = not is_first_time
        self.name = name or (self._waiting.pop(0) if self._waiting else self._random.choice(list(SCENES)))
        write, seconds = SCENES[self.name]
        write_config(self._path, write(self._random))
        self.shown[self.name] += 1
        return seconds / self._pace * (1.0 if is_first_time else self._random.uniform(0.5, 2.0))
