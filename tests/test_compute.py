"""The simulation of compute buffers, piece by piece: repeats, free blocks, lives, cuts, and whole graphs."""

from dataclasses import replace

import pytest
from measured import measured_model

from estimator.allocator import Allocator, Pool
from estimator.compute import Machine, compute_bytes, graph_of, simulated
from estimator.fusion import longer_lives
from estimator.graph import Graph, Node
from estimator.kv_cache import cache_shape
from estimator.ledger import Workload
from estimator.mixture import requantised
from estimator.model import Model
from estimator.placement import HOST, Layout, Override, place_layers
from estimator.repeats import Run, runs_of
from estimator.rounding import ROUNDINGS
from estimator.scheduler import Scheduler, Split
from estimator.scratch import Step

CUDA = ROUNDINGS["cuda"]
MODELS = ("llama-3.1-8b", "gemma-3-12b", "gpt-oss-20b", "qwen3-30b-a3b", "deepseek-v2-lite")


def model_of(name: str) -> Model:
    model = measured_model(name)
    assert model is not None
    return model


def step(n_tokens: int = 8192, *, is_flash_attention: bool = True, kv_type: str = "F16", n_outputs: int = 1) -> Step:
    shape = cache_shape(
        Workload(context_tokens=n_tokens), n_batch_tokens=2048, n_ubatch_tokens=512, is_unified=False
    )  # fmt: skip
    return Step(
        shape=shape,
        n_outputs=n_outputs,
        is_flash_attention=is_flash_attention,
        key_type=kv_type,
        value_type=kv_type,
    )


def layout(model: Model, n_gpu_layers: int, shares: tuple[float, ...] = (1.0,), n_cpu_moe_layers: int = 0) -> Layout:
    return Layout(
        layer_devices=place_layers(model.n_layers, n_gpu_layers, shares),
        n_cpu_moe_layers=n_cpu_moe_layers,
        n_gpu_layers=n_gpu_layers,
    )


def machine(n_devices: int = 1) -> Machine:
    return Machine(n_devices=n_devices, rounding=CUDA, host_alignment_bytes=64)


def test_equal_neighbours_are_one_run() -> None:
    assert list(runs_of("aaaab")) == [Run(0, 1, 4), Run(4, 1, 1)]


def test_a_pattern_is_a_run_of_its_own_period() -> None:
    assert list(runs_of("sssfsssfsssfss")) == [Run(0, 4, 3), Run(12, 1, 2)]


def test_runs_cover_every_entry_once() -> None:
    entries = "aabababcccabcabcab"
    covered = [run.start + n for run in runs_of(entries) for n in range(run.period * run.n_repeats)]
    assert covered == list(range(len(entries)))


def test_a_pool_takes_the_smallest_hole_that_is_large_enough() -> None:
    pool = Pool(1)
    addresses = [pool.take(n) for n in (40, 1, 20, 1, 30, 1)]
    for address, n_bytes in ((addresses[0], 40), (addresses[2], 20), (addresses[4], 30)):
        pool.give_back(address, n_bytes)
    assert pool.take(25) == addresses[4]


def test_a_pool_joins_freed_neighbours() -> None:
    pool = Pool(1)
    addresses = [pool.take(10) for _ in range(4)]
    for address in (addresses[0], addresses[2], addresses[1]):
        pool.give_back(address, 10)
    assert pool.blocks[0] == [0, 30]


def test_a_pools_peak_is_its_high_water_mark_with_alignment() -> None:
    pool = Pool(128)
    pool.give_back(pool.take(1), 1)
    pool.take(129)
    assert pool.peak_bytes == 256


def chain(*ops: str) -> Graph:
    """Operations one after another on a vector of 1 KiB, from an input on."""
    first = Node("in", "NONE", "F32", (256,), is_input=True)
    nodes = [first]
    for op in ops:
        nodes.append(Node(op, op, "F32", (256,), (nodes[-1],)))
    for node in nodes:
        node.device = 0
    return Graph(nodes[1:], [first], [])


def buffer_bytes(graph: Graph) -> int:
    (found,) = Allocator([1]).reserve(graph, [Split(0, 0, len(graph.nodes))])
    return found


def test_an_elementwise_operation_writes_over_its_source() -> None:
    assert buffer_bytes(chain("SCALE", "SCALE", "SCALE")) == 1024


def test_a_matrix_product_needs_memory_of_its_own() -> None:
    assert buffer_bytes(chain("MUL_MAT", "MUL_MAT", "MUL_MAT")) == 2048


def test_what_is_an_output_is_not_written_over() -> None:
    graph = chain("MUL_MAT", "SCALE")
    graph.nodes[0].is_output = True
    assert buffer_bytes(graph) == 2048


def test_what_is_still_read_through_a_view_stays() -> None:
    graph = chain("MUL_MAT")
    (made,) = graph.nodes
    view = Node("view", "RESHAPE", "F32", (256,), (made,), base=made)
    other = Node("other", "MUL_MAT", "F32", (256,), (made,))
    last = Node("last", "MUL_MAT", "F32", (256,), (other, view))
    for node in (view, other, last):
        node.device = 0
        graph.nodes.append(node)
    assert buffer_bytes(graph) == 3072


