"""Encoders that make embeddings: all tokens attend to all others of the same step, nothing is cached, no logits.

llama.cpp: src/models/bert.cpp, modern-bert.cpp, neo-bert.cpp, eurobert.cpp, gemma-embedding.cpp and `build_attn` for
llm_graph_input_attn_no_cache in src/llama-graph.cpp, as of 2026-10-01.
"""

from estimator.graph import Draft, Node
from estimator.graphs.feed_forward import RouterTraits, experts, feed_forward
from estimator.graphs.transformer import embedded, embedding_norm, output_rows
from estimator.model import Model
from estimator.windows import WINDOWS

ROTATED = frozenset({"eurobert", "jina-bert-v3", "modern-bert", "neo-bert", "nomic-bert", "nomic-bert-moe"})
"""Those of BERT's kin whose queries and keys are rotated by their place."""
ROUTER = RouterTraits(is_normalised=False, is_fixed=True)
"""Of Nomic's experts."""


def is_windowed(model: Model, layer: int) -> bool:
    """Whether a layer sees its neighbourhood only (`load_swa_pattern` in gemma-embedding.cpp and modern-bert.cpp)."""
    windows = WINDOWS.get(model.architecture)
    return windows is not None and windows.covers(layer)


def build_gemma(draft: Draft) -> None:
    """EmbeddingGemma: Gemma's blocks, over two masks."""
    x = embedded(draft)
    x = draft.operation("inp_scaled", "SCALE", x.shape, x)
    full, windowed = _mask(draft, ""), _mask(draft, "_swa")
    for layer in draft.layers:
        draft.begin_layer()
        block = f"blk.{layer}."
        normed = draft.norm(x, f"{block}attn_norm.weight")
        query = _rotated(draft, "q", _projected(draft, layer, "q", normed))
        query = draft.operation("Qcur_scaled", "SCALE", query.shape, query)
        key = _rotated(draft, "k", _projected(draft, layer, "k", normed))
        value = _projected(draft, layer, "v", normed)
        mask = windowed if is_windowed(draft.model, layer) else full
        found = _attended(draft, layer, query, key, value, mask)
        if layer == draft.last_layer:
            found, x = output_rows(draft, found, x)
        found = draft.norm(found, f"{block}post_attention_norm.weight")
        residual = draft.operation("sa_out", "ADD", found.shape, found, x)
        found = feed_forward(draft, layer, draft.norm(residual, f"{block}ffn_norm.weight"))
        found = draft.norm(found, f"{block}post_ffw_norm.weight")
        x = draft.operation("l_out", "ADD", found.shape, found, residual)
    x = draft.norm(x, "output_norm.weight")
    x.is_output = True


def build_bert(draft: Draft) -> None:
    """BERT and what came of it: norms behind the sums; positions are added (BERT) or rotated (Nomic)."""
    draft.norm_operation = "NORM"
    x = embedded(draft)
    places = None
    if draft.has("position_embd.weight"):
        places = draft.operation("pos", "GET_ROWS", x.shape, draft.weight("position_embd.weight"), draft.positions)
    if draft.has("token_types.weight"):
        types = draft.weight("token_types.weight")
        row = draft.view("type_row0", "VIEW", (x.shape[0],), types, n_bytes=4 * x.shape[0])
        x = draft.operation("inp_typed", "ADD", x.shape, x, row)
    if places is not None:
        x = draft.operation("inp_placed", "ADD", x.shape, places, x)
    x = embedding_norm(draft, x)
    mask = _mask(draft, "")
    for layer in draft.layers:
        draft.begin_layer()
        block = f"blk.{layer}."
        query, key, value = _parts(draft, layer, x)
        found = _attended(draft, layer, query, key, value, mask)
        if layer == draft.last_layer:
            found, x = output_rows(draft, found, x)
        found = draft.operation("attn_sum", "ADD", found.shape, found, x)
        residual = draft.norm(found, f"{block}attn_output_norm.weight")
        if draft.has(f"{block}ffn_gate_inp.weight"):
            found = experts(draft, layer, residual, ROUTER)
        else:
            found = feed_forward(draft, layer, residual)
        found = draft.operation("l_out", "ADD", found.shape, found, residual)
        x = draft.norm(found, f"{block}layer_output_norm.weight")
    x.is_output = True


def build_pre_normed(draft: Draft) -> None:
    """ModernBERT, NeoBERT and EuroBERT: norms before the matrices, as in models that write text."""
    if draft.model.architecture == "modern-bert":
        draft.norm_operation = "NORM"
    x = embedded(draft)
    if draft.has("token_embd_norm.weight"):
        x = embedding_norm(draft, x)
    full, windowed = _mask(draft, ""), _mask(draft, "_swa")
    for layer in draft.layers:
        draft.begin_layer()
        block = f"blk.{layer}."
        weight = f"{block}attn_norm.weight"
        normed = (
            draft.norm(x, weight) if draft.has(weight) else x
        )  # ModernBERT's first layer reads the normed embedding
        query, key, value = _parts(draft, layer, normed)
        mask = windowed if is_windowed(draft.model, layer) else full
        found = _attended(draft, layer, query, key, value, mask)
        if layer == draft.last_layer:
            found, x = output_rows(draft, found, x)
        residual = draft.operation("ffn_inp", "ADD", found.shape, found, x)
        found = feed_forward(draft, layer, draft.norm(residual, f"{block}ffn_norm.weight"))
        x = draft.operation("l_out", "ADD", found.shape, found, residual)
    x = draft.norm(x, "enc.output_norm.weight" if draft.has("enc.output_norm.weight") else "output_norm.weight")
    x.is_output = True


