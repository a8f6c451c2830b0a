"""The bytes of a model's weights on each device and on the host, for a way to place them (estimator/placement.py)."""

from collections.abc import Iterable, Mapping

from estimator.derived import of_model, of_model_by
from estimator.model import Model, Tensor
from estimator.placement import (
    FIRST_LAYER_TENSORS,
    HOST,
    INPUT_TENSORS,
    Layout,
    Override,
    overrides_of,
    weight_device,
)
from estimator.quant import stored_bytes
from estimator.rounding import ROUNDINGS
from records.record import record


@record(frozen=True, slots=True, kw_only=True)
class Held:
    """Weights in one place."""

    n_bytes: int = 0
    read_bytes: int = 0
    """What one token reads of them."""
    n_blocks: int = 0
    """Whose layer is there, wherever some of its tensors are."""


ALWAYS_COPIED = frozenset({"gemma3n", "gemma4"})
"""Their tied head is created before the embedding, and so is a copy of its own on the host too (`load_arch_tensors` in
src/models/gemma3n.cpp and gemma4.cpp; measured with header-only files, build 0c1e57098)."""


HEADLESS = frozenset(
    {"bert", "eurobert", "jina-bert-v2", "jina-bert-v3", "modern-bert", "neo-bert", "nomic-bert", "nomic-bert-moe"}
)
"""Encoders that have no head, so that nothing of the embedding is copied for it (no LLM_TENSOR_OUTPUT in their files
of src/models; measured with header-only files on a device with CUDA's rules, build 0c1e57098)."""

NORMED_LAST_BY_TOKEN_NORM = frozenset({"lfm2", "lfm2moe"})
"""What they call the embedding's norm is the last one, and lies with the head (LLM_TENSOR_OUTPUT_NORM_LFM2 in
src/llama-arch.cpp); others' lies with the first layer."""


UNCOPIED_HEADS = frozenset({"bitnet"})
"""Their head is the embedding itself, where it lies: on the host (`build_lora_mm(model.tok_embd, cur)` in
src/models/bitnet.cpp, which creates no LLM_TENSOR_OUTPUT)."""


def held_weights(model: Model, layout: Layout, kinds: Mapping[int, str], *, maps_file: bool = False) -> dict[int, Held]:
    """The weights on each device and on the host.

    Args:
        model: whose.
        layout: who holds what.
        kinds: by device, HOST among them: a key of ROUNDINGS.
        maps_file: Metal's buffers lie over the mapped file, as they do but while --fit measures.
    """
    sums = _Sums(kinds)
    tables = {device: weight_table(model, kind) for device, kind in kinds.items()}
    # One row of the embedding is read, all of it where it is the head.
    sums.put(HOST, tables[HOST].input_bytes, read_ratio=1.0 if model.architecture in UNCOPIED_HEADS else 0.0)
    for block, device in enumerate(layout.layer_devices[:-1]):
        table = tables[device]
        sums.n_blocks[device] += 1
        if layout.overrides and overrides_of(layout.overrides, block):
            dense, experts = _scattered(model, block, device, layout, kinds)
            for home, n_bytes in dense:
                sums.put(home, n_bytes)
            for home, n_bytes in experts:
                sums.put(home, n_bytes, table.used_expert_ratio)
        else:
            sums.put(device, table.layer_bytes[block])
            home = HOST if block < layout.n_cpu_moe_layers else device
            if n_bytes := tables[home].expert_bytes[block]:
                sums.put(home, n_bytes, table.used_expert_ratio)
    for device in set(layout.layer_devices[:-1]):
        sums.put(device, tables[device].rope_bytes)
    _put_ends(sums, model, layout, kinds, tables)
    if maps_file and not layout.n_host_layers and not layout.n_cpu_moe_layers and not layout.overrides:
        # With layers on the host too it may be the whole file; what the driver makes of that was not seen.
        for device in (number for number, kind in kinds.items() if kind == "metal" and number != HOST):
            sums.put(device, embedded_bytes(model), read_ratio=0.0)
            sums.put(HOST, -embedded_bytes(model), read_ratio=0.0)
    return {
        device: Held(n_bytes=sums.held[device], read_bytes=sums.read[device], n_blocks=sums.n_blocks[device])
        for device in kinds
    }


