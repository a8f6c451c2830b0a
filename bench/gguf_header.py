"""How long a GGUF header takes to read: 128,256 tokens, 280,147 merges, 291 tensors, as Llama 3.1 8B has them.

    python bench/gguf_header.py llama.gguf [--runs 30]

Writes the file (8 MB of header, the weights are a hole), then prints the median and the range of `read()`.
"""

import argparse
import statistics
import sys
import time
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parents[1] / "tests")]

from gguf_files import vocabulary, write_gguf  # noqa: E402 - the tests' writer, found by the line above

from estimator.model import Tensor  # noqa: E402 - likewise
from estimator.readers import gguf  # noqa: E402 - likewise

METADATA: dict[str, object] = {
    "general.architecture": "llama",
    "general.name": "Llama 3.1 8B",
    "general.file_type": 15,
    "llama.block_count": 32,
    "llama.context_length": 131072,
    "llama.embedding_length": 4096,
    "llama.feed_forward_length": 14336,
    "llama.attention.head_count": 32,
    "llama.attention.head_count_kv": 8,
    "llama.vocab_size": 128256,
}


def tensors() -> list[Tensor]:
    every = [
        Tensor("token_embd.weight", (4096, 128256), "Q4_K"),
        Tensor("output_norm.weight", (4096,), "F32"),
        Tensor("output.weight", (4096, 128256), "Q6_K"),
    ]
    for i in range(32):
        every += [
            Tensor(f"blk.{i}.attn_norm.weight", (4096,), "F32"),
            Tensor(f"blk.{i}.attn_q.weight", (4096, 4096), "Q4_K"),
            Tensor(f"blk.{i}.attn_k.weight", (4096, 1024), "Q4_K"),
            Tensor(f"blk.{i}.attn_v.weight", (4096, 1024), "Q6_K"),
            Tensor(f"blk.{i}.attn_output.weight", (4096, 4096), "Q4_K"),
            Tensor(f"blk.{i}.ffn_norm.weight", (4096,), "F32"),
            Tensor(f"blk.{i}.ffn_gate.weight", (4096, 14336), "Q4_K"),
            Tensor(f"blk.{i}.ffn_up.weight", (4096, 14336), "Q4_K"),
            Tensor(f"blk.{i}.ffn_down.weight", (14336, 4096), "Q6_K"),
        ]
    return every


def main() -> None:
    parser = argparse.ArgumentParser(description="Time the reading of a GGUF header with a large vocabulary.")
    parser.add_argument("path", help="file to write and read")
    parser.add_argument("--runs", type=int, default=30)
    arguments = parser.parse_args()
    n_header_bytes = write_gguf(arguments.path, METADATA | vocabulary(128_256, 280_147), tensors())
    times = []
    for _ in range(arguments.runs):
        start = time.perf_counter()
        gguf.read(arguments.path)
        times.append((time.perf_counter() - start) * 1e3)
    print(
        f"{n_header_bytes / 1e6:.1f} MB of header: median {statistics.median(times):.1f} ms, "
        f"{min(times):.1f} to {max(times):.1f} over {arguments.runs} runs"
    )


if __name__ == "__main__":
    main()
