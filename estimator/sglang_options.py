"""What moves memory in SGLang, by its own flags."""

from dataclasses import field

from estimator.cache_rows import ROW_TYPES
from estimator.option import option
from records.record import record

NAME = "SGLang"
KV_TYPES = tuple(name for name in ROW_TYPES if name in ("auto", "bfloat16", "fp8_e4m3", "fp8_e5m2"))
NEWEST = "0.5.23"


@record(frozen=True, slots=True, kw_only=True)
class Options:
    """Everything that moves memory, by the engine's own flags."""

    mem_fraction_static: float | None = field(
        default=None,
        metadata=option(
            "--mem-fraction-static",
            "share of the free memory for weights and cache; by the card if not given",
            minimum=0.01,
            maximum=1,
        ),
    )
    tp_size: int | None = field(
        default=None,
        metadata=option("--tp-size", "devices that slice every layer; all that are there if not given", minimum=1),
    )
    pp_size: int = field(default=1, metadata=option("--pp-size", "groups of devices that share the layers", minimum=1))
    chunked_prefill_size: int | None = field(
        default=None,
        metadata=option(
            "--chunked-prefill-size", "tokens of one piece of a prompt; by the card if not given", minimum=1
        ),
    )
    cuda_graph_max_bs: int | None = field(
        default=None,
        metadata=option("--cuda-graph-max-bs", "sequences of the largest CUDA graph; by the card if not given"),
    )
    is_graph_disabled: bool = field(default=False, metadata=option("--disable-cuda-graph", "no CUDA graphs"))
    max_running_requests: int | None = field(
        default=None,
        metadata=option("--max-running-requests", "sequences at once; by the cache if not given", minimum=1),
    )
    max_total_tokens: int | None = field(
        default=None, metadata=option("--max-total-tokens", "tokens of the cache at most", minimum=1)
    )
    version: str = field(
        default=NEWEST, metadata=option("--engine-version", f"whose rules hold; {NEWEST} if not given")
    )


DEFAULTS = Options()