@of_model
def embedded_bytes(model: Model) -> int:
    """Embeddings that lie between other tensors in the file, so that Metal maps them with those.

    Its buffer is the file from the first to the last tensor that it holds (`get_mapping_range`,
    src/llama-model-loader.cpp; `load_tensors`, src/llama-model.cpp). TinyLlama as Q4_0, whose head comes before the
    embedding, is 606.53 MiB there, all of the file; Qwen 2.5 7B as Q4_K_M, whose embedding comes first, all but that.
    """
    table = weight_table(model, "metal")
    inputs = INPUT_TENSORS - {"token_embd.weight"} if table.tied_bytes else INPUT_TENSORS
    n_loaded = model.n_layers - model.n_predictor_layers
    held = [
        number
        for number, tensor in enumerate(model.tensors)
        if tensor.name not in inputs and _block_of(tensor) < n_loaded
    ]
    if not held:
        return 0
    between = model.tensors[held[0] : held[-1]]
    return sum(stored_bytes(tensor.type, tensor.shape) for tensor in between if tensor.name in inputs)


def _block_of(tensor: Tensor) -> int:
    return int(tensor.name.split(".", 2)[1]) if tensor.name.startswith("blk.") else -1


class _Sums:
    """What is put where."""

    __slots__ = ("held", "n_blocks", "read")

    def __init__(self, devices: Iterable[int]) -> None:
        self.held = dict.fromkeys(devices, 0)
        self.read = self.held.copy()
        self.n_blocks = self.held.copy()

    def put(self, device: int, n_bytes: int, read_ratio: float = 1.0) -> None:
        self.held[device] += n_bytes
        self.read[device] += n_bytes if read_ratio == 1.0 else round(n_bytes * read_ratio)


def _put_ends(
    sums: _Sums, model: Model, layout: Layout, kinds: Mapping[int, str], tables: Mapping[int, "WeightTable"]
) -> None:
    """What belongs to no block."""
    first, output = layout.layer_devices[0], layout.layer_devices[-1]
    sums.put(first, tables[first].first_layer_bytes)
    sums.put(output, tables[output].output_bytes)
    for tensor, home in _moved_outputs(model, layout):
        sums.put(output, -ROUNDINGS[kinds[output]].tensor_bytes(tensor.type, tensor.shape))
        sums.put(home, ROUNDINGS[kinds[home]].tensor_bytes(tensor.type, tensor.shape))
    if output != HOST or model.architecture in ALWAYS_COPIED:
        sums.put(output, tables[output].tied_bytes)
        if kinds[output] == "metal":  # both copies are the same pages of the mapped file; CUDA copies
            sums.put(HOST, -tables[HOST].tied_bytes, read_ratio=0.0)
    else:
        sums.read[HOST] += tables[HOST].tied_bytes


def _moved_outputs(model: Model, layout: Layout) -> list[tuple[Tensor, int]]:
    """What belongs to the output layer and lies elsewhere, with its place."""
    if not overrides_of(layout.overrides, -1):
        return []
    elsewhere = INPUT_TENSORS | FIRST_LAYER_TENSORS
    loose = [t for t in model.tensors if not t.name.startswith(("blk.", "rope_")) and t.name not in elsewhere]
    placed = [(tensor, weight_device(tensor.name, layout)) for tensor in loose]
    return [(tensor, home) for tensor, home in placed if home != layout.layer_devices[-1]]


Sums = tuple[tuple[int, int], ...]


def _scattered(model: Model, block: int, device: int, layout: Layout, kinds: Mapping[int, str]) -> tuple[Sums, Sums]:
    """(dense, experts): bytes by device of a block, some of whose tensors are elsewhere."""
    is_moe_on_host = block < layout.n_cpu_moe_layers
    overrides = overrides_of(layout.overrides, block)
    return _scattered_block(model, block, device, overrides, is_moe_on_host, tuple(sorted(kinds.items())))