def _mask(draft: Draft, tag: str) -> Node:
    """Tokens by tokens."""
    type_name = "F16" if draft.step.is_flash_attention else "F32"
    return draft.input(f"self_kq_mask{tag}", type_name, draft.n_tokens, draft.n_tokens)


def _n_heads(draft: Draft, part: str) -> int:
    return draft.model.n_heads if part == "q" else draft.model.n_kv_heads


def _projected(draft: Draft, layer: int, part: str, x: Node) -> Node:
    """(width, heads, tokens) of queries, keys or values, normed by head where there is a norm of that width."""
    block = f"blk.{layer}.attn_{part}"
    found = draft.biased(draft.matrix(f"{part}cur", f"{block}.weight", x), f"{block}.bias")
    norm, width = f"{block}_norm.weight", draft.model.head_width
    shape = (width, _n_heads(draft, part), draft.n_tokens)
    if shape[1] > 1 and draft.has(norm) and draft.tensors[norm][1] == (width * shape[1],):  # all heads together (Jina)
        return draft.view(f"{part}cur", "RESHAPE", shape, draft.norm(found, norm))
    found = draft.view(f"{part}cur", "RESHAPE", shape, found)
    return draft.norm(found, norm) if draft.has(norm) else found


def _parts(draft: Draft, layer: int, x: Node) -> tuple[Node, Node, Node]:
    """Queries, keys and values by a matrix each, or by one for all (Nomic); the first two rotated where need be."""
    name = f"blk.{layer}.attn_qkv"
    fused: Node | None = None
    if draft.has(f"{name}.weight"):
        fused = draft.biased(draft.matrix("wqkv", f"{name}.weight", x), f"{name}.bias")

    def part(name: str) -> Node:
        if fused is None:
            found = _projected(draft, layer, name, x)
        else:
            shape = (draft.model.head_width, _n_heads(draft, name), draft.n_tokens)
            spanned = 4 * ((draft.n_tokens - 1) * fused.shape[0] + shape[0] * shape[1])
            found = draft.view(f"{name}cur", "VIEW", shape, fused, n_bytes=spanned, is_contiguous=False)
        return _rotated(draft, name, found) if draft.model.architecture in ROTATED and name != "v" else found

    return part("q"), part("k"), part("v")


def _rotated(draft: Draft, part: str, x: Node) -> Node:
    return draft.operation(f"{part}cur", "ROPE", x.shape, x, draft.positions)


def _attended(draft: Draft, layer: int, query: Node, key: Node, value: Node, mask: Node) -> Node:
    """What attention over the step's own keys and values gives, behind its output matrix."""
    width, n_heads, n_tokens = query.shape
    _, n_kv_heads, _ = key.shape

    def turned(name: str, x: Node) -> Node:
        return draft.view(
            name, "PERMUTE", (x.shape[0], n_tokens, x.shape[1]), x, n_bytes=x.n_bytes, is_contiguous=False
        )

    def halved(name: str, x: Node) -> Node:
        return draft.operation(f"{name}_f16", "CPY", (x.shape[0], n_tokens, x.shape[2]), x, type_name="F16")

    q = draft.view("q", "VIEW", query.shape, query, n_bytes=query.n_bytes)
    if draft.step.is_flash_attention:
        q = turned("q", q)
        k, v = halved("k", turned("k", key)), halved("v", turned("v", value))
        found = draft.operation("fattn", "FLASH_ATTN_EXT", (width, n_heads, n_tokens), q, k, v, mask)
        found = draft.view("kqv_out", "RESHAPE", (width * n_heads, n_tokens), found)
    else:
        v = turned("v", value)
        turned_values = (n_tokens, width, n_kv_heads)
        v = draft.view("v_trans", "TRANSPOSE", turned_values, v, n_bytes=v.n_bytes, is_contiguous=False)
        v = draft.operation("v_cont", "CONT", turned_values, v)
        k = turned("k", key)
        scores = draft.operation("kq", "MUL_MAT", (n_tokens, n_tokens, n_heads), k, turned("q", q))
        shares = draft.operation("kq_soft_max", "SOFT_MAX", scores.shape, scores, mask)
        found = draft.operation("kqv", "MUL_MAT", (width, n_tokens, n_heads), v, shares)
        found = draft.view("kqv", "PERMUTE", (width, n_heads, n_tokens), found, is_contiguous=False)
        found = draft.operation("kqv_out", "CONT", (width * n_heads, n_tokens), found)
    name = f"blk.{layer}.attn_output"
    return draft.biased(draft.matrix("attn_out", f"{name}.weight", found), f"{name}.bias")
