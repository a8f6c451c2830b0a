"""From a checkpoint's row in the table to the metadata keys that a GGUF conversion of it has."""

import re
from typing import Any

# GGUF vocabularies: conversion/gemma.py, Gemma3Model.modify_tensors, drops rows that no token has.
GGUF_VOCABULARY = {262208: 262144, 262400: 262144}

WINDOWED = set(
    "gemma2 gemma3 gemma3n gemma4 gemma-embedding gpt-oss cohere2 cohere2moe olmo2 exaone4 exaone-moe llama4 afmoe "
    "step35 laguna mimo2 muse-glimmer".split()
)
"""Architectures whose window llama.cpp heeds."""

COUNTING_SHARED_EXPERTS = set(
    "deepseek deepseek2 deepseek32 deepseek4 mistral4 glm-dsa glm5-next glm4moe dots1 bailingmoe2 exaone-moe afmoe "
    "kimi-linear kimi-k3 minimax-m3".split()
)
"""Architectures that say how many shared experts there are, not how wide they are."""

# config.json, layer_types of the 4.0-h models with 40 layers.
GRANITE_ATTENTION_LAYERS = (5, 15, 25, 35)

# What llama.cpp of 2026-10 calls what the table has no name, or an older one, for; "opt", "longcat-flash" and "mllama"
# are not llama.cpp's.
ARCHITECTURES_BY_CLASS = {
    "DeepseekV32ForCausalLM": "deepseek32",
    "DeepseekV4ForCausalLM": "deepseek4",
    "Cohere2MoeForCausalLM": "cohere2moe",
    "OPTForCausalLM": "opt",
    "SolarOpenForCausalLM": "glm4moe",
    "KimiK3ForConditionalGeneration": "kimi-k3",
    "MiniMaxM1ForCausalLM": "minimax-01",
    "MiniMaxM3ForConditionalGeneration": "minimax-m3",
    "LongcatFlashForCausalLM": "longcat-flash",
    "Glm5NextForConditionalGeneration": "glm5-next",
    "Qwen4ExpForConditionalGeneration": "qwen4exp",
    "MuseGlimmerForConditionalGeneration": "muse-glimmer",
    "HYV3ForCausalLM": "hy_v3",
    "LagunaForCausalLM": "laguna",
}


def architecture_of(record: dict[str, Any]) -> str:
    found = ARCHITECTURES_BY_CLASS.get(record["architecture"]) or record["gguf_arch"] or record["family"]
    return str(found)


def metadata_of(record: dict[str, Any]) -> dict[str, Any]:
    """GGUF's keys without the architecture's prefix."""
    architecture, blocks = architecture_of(record), record["blocks"]
    keys: dict[str, Any] = {
        "block_count": record["num_layers"],
        "context_length": record["max_position_embeddings"] or 1 << 20,  # what the converter writes for Mamba
        "embedding_length": record["hidden_size"],
        "feed_forward_length": record["intermediate_size"] or 0,
        "vocab_size": GGUF_VOCABULARY.get(record["vocab_size"], record["vocab_size"]),
        "attention.head_count": 0,
    }
    for mixer in blocks["mixers"].values():
        keys |= MIXERS[mixer["kind"]](mixer, record)
    if "kda" in blocks["mixers"]:  # DeltaNet layers are those without KV heads
        attending = set(range(3, keys["block_count"], 4)) | {keys["block_count"] - 1}
        if architecture == "glm5-next":  # 45 layers: the last one is a DeltaNet's
            attending -= {keys["block_count"] - 1}
        keys |= per_layer_heads(attending, keys)
    for network in blocks["ffns"].values():
        if network["kind"] == "moe":
            keys |= experts(network, record)
    if architecture in WINDOWED and (window := record["attention"].get("sliding_window")):
        keys["attention.sliding_window"] = window
    if architecture in ARCHITECTURES:
        keys |= ARCHITECTURES[architecture](record, keys)
    return keys


