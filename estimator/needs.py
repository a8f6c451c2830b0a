"""What a load needs beside the memory it ends up in: room on disk for the files, and RAM while they are read."""

from collections.abc import Sequence
from typing import NamedTuple

from estimator.derived import of_model
from estimator.file_size import gguf_size
from estimator.ledger import Basis, Estimate
from estimator.model import Model
from estimator.modules import Module, has_gguf_types, modules_of
from estimator.quant import stored_bytes


class Needs(NamedTuple):
    """Of one load, before anything is computed."""

    disk_bytes: int
    """Of the model's files."""
    ram_bytes: int
    """At the peak while loading, beside the process itself, of memory that can't be given back under pressure."""
    cached_bytes: int
    """What the system's page cache would like to keep of the files; it gives it back."""
    reason: str
    source: str


def file_bytes(model: Model) -> int:
    """Of its files: as they are, or as their format would store the tensors."""
    if model.file_bytes is not None:
        return model.file_bytes
    n_bytes, _ = stored_weights(model)
    return gguf_size(model, n_bytes).n_bytes if model.format == "gguf" and model.layers else n_bytes


@of_model
def stored_weights(model: Model) -> tuple[int, Basis]:
    """Of its tensors, as they are stored."""
    basis = Basis.EXACT if model.file_bytes is not None else Basis.DERIVED
    return sum(stored_bytes(tensor.type, tensor.shape) for tensor in model.tensors), basis


def mapped_needs(model: Model, resident_bytes: int) -> Needs:
    """llama.cpp and what runs it: files are mapped, so that only what stays on the host is held there.

    ``resident_bytes``: the weights that stay on the host; they are the file's own pages.
    """
    n_bytes = file_bytes(model)
    return Needs(
        disk_bytes=n_bytes,
        ram_bytes=resident_bytes,
        cached_bytes=max(0, n_bytes - resident_bytes),
        reason="the file is mapped: what goes to devices passes through the page cache, which gives it back",
        source="llama.cpp, src/llama-mmap.cpp and load_all_data of src/llama-model-loader.cpp",
    )


def unmapped_needs(model: Model, resident_bytes: int) -> Needs:
    """Where mapping is off (``--no-mmap``): what stays on the host is read into memory of its own.

    What goes to devices is read through small buffers (`load_all_data`).
    """
    n_bytes = file_bytes(model)
    return Needs(
        disk_bytes=n_bytes,
        ram_bytes=resident_bytes,
        cached_bytes=n_bytes,
        reason="without mapping, the weights of the host are read into memory of their own, beside the page cache",
        source="llama.cpp, load_all_data of src/llama-model-loader.cpp",
    )


def torch_needs(model: Model, modules: Sequence[Module]) -> Needs:
    """Transformers, vLLM and others that read safetensors: tensor by tensor from a mapped file.

    What is quantised while loading (bitsandbytes) has to be there unquantised first: on disk all of it, in RAM the
    largest piece at a time. GGUF's packed types are dequantised in RAM, all of them, before anything moves.
    """
    n_bytes = file_bytes(model)
    largest = max((module.n_bytes for module in modules), default=0)
    if has_gguf_types(model) and sum(module.n_bytes for module in modules) > stored_weights(model)[0]:
        return Needs(
            disk_bytes=n_bytes,
            ram_bytes=sum(module.n_bytes for module in modules),
            cached_bytes=n_bytes,
            reason="a GGUF file is dequantised in RAM as a whole",
            source="transformers/modeling_gguf_pytorch_utils.py, load_gguf_checkpoint, 5.24.0",
        )
    if model.quant.casefold().startswith("bnb") and model.file_bytes is None:
        whole = unquantised_bytes(model)
        return Needs(
            disk_bytes=whole,
            ram_bytes=unquantised_share(model, largest),
            cached_bytes=whole,
            reason="bitsandbytes quantises while loading: the files are those of the unquantised model",
            source="transformers/quantizers/quantizer_bnb_4bit.py, 5.24.0",
        )
    return Needs(
        disk_bytes=n_bytes,
        ram_bytes=largest,
        cached_bytes=n_bytes,
        reason="safetensors are mapped and copied piece by piece",
        source="safetensors `safe_open`; transformers/core_model_loading.py, 5.24.0",
    )


def checkpoint_needs(model: Model, options: object, made: Estimate, host: str) -> Needs:
    """Of a server that takes safetensors as they are."""
    del options, made, host
    return torch_needs(model, modules_of(model))


def mlx_needs(model: Model, options: object, made: Estimate, host: str) -> Needs:
    """MLX: tensors are read lazily into the memory that they end up in, which is the GPU's too."""
    del options, made, host
    return _only_files(
        model,
        "arrays are read straight into unified memory; the page cache of the file can be given back",
        "mlx/io/safetensors.cpp, load_safetensors",
    )


def rule_of_thumb_needs(model: Model, options: object, made: Estimate, host: str) -> Needs:
    """Of an unknown engine: the files, and RAM for all of them where it does not map them."""
    del options, made, host
    return _only_files(model, "whether files are mapped or read as a whole depends on the program", "rule of thumb")


def _only_files(model: Model, reason: str, source: str) -> Needs:
    """The files and their page cache, and no RAM beside the memory that the load ends up in."""
    n_bytes = file_bytes(model)
    return Needs(disk_bytes=n_bytes, ram_bytes=0, cached_bytes=n_bytes, reason=reason, source=source)


@of_model
def unquantised_bytes(model: Model) -> int:
    """Of the 16-bit files that a quantiser starts from."""
    return 2 * model.n_parameters


def unquantised_share(model: Model, n_bytes: int) -> int:
    """What so many loaded bytes were before they were quantised."""
    return n_bytes * unquantised_bytes(model) // max(1, stored_weights(model)[0])
