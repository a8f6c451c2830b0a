"""What a model's headers say of it for the inventory: by the readers that every other part of Plimsoll reads it with.

A file that they refuse is looked at again: where its own header is sound it is whole, and only no language model.
"""

import os
from collections import Counter
from collections.abc import Iterable
from math import prod

from estimator.errors import EstimatorError
from estimator.file_cursor import shown
from estimator.found_model import ADAPTER, PART, PROJECTOR, Facts, FoundModel
from estimator.model import Model, Tensor

READ_FORMATS = ("gguf", "safetensors")
_KEYS = ("general.type", "general.architecture")
_ROLES = {"adapter": ADAPTER, "mmproj": PROJECTOR, "clip": PROJECTOR, "imatrix": PART}
"""``general.type`` or ``general.architecture`` of what is no model (`GGUFType`, gguf-py/gguf/constants.py)."""


def read_facts(model: FoundModel) -> Facts:
    """What is known of it once its headers are read; whatever is wrong with it is in the result."""
    if model.format == "gguf":
        return _gguf_facts(model)
    return _safetensors_facts(model)


def _facts_of(model: Model) -> Facts:
    return Facts(
        quant=model.stored_as,
        architecture=model.architecture,
        n_parameters=model.n_parameters,
        context_tokens=model.native_context_tokens or None,
        format=model.format,
    )


def _gguf_facts(found: FoundModel) -> Facts:
    from estimator.readers import gguf  # noqa: PLC0415  # 12 ms, and most files are known from the last time

    path = found.files[0].path
    try:
        return _facts_of(gguf.read(path))
    except EstimatorError as error:
        refusal = _without_path(str(error), found)
    try:
        headers = [gguf.read_header(file.path) for file in found.files]
    except EstimatorError as error:
        return Facts(trouble=_without_path(str(error), found))
    metadata = headers[0].metadata
    tensors = [tensor for header in headers for tensor in header.tensors]
    role = next((_ROLES[str(metadata.get(key))] for key in _KEYS if str(metadata.get(key)) in _ROLES), "")
    return Facts(
        quant=gguf.quant_label(metadata.get("general.file_type"), tensors, _stem(path)) if tensors else "",
        architecture=shown(str(metadata.get("general.architecture") or ""))[:64],
        n_parameters=sum(prod(tensor.shape) for tensor in tensors) or None,
        role=role,
        note=refusal,
    )


def _safetensors_facts(found: FoundModel) -> Facts:
    from estimator.readers import safetensors  # noqa: PLC0415  # 25 ms, as above
    from estimator.safetensors_header import read_safetensors_headers  # noqa: PLC0415

    try:
        return _facts_of(safetensors.read(found.path))
    except EstimatorError as error:
        refusal = _without_path(str(error), found)
    try:
        headers = read_safetensors_headers(file.path for file in found.files)
    except EstimatorError as error:
        return Facts(trouble=_without_path(str(error), found))
    tensors = [Tensor(each.name, each.shape[::-1] or (1,), each.type) for one in headers for each in one.tensors]
    return Facts(
        quant=_largest_type(tensors),
        n_parameters=sum(prod(tensor.shape) for tensor in tensors) or None,
        note=refusal,
    )


def _largest_type(tensors: Iterable[Tensor]) -> str:
    """What most weights are stored as."""
    from estimator.quant import BLOCKS  # noqa: PLC0415  # loaded with the reader

    n_bytes: Counter[str] = Counter()
    for tensor in tensors:
        block = BLOCKS[tensor.type]
        n_bytes[tensor.type] += prod(tensor.shape) * block.n_bytes // block.n_weights
    most = max(n_bytes, key=n_bytes.__getitem__, default="")
    return {"F8_E4M3": "FP8", "F8_E5M2": "FP8"}.get(most, most)


def _without_path(message: str, found: FoundModel) -> str:
    """The sentence without the name that stands beside it anyway."""
    for path in (found.path, *(file.path for file in found.files)):
        message = message.removeprefix(f"{shown(path)}: ").removeprefix(f"{path}: ")
    return message[:300]


def _stem(path: str) -> str:
    return os.path.splitext(os.path.basename(path))[0]