def grouped(mixer: dict[str, Any], record: dict[str, Any]) -> dict[str, Any]:
    keys = {"attention.head_count": mixer["heads"], "attention.head_count_kv": mixer["kv_heads"]}
    value_width = mixer.get("v_head_dim") or mixer["head_dim"]
    if (mixer["head_dim"] * mixer["heads"], value_width) != (record["hidden_size"], mixer["head_dim"]):
        keys |= {"attention.key_length": mixer["head_dim"], "attention.value_length": value_width}
    if extra := mixer.get("extra"):  # an indexer: queries, one key, and their norms
        n_heads = extra // (record["hidden_size"] * INDEXER_WIDTH) - 1
        keys |= {"attention.indexer.head_count": n_heads, "attention.indexer.key_length": INDEXER_WIDTH}
    return keys


INDEXER_WIDTH = 128  # index key per token: the table's notes on MiniMax M3
KPOOL = 16  # GLM-5.3 Flash: what its indexers' further 526336 parameters are (4096 x 128 + 128 x 16)


def latent(mixer: dict[str, Any], _: dict[str, Any]) -> dict[str, Any]:
    keys = {
        "attention.head_count": mixer["heads"],
        "attention.head_count_kv": 1,
        "attention.kv_lora_rank": mixer["kv_lora"],
        "attention.key_length": mixer["kv_lora"] + mixer["rope"],
        "attention.value_length": mixer["kv_lora"],
        "attention.key_length_mla": mixer["nope"] + mixer["rope"],
        "attention.value_length_mla": mixer["v"],
        "rope.dimension_count": mixer["rope"],
    }
    if indexer := mixer.get("indexer"):
        keys |= {"attention.indexer.head_count": indexer["heads"], "attention.indexer.key_length": indexer["dim"]}
        keys |= {"attention.indexer.kpool": KPOOL} if indexer.get("extra") else {}
    return keys | ({"attention.q_lora_rank": mixer["q_lora"]} if mixer.get("q_lora") else {})


def compressed(mixer: dict[str, Any], record: dict[str, Any]) -> dict[str, Any]:
    """DeepSeek V4's. Layers compress by 4 and by 128 in turn, after two of the rarer kind."""
    counts, n_layers = record["attention"]["layer_counts"], record["num_layers"]
    first = 0 if "swa" in counts else 128
    found = {
        "attention.head_count": mixer["heads"],
        "attention.head_count_kv": 1,
        "attention.key_length": mixer["head_dim"],
        "attention.value_length": mixer["head_dim"],
        "attention.q_lora_rank": mixer["q_lora"],
        "attention.output_group_count": mixer["o_groups"],
        "attention.output_lora_rank": mixer["o_lora"],
        "attention.compress_ratios": [first] * 2 + [128 if i % 2 else 4 for i in range(n_layers - 2)],
        "attention.sliding_window": mixer["window"],
        "hyper_connection.count": N_STREAMS,
    }
    if indexer := mixer.get("indexer"):
        found |= {"attention.indexer.head_count": indexer["heads"], "attention.indexer.key_length": indexer["dim"]}
    return found


N_STREAMS = 4  # residual streams of DeepSeek V4, GLM-5.3 Flash and Qwen3.8 Flash: what their further parameters are


def mamba1(mixer: dict[str, Any], _: dict[str, Any]) -> dict[str, Any]:
    return {
        "ssm.conv_kernel": mixer["d_conv"],
        "ssm.inner_size": mixer["d_inner"],
        "ssm.state_size": mixer["d_state"],
        "ssm.time_step_rank": mixer["dt_rank"],
    }


def delta_attention(mixer: dict[str, Any], _: dict[str, Any]) -> dict[str, Any]:
    return {"attention.head_count": mixer["heads"], "kda.head_dim": mixer["head_dim"], "ssm.conv_kernel": mixer["conv"]}


def lightning(_: dict[str, Any], __: dict[str, Any]) -> dict[str, Any]:
    return {"full_attention_interval": 8}


