"""Programs that load a model with an engine of which Plimsoll has no estimate: named, and never taken for nothing.

By the names of their commands in github.com/aphrodite-engine/aphrodite-engine, InternLM/lmdeploy,
containers/ramalama, EricLBuehler/mistral.rs, gpustack/gpustack, mostlygeek/llama-swap, kvcache-ai/ktransformers,
mudler/LocalAI, xorbitsai/inference, mlc-ai/mlc-llm, exo-explore/exo, predibase/lorax, ModelTC/lightllm,
bentoml/OpenLLM, lm-sys/FastChat, triton-inference-server/server, huggingface/text-embeddings-inference and
docs.docker.com, "docker model".
"""

from collections.abc import Mapping
from types import MappingProxyType

from launches.command import Program

_ALWAYS: frozenset[str] = frozenset()
"""Whatever it is told."""
PROGRAMS: Mapping[str, tuple[str, frozenset[str]]] = MappingProxyType(
    {
        "aphrodite": ("Aphrodite", frozenset({"run"})),
        "aphrodite.endpoints.openai.api_server": ("Aphrodite", _ALWAYS),
        "lmdeploy": ("LMDeploy", frozenset({"serve", "chat"})),
        "text-generation-server": ("one shard of Text Generation Inference", frozenset({"serve"})),
        "lorax-launcher": ("LoRAX", _ALWAYS),
        "text-embeddings-router": ("Text Embeddings Inference", _ALWAYS),
        "ramalama": ("RamaLama", frozenset({"run", "serve", "bench", "perplexity", "chat"})),
        "mistralrs": ("mistral.rs", frozenset({"run", "serve", "bench"})),
        "mistralrs-server": ("mistral.rs", _ALWAYS),
        "gpustack": ("GPUStack", frozenset({"start"})),
        "llama-swap": ("llama-swap", _ALWAYS),
        "vllm-mlx": ("vllm-mlx", frozenset({"serve"})),
        "mlx-openai-server": ("mlx-openai-server", frozenset({"launch"})),
        "mlx-omni-server": ("MLX Omni Server", _ALWAYS),
        "ktransformers": ("KTransformers", _ALWAYS),
        "ktransformers.local_chat": ("KTransformers", _ALWAYS),
        "ktransformers.server.main": ("KTransformers", _ALWAYS),
        "local-ai": ("LocalAI", frozenset({"run"})),
        "xinference": ("Xinference", frozenset({"launch"})),
        "mlc_llm": ("MLC LLM", frozenset({"serve", "chat", "bench"})),
        "exo": ("exo", _ALWAYS),
        "openllm": ("OpenLLM", frozenset({"serve", "run", "start", "hello"})),
        "lightllm.server.api_server": ("LightLLM", _ALWAYS),
        "fastchat.serve.model_worker": ("FastChat", _ALWAYS),
        "fastchat.serve.vllm_worker": ("FastChat", _ALWAYS),
        "fastchat.serve.cli": ("FastChat", _ALWAYS),
        "tritonserver": ("Triton Inference Server", _ALWAYS),
        "docker model": ("Docker Model Runner", frozenset({"run"})),
    }
)
"""Program or module -> (as it is called, the commands that load a model)."""
_NOTHING = frozenset({"--help", "-h", "--version", "-V", "help"})


def unestimated(program: Program) -> str | None:
    """What is said of it; None where it is none of them, or loads nothing so.

    Args:
        program: behind all that is around it; Docker's own ``docker model run a`` as ``docker model``.
    """
    known = PROGRAMS.get(program.name)
    if known is None or not _NOTHING.isdisjoint(program.arguments):
        return None
    called, tasks = known
    if tasks and tasks.isdisjoint(program.arguments[:3]):
        return None
    return f"{program.name} loads a model with {called}, and what that takes is not known here"
