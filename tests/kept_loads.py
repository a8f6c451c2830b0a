"""Loads for tests of the store, in a file that a child process can import quickly."""

from dataclasses import replace
from pathlib import Path

from tui.kept_load import KeptLoad, KeptPlace
from tui.store import Store

GPU = KeptPlace(
    name="GPU 0",
    product="NVIDIA GeForce RTX 4090",
    vendor="nvidia",
    driver="580.95.05",
    predicted_bytes=5000,
    low_bytes=4000,
    high_bytes=6000,
    held_bytes=5100,
    peak_bytes=5100,
    runtime_bytes=600,
    calibrated_bytes=5080,
)
LOAD = KeptLoad(
    host="here",
    boot="first",
    pid=7,
    started_ticks=70,
    rested_seconds=1_790_000_000.0,
    loading_seconds=3.5,
    program="llama-server",
    engine_name="llamacpp",
    engine_version="b6900-0c1e57098",
    architecture="qwen3",
    model_name="Qwen3 8B",
    quant="Q4_K_M",
    context_tokens=8192,
    places=(GPU,),
)


def kept(path: Path, *numbers: int) -> Store:
    """A store with a load of each number, its pid."""
    store = Store(path)
    for number in numbers:
        store.keep(replace(LOAD, pid=number, rested_seconds=LOAD.rested_seconds + number))
    return store


def lesson_loads(*more_mib: float) -> tuple[KeptLoad, ...]:
    """Loads of a model each, that held so much more than predicted."""
    mib = 1 << 20
    return tuple(
        replace(
            LOAD,
            pid=number + 1,
            rested_seconds=LOAD.rested_seconds + number,
            model_name=f"model {number}",
            places=(
                replace(
                    GPU,
                    predicted_bytes=(5000 + number) * mib,
                    runtime_bytes=500 * mib,
                    held_bytes=(5000 + number) * mib + round(more * mib),
                    calibrated_bytes=None,
                ),
            ),
        )
        for number, more in enumerate(more_mib)
    )