def nothing(_: dict[str, Any], __: dict[str, Any]) -> dict[str, Any]:
    return {}


def mamba2(mixer: dict[str, Any], _: dict[str, Any]) -> dict[str, Any]:
    return {
        "ssm.conv_kernel": mixer["d_conv"],
        "ssm.inner_size": mixer["n_heads"] * mixer["head_dim"],
        "ssm.state_size": mixer["d_state"],
        "ssm.time_step_rank": mixer["n_heads"],
        "ssm.group_count": mixer["n_groups"],
    }


def gated_delta_net(mixer: dict[str, Any], _: dict[str, Any]) -> dict[str, Any]:
    return {
        "full_attention_interval": 4,
        "ssm.conv_kernel": mixer["conv"],
        "ssm.inner_size": mixer["v_heads"] * mixer["v_dim"],
        "ssm.state_size": mixer["k_dim"],
        "ssm.time_step_rank": mixer["v_heads"],
        "ssm.group_count": mixer["k_heads"],
    }


def short_convolution(mixer: dict[str, Any], _: dict[str, Any]) -> dict[str, Any]:
    return {"shortconv.l_cache": mixer["l_cache"]}


MIXERS = {
    "gqa": grouped,
    "cross": nothing,
    "mla": latent,
    "dsv4": compressed,
    "kda": delta_attention,
    "lightning": lightning,
    "mamba1": mamba1,
    "mamba2": mamba2,
    "gdn": gated_delta_net,
    "shortconv": short_convolution,
}


def experts(network: dict[str, Any], record: dict[str, Any]) -> dict[str, Any]:
    keys = {"expert_count": network["experts"], "expert_used_count": network["top_k"]}
    if network["inter"] != record["intermediate_size"]:
        keys["expert_feed_forward_length"] = network["inter"]
    if narrow := network.get("latent"):
        keys["expert_latent_length" if network.get("latent_norm") else "moe_latent_size"] = narrow
    if shared := network.get("shared_inter"):
        if architecture_of(record) in COUNTING_SHARED_EXPERTS:
            keys["expert_shared_count"] = shared // network["inter"]
        else:
            keys["expert_shared_feed_forward_length"] = shared
    groups = record["blocks"]["groups"]
    networks = record["blocks"]["ffns"]
    n_dense = sum(g["count"] for g in groups if isinstance(g["ffn"], str) and networks[g["ffn"]]["kind"] == "mlp")
    if n_dense and architecture_of(record) not in {"llama4", "jamba"}:
        keys["leading_dense_block_count"] = n_dense
    return keys


def glm4moe(record: dict[str, Any], keys: dict[str, Any]) -> dict[str, Any]:
    if not record["params_mtp"]:
        return {}
    return {"block_count": keys["block_count"] + 1, "nextn_predict_layers": 1}


def llama4(record: dict[str, Any], _: dict[str, Any]) -> dict[str, Any]:
    """Scout has experts in every layer, Maverick in every second."""
    is_interleaved = "mlp" in record["blocks"]["ffns"]
    return {"interleave_moe_layer_step": 2 if is_interleaved else 1, "attention.chunk_size": 8192}


def per_layer_heads(attending: set[int], keys: dict[str, Any]) -> dict[str, Any]:
    n_kv_heads = keys["attention.head_count_kv"]
    return {"attention.head_count_kv": [n_kv_heads if i in attending else 0 for i in range(keys["block_count"])]}


def granitehybrid(_: dict[str, Any], keys: dict[str, Any]) -> dict[str, Any]:
    assert keys["block_count"] == 40
    return per_layer_heads(set(GRANITE_ATTENTION_LAYERS), keys)


def lfm2(record: dict[str, Any], keys: dict[str, Any]) -> dict[str, Any]:
    listed = re.search(r"\[(.*?)\]", record["attention"]["pattern"])
    assert listed
    return per_layer_heads({int(n) for n in listed[1].split(",")}, keys)


