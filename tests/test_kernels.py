"""What kernels want beside their results, by kind of device."""

from measured import measured_model

from estimator.buffers import simulated_buffers
from estimator.graph import Node
from estimator.kernels import KERNELS, scratch_bytes
from estimator.kv_cache import cache_shape
from estimator.ledger import Workload
from estimator.rounding import ROUNDINGS
from estimator.scratch import Step

CUDA = ROUNDINGS["cuda"]


def flash(kv_type: str, *, n_queries: int = 512, shares_cache: bool = False) -> Node:
    """32 heads of 128 over 8 KV heads and 4096 cells."""
    query = Node("q", "PERMUTE", "F32", (128, n_queries, 32, 1))
    cache = Node("cache_k", "CACHE", kv_type, (1024, 4096, 1), home=0)
    keys = Node("k", "PERMUTE", kv_type, (128, 4096, 8, 1), (cache,), base=cache)
    other = cache if shares_cache else Node("cache_v", "CACHE", kv_type, (1024, 4096, 1), home=0)
    values = Node("v", "PERMUTE", kv_type, (128, 4096, 8, 1), (other,), base=other)
    return Node("fattn", "FLASH_ATTN_EXT", "F32", (128, 32, n_queries, 1), (query, keys, values))


def test_cuda_expands_keys_and_values_of_a_quantised_cache() -> None:
    assert scratch_bytes(flash("Q8_0"), "cuda", CUDA) == 2 * 2 * 128 * 4096 * 8


def test_values_that_are_a_view_of_the_keys_are_not_expanded_again() -> None:
    assert scratch_bytes(flash("Q8_0", shares_cache=True), "cuda", CUDA) == 2 * 128 * 4096 * 8


def test_a_cache_of_halves_is_read_as_it_is() -> None:
    assert scratch_bytes(flash("F16"), "cuda", CUDA) == 0


def test_vulkan_reads_a_quantised_cache_as_it_is() -> None:
    assert scratch_bytes(flash("Q8_0"), "gpu", CUDA) == 0


def test_metal_wants_partial_results_for_short_queries_only() -> None:
    few, many = (scratch_bytes(flash("F16", n_queries=n), "metal", CUDA) for n in (16, 32))
    more = scratch_bytes(flash("F16", n_queries=512), "metal", CUDA)
    assert many - few == 4 * 16 * 32 * 32 * 130 + 64 * 2 * 16
    assert more - many == 64 * 2 * 480


def test_metal_sorts_into_a_second_buffer() -> None:
    sorted_ = Node("argsort", "ARGSORT", "I32", (128, 512))
    assert [scratch_bytes(sorted_, kind, CUDA) for kind in ("cuda", "metal")] == [0, 4 * 128 * 512]


def test_every_kind_of_device_has_rules() -> None:
    assert set(KERNELS) >= set(ROUNDINGS) - {"host"}


def test_a_device_that_reorders_may_keep_the_masks_memory_unused() -> None:
    model = measured_model("llama-3.1-8b")
    assert model is not None
    shape = cache_shape(Workload(context_tokens=8192), n_batch_tokens=512, n_ubatch_tokens=512, is_unified=False)
    asked = Step(shape=shape, n_outputs=1, is_flash_attention=True, key_type="F16", value_type="F16")
    plain, stranded = (
        simulated_buffers(model, asked, (1 << 30, 1 << 20), may_strand_masks=may)[0].high_bytes for may in (False, True)
    )
    assert stranded - plain == 2 * 8192 * 512
