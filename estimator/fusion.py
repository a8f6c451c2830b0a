"""Which nodes CUDA keeps alive longer, so that it can fuse a router, or the sum of the experts, into one kernel.

ggml/src/ggml-cuda/ggml-cuda.cu, `ggml_backend_cuda_graph_optimize`, as of 2026-10-01.
"""

from collections.abc import Sequence

from estimator.graph import Node

MAX_SOURCES = 10
"""GGML_MAX_SRC: so many nodes one read can keep."""
MAX_FUSED_EXPERTS = 15
MAX_ROUTED_EXPERTS = 512
ODD_ROUTED_EXPERTS = (288, 576)
"""Routers are fused for powers of two up to the maximum, and for these."""
_NORMALISED = (
    "ffn_moe_weights_flat",
    "ffn_moe_weights_sum",
    "ffn_moe_weights_sum_clamped",
    "ffn_moe_weights_norm",
    "ffn_moe_weights_norm_flat",
)


def longer_lives(nodes: Sequence[Node]) -> dict[int, list[list[Node]]]:
    """What has to stay until after which node (by its ``id``), in batches that one read can keep."""
    kept: dict[int, list[Node]] = {}

    def keep(node: Node, until: Node) -> None:
        found = kept.setdefault(id(until), [])
        if all(other is not node for other in found):
            found.append(node)

    index = 0
    while index < len(nodes):
        node = nodes[index]
        if node.name == "ffn_moe_weighted":
            last = index + 2 * node.shape[1] - 1
            if 2 <= node.shape[1] <= MAX_FUSED_EXPERTS and last < len(nodes) and nodes[last].name == "ffn_moe_out":
                keep(node.sources[0], nodes[last])
                keep(node.sources[1], nodes[last])
                index = last
        elif (node.name == "ffn_moe_probs" and node.op not in {"SQRT", "ADD"}) or node.name == "ffn_moe_softplus":
            is_root = node.name == "ffn_moe_softplus"
            n_fused = _n_router_nodes(nodes, index + is_root)
            n_fused += is_root if n_fused else 0
            if n_fused and index + n_fused < len(nodes):
                until = nodes[index + n_fused]
                for fused in nodes[index : index + n_fused]:
                    for kept_node in (fused, *fused.sources):
                        keep(kept_node, until)
                index += n_fused - 1
        index += 1
    return {
        node_id: [found[start : start + MAX_SOURCES] for start in range(0, len(found), MAX_SOURCES)]
        for node_id, found in kept.items()
    }


def _n_router_nodes(nodes: Sequence[Node], start: int) -> int:
    """How many nodes from here on are a router that is fused; 0 where none is."""
    n_experts = nodes[start].shape[0]
    is_power_of_two = n_experts & (n_experts - 1) == 0
    if not (is_power_of_two and n_experts <= MAX_ROUTED_EXPERTS) and n_experts not in ODD_ROUTED_EXPERTS:
        return 0
    names = [node.name for node in nodes[start : start + 13]]
    wanted = ["ffn_moe_probs", "ffn_moe_probs_reshaped", "ffn_moe_argsort", "ffn_moe_topk", "ffn_moe_weights"]
    if names[2:3] == ["ffn_moe_probs_biased"]:
        wanted.insert(2, "ffn_moe_probs_biased")
    n = len(wanted)
    if names[:n] != wanted:
        return 0
    if tuple(names[n : n + len(_NORMALISED)]) == _NORMALISED:
        n += len(_NORMALISED)
    return n + 1 if names[n : n + 1] == ["ffn_moe_weights_scaled"] else n