def nemotron_h(record: dict[str, Any], keys: dict[str, Any]) -> dict[str, Any]:
    pattern = record["attention"]["pattern"].split(" ")[0]
    inner = keys["feed_forward_length"]
    found = per_layer_heads({i for i, c in enumerate(pattern) if c == "*"}, keys)
    found["feed_forward_length"] = [inner if c in "-E" else 0 for c in pattern]
    if "expert_count" in keys:
        found["expert_feed_forward_length"] = inner
    return found


def jamba(record: dict[str, Any], keys: dict[str, Any]) -> dict[str, Any]:
    """One attention in each period, experts in every second layer."""
    said = re.search(r"every (\d+) layers \(offset (\d+)\)", record["attention"]["pattern"])
    assert said
    found = per_layer_heads(set(range(int(said[2]), keys["block_count"], int(said[1]))), keys)
    return found | ({"interleave_moe_layer_step": 2} if "expert_count" in keys else {})


def deci(record: dict[str, Any], keys: dict[str, Any]) -> dict[str, Any]:
    """The table says how many layers are of each kind; their order is the table's."""
    blocks = record["blocks"]
    kinds = [group for group in blocks["groups"] for _ in range(group["count"])]
    width = blocks["mixers"]["full"]["head_dim"]
    return {
        "attention.key_length": width,
        "attention.value_length": width,
        "attention.head_count": [keys["attention.head_count"] if group["mixer"] else 0 for group in kinds],
        "attention.head_count_kv": [keys["attention.head_count_kv"] if group["mixer"] else 0 for group in kinds],
        "feed_forward_length": [blocks["ffns"][group["ffn"]]["inter"] for group in kinds],
    }


def windows_listed(record: dict[str, Any], keys: dict[str, Any]) -> dict[str, Any]:
    """Step 3.5, Laguna and MiMo V2 have other numbers of heads where a window slides."""
    full, sliding = record["blocks"]["mixers"]["full"], record["blocks"]["mixers"]["sliding"]
    layers = range(keys["block_count"])
    if architecture_of(record) == "mimo2":  # config.json, hybrid_layer_pattern: the first layer, then every sixth
        pattern = [i > 0 and i % 6 != 5 for i in layers]
    else:
        pattern = [i % 4 != 0 for i in layers]
    assert sum(pattern) == record["attention"]["layer_counts"]["sliding"]
    return {
        "attention.head_count": [sliding["heads"] if slides else full["heads"] for slides in pattern],
        "attention.head_count_kv": [sliding["kv_heads"] if slides else full["kv_heads"] for slides in pattern],
        "attention.sliding_window_pattern": pattern,
    }


def longcat(_: dict[str, Any], keys: dict[str, Any]) -> dict[str, Any]:
    """Each layer has two attentions and two dense networks: counted as two layers."""
    return {"block_count": 2 * keys["block_count"], "expert_zero_count": 256}


def qwen4exp(record: dict[str, Any], _: dict[str, Any]) -> dict[str, Any]:
    rows, width = 320_001_536, 160  # the table's notes
    assert rows * width == record["blocks"]["embed"]["tables"]["ngram_ple"]
    return {
        "full_attention_interval": 4,
        "hyper_connection.count": N_STREAMS,
        "hyper_connection.low_rank": 320,  # what its further parameters per block are
        "ple.layer": 0,
        "ple.conv_kernel": 4,
        "ple.head_dim": width,
        "ple.rows": rows,
    }


def sharing_indexers(record: dict[str, Any], keys: dict[str, Any]) -> dict[str, Any]:
    """GLM-5.2: three of four layers use the indexer of an earlier one (llama.cpp, src/models/glm-dsa.cpp)."""
    n_owning = (
        record["attention"]["layer_counts"].get("mla_shared_index") and record["attention"]["layer_counts"]["mla"]
    )
    if not n_owning:
        return {}
    owns = [i < 3 or i % 4 == 2 for i in range(keys["block_count"])]
    assert sum(owns) == n_owning
    return {"attention.indexer.types": owns}


