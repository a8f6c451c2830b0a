"""What the driver, its libraries and the process itself take, beside what an engine asks for."""

from dataclasses import replace

from estimator.ledger import Basis, Kind, Place, Term

MIB = 1 << 20

CUDA_CONTEXT_BASE_BYTES = 8 * MIB
CUDA_CONTEXT_PER_MULTIPROCESSOR_BYTES = int(2.91 * MIB)
"""A CUDA context grows with the multiprocessors: 107 MiB on an RTX 4060 Ti (34), 555 MiB on an RTX PRO 6000 (188);
github.com/ggml-org/llama.cpp/pull/23604. The line through both gives 380 MiB for an RTX 4090 (128)."""
CUDA_LIBRARIES_BYTES = 64 * MIB
"""cuBLAS workspace (4 MiB, 32 MiB from Hopper on), the pool for dequantised activations, CUDA graphs. What is left of
the unaccounted 451 to 456 MiB on RTX 4090 (github.com/ggml-org/llama.cpp/pull/15860) and of 164 MiB on an RTX 4060 Ti
(a log of 2026-04) once the context is taken off: 57 to 76 MiB."""
CUDA_POOL_GROWTH_BYTES = 192 * MIB
"""Above that, by the batches that come; our own allowance."""

UNKNOWN_CUDA_BYTES = (107 * MIB, 400 * MIB, 750 * MIB)
"""(low, expected, high) where the card's size is not known: the span of the cards above."""
METAL_BYTES = (0, 32 * MIB, 256 * MIB)
"""llama.cpp's breakdown on an Apple M5 Pro leaves 0 MiB unaccounted (a log of 2026-05); the rest is our allowance."""
PROCESS_BYTES = (40 * MIB, 120 * MIB, 400 * MIB)
"""The process itself: code, tokenizer, HTTP server, and on CUDA the driver's host side. Our allowance."""


def runtime_term(place: Place) -> Term | None:
    """What a process takes on a device before it has allocated anything; None on the host."""
    if place.kind == "host":
        return None
    if place.kind == "metal":
        return allowance(place, "Metal runtime", METAL_BYTES, "our allowance; a log of 2026-05 shows none on an M5 Pro")
    if place.kind != "cuda":
        return allowance(place, "driver context", UNKNOWN_CUDA_BYTES, "no such device was measured; the span of CUDA's")
    source = "measured contexts: github.com/ggml-org/llama.cpp pull requests 23604 and 15860"
    if place.n_multiprocessors is None:
        unknown = allowance(place, "CUDA context", UNKNOWN_CUDA_BYTES, source)
        return replace(unknown, formula="multiprocessors not reported: the span of known cards")
    low = CUDA_CONTEXT_BASE_BYTES + CUDA_CONTEXT_PER_MULTIPROCESSOR_BYTES * place.n_multiprocessors
    expected = low + CUDA_LIBRARIES_BYTES
    return Term(
        kind=Kind.RUNTIME,
        label="CUDA context",
        place=place.name,
        n_bytes=expected,
        low_bytes=low,
        high_bytes=expected + CUDA_POOL_GROWTH_BYTES,
        basis=Basis.CALIBRATED,
        source=source,
        formula=f"8 MiB + 2.91 MiB x {place.n_multiprocessors} multiprocessors + 64 MiB for libraries",
    )


def host_runtime(host: Place) -> Term:
    """The process's own memory on the host."""
    return allowance(host, "process", PROCESS_BYTES, "our allowance for code, tokenizer and server")


def allowance(place: Place, label: str, span_bytes: tuple[int, int, int], source: str) -> Term:
    """What nobody asks for and somebody takes: (least, expected, most)."""
    low, expected, high = span_bytes
    return Term(
        kind=Kind.RUNTIME,
        label=label,
        place=place.name,
        n_bytes=expected,
        low_bytes=low,
        high_bytes=high,
        basis=Basis.ASSUMED,
        source=source,
    )
