"""What moves memory in vLLM, by its own flags."""

from dataclasses import field

from estimator.option import option
from estimator.releases import NEWEST
from records.record import record

NAME = "vLLM"


@record(frozen=True, slots=True, kw_only=True)
class Options:
    """Everything that moves memory, by the engine's own flags."""

    gpu_memory_utilization: float | None = field(
        default=None,
        metadata=option(
            "--gpu-memory-utilization",
            "share of each device that it takes in any case; 0.92 if not given, 0.9 before 0.21",
            minimum=0.01,
            maximum=1,
        ),
    )
    tensor_parallel_size: int | None = field(
        default=None,
        metadata=option(
            "--tensor-parallel-size", "devices that slice every layer; all that are there if not given", minimum=1
        ),
    )
    pipeline_parallel_size: int = field(
        default=1, metadata=option("--pipeline-parallel-size", "groups of devices that share the layers", minimum=1)
    )
    data_parallel_size: int = field(
        default=1, metadata=option("--data-parallel-size", "copies of the model, each with its own cache", minimum=1)
    )
    is_expert_parallel: bool = field(
        default=False, metadata=option("--enable-expert-parallel", "experts are dealt out whole, over all copies")
    )
    max_num_seqs: int | None = field(
        default=None,
        metadata=option(
            "--max-num-seqs", "sequences in one step; 256, or 1024 from 70 GiB on, if not given", minimum=1
        ),
    )
    max_num_batched_tokens: int | None = field(
        default=None,
        metadata=option(
            "--max-num-batched-tokens", "tokens in one step; 2048, 8192 or 16384 by the device if not given", minimum=1
        ),
    )
    is_eager: bool = field(
        default=False, metadata=option("--enforce-eager", "no CUDA graphs: slower, and lighter by some 0.1 to 1 GiB")
    )
    block_size: int | None = field(
        default=None, metadata=option("--block-size", "tokens in one block of the cache; 16 if not given", minimum=1)
    )
    kv_cache_memory_bytes: int | None = field(
        default=None,
        metadata=option("--kv-cache-memory-bytes", "bytes of cache on each device, whatever the share", minimum=1),
    )
    cpu_offload_gb: float = field(
        default=0.0, metadata=option("--cpu-offload-gb", "GiB of each device's weights that stay in RAM")
    )
    is_prefill_whole: bool = field(
        default=False,
        metadata=option("--no-enable-chunked-prefill", "a step holds the longest prompt, unless its tokens are given"),
    )
    performance_mode: str = field(
        default="balanced",
        metadata=option(
            "--performance-mode",
            "throughput doubles the sequences and tokens of a step that are not given",
            ("balanced", "interactivity", "throughput"),
        ),
    )
    is_hybrid_manager_disabled: bool = field(
        default=False,
        metadata=option("--disable-hybrid-kv-cache-manager", "sliding-window layers keep the whole context"),
    )
    dtype: str = field(
        default="auto",
        metadata=option("--dtype", "of what is not quantised", ("auto", "bfloat16", "float16", "float32")),
    )
    mamba_ssm_cache_dtype: str = field(
        default="auto",
        metadata=option("--mamba-ssm-cache-dtype", "of recurrent states", ("auto", "float16", "bfloat16", "float32")),
    )
    is_length_free: bool = field(
        default=False,
        metadata=option(
            "", "--max-model-len auto: as long as one sequence has room for, the context asked for at most"
        ),
    )
    version: str = field(
        default=NEWEST, metadata=option("--engine-version", f"whose rules hold; {NEWEST} if not given")
    )


DEFAULTS = Options()
