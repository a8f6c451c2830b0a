"""plimsoll run with a real llama.cpp on the CPU: what passes through, what is refused, and what is held.

    python bench/guard.py LLAMA_SERVER [MODEL.gguf ...] [--context 2048]

Without a model it makes small ones: a whole vocabulary, and a hole for the weights. Prints a line for each claim; exit
status 1 where one does not hold. Linux only; control groups where this user may make them.
"""

import argparse
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from gguf_files import Typed, write_gguf  # noqa: E402

from estimator.model import Tensor  # noqa: E402

PLIMSOLL = [sys.executable, "-c", "import sys; from tui.cli import main; sys.exit(main())"]
CLOSE_RATIO = 0.05
START_SECONDS = 120.0
MIB = 1 << 20


class Claims:
    """What was claimed, and whether it holds."""

    def __init__(self) -> None:
        self.n_broken = 0

    def say(self, text: str, *, holds: bool, detail: str = "") -> None:
        self.n_broken += not holds
        print(f"{'holds' if holds else 'BROKEN':<7} {text}{f'   {detail}' if detail else ''}")


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT)}


def run(
    words: Sequence[str], options: Sequence[str] = (), group: Path | None = None
) -> "subprocess.CompletedProcess[str]":
    def join() -> None:
        if group is not None:
            (group / "cgroup.procs").write_text(str(os.getpid()))

    return subprocess.run(
        [*PLIMSOLL, "run", *options, "--", *words],
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=join,  # one thread only
    )


def is_ready(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=2) as answer:
            return bool(answer.status == 200)
    except (OSError, urllib.error.URLError):
        return False


@contextmanager
def served(words: Sequence[str], port: int) -> Iterator["subprocess.Popen[bytes]"]:
    """The engine behind plimsoll run, once it answers."""
    process = subprocess.Popen(
        [*PLIMSOLL, "run", "--", *words], env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        end = time.monotonic() + START_SECONDS
        while not is_ready(port) and process.poll() is None and time.monotonic() < end:
            time.sleep(0.2)
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()


def resident_bytes(pid: int) -> dict[str, int]:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    found = dict(line.split(":", 1) for line in lines if line.startswith(("Rss", "VmRSS")))
    return {name: int(value.split()[0]) * 1024 for name, value in found.items()}


def predicted_bytes(words: Sequence[str]) -> tuple[int, int]:
    """(all RAM, of it copies of weights in another order, whose pages of the file nobody reads any more)."""
    ended = subprocess.run(
        [*PLIMSOLL, "check", "--json", "--", *words], env=environment(), capture_output=True, text=True, check=False
    )
    terms = json.loads(ended.stdout)["estimate"]["terms"]
    in_ram = [term for term in terms if term["place"] == "RAM"]
    copied = [term for term in in_ram if "rearranged" in term["label"]]
    return sum(term["bytes"] for term in in_ram), sum(term["bytes"] for term in copied)


def ask(port: int) -> None:
    """A prompt of more than a whole step, so that the compute buffer is used as far as it goes."""
    body = json.dumps({"prompt": "a b c " * 150, "n_predict": 2}).encode()
    request = urllib.request.Request(f"http://127.0.0.1:{port}/completion", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=300) as answer:
        answer.read()


@contextmanager
def memory_group(limit_bytes: int) -> Iterator[Path | None]:
    """A control group of so much RAM; None where this user may make none."""
    folder = None
    for parent, name in (
        (Path("/sys/fs/cgroup/memory"), "memory.limit_in_bytes"),
        (Path("/sys/fs/cgroup"), "memory.max"),
    ):
        candidate = parent / f"plimsoll-bench-{os.getpid()}"
        try:
            candidate.mkdir()
            (candidate / name).write_text(str(limit_bytes))
            folder = candidate
            break
        except OSError:
            if candidate.exists():
                candidate.rmdir()
    try:
        yield folder
    finally:
        if folder is not None:
            folder.rmdir()


def passes_through(claims: Claims, server: str) -> None:
    for words in ([server, "--version"], [server, "--no-such-option"], [server, "-m", "/no/such.gguf"]):
        plain = subprocess.run(words, capture_output=True, text=True, check=False)
        ours = run(words, ["--yes"])
        claims.say(
            f"status of {' '.join(words[1:])}",
            holds=ours.returncode == plain.returncode,
            detail=f"{ours.returncode}, without plimsoll {plain.returncode}",
        )
    claims.say(
        "output of --version",
        holds=run([server, "--version"]).stdout
        == subprocess.run([server, "--version"], capture_output=True, text=True, check=False).stdout,
    )


def signals(claims: Claims, words: list[str], port: int) -> None:
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGKILL):
        with served(words, port) as process:
            name = Path(f"/proc/{process.pid}/comm").read_text().strip()
            process.send_signal(number)
            status = process.wait(30)
        plain = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        end = time.monotonic() + START_SECONDS
        while not is_ready(port) and time.monotonic() < end:
            time.sleep(0.2)
        plain.send_signal(number)
        expected = plain.wait(30)
        claims.say(
            f"{number.name} reaches {name}, and its status is the engine's",
            holds=status == expected,
            detail=f"{status}, without plimsoll {expected}",
        )


