"""What moves memory in llama.cpp, by its own flags; engines that run llama.cpp for their users share it."""

from dataclasses import field

from estimator.kv_cache import STORED_TYPES
from estimator.option import option
from records.record import record

SPLIT_MODES = ("layer", "none", "row", "tensor")


@record(frozen=True, slots=True, kw_only=True)
class Options:
    """Everything that moves memory, by the engine's own flags."""

    n_gpu_layers: int | None = field(
        default=None,
        metadata=option(
            "--gpu-layers", "layers on the GPU, the output layer counted; as many as fit if not given", is_of_model=True
        ),
    )
    is_flash_attention: bool = field(
        default=True, metadata=option("--flash-attn", "attention without a matrix of all scores; on where supported")
    )
    n_batch_tokens: int = field(default=2048, metadata=option("--batch-size", "tokens of one logical batch", minimum=1))
    n_ubatch_tokens: int = field(
        default=512, metadata=option("--ubatch-size", "tokens computed in one step", minimum=1)
    )
    is_kv_unified: bool = field(default=False, metadata=option("--kv-unified", "all sequences share one set of cells"))
    is_kv_offloaded: bool = field(
        default=True, metadata=option("--kv-offload", "the KV cache lies with its layer, not all of it in RAM")
    )
    value_type: str | None = field(
        default=None,
        metadata=option(
            "--cache-type-v", "stored type of the values alone; as the keys if not given", (*STORED_TYPES,)
        ),
    )
    is_full_window: bool = field(
        default=False, metadata=option("--swa-full", "sliding-window layers keep the whole context")
    )
    n_cpu_moe_layers: int = field(
        default=0, metadata=option("--n-cpu-moe", "the experts of so many layers stay in RAM", is_of_model=True)
    )
    is_cpu_moe: bool = field(default=False, metadata=option("--cpu-moe", "all experts stay in RAM"))
    tensor_overrides: str | None = field(
        default=None,
        metadata=option(
            "--override-tensor",
            "tensors that go elsewhere: pattern=CPU, pattern=CUDA1, commas between",
            is_of_model=True,
        ),
    )
    tensor_split: tuple[float, ...] | None = field(
        default=None,
        metadata=option("--tensor-split", "share of each device; by free memory if not given", is_of_model=True),
    )
    split_mode: str = field(
        default="layer", metadata=option("--split-mode", "how several devices share the model", SPLIT_MODES)
    )
    main_device: int = field(default=0, metadata=option("--main-gpu", "the device that holds all with split mode none"))
    offloads_operations: bool = field(
        default=True, metadata=option("--op-offload", "the GPU computes large steps with weights that lie in RAM")
    )
    is_mapped: bool = field(
        default=True, metadata=option("--mmap", "weights in RAM are the file's own pages, not a copy")
    )
    is_repacked: bool = field(
        default=True, metadata=option("--repack", "without a GPU, weights are rearranged for the CPU's kernels")
    )
    prompt_cache_mib: int | None = field(
        default=None,
        metadata=option("--cache-ram", "MiB of RAM that llama-server may fill with past prompts; counted where given"),
    )
    n_checkpoints: int | None = field(
        default=None,
        metadata=option("--ctx-checkpoints", "states of past prompts kept per sequence; counted where given"),
    )
    fit_target_mib: tuple[float, ...] | None = field(
        default=None,
        metadata=option("--fit-target", "MiB that --fit keeps free on each device, commas between; 1024 if not given"),
    )
    fit_context_tokens: int | None = field(
        default=None,
        metadata=option("--fit-ctx", "the shortest context that --fit settles on by itself; 4096 if not given"),
    )
    projector: str | None = field(
        default=None, metadata=option("--mmproj", "the file of the model's image or sound part", is_of_model=True)
    )
    is_projector_offloaded: bool = field(
        default=True, metadata=option("--mmproj-offload", "the image or sound part lies on the first GPU")
    )
    draft_model: str | None = field(
        default=None,
        metadata=option(
            "--model-draft", "a small model that drafts tokens: its file, or a known name", is_of_model=True
        ),
    )
    n_draft_gpu_layers: int | None = field(
        default=None,
        metadata=option(
            "--gpu-layers-draft", "the draft model's layers on the GPU; all if not given", is_of_model=True
        ),
    )
    draft_key_type: str = field(
        default="f16",
        metadata=option("--cache-type-k-draft", "stored type of the draft model's keys", (*STORED_TYPES,)),
    )
    draft_value_type: str = field(
        default="f16",
        metadata=option("--cache-type-v-draft", "stored type of the draft model's values", (*STORED_TYPES,)),
    )
    build: str = field(
        default="", metadata=option("--build", "which build: 2025-06, b5269, ik-2025-06; the newest if not given")
    )
    latent_way: int | None = field(
        default=None,
        metadata=option(
            "--mla-use", "ik_llama.cpp: how latent attention is computed, 0 to 3; its default if not given"
        ),
    )
    attention_mib: int | None = field(
        default=None,
        metadata=option(
            "--attention-max-batch", "ik_llama.cpp: MiB that attention computes with at once; all heads if 0"
        ),
    )
    is_moe_fused: bool = field(
        default=False, metadata=option("--fused-moe", "ik_llama.cpp: the experts' gate and up in one operation")
    )
    n_outputs: int | None = field(
        default=None, metadata=option("", "tokens whose logits are computed at once; one per sequence if not given")
    )
    keeps_logits: bool = field(
        default=False, metadata=option("", "llama-cpp-python: the logits of every token of the context are kept in RAM")
    )


DEFAULTS = Options()
