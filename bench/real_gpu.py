"""What is predicted beside what a real NVIDIA driver says that a real llama-server holds.

    python bench/real_gpu.py LLAMA_SERVER FILE... [--contexts 4096,32768] [--kv-types f16,q8_0] [--device 0]
    python bench/real_gpu.py LLAMA_SERVER FILE --edge=-3,-1,-0.3,0.3,1,3
    python bench/real_gpu.py LLAMA_SERVER FILE --leave 8,16

The first prints for every file, context and type: buffers predicted and logged, context predicted and held (what the
process holds by NVML less its logged buffers), the whole predicted and held, and by how much the free memory fell.
Each load is warmed up and answers a prompt of 600 tokens first. ``--edge`` holds memory so that what is free is what is
predicted and so many per cent more, asks for the verdict, and then loads: does it say what comes to pass? ``--leave``
holds all but so many GiB and leaves it to ``--fit`` what goes to the device: does it choose what was foreseen?
``--ours`` and ``--theirs`` are further options of ``plimsoll check`` and of the server, which must mean the same.
Exit status 1 where a figure lies outside its band or a verdict is wrong. It changes no setting of the card.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from llama_run import MIB, Driver, Run, as_json, run_server

ROOT = Path(__file__).parent.parent
HEAD = ("file", "context", "kv", "buffers", "logged", "context", "held", "whole", "held", "band", "fell", "s")


def numbers(text: str) -> list[float]:
    return [float(part) for part in text.split(",")]


def predicted(options: argparse.Namespace, file: Path, context: int, kv_type: str) -> dict[str, Any]:
    """What ``plimsoll check --json`` says of the load on that device, all layers there unless they are left to it."""
    command = [sys.executable, "-m", "tui", "check", str(file.resolve()), "--context", str(context), "--json"]
    command += ["--kv-type", kv_type, "--device", str(options.device), *options.ours.split()]
    command += [] if options.leave else ["--gpu-layers", "99"] * ("--gpu-layers" not in command)
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if not done.stdout:
        sys.exit(f"plimsoll check {file.name}: {done.stderr.strip()}")
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def device_terms(found: dict[str, Any], device: int) -> list[dict[str, Any]]:
    return [term for term in found["estimate"]["terms"] if term["place"] == f"GPU {device}"]


def launch(options: argparse.Namespace, file: Path, context: int, kv_type: str, driver: Driver | None) -> Run:
    arguments = ["-m", str(file), "-c", str(context), "-np", "1", "--cache-ram", "0"]
    arguments += ["-ctk", kv_type, "-ctv", kv_type]
    arguments += [] if options.leave else ["-ngl", "99", "--fit", "off"]
    arguments += options.theirs.split()
    return run_server(options.server, arguments, driver, n_prompt_tokens=min(600, context // 2))


def compare(options: argparse.Namespace, driver: Driver | None, rows: list[dict[str, Any]]) -> bool:
    """Whether all lie in their bands."""
    print("".join(f"{head:>9}" if i else f"{head:34}" for i, head in enumerate(HEAD)) + "   MiB but for the last")
    all_hold = True
    for file in options.files:
        for context in (int(number) for number in numbers(options.contexts)):
            for kv_type in options.kv_types.split(","):
                free_bytes = driver.free_bytes() if driver else 0
                found = predicted(options, file, context, kv_type)
                run = launch(options, file, context, kv_type, driver)
                row = {"file": file.name, "context": context, "kv": kv_type, "before_free_bytes": free_bytes}
                row |= {"level": found["verdict"]["level"], "terms": device_terms(found, options.device)}
                row |= {"run": as_json(run)}
                rows.append(row)
                all_hold &= show(row, run, options.device)
    return all_hold


def show(row: dict[str, Any], run: Run, device: int) -> bool:
    terms = row["terms"]
    buffers = sum(term["bytes"] for term in terms if term["kind"] != "runtime") / MIB
    runtime = sum(term["bytes"] for term in terms if term["kind"] == "runtime") / MIB
    low, high = (sum(term[f"{end}_bytes"] for term in terms) / MIB for end in ("low", "high"))
    start = f"{row['file'][:33]:34}{row['context']:9}{row['kv']:>9}{buffers:9.1f}"
    logged = run.device_mib(f"CUDA{device}")
    if run.outcome != "loaded" or run.answered_bytes is None:
        print(f"{start}{logged:9.1f}  {run.outcome}: {run.said}", flush=True)
        return run.outcome == "loaded"
    held = run.answered_bytes / MIB
    fell = (row["before_free_bytes"] - (run.free_bytes or 0)) / MIB
    holds = bool(low <= held <= high)
    band = "in" if holds else "OUT"
    print(
        f"{start}{logged:9.1f}{runtime:9.1f}{held - logged:9.1f}{buffers + runtime:9.1f}{held:9.1f}{band:>9}{fell:9.1f}"
        f"{run.seconds:9.1f}{'' if run.outcome == 'loaded' else '  ' + run.outcome}",
        flush=True,
    )
    return holds


@contextmanager
def holding(options: argparse.Namespace, leave_bytes: int) -> Iterator[dict[str, int]]:
    """Another process holds all but so much meanwhile."""
    command = [sys.executable, str(Path(__file__).with_name("hold_gpu_memory.py")), str(leave_bytes), "--leave"]
    command += ["--device", str(options.device)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdin is not None
        assert holder.stdout is not None
        yield json.loads(holder.stdout.readline() or "{}")
        holder.stdin.close()


def leave(options: argparse.Namespace, driver: Driver | None, rows: list[dict[str, Any]]) -> bool:
    """Whether ``--fit`` puts on the device what was foreseen."""
    print(f"{'file':34}{'left':>9}{'layers':>9}{'theirs':>9}{'buffers':>9}{'logged':>9}   MiB")
    all_hold = True
    context, kv_type = int(numbers(options.contexts)[0]), options.kv_types.split(",")[0]
    for file in options.files:
        for gib in numbers(options.leave):
            with holding(options, int(gib * 1024 * MIB)) as held:
                found = predicted(options, file, context, kv_type)
                run = launch(options, file, context, kv_type, driver)
            terms = device_terms(found, options.device)
            buffers = sum(term["bytes"] for term in terms if term["kind"] != "runtime") / MIB
            logged, n_layers = run.device_mib(f"CUDA{options.device}"), found["estimate"]["gpu_layers"]
            rows.append({"file": file.name, "left_gib": gib, "held": held, "terms": terms, "run": as_json(run)})
            all_hold &= run.outcome == "loaded" and n_layers == run.n_offloaded and abs(buffers - logged) < 1
            figures = f"{gib * 1024:9.1f}{n_layers:9}{run.n_offloaded!s:>9}{buffers:9.1f}{logged:9.1f}"
            print(f"{file.name[:33]:34}{figures}  {run.outcome} {run.said[:90]}", flush=True)
    return all_hold


def edge(options: argparse.Namespace, driver: Driver | None, rows: list[dict[str, Any]]) -> bool:
    """Whether no load failed that was said to fit, and none went well that was said to fail."""
    print(f"{'file':34}{'asked %':>9}{'free':>9}{'needed':>9}{'line':>9}{'verdict':>9}  outcome    MiB")
    all_hold = True
    context, kv_type = int(numbers(options.contexts)[0]), options.kv_types.split(",")[0]
    for file in options.files:
        place = _place(predicted(options, file, context, kv_type), options.device)
        for percent in numbers(options.edge):
            leave_bytes = int(place["load_bytes"] * (1 + percent / 100))
            with holding(options, leave_bytes) as held:
                found = predicted(options, file, context, kv_type)
                run = launch(options, file, context, kv_type, driver)
            now, level = _place(found, options.device), found["verdict"]["level"]
            rows.append({"file": file.name, "percent": percent, "held": held, "level": level, "place": now})
            rows[-1] |= {"run": as_json(run)}
            is_wrong = (level == "fits") != (run.outcome == "loaded") and level in ("fits", "fails")
            all_hold &= not is_wrong
            figures = "".join(f"{now[key] / MIB:9.1f}" for key in ("free_bytes", "load_bytes", "line_bytes"))
            outcome = f"{run.outcome}{'  WRONG' * is_wrong} {run.said[:90]}"
            print(f"{file.name[:33]:34}{percent:9.1f}{figures}{level:>9}  {outcome}", flush=True)
    return all_hold


def _place(found: dict[str, Any], device: int) -> dict[str, Any]:
    place: dict[str, Any] = next(place for place in found["places"] if place["name"] == f"GPU {device}")
    return place


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("server", type=Path, help="llama-server, built with CUDA")
    parser.add_argument("files", type=Path, nargs="+", help="GGUF files; one may be a hole behind a true header")
    parser.add_argument("--contexts", default="4096,32768")
    parser.add_argument("--kv-types", default="f16")
    parser.add_argument("--device", type=int, default=0, help="NVML's and CUDA's number of it (default: 0)")
    parser.add_argument("--edge", help="per cent that are free beyond what is needed")
    parser.add_argument("--leave", help="GiB that are free")
    parser.add_argument("--ours", default="", help="more options of plimsoll check")
    parser.add_argument("--theirs", default="", help="more options of the server")
    parser.add_argument("--json", type=Path, help="all figures, to this file")
    parser.add_argument("--no-driver", action="store_true", help="try it without a GPU: nothing is asked of NVML")
    options = parser.parse_args()
    driver = None if options.no_driver else Driver(options.device)
    if driver:
        print(f"{driver.name()}, driver {driver.version()}")
    rows: list[dict[str, Any]] = []
    try:
        holds = (edge if options.edge else leave if options.leave else compare)(options, driver, rows)
    finally:
        if options.json:
            options.json.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return 0 if holds else 1


if __name__ == "__main__":
    sys.exit(main())