def streams(_: dict[str, Any], __: dict[str, Any]) -> dict[str, Any]:
    return {"hyper_connection.count": N_STREAMS}


def encoder(record: dict[str, Any], keys: dict[str, Any]) -> dict[str, Any]:
    tables = record["blocks"].get("embed", {}).get("tables", {})
    found = {"attention.causal": False}
    return found | ({"token_type_count": tables["type"] // keys["embedding_length"]} if tables.get("type") else {})


def mllama(record: dict[str, Any], keys: dict[str, Any]) -> dict[str, Any]:
    table = record["blocks"]["embed"]["tables"]["image_tokens"]
    return {
        "vocab_extra_rows": table // keys["embedding_length"],
        "attention.cross_attention_layers": list(range(3, keys["block_count"], 5)),
    }


def gemma3n(record: dict[str, Any], keys: dict[str, Any]) -> dict[str, Any]:
    table = record["blocks"]["embed"]["tables"]["per_layer"]
    return {
        "embedding_length_per_layer_input": table // keys["vocab_size"] // keys["block_count"],
        "attention.shared_kv_layers": record["num_kv_shared_layers"],
    }


def gemma4(record: dict[str, Any], keys: dict[str, Any]) -> dict[str, Any]:
    """Every last layer of a period is full; its heads are wider, and fewer in the larger models."""
    mixers, n_layers = record["blocks"]["mixers"], keys["block_count"]
    groups = {g["mixer"]: g for g in record["blocks"]["groups"]}
    n_full = sum(g["count"] for name, g in groups.items() if name.startswith("full"))
    pattern = [(i + 1) % (n_layers // n_full) != 0 for i in range(n_layers)]
    full, sliding = mixers["full"], mixers["sliding"]
    n_shared = sum(g["count"] for name, g in groups.items() if name.endswith("_shared"))
    found = {
        "attention.head_count_kv": [sliding["kv_heads"] if slides else full["kv_heads"] for slides in pattern],
        "attention.key_length": full["head_dim"],
        "attention.value_length": full["head_dim"],
        "attention.key_length_swa": sliding["head_dim"],
        "attention.value_length_swa": sliding["head_dim"],
        "attention.sliding_window_pattern": pattern,
        "attention.shared_kv_layers": n_shared,
    }
    if table := (record["blocks"].get("embed") or {}).get("tables", {}).get("per_layer"):
        found["embedding_length_per_layer_input"] = table // keys["vocab_size"] // n_layers
    if "mlp2" in record["blocks"]["ffns"]:
        inner, wide = record["blocks"]["ffns"]["mlp"]["inter"], record["blocks"]["ffns"]["mlp2"]["inter"]
        found["feed_forward_length"] = [inner if i < n_layers - n_shared else wide for i in range(n_layers)]
    if "expert_count" in keys:
        network = record["blocks"]["ffns"]["ffn"]
        found |= {"feed_forward_length": network["dense_inter"], "expert_feed_forward_length": network["inter"]}
    return found


ARCHITECTURES = {
    "glm4moe": glm4moe,
    "llama4": llama4,
    "granitehybrid": granitehybrid,
    "lfm2": lfm2,
    "lfm2moe": lfm2,
    "nemotron_h": nemotron_h,
    "nemotron_h_moe": nemotron_h,
    "gemma3n": gemma3n,
    "gemma4": gemma4,
    "jamba": jamba,
    "deci": deci,
    **dict.fromkeys(("step35", "laguna", "mimo2"), windows_listed),
    "longcat-flash": longcat,
    "qwen4exp": qwen4exp,
    "glm-dsa": sharing_indexers,
    "glm5-next": streams,
    **dict.fromkeys(("bert", "nomic-bert", "jina-bert-v2", "gemma-embedding"), encoder),
    "mllama": mllama,
}
