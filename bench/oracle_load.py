"""Loads a header with one of PyPI's packages of llama.cpp and lets the engine's own log tell what it reserves.

    python bench/oracle_load.py PACKAGE FILE JSON

In a process of its own: a load that goes wrong ends it. The JSON has ``context_tokens``, ``n_batch_tokens``,
``n_ubatch_tokens``, ``n_sequences``, ``is_flash_attention`` and ``kv_type`` (of ggml, as a number). All lies
with the CPU.
"""

import json
import os
import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any


def load_llama_cpp(path: str, asked: dict[str, Any]) -> None:
    """llama-cpp-python's ctypes: nothing is allocated, so the log has no size of the weights."""
    library = import_module("llama_cpp.llama_cpp")
    library.llama_backend_init()

    params = library.llama_model_default_params()
    params.n_gpu_layers, params.use_extra_bufts, params.no_alloc = 0, False, True
    params.load_mode = library.LLAMA_LOAD_MODE_NONE  # no map goes with no_alloc (src/llama-model-loader.cpp)
    model = library.llama_model_load_from_file(path.encode(), params)
    if not model:
        sys.exit("failed to load model")
    params = library.llama_context_default_params()
    params.n_ctx, params.n_seq_max = asked["context_tokens"], asked["n_sequences"]
    params.n_batch, params.n_ubatch = asked["n_batch_tokens"], asked["n_ubatch_tokens"]
    params.flash_attn_type = int(asked["is_flash_attention"])
    params.type_k = params.type_v = asked["kv_type"]
    params.kv_unified = params.swa_full = False
    if not library.llama_init_from_model(model, params):
        sys.exit("failed to create the context")


def load_xllamacpp(path: str, asked: dict[str, Any]) -> None:
    """xllamacpp's server: caches and compute buffers are allocated in RAM, as its server can't do without."""
    library = import_module("xllamacpp")
    params = library.CommonParams()
    params.model.path = path
    params.n_ctx, params.n_parallel = asked["context_tokens"], asked["n_sequences"]
    params.n_batch, params.n_ubatch = asked["n_batch_tokens"], asked["n_ubatch_tokens"]
    params.n_gpu_layers, params.no_extra_bufts, params.kv_unified = 0, True, False
    params.warmup = params.fit_params = False
    params.flash_attn_type = library.llama_flash_attn_type(int(asked["is_flash_attention"]))
    params.cache_type_k = params.cache_type_v = library.ggml_type(asked["kv_type"])
    params.verbosity = 4
    server = library.Server(params)
    sys.stdout.flush()
    os._exit(0 if server else 1)  # its end may hang, and all is said


PACKAGES: dict[str, Callable[[str, dict[str, Any]], None]] = {
    "llama_cpp": load_llama_cpp,
    "xllamacpp": load_xllamacpp,
}

if __name__ == "__main__":
    PACKAGES[sys.argv[1]](sys.argv[2], json.loads(sys.argv[3]))