@of_model_by(4096)
def _scattered_block(
    model: Model,
    block: int,
    device: int,
    overrides: tuple[Override, ...],
    is_moe_on_host: bool,  # noqa: FBT001  # a part of the key
    kinds: tuple[tuple[int, str], ...],
) -> tuple[Sums, Sums]:
    roundings = {number: ROUNDINGS[kind] for number, kind in kinds}
    lone = Layout(
        layer_devices=(device,) * (model.n_layers + 1),
        n_cpu_moe_layers=model.n_layers if is_moe_on_host else 0,
        n_gpu_layers=0,
        overrides=overrides,
    )
    dense: dict[int, int] = {}
    experts: dict[int, int] = {}
    if block < model.n_layers - model.n_predictor_layers:
        for tensor in block_tensors(model)[block]:
            home = weight_device(tensor.name, lone)
            held = experts if "_exps" in tensor.name else dense
            held[home] = held.get(home, 0) + roundings[home].tensor_bytes(tensor.type, tensor.shape)
    return tuple(dense.items()), tuple(experts.items())


@of_model
def block_tensors(model: Model) -> tuple[tuple[Tensor, ...], ...]:
    """The tensors of each block."""
    blocks: list[list[Tensor]] = [[] for _ in range(model.n_layers)]
    for tensor in model.tensors:
        if tensor.name.startswith("blk."):
            number = int(tensor.name.split(".", 2)[1])
            if number < model.n_layers:
                blocks[number].append(tensor)
    return tuple(tuple(block) for block in blocks)


@record(frozen=True, slots=True, kw_only=True)
class WeightTable:
    """The weights of a model as one kind of buffer rounds them, summed by where they belong."""

    layer_bytes: tuple[int, ...]
    """Per block, experts apart."""
    expert_bytes: tuple[int, ...]
    """Per block, only the matrices of the experts."""
    input_bytes: int
    """Embeddings that are looked up row by row: always on the host."""
    output_bytes: int
    """With the output layer: head, last norm and whatever belongs to no block."""
    first_layer_bytes: int
    """Tensors outside the blocks that are placed with the first one."""
    rope_bytes: int
    """A copy for each device that holds a block."""
    tied_bytes: int
    """The embedding that serves as the head as well; a second copy where the output layer is on a device."""
    used_expert_ratio: float
    """Of the experts' bytes, what one token reads."""
    largest_bytes: dict[str, int]
    """Per kind of matrix (``ffn_down``), the largest one of the blocks."""


@of_model_by(64)
def weight_table(model: Model, kind: str) -> WeightTable:
    """The table of a model for a kind of buffer, a key of ROUNDINGS; remembered, since it costs milliseconds."""
    rounding = ROUNDINGS[kind]
    n_blocks = model.n_layers
    n_loaded = n_blocks - model.n_predictor_layers
    layers, experts = [0] * n_blocks, [0] * n_blocks
    sums = {"input": 0, "output": 0, "first": 0, "rope": 0}
    tied_bytes = 0
    largest: dict[str, int] = {}
    has_head = False
    for tensor in model.tensors:
        name = tensor.name
        n_bytes = rounding.tensor_bytes(tensor.type, tensor.shape)
        if name.startswith("blk."):
            _, number, rest = name.split(".", 2)
            block = int(number)
            if block >= n_loaded:
                continue
            if "_exps" in rest:
                experts[block] += n_bytes
            else:
                layers[block] += n_bytes
            if len(tensor.shape) > 1 and rest.endswith("weight") and "norm" not in rest:
                matrix = rest.removesuffix(".weight")
                largest[matrix] = max(largest.get(matrix, 0), n_bytes)
        elif name in INPUT_TENSORS:
            sums["input"] += n_bytes
            if name == "token_embd.weight":
                tied_bytes = n_bytes
        elif name.startswith("rope_"):
            sums["rope"] += n_bytes
        elif name in FIRST_LAYER_TENSORS or (
            name == "token_embd_norm.weight" and model.architecture not in NORMED_LAST_BY_TOKEN_NORM
        ):
            sums["first"] += n_bytes
        else:
            sums["output"] += n_bytes
            has_head = has_head or name == "output.weight"
    return WeightTable(
        layer_bytes=tuple(layers),
        expert_bytes=tuple(experts),
        input_bytes=sums["input"],
        output_bytes=sums["output"],
        first_layer_bytes=sums["first"],
        rope_bytes=sums["rope"],
        tied_bytes=0 if has_head or model.architecture in HEADLESS | UNCOPIED_HEADS else tied_bytes,
        used_expert_ratio=min(1.0, model.experts.n_used / max(1, model.experts.n_experts)) if model.experts else 1.0,
        largest_bytes=largest,
    )
