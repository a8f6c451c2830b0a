"""llama.cpp's programs: what each makes of the context, the batch and the sequences that were asked for.

tools/ and examples/ of 0c1e57098, one function a program.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType

from launches.llama_defaults import ALL_LAYERS, OLD_NAMES, Defaults
from launches.llama_settings import Settings
from launches.numbers import Values

MOST_SEQUENCES = 256
"""llama_max_parallel_sequences(), src/llama-cparams.h."""
PERPLEXITY_CONTEXT_TOKENS = 512
"""Of llama-perplexity and llama-imatrix where none is given."""
LOOKAHEAD_SEQUENCES = 31
"""W + G + 1 with W = G = 15, examples/lookahead/lookahead.cpp."""

Tool = Callable[[Settings, Values, Defaults], Settings]


def _server(settings: Settings, values: Values, defaults: Defaults) -> Settings:
    """tools/server/server.cpp: some slots that share their cells, or as many as asked for, each with its own."""
    given = values.given
    n_sequences, options = settings.n_sequences, settings.options
    if n_sequences == 0:
        values.refuse("--parallel takes 1 or more, not 0")
    if n_sequences is None or n_sequences <= 0:
        n_sequences = defaults.n_server_sequences
        options = replace(options, is_kv_unified=options.is_kv_unified or n_sequences > 1)
    if any(given.is_on(flag) for flag in ("--embedding", "--rerank")):
        options = replace(options, n_batch_tokens=min(options.n_batch_tokens, options.n_ubatch_tokens))
        values.doubts.append("logits of all tokens, which --embedding asks for, count for embedding models only")
    context, is_free = settings.context_tokens, settings.is_context_free
    per_slot = values.whole("--kv-unified-per-slot", 0, least=0)
    if per_slot and not given.has("--ctx-size"):
        context, is_free = per_slot * n_sequences, False
    return replace(settings, context_tokens=context, is_context_free=is_free, n_sequences=n_sequences, options=options)


def _chat(settings: Settings, values: Values, defaults: Defaults) -> Settings:
    """llama-cli since 2025-12 is a server with one slot and a screen (tools/cli/cli-server.h)."""
    del values
    if defaults.fits:
        return settings
    return _all_outputs(settings)


def _plain(settings: Settings, values: Values, defaults: Defaults) -> Settings:
    del values, defaults
    return _all_outputs(settings)


def _drafting(settings: Settings, values: Values, defaults: Defaults) -> Settings:
    """examples/speculative: logits of what was drafted only."""
    del values, defaults
    return settings


def _perplexity(settings: Settings, values: Values, defaults: Defaults) -> Settings:
    """As many chunks of the context's length at once as a batch has room for (tools/perplexity/perplexity.cpp)."""
    del defaults
    chunk = values.whole("--ctx-size", PERPLEXITY_CONTEXT_TOKENS, least=0) or PERPLEXITY_CONTEXT_TOKENS
    if values.given.has("--ctx-size") and not settings.context_tokens:
        values.refuse("llama-perplexity wants a context of some tokens")
    options = settings.options
    if any(values.given.is_on(flag) for flag in ("--hellaswag", "--winogrande", "--multiple-choice")):
        n_sequences = max(4, settings.n_sequences or 1)
        options = replace(options, is_kv_unified=True)
    else:
        n_sequences = max(1, options.n_batch_tokens // chunk)
    context = n_sequences * chunk
    options = replace(options, n_batch_tokens=min(options.n_batch_tokens, context))
    stride = values.whole("--ppl-stride", 0)
    return _all_outputs(
        replace(
            settings,
            context_tokens=context + max(0, stride) // 2,
            is_context_free=False,
            n_sequences=n_sequences,
            options=options,
        )
    )


def _calibration(settings: Settings, values: Values, defaults: Defaults) -> Settings:
    """tools/imatrix/imatrix.cpp: as above since it takes several chunks at once; one chunk before."""
    if defaults.splits_calibration:
        return _perplexity(settings, values, defaults)
    chunk = values.whole("--ctx-size", PERPLEXITY_CONTEXT_TOKENS, least=0) or settings.context_tokens
    return _all_outputs(replace(settings, context_tokens=chunk, is_context_free=False))


def _embedding(settings: Settings, values: Values, defaults: Defaults) -> Settings:
    """examples/embedding: any number of prompts in shared cells, the whole context in one step."""
    del defaults
    options, n_sequences = settings.options, settings.n_sequences or 1
    if n_sequences == 1:
        options, n_sequences = replace(options, is_kv_unified=True), MOST_SEQUENCES
    options = replace(options, n_batch_tokens=max(options.n_batch_tokens, settings.context_tokens))
    if values.given.last("--attention") != "causal":
        options = replace(options, n_ubatch_tokens=options.n_batch_tokens)
    return replace(settings, n_sequences=n_sequences, options=options)


def _batched(settings: Settings, values: Values, defaults: Defaults) -> Settings:
    """tools/batched-bench: as many sequences as the largest number of -npl; it does without --fit."""
    del defaults
    n_sequences = max(1, *map(int, values.reals("-npl", ",")), 1)
    layers = settings.options.n_gpu_layers
    options = replace(settings.options, n_gpu_layers=ALL_LAYERS if layers is None else layers)
    return _all_outputs(replace(settings, is_context_free=False, n_sequences=n_sequences, options=options))


def _parallel(settings: Settings, values: Values, defaults: Defaults) -> Settings:
    """examples/parallel: one sequence more, for the system prompt."""
    del values, defaults
    return _all_outputs(replace(settings, n_sequences=(settings.n_sequences or 1) + 1))


def _lookahead(settings: Settings, values: Values, defaults: Defaults) -> Settings:
    del values, defaults
    options = replace(settings.options, is_kv_unified=True)
    return _all_outputs(replace(settings, n_sequences=LOOKAHEAD_SEQUENCES, options=options))


def _all_outputs(settings: Settings) -> Settings:
    """Where nothing says how many tokens' logits are wanted, a batch's (`n_outputs_max`, common/common.h)."""
    return replace(settings, options=replace(settings.options, n_outputs=settings.options.n_batch_tokens))


TOOLS: Mapping[str, Tool] = MappingProxyType(
    {
        "llama-server": _server,
        "llama-cli": _chat,
        "llama-completion": _plain,
        "llama-perplexity": _perplexity,
        "llama-imatrix": _calibration,
        "llama-embedding": _embedding,
        "llama-speculative": _drafting,
        "llama-speculative-simple": _drafting,
        "llama-lookup": _drafting,
        "llama-lookahead": _lookahead,
        "llama-batched-bench": _batched,
        "llama-parallel": _parallel,
        "llama-main": _plain,
    }
    | dict.fromkeys(
        (
            f"llama-{name}"
            for name in (
                "mtmd-cli llava-cli qwen2vl-cli minicpmv-cli gemma3-cli tts sweep-bench batched retrieval passkey "
                "diffusion-cli finetune cvector-generator eval-callback save-load-state infill gritlm debug results "
                "lookup-create lookup-stats simple simple-chat"
            ).split()
        ),
        _plain,
    )
)
"""By name, those that load a model."""
UNIFIED = MappingProxyType(
    {
        "serve": "llama-server",
        "server": "llama-server",
        "cli": "llama-cli",
        "client": "llama-cli",
        "completion": "llama-completion",
        "complete": "llama-completion",
        "batched-bench": "llama-batched-bench",
        "perplexity": "llama-perplexity",
        "fit-params": "llama-fit-params",
        "quantize": "llama-quantize",
    }
)
"""Of ``llama``, the one program of all (app/llama.cpp), what its commands are."""
LOADLESS = frozenset(
    "llama-quantize llama-gguf-split llama-gguf llama-gguf-hash llama-tokenize llama-fit-params llama-export-lora "
    "llama-gen-docs llama-q8dot llama-vdot llama-lookup-merge llama-convert-llama2c-to-ggml".split()
)
"""Those that load none, or read it piece by piece."""

_MARK = (
    r"(?:[0-9a-f]{6,40}|[bv]?\d[\w.]{0,20}|cuda\d*|cu\d{2,4}|vulkan|vk|rocm\d*|hip|hipblas|cublas|cpu|gpu|metal|sycl|cann"
    r"|blas|openblas|avx\d*|noavx\d*|native|linux|windows|win|macos|darwin|x64|x86_64|amd64|arm64|aarch64|latest|new"
    r"|old|main|master|dev|stable|release|debug|ik)"
)
_MARKED = re.compile(rf"(?:{_MARK}[-_])?(llama-[a-z]+(?:-[a-z]+)?)(?:[-_.]{_MARK}){{0,4}}")
"""A program that somebody keeps beside others of its name: ``llama-server-ec9e0301``, ``ik-llama-server``."""


_APART = frozenset({"llama-bench", "llama-run"})
"""Programs that are read by modules of their own."""


def unmarked(name: str) -> str:
    """A program's own name, without what tells a build of it from others."""
    if name in TOOLS or name in LOADLESS or "llama-" not in name or len(name) > 100:
        return name
    for ended in (name, *(name[:at] for at in range(len(name) - 1, 5, -1) if name[at] in "-_.")):
        found = _MARKED.fullmatch(ended)
        own = found[1] if found else ""
        is_whole = ended == name or re.fullmatch(rf"(?:[-_.]{_MARK})+", name[len(ended) :]) is not None
        if is_whole and (own in TOOLS or own in LOADLESS or own in _APART):
            return own
    return name


def tool_name(name: str) -> str:
    """What a program is called today."""
    name = unmarked(name)
    if name == "llama_server":
        return "llama-server"
    if name == "main":
        return "llama-cli"
    return f"llama-{name}" if name in OLD_NAMES else name
