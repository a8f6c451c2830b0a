"""``plimsoll doctor``: what was found, what was not and why, what to do about it, and what this machine is good for.

Names of user and host, home folders, addresses and the tails of identities are left out of both forms, since both end
up in bug reports.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from typing import Any

from estimator.verdict import Level
from probes.access import Access
from probes.snapshot import HOST_POOL, SWAP_POOL, Device, Snapshot
from tui.examination import Examination, examine, held_by_processes
from tui.humanize import UNKNOWN, count, counted, gib, percent, plain, rate, sentence, size
from tui.installed import ENGINE_PACKAGES, OWN_PACKAGES
from tui.machine_class import AS_TRAINED, CONTEXT_TOKENS, RULE, WORDS, MachineClass, Trial
from tui.places import HOST_NAME, device_label
from tui.report import GLYPHS, wrapped
from tui.request import driver_troubles
from tui.scrub import Scrub, own_names
from tui.spills_here import ENGINES, SpillHere
from tui.tty import Terminal

SCHEMA = 1
HEALTHY, BROKEN = 0, 1
"""Exit status: hints and hardware that is not there break nothing."""


def run_doctor(
    snapshot: Callable[[], Snapshot],
    access: Access,
    *,
    is_json: bool = False,
    has_versions: bool = False,
    is_described: bool = False,
) -> int:
    """Print the report, and return the exit status."""
    found = examine(snapshot(), access, has_versions=has_versions, is_described=is_described)
    if is_json:
        import json  # noqa: PLC0415  # 3 ms, which only those pay who ask for it

        print(json.dumps(doctor_json(found), indent=2))
    else:
        print(doctor_text(found))
    return BROKEN if found.broken else HEALTHY


def doctor_json(found: Examination) -> dict[str, Any]:
    """Schema 1: bytes are whole numbers, null is "not known"."""
    scrub, snapshot = _scrub(found), found.snapshot
    machine = None if snapshot.machine is None else asdict(snapshot.machine)
    if machine is not None:
        del machine["host_name"]
    value = {
        "plimsoll": found.plimsoll,
        "python": found.python,
        "packages": {name: found.packages.get(name) for name in (*OWN_PACKAGES, *ENGINE_PACKAGES)},
        "versions": {version.name: version.value for version in snapshot.versions},
        "toolkits": dict(found.toolkits),
        "is_described": found.is_described,
        "machine": machine,
        "pools": [asdict(pool) for pool in snapshot.pools],
        "devices": [_device_json(device, snapshot) for device in snapshot.devices],
        "absences": [asdict(absence) for absence in snapshot.absences],
        "programs": [asdict(program) for program in found.programs],
        "folders": [asdict(folder) for folder in found.folders],
        "terminal": asdict(found.terminal),
        "class": None if found.machine_class is None else _class_json(found.machine_class),
        "class_unknown": found.unjudged or None,
        "spills": [
            {
                "places": list(spill.names),
                "engines": list(spill.engines),
                "outcome": spill.row.outcome.value,
                "sentence": spill.row.sentence,
                "source": spill.row.source,
            }
            for spill in found.spills
        ],
        "broken": list(found.broken),
        "notes": list(found.notes),
        "hints": list(found.hints),
    }
    scrubbed: dict[str, Any] = scrub.value(value)
    return {"schema": SCHEMA} | scrubbed | {"environment": scrub.variables(found.environment)}


def _scrub(found: Examination) -> Scrub:
    machine = found.snapshot.machine
    return Scrub(own_names(found.environment, "" if machine is None else machine.host_name))


def _device_json(device: Device, snapshot: Snapshot) -> dict[str, Any]:
    held = {key: (n_processes, n_bytes) for key, n_processes, n_bytes in held_by_processes(snapshot)}
    n_processes, n_bytes = held.get(device.key, (0, None))
    return {
        **asdict(device),
        "label": device_label(device, snapshot.devices),
        "processes": n_processes,
        "processes_bytes": n_bytes,
    }


def _class_json(found: MachineClass) -> dict[str, Any]:
    return {
        "grade": found.grade.name.lower(),
        "fast_bytes": found.fast_bytes,
        "bandwidth_bytes_per_second": found.bandwidth_bytes_per_second,
        "left_out": list(found.left_out),
        "unread": list(found.unread),
        "context_tokens": CONTEXT_TOKENS,
        "models": [_trial_json(trial) for trial in found.trials],
        "steps": [
            {"change": step.change, "gained": [_trial_json(trial) for trial in step.gained]} for step in found.steps
        ],
    }


def _trial_json(trial: Trial) -> dict[str, Any]:
    made, speed = trial.assessment, trial.tokens_per_second
    return {
        "name": trial.name,
        "quant": trial.quant,
        "level": None if made is None else made.verdict.level.name.lower(),
        "is_run": trial.is_run,
        "load_bytes": None if made is None else made.estimate.n_bytes(),
        "tokens_per_second": None if speed is None else float(f"{speed:.3g}"),
    }


# As text


def doctor_text(found: Examination) -> str:
    """For a person, ready to print."""
    return _scrub(found).lines(_lines(found))


def _lines(found: Examination) -> Iterator[str]:
    snapshot = found.snapshot
    machine = snapshot.machine
    system = "" if machine is None else machine.system_name or machine.system
    kernel = "" if machine is None or machine.kernel is None else f"kernel {machine.kernel}"
    yield sentence([f"Plimsoll {found.plimsoll}", plain(system, 60), plain(kernel, 60)])
    yield from _section("devices", _device_lines(snapshot))
    yield from _section("not here", (f"{plain(one.probe, 20)}: {plain(one.reason, 200)}" for one in snapshot.absences))
    yield from _section("host", _host_lines(snapshot))
    yield from _section("models on disk", (_folder_line(found, number) for number in range(len(found.folders))))
    yield from _section("software", _software_lines(found))
    yield from _section("terminal", [_terminal_line(found.terminal)])
    variables = _scrub(found).variables(found.environment)
    yield from _section("environment", (f"{name}={plain(value, 200)}" for name, value in variables.items()))
    if found.machine_class is not None:
        yield from _class_lines(found.machine_class)
    yield from _section("what it would run", [found.unjudged])
    yield from _section("what happens here to a load without room", _spill_lines(found.spills))
    yield from _section("worth a thought", found.hints)
    yield from _section("noted", found.notes)
    yield from _section("broken", found.broken)
    if not found.broken:
        yield ""
        yield "nothing is broken"


def _section(title: str, lines: Iterator[str] | Sequence[str]) -> Iterator[str]:
    """A heading and its lines; nothing where there are none."""
    told = [plain(line, 600) for line in lines if line]
    if told:
        yield ""
        yield title
        for line in told:
            yield from wrapped(line, "  ", "    ")


def _device_lines(snapshot: Snapshot) -> Iterator[str]:
    if not snapshot.devices:
        yield "no GPU could be read, see what is broken" if driver_troubles(snapshot) else "no GPU was found"
    held = {key: (n_processes, n_bytes) for key, n_processes, n_bytes in held_by_processes(snapshot)}
    for device in snapshot.devices:
        pool = snapshot.pool(device.pool_key)
        if pool is None:
            memory = "memory not known now" if device.capacity_bytes is None else f"{size(device.capacity_bytes)}"
        elif pool.key == HOST_POOL:
            limit = "" if device.limit_bytes is None else f", at most {size(device.limit_bytes)}"
            memory = f"draws on the RAM{limit}"
        elif device.limit_bytes is not None and device.limit_bytes < pool.total_bytes:
            left = max(0, device.limit_bytes - (device.used_bytes or 0))
            memory = f"{size(device.limit_bytes)}, {size(min(pool.free_bytes, left))} free"
        else:
            memory = f"{size(pool.total_bytes)}, {size(pool.free_bytes)} free"
        shared = device.shared_limit_bytes
        bandwidth = device.bandwidth_gigabytes_per_second
        yield sentence(
            [
                f"{device_label(device, snapshot.devices)}: {plain(device.name, 60) or UNKNOWN}",
                memory,
                "" if shared is None else f"and up to {size(shared)} of RAM",
                "" if bandwidth is None else f"{bandwidth:,.0f} GB/s".replace(",", "\N{NO-BREAK SPACE}"),
                ""
                if device.compute_capability is None
                else f"compute capability {plain(device.compute_capability, 12)}",
                plain(device.driver or "", 30),
                plain(device.bus_address or "", 30),
                _held_text(*held.get(device.key, (0, None))),
                "asleep" if device.is_asleep else "",
                f"hidden by {plain(device.hidden_by, 60)}" if device.hidden_by else "",
            ]
        )


def _held_text(n_processes: int, n_bytes: int | None) -> str:
    if not n_processes:
        return ""
    memory = "memory" if n_bytes is None else size(n_bytes)
    return f"1 process holds {memory}" if n_processes == 1 else f"{n_processes} processes hold {memory}"


def _host_lines(snapshot: Snapshot) -> Iterator[str]:
    host, swap, machine = snapshot.pool(HOST_POOL), snapshot.pool(SWAP_POOL), snapshot.machine
    if host is None:
        yield "RAM is not known"
    else:
        cached = "" if host.cached_bytes is None else f"{size(host.cached_bytes)} of that in caches"
        limited = "" if host.limited_by is None else f"limited by {host.limited_by}"
        yield sentence([f"RAM {size(host.total_bytes)}, {size(host.free_bytes)} free", cached, limited])
    if swap is not None:
        yield sentence([f"swap {size(swap.total_bytes)}, {size(swap.free_bytes)} free", swap.medium or ""])
    elif host is not None:
        yield "no swap space"
    if machine is None:
        return
    cores = "" if machine.n_cores is None else f"{count(machine.n_cores)} cores"
    threads = "" if machine.n_logical_cores is None else f"{count(machine.n_logical_cores)} logical"
    usable = "" if machine.usable_cores is None else f"{machine.usable_cores:g} of them usable"
    nodes = "" if (machine.n_numa_nodes or 1) == 1 else f"{machine.n_numa_nodes} NUMA nodes"
    yield sentence(
        [plain(machine.cpu_name or "", 60), cores, threads, usable, nodes, " ".join(machine.instruction_sets)]
    )
    if machine.memory_bandwidth_gigabytes_per_second is not None:
        basis = machine.memory_bandwidth_basis or ""
        yield sentence(
            [f"RAM bandwidth about {machine.memory_bandwidth_gigabytes_per_second:.0f} GB/s", plain(basis, 200)]
        )
    pressure = (
        "" if machine.stalled_ratio is None else f"tasks waited for memory {percent(machine.stalled_ratio)} of 10 s"
    )
    locked = machine.locked_memory_limit_bytes
    yield sentence(
        [
            pressure,
            "" if machine.memory_pressure is None else f"memory pressure {machine.memory_pressure}",
            "" if locked is None else f"{size(locked)} may be locked",
            "" if machine.container is None else f"in a container ({plain(machine.container, 40)})",
            _guest(machine.hypervisor),
            "on battery" if machine.is_on_battery else "",
        ]
    )


def _guest(hypervisor: str | None) -> str:
    if hypervisor == "unknown":
        return "a virtual machine"
    return "" if hypervisor is None else f"a guest of {plain(hypervisor, 40)}"


def _folder_line(found: Examination, number: int) -> str:
    folder = found.folders[number]
    disk = folder.storage
    rate_text = "" if disk.read_bytes_per_second is None else f"reads about {disk.read_bytes_per_second / 1e9:.1g} GB/s"
    return sentence(
        [
            f"{folder.owner}: {plain(folder.path, 200)}",
            "" if disk.free_bytes is None else f"{size(disk.free_bytes)} free",
            plain(disk.kind or "", 20),
            plain(disk.filesystem or "", 20),
            rate_text,
        ]
    )


def _software_lines(found: Examination) -> Iterator[str]:
    yield sentence(
        [
            *(f"{plain(version.name, 40)} {plain(version.value, 40)}" for version in found.snapshot.versions),
            *(f"{name} {plain(version, 40)}" for name, version in found.toolkits.items()),
        ]
    )
    yield sentence(
        [
            f"Python {found.python}",
            *(f"{name} {found.packages[name]}" for name in OWN_PACKAGES if name in found.packages),
        ]
    )
    engines = [f"{name} {found.packages[name]}" for name in ENGINE_PACKAGES if name in found.packages]
    if engines:
        yield f"in this Python: {sentence(engines)}"
    for program in found.programs:
        yield sentence([f"{program.name} at {plain(program.path, 200)}", plain(program.version or "", 40)])
    if not (engines or found.programs):
        yield "no engine was found: no llama-server, ollama, vllm ... on the path"


def _terminal_line(terminal: Terminal) -> str:
    if terminal.columns is None:
        return sentence(["not connected to one", terminal.encoding])
    colours = {0: "no colours", 1 << 24: "16 million colours"}.get(terminal.n_colours, f"{terminal.n_colours} colours")
    return sentence(
        [
            plain(terminal.kind, 40) or "TERM is not set",
            plain(terminal.program, 40),
            colours,
            f"{terminal.columns} x {terminal.rows}",
            terminal.encoding,
            "over SSH" if terminal.is_over_ssh else "",
            terminal.multiplexer,
        ]
    )


def _spill_lines(spills: Sequence[SpillHere]) -> Iterator[str]:
    for spill in spills:
        engines = "" if spill.engines == ENGINES else f" ({', '.join(spill.engines)})"
        yield f"{counted(spill.names)}{engines}: {spill.row.sentence}"
    if any(spill.names != (HOST_NAME,) for spill in spills):
        yield "llama.cpp and Ollama leave layers to the CPU before that, unless they are told how many"


def _class_lines(found: MachineClass) -> Iterator[str]:
    yield ""
    yield f"what it would run by llama.cpp, nothing else in use, {count(CONTEXT_TOKENS)} tokens of context"
    width = max(len(trial.name) for trial in found.trials)
    for trial in found.trials:
        yield f"  {_trial_line(trial, width)}".rstrip()
    bandwidth = found.bandwidth_bytes_per_second
    at = "" if bandwidth is None else f" at {bandwidth / 1e9:,.0f} GB/s".replace(",", "\N{NO-BREAK SPACE}")
    yield ""
    yield f"{WORDS[found.grade]} for inference: {gib(found.fast_bytes)} GiB{at}"
    if bandwidth is None:
        yield "  by its memory alone: how fast that can be read is not known"
    if found.left_out:
        are = "is" if len(found.left_out) == 1 else "are"
        yield f"  {counted(found.left_out)} {are} not counted: llama.cpp is not known to run there"
    if found.unread:
        yield f"  {counted(found.unread)} not counted: memory not known now"
    yield from wrapped(RULE, "  ")
    if all(trial.is_run for trial in found.trials):
        yield "  it runs all of these; more memory is for longer contexts and more users at once"
    for step in found.steps:
        names = ", ".join(_gained(trial) for trial in step.gained)
        gained = f"would run {names}" if names else "would not run any larger one of these"
        yield from wrapped(f"next step: {plain(step.change, 120)} {gained}", "  ", "    ")


def _gained(trial: Trial) -> str:
    """A model with its speed, where that is known."""
    speed = trial.tokens_per_second
    return trial.name if speed is None else f"{trial.name} at {rate(speed)} tokens/s"


def _trial_line(trial: Trial, width: int) -> str:
    made = trial.assessment
    if made is None:
        return f"? {trial.name:<{width}}  can't be judged"
    held = gib(made.estimate.n_bytes())
    quant = "as it is" if trial.name in AS_TRAINED else trial.quant
    if trial.tokens_per_second is None:
        pace = "would not run" if made.verdict.level is Level.FAILS else "speed not known"
    else:
        pace = f"{rate(trial.tokens_per_second):>5} tokens/s"
        if made.verdict.level > Level.TIGHT and made.fallback is not None:
            pace += f", {made.fallback.summary}"
        elif not trial.is_run:
            pace += ", slower than people read"
    return f"{GLYPHS[made.verdict.level]} {trial.name:<{width}} {quant:<8} {held:>5} GiB  {pace}"