def refusals(claims: Claims, words: list[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        marker, wrapper = Path(folder) / "started", Path(folder) / "llama-server"
        wrapper.write_text(f'#!/bin/sh\ntouch "{marker}"\nexec "{words[0]}" "$@"\n')
        wrapper.chmod(0o755)
        marked = [str(wrapper), *words[1:]]
        limit_bytes = predicted_bytes(words)[0] // 2
        ended = run(marked, ["--simulate", f"RAM {limit_bytes // MIB}MiB"])
        claims.say(
            "beyond a simulated limit: status 1, nothing started",
            holds=ended.returncode == 1 and not marker.exists(),
            detail=ended.stderr.splitlines()[0] if ended.stderr else "",
        )
        with memory_group(limit_bytes) as group:
            if group is None:
                print("skipped a control group: this user may make none")
                return
            ended = run(marked, group=group)
        claims.say(
            "beyond a control group's limit: status 1, nothing started",
            holds=ended.returncode == 1 and not marker.exists(),
            detail=ended.stderr.splitlines()[0] if ended.stderr else "",
        )


def made_models(folder: Path) -> list[str]:
    """Three of Llama's kind; the vocabulary is words and bytes, so that any prompt can be read."""
    paths = []
    for shape in (
        Shape(12, 1536, 4096, 12, 12, 32_000),
        Shape(16, 2048, 5632, 16, 16, 32_000),
        Shape(20, 2560, 6912, 20, 20, 128_256),
    ):
        path = folder / f"made-{shape.n_layers}.gguf"
        write_gguf(path, metadata_of(shape), tensors_of(shape))
        paths.append(str(path))
    return paths


class Shape(NamedTuple):
    n_layers: int
    width: int
    forward: int
    n_heads: int
    n_kv_heads: int
    n_tokens: int


def metadata_of(shape: Shape) -> dict[str, object]:
    pieces = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
    pieces += [f"\u2581word{number}" for number in range(shape.n_tokens - len(pieces))]
    kinds = [2, 3, 3, *[6] * 256, *[1] * (shape.n_tokens - 259)]
    return {
        "general.architecture": "llama",
        "general.name": "Made",
        "general.file_type": 15,
        "llama.block_count": shape.n_layers,
        "llama.context_length": 8192,
        "llama.embedding_length": shape.width,
        "llama.feed_forward_length": shape.forward,
        "llama.attention.head_count": shape.n_heads,
        "llama.attention.head_count_kv": shape.n_kv_heads,
        "llama.attention.layer_norm_rms_epsilon": 1e-5,
        "llama.rope.dimension_count": shape.width // shape.n_heads,
        "llama.vocab_size": shape.n_tokens,
        "tokenizer.ggml.model": "llama",
        "tokenizer.ggml.tokens": pieces,
        "tokenizer.ggml.scores": Typed("f32", [0.0] * shape.n_tokens),
        "tokenizer.ggml.token_type": Typed("i32", kinds),
        "tokenizer.ggml.bos_token_id": 1,
        "tokenizer.ggml.eos_token_id": 2,
        "tokenizer.ggml.unknown_token_id": 0,
    }


def tensors_of(shape: Shape) -> list[Tensor]:
    """As Q4_K_M has them, but for the blocks where it takes a wider type."""
    width, forward, kv_width = shape.width, shape.forward, shape.width // shape.n_heads * shape.n_kv_heads
    tensors = [
        Tensor("token_embd.weight", (width, shape.n_tokens), "Q4_K"),
        Tensor("output_norm.weight", (width,), "F32"),
        Tensor("output.weight", (width, shape.n_tokens), "Q6_K"),
    ]
    for block in range(shape.n_layers):
        tensors += [
            Tensor(f"blk.{block}.{name}.weight", dimensions, stored)
            for name, dimensions, stored in (
                ("attn_norm", (width,), "F32"),
                ("ffn_norm", (width,), "F32"),
                ("attn_q", (width, width), "Q4_K"),
                ("attn_k", (width, kv_width), "Q4_K"),
                ("attn_v", (width, kv_width), "Q6_K"),
                ("attn_output", (width, width), "Q4_K"),
                ("ffn_gate", (width, forward), "Q4_K"),
                ("ffn_up", (width, forward), "Q4_K"),
                ("ffn_down", (forward, width), "Q6_K"),
            )
        ]
    return tensors


def held(claims: Claims, words: list[str], port: int) -> None:
    predicted, copied = predicted_bytes(words)
    with served(words, port) as process:
        ask(port)
        rss = resident_bytes(process.pid)
    n_held = rss["VmRSS"] - copied
    ratio = n_held / predicted - 1
    claims.say(
        f"held agrees with what was predicted within {CLOSE_RATIO:.0%}",
        holds=abs(ratio) <= CLOSE_RATIO,
        detail=f"{n_held / MIB:.0f} MiB held (and {copied / MIB:.0f} of the file that were copied and are not read any "
        f"more), {predicted / MIB:.0f} predicted, {ratio:+.1%}",
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("server")
    parser.add_argument("model", nargs="*")
    parser.add_argument("--context", type=int, default=2048)
    given = parser.parse_args()
    claims = Claims()
    passes_through(claims, given.server)
    with tempfile.TemporaryDirectory() as folder:
        try_models(claims, given.server, given.model or made_models(Path(folder)), given.context)
    return int(claims.n_broken > 0)


def try_models(claims: Claims, server: str, models: Sequence[str], n_tokens: int) -> None:
    for number, model in enumerate(models):
        port = free_port()
        words = [server, "-m", model, "-c", str(n_tokens), "-np", "1", "--port", str(port)]
        print(model)
        if not number:
            signals(claims, words, port)
            refusals(claims, words)
        held(claims, words, port)


if __name__ == "__main__":
    sys.exit(main())
