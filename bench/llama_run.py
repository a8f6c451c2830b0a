"""One load by a real llama-server: what its log says that it reserved, and what the driver says that it holds."""

import json
import os
import re
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

MIB = 1 << 20
BUFFER = re.compile(r"(\w+?)(?:_Mapped|_REPACK)? +(model|KV|RS|compute|output) buffer size = +([\d.]+) MiB")
OFFLOADED = re.compile(r"offloaded (\d+)/\d+ layers to GPU")
OUT_OF_MEMORY = re.compile(r"out of memory|failed to allocate|unable to allocate|cudaMalloc failed", re.IGNORECASE)


@dataclass
class Run:
    """Bytes are None where nobody told them."""

    outcome: str = "loaded"
    """``loaded``, ``no memory``, ``failed``, ``no memory at the request``, ``failed at the request``."""
    seconds: float = 0.0
    buffers_mib: dict[str, dict[str, float]] = field(default_factory=dict)
    """Device of the log -> kind -> MiB, to a hundredth."""
    loaded_bytes: int | None = None
    """What the process holds once the server answers: loaded and warmed up."""
    answered_bytes: int | None = None
    """The same after a request with a prompt of several steps."""
    free_bytes: int | None = None
    """Of the device, then."""
    most_held_bytes: int | None = None
    """The most seen while it loaded and answered."""
    least_free_bytes: int | None = None
    """The least of the device, likewise."""
    n_offloaded: int | None = None
    """Layers on devices, as logged."""
    host_mib: dict[str, int] = field(default_factory=dict)
    """Rows of /proc/PID/status, after the request."""
    breakdown: list[str] = field(default_factory=list)
    """The engine's own table, printed at its end."""
    said: str = ""
    """The line that says why, where it failed."""

    def device_mib(self, device: str) -> float:
        return sum(self.buffers_mib.get(device, {}).values())


class Driver:
    """NVML, as far as a bench needs it."""

    def __init__(self, number: int) -> None:
        import pynvml  # noqa: PLC0415  # a bench beside this one has no driver

        self._nvml = pynvml
        pynvml.nvmlInit()
        self._handle = pynvml.nvmlDeviceGetHandleByIndex(number)

    def name(self) -> str:
        return str(self._nvml.nvmlDeviceGetName(self._handle))

    def version(self) -> str:
        return str(self._nvml.nvmlSystemGetDriverVersion())

    def free_bytes(self) -> int:
        return int(self._nvml.nvmlDeviceGetMemoryInfo(self._handle).free)

    def held_bytes(self, pid: int) -> int | None:
        held = [p.usedGpuMemory for p in self._nvml.nvmlDeviceGetComputeRunningProcesses(self._handle) if p.pid == pid]
        return int(held[0]) if held and held[0] is not None else None


class Server:
    """A llama-server that runs until it is left."""

    def __init__(self, program: Path, arguments: list[str], log: IO[str], env: dict[str, str]) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.address = f"http://127.0.0.1:{port}"
        command = [str(program), *arguments, "--host", "127.0.0.1", "--port", str(port), "-lv", "4"]
        self.process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, env=env)

    def is_up(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.address}/health", timeout=1) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    def ask(self, n_prompt_tokens: int, seconds: float) -> bool:
        """A prompt of that length, as numbers of tokens, and some tokens more."""
        body = json.dumps({"prompt": [3 + i % 200 for i in range(n_prompt_tokens)], "n_predict": 4, "ignore_eos": True})
        request = urllib.request.Request(
            f"{self.address}/completion", body.encode(), {"Content-Type": "application/json"}
        )
        try:
            with urllib.request.urlopen(request, timeout=seconds) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    def leave(self) -> None:
        self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def run_server(
    program: Path, arguments: list[str], driver: Driver | None, *, n_prompt_tokens: int = 600, seconds: float = 90.0
) -> Run:
    """Load, ask once, read what is held, and end it."""
    run, begun = Run(), time.monotonic()
    env = os.environ | {"LD_LIBRARY_PATH": f"{program.parent}:{os.environ.get('LD_LIBRARY_PATH', '')}"}
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as log:
        server = Server(program, arguments, log, env)
        try:
            _attend(server, run, driver, n_prompt_tokens, begun + seconds)
        finally:
            server.leave()
        log.seek(0)
        text = log.read()
    run.seconds = time.monotonic() - begun
    _read_log(text, run)
    if run.outcome == "failed" and OUT_OF_MEMORY.search(text):
        run.outcome = "no memory"
    if run.outcome == "failed at the request" and OUT_OF_MEMORY.search(text):
        run.outcome = "no memory at the request"
    if run.outcome != "loaded":
        lines = [line for line in text.splitlines() if OUT_OF_MEMORY.search(line) or "error" in line.lower()]
        run.said = (lines or text.splitlines() or [""])[-1 if not lines else 0][:200]
    return run


def _attend(server: Server, run: Run, driver: Driver | None, n_prompt_tokens: int, end: float) -> None:
    pid = server.process.pid
    while not server.is_up():
        _watch(run, driver, pid)
        if server.process.poll() is not None or time.monotonic() > end:
            run.outcome = "failed"
            return
        time.sleep(0.05)
    run.loaded_bytes = driver.held_bytes(pid) if driver else None
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(server.ask, n_prompt_tokens, max(1.0, end - time.monotonic()))
        while not answer.done():
            _watch(run, driver, pid)
            time.sleep(0.02)
    if not answer.result():
        run.outcome = "failed at the request"
        return
    _watch(run, driver, pid)
    if driver:
        run.answered_bytes, run.free_bytes = driver.held_bytes(pid), driver.free_bytes()
    rows = Path(f"/proc/{pid}/status").read_text().splitlines()
    named = (row.split() for row in rows if row.startswith(("Rss", "VmRSS", "VmHWM", "VmLck", "VmPin")))
    run.host_mib = {row[0].rstrip(":"): int(row[1]) // 1024 for row in named}


def _watch(run: Run, driver: Driver | None, pid: int) -> None:
    if driver:
        free_bytes = driver.free_bytes()
        run.least_free_bytes = min(free_bytes, run.least_free_bytes or free_bytes)
        run.most_held_bytes = max(driver.held_bytes(pid) or 0, run.most_held_bytes or 0)


def _read_log(text: str, run: Run) -> None:
    for device, kind, mib in BUFFER.findall(text):
        kinds = run.buffers_mib.setdefault(device, {})
        kinds[kind] = kinds.get(kind, 0.0) + float(mib)
    if offloaded := OFFLOADED.search(text):
        run.n_offloaded = int(offloaded[1])
    run.breakdown = [line.partition("print: ")[2] for line in text.splitlines() if "memory_breakdown_print: |" in line]


def as_json(run: Run) -> dict[str, Any]:
    return dict(vars(run))