def test_the_experts_results_live_until_their_sum_as_cuda_fuses_them() -> None:
    down, weights = Node("down", "MUL_MAT_ID", "F32", (8, 2, 4)), Node("weights", "GET_ROWS", "F32", (1, 2, 4))
    weighted = Node("ffn_moe_weighted", "MUL", "F32", (8, 2, 4), (down, weights))
    parts = [Node("part", "VIEW", "F32", (8, 4), (weighted,), base=weighted) for _ in range(2)]
    total = Node("ffn_moe_out", "ADD", "F32", (8, 4), parts)
    assert longer_lives([weighted, *parts, total]) == {id(total): [[down, weights]]}


def test_a_split_holds_one_weight_of_the_host_at_a_time() -> None:
    model = model_of("llama-3.1-8b")
    graph = graph_of(model, step(), layout(model, 20), machine(), None)
    splits = Scheduler(1, CUDA).schedule(graph)
    n_weights = [sum(source.op == "WEIGHT" and len(source.shape) > 1 for source, _ in split.copied) for split in splits]
    assert max(n_weights) == 1


def test_small_steps_are_computed_where_the_weights_are() -> None:
    model = model_of("llama-3.1-8b")
    few = cache_shape(Workload(context_tokens=8192), n_batch_tokens=16, n_ubatch_tokens=16, is_unified=False)
    asked = Step(shape=few, n_outputs=1, is_flash_attention=True, key_type="F16", value_type="F16")
    made = compute_bytes(model, asked, layout(model, 0), machine())
    assert made is not None
    assert made[0] == 0


@pytest.mark.parametrize(
    ("name", "n_gpu_layers", "shares", "n_cpu_moe_layers"),
    [
        *((name, 999, (1.0,), 0) for name in MODELS),
        *((name, 7, (1.0,), 0) for name in ("gemma-3-12b", "deepseek-v2-lite")),
        *((name, 999, (2.0, 1.0), 0) for name in ("gemma-3-12b", "gpt-oss-20b")),
        ("qwen3-30b-a3b", 999, (1.0,), 5),
    ],
)
def test_a_stack_cut_short_needs_what_the_whole_one_needs(
    name: str, n_gpu_layers: int, shares: tuple[float, ...], n_cpu_moe_layers: int
) -> None:
    model = model_of(name)
    spread = layout(model, min(n_gpu_layers, model.n_layers + 1), shares, n_cpu_moe_layers)
    asked = step(kv_type="Q8_0", n_outputs=512)
    made = compute_bytes(model, asked, spread, machine(len(shares)))
    assert made == simulated(model, asked, spread, machine(len(shares)))


def test_a_buffer_does_not_depend_on_the_quant_where_all_weights_are_on_devices() -> None:
    model = model_of("llama-3.1-8b")
    asked, spread = step(4096), layout(model, 33)
    compute_bytes(model, asked, spread, machine())
    other = requantised(model, "Q8_0")
    assert compute_bytes(other, asked, spread, machine()) is compute_bytes(model, asked, spread, machine())


def test_an_architecture_without_a_builder_is_not_simulated() -> None:
    model = replace(model_of("llama-3.1-8b"), architecture="novel")
    assert compute_bytes(model, step(), layout(model, 33), machine()) is None


def test_tensors_moved_by_a_pattern_are_fetched_by_the_first_device() -> None:
    model = model_of("llama-3.1-8b")
    spread = layout(model, 33)
    moved = replace(spread, overrides=(Override(pattern="ffn_up", device=HOST),))
    plain, fetching = (compute_bytes(model, step(), one, machine()) for one in (spread, moved))
    assert plain is not None
    assert fetching is not None
    assert fetching[0] > plain[0]


def test_a_conversion_with_other_tensors_is_not_simulated() -> None:
    model = model_of("deepseek-v2-lite")
    older = replace(model, tensors=tuple(t for t in model.tensors if not t.name.endswith("attn_k_b.weight")))
    assert compute_bytes(older, step(), layout(older, 99), machine()) is None


def test_a_file_that_lacks_a_matrix_is_not_simulated() -> None:
    model = model_of("llama-3.1-8b")
    damaged = replace(model, tensors=tuple(t for t in model.tensors if "ffn_down" not in t.name))
    assert compute_bytes(damaged, step(), layout(damaged, 99), machine()) is None


@pytest.mark.parametrize("n_used", [0, 10**9])
def test_a_number_of_experts_that_no_model_has_is_not_simulated(n_used: int) -> None:
    model = model_of("qwen3-30b-a3b")
    assert model.experts is not None
    odd = replace(model, experts=replace(model.experts, n_used=n_used))
    assert compute_bytes(odd, step(), layout(model, 49), machine()) is None
