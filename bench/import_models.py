"""Write the catalogue of models from a table of checkpoints: ``python bench/import_models.py models.jsonl``.

The table has one JSON object per checkpoint, with its shape and its parameter count. Which of them are in the
catalogue, and what the table can't know (how people call them, what a GGUF conversion drops), is listed here.
The same table always makes the same catalogue.
"""

import json
import re
import sys
from pathlib import Path
from typing import Any

CATALOGUE = Path(__file__).parent.parent / "estimator" / "catalogue" / "models.jsonl"

# Checkpoint | name as people say it | further names
CHOSEN = """
meta-llama/Llama-2-7b-chat-hf | Llama 2 7B
meta-llama/Llama-2-13b-chat-hf | Llama 2 13B
meta-llama/Llama-2-70b-chat-hf | Llama 2 70B
codellama/CodeLlama-7b-Instruct-hf | CodeLlama 7B
codellama/CodeLlama-13b-Instruct-hf | CodeLlama 13B
codellama/CodeLlama-34b-Instruct-hf | CodeLlama 34B
meta-llama/Meta-Llama-3-8B-Instruct | Llama 3 8B
meta-llama/Meta-Llama-3-70B-Instruct | Llama 3 70B
meta-llama/Llama-3.1-8B-Instruct | Llama 3.1 8B
meta-llama/Llama-3.1-70B-Instruct | Llama 3.1 70B
meta-llama/Llama-3.1-405B-Instruct | Llama 3.1 405B
meta-llama/Llama-3.2-1B-Instruct | Llama 3.2 1B
meta-llama/Llama-3.2-3B-Instruct | Llama 3.2 3B
meta-llama/Llama-3.3-70B-Instruct | Llama 3.3 70B
meta-llama/Llama-4-Scout-17B-16E-Instruct | Llama 4 Scout 109B-A17B | Llama 4 Scout
meta-llama/Llama-4-Maverick-17B-128E-Instruct | Llama 4 Maverick 402B-A17B | Llama 4 Maverick
TinyLlama/TinyLlama-1.1B-Chat-v1.0 | TinyLlama 1.1B | TinyLlama
upstage/SOLAR-10.7B-Instruct-v1.0 | SOLAR 10.7B
tiiuae/Falcon3-3B-Instruct | Falcon3 3B
tiiuae/Falcon3-7B-Instruct | Falcon3 7B
tiiuae/Falcon3-10B-Instruct | Falcon3 10B
01-ai/Yi-1.5-9B-Chat | Yi 1.5 9B | Yi Coder 9B
01-ai/Yi-34B-Chat | Yi 34B
deepseek-ai/deepseek-coder-1.3b-instruct | DeepSeek Coder 1.3B
deepseek-ai/deepseek-coder-6.7b-instruct | DeepSeek Coder 6.7B
deepseek-ai/deepseek-coder-33b-instruct | DeepSeek Coder 33B
HuggingFaceTB/SmolLM2-135M-Instruct | SmolLM2 135M
HuggingFaceTB/SmolLM2-360M-Instruct | SmolLM2 360M
HuggingFaceTB/SmolLM2-1.7B-Instruct | SmolLM2 1.7B
HuggingFaceTB/SmolLM3-3B | SmolLM3 3B
nvidia/Llama-3.1-Nemotron-Nano-4B-v1.1 | Llama 3.1 Nemotron Nano 4B
nvidia/NVIDIA-Nemotron-Nano-9B-v2 | Nemotron Nano 9B v2
nvidia/NVIDIA-Nemotron-Nano-12B-v2 | Nemotron Nano 12B v2
nvidia/NVIDIA-Nemotron-3-Nano-30B-A3B-BF16 | Nemotron 3 Nano 30B-A3B
mistralai/Mistral-7B-Instruct-v0.2 | Mistral 7B v0.2
mistralai/Mistral-7B-Instruct-v0.3 | Mistral 7B v0.3 | Mistral 7B
mistralai/Mistral-Nemo-Instruct-2407 | Mistral Nemo 12B | Mistral Nemo, Nemo 12B
mistralai/Ministral-8B-Instruct-2410 | Ministral 8B (2410) | Ministral 8B
mistralai/Codestral-22B-v0.1 | Codestral 22B | Codestral
mistralai/Mistral-Small-Instruct-2409 | Mistral Small 22B (2409) | Mistral Small 22B
mistralai/Mistral-Small-24B-Instruct-2501 | Mistral Small 3 24B | Mistral Small 24B
mistralai/Mistral-Small-3.1-24B-Instruct-2503 | Mistral Small 3.1 24B
mistralai/Mistral-Small-3.2-24B-Instruct-2506 | Mistral Small 3.2 24B
mistralai/Devstral-Small-2505 | Devstral Small 24B | Devstral, Devstral 24B, Devstral Small 2507
mistralai/Devstral-Small-2-24B-Instruct-2512 | Devstral Small 2 24B
mistralai/Devstral-2-123B-Instruct-2512 | Devstral 2 123B
mistralai/Magistral-Small-2506 | Magistral Small 24B | Magistral, Magistral 24B, Magistral Small 2507
mistralai/Mistral-Large-Instruct-2407 | Mistral Large 123B | Mistral Large 2
mistralai/Ministral-3-3B-Instruct-2512 | Ministral 3 3B
mistralai/Ministral-3-8B-Instruct-2512 | Ministral 3 8B
mistralai/Ministral-3-14B-Instruct-2512 | Ministral 3 14B
mistralai/Mixtral-8x7B-Instruct-v0.1 | Mixtral 8x7B
mistralai/Mixtral-8x22B-Instruct-v0.1 | Mixtral 8x22B
Qwen/Qwen2-7B-Instruct | Qwen2 7B
Qwen/Qwen2.5-0.5B-Instruct | Qwen2.5 0.5B | Qwen2.5 Coder 0.5B
Qwen/Qwen2.5-1.5B-Instruct | Qwen2.5 1.5B | Qwen2.5 Coder 1.5B
Qwen/Qwen2.5-3B-Instruct | Qwen2.5 3B | Qwen2.5 Coder 3B
Qwen/Qwen2.5-7B-Instruct | Qwen2.5 7B
Qwen/Qwen2.5-14B-Instruct | Qwen2.5 14B
Qwen/Qwen2.5-32B-Instruct | Qwen2.5 32B
Qwen/Qwen2.5-72B-Instruct | Qwen2.5 72B
Qwen/Qwen2.5-Coder-7B-Instruct | Qwen2.5 Coder 7B
Qwen/Qwen2.5-Coder-14B-Instruct | Qwen2.5 Coder 14B
Qwen/Qwen2.5-Coder-32B-Instruct | Qwen2.5 Coder 32B
Qwen/QwQ-32B | QwQ 32B | QwQ
Qwen/Qwen3-0.6B | Qwen3 0.6B
Qwen/Qwen3-1.7B | Qwen3 1.7B
Qwen/Qwen3-4B | Qwen3 4B
Qwen/Qwen3-4B-Instruct-2507 | Qwen3 4B 2507 | Qwen3 4B Thinking 2507
Qwen/Qwen3-8B | Qwen3 8B
Qwen/Qwen3-14B | Qwen3 14B
Qwen/Qwen3-32B | Qwen3 32B
Qwen/Qwen3-30B-A3B | Qwen3 30B-A3B
Qwen/Qwen3-30B-A3B-Instruct-2507 | Qwen3 30B-A3B 2507 | Qwen3 30B-A3B Thinking 2507
Qwen/Qwen3-Coder-30B-A3B-Instruct | Qwen3 Coder 30B-A3B | Qwen3 Coder
Qwen/Qwen3-235B-A22B | Qwen3 235B-A22B
Qwen/Qwen3-Coder-480B-A35B-Instruct | Qwen3 Coder 480B-A35B
Qwen/Qwen3-Next-80B-A3B-Instruct | Qwen3 Next 80B-A3B | Qwen3 Next, Qwen3 Next 80B-A3B Thinking
Qwen/Qwen3-Coder-Next | Qwen3 Coder Next 80B-A3B | Qwen3 Coder Next
Qwen/Qwen3.5-0.8B | Qwen3.5 0.8B
Qwen/Qwen3.5-2B | Qwen3.5 2B
Qwen/Qwen3.5-4B | Qwen3.5 4B
Qwen/Qwen3.5-9B | Qwen3.5 9B
Qwen/Qwen3.5-27B | Qwen3.5 27B
Qwen/Qwen3.6-27B | Qwen3.6 27B
Qwen/Qwen3.8-27B | Qwen3.8 27B
Qwen/Qwen3.5-35B-A3B | Qwen3.5 35B-A3B
Qwen/Qwen3.6-35B-A3B | Qwen3.6 35B-A3B
Qwen/Qwen3.5-122B-A10B | Qwen3.5 122B-A10B
Qwen/Qwen3.5-397B-A17B | Qwen3.5 397B-A17B
Qwen/Qwen1.5-MoE-A2.7B-Chat | Qwen1.5 MoE A2.7B
google/gemma-2b-it | Gemma 2B
google/gemma-7b-it | Gemma 7B | CodeGemma 7B, CodeGemma 1.1 7B
google/gemma-2-2b-it | Gemma 2 2B
google/gemma-2-9b-it | Gemma 2 9B
google/gemma-2-27b-it | Gemma 2 27B
google/gemma-3-270m-it | Gemma 3 270M
google/gemma-3-1b-it | Gemma 3 1B
google/gemma-3-4b-it | Gemma 3 4B
google/gemma-3-12b-it | Gemma 3 12B
google/gemma-3-27b-it | Gemma 3 27B
google/gemma-3n-E2B-it | Gemma 3n E2B
google/gemma-3n-E4B-it | Gemma 3n E4B
google/gemma-4-E2B-it | Gemma 4 E2B
google/gemma-4-E4B-it | Gemma 4 E4B
google/gemma-4-26B-A4B-it | Gemma 4 26B-A4B
google/gemma-4-31B-it | Gemma 4 31B
microsoft/Phi-3-mini-4k-instruct | Phi-3 mini 3.8B | Phi-3 mini
microsoft/Phi-3.5-mini-instruct | Phi-3.5 mini 3.8B | Phi-3.5 mini
microsoft/Phi-3-medium-128k-instruct | Phi-3 medium 14B | Phi-3 medium
microsoft/phi-4 | Phi-4 14B | Phi-4
microsoft/Phi-4-mini-instruct | Phi-4 mini 3.8B | Phi-4 mini
zai-org/GLM-4-9B-0414 | GLM-4 9B 0414 | GLM-4 9B
zai-org/GLM-4-32B-0414 | GLM-4 32B 0414 | GLM-4 32B
zai-org/GLM-4.5-Air | GLM-4.5 Air 106B-A12B | GLM-4.5 Air
zai-org/GLM-4.5 | GLM-4.5 355B-A32B | GLM-4.5
zai-org/GLM-4.6 | GLM-4.6 355B-A32B | GLM-4.6
zai-org/GLM-4.7 | GLM-4.7 355B-A32B | GLM-4.7
zai-org/GLM-4.7-Flash | GLM-4.7 Flash 30B-A3B | GLM-4.7 Flash
ibm-granite/granite-3.3-2b-instruct | Granite 3.3 2B
ibm-granite/granite-3.3-8b-instruct | Granite 3.3 8B
ibm-granite/granite-3.1-1b-a400m-instruct | Granite 3.1 1B-A400M
ibm-granite/granite-3.1-3b-a800m-instruct | Granite 3.1 3B-A800M
ibm-granite/granite-4.0-micro | Granite 4.0 Micro 3B | Granite 4.0 Micro
ibm-granite/granite-4.0-h-micro | Granite 4.0 H Micro 3B | Granite 4.0 H Micro
ibm-granite/granite-4.0-h-tiny | Granite 4.0 H Tiny 7B-A1B | Granite 4.0 H Tiny
ibm-granite/granite-4.0-h-small | Granite 4.0 H Small 32B-A9B | Granite 4.0 H Small
CohereLabs/c4ai-command-r-v01 | Command-R 35B | Command-R, Command-R v01
CohereLabs/c4ai-command-r-08-2024 | Command-R 32B (08-2024) | Command-R 08-2024
CohereLabs/c4ai-command-r-plus | Command-R+ 104B | Command-R Plus, Command-R Plus 104B
CohereLabs/aya-expanse-8b | Aya Expanse 8B
CohereLabs/aya-expanse-32b | Aya Expanse 32B
CohereLabs/c4ai-command-r7b-12-2024 | Command-R7B
CohereLabs/c4ai-command-a-03-2025 | Command A 111B | Command A
allenai/OLMo-2-0425-1B-Instruct | OLMo 2 1B
allenai/OLMo-2-1124-7B-Instruct | OLMo 2 7B
allenai/OLMo-2-1124-13B-Instruct | OLMo 2 13B
allenai/OLMo-2-0325-32B-Instruct | OLMo 2 32B
allenai/Olmo-3-7B-Instruct | OLMo 3 7B
allenai/Olmo-3.1-32B-Think | OLMo 3.1 32B
allenai/OLMoE-1B-7B-0125-Instruct | OLMoE 7B-A1B | OLMoE 1B-7B
bigcode/starcoder2-3b | StarCoder2 3B
bigcode/starcoder2-7b | StarCoder2 7B
bigcode/starcoder2-15b | StarCoder2 15B
LGAI-EXAONE/EXAONE-4.0-1.2B | EXAONE 4.0 1.2B
LGAI-EXAONE/EXAONE-4.0-32B | EXAONE 4.0 32B
ByteDance-Seed/Seed-OSS-36B-Instruct | Seed-OSS 36B | Seed-OSS
baidu/ERNIE-4.5-0.3B-PT | ERNIE 4.5 0.3B
baidu/ERNIE-4.5-21B-A3B-PT | ERNIE 4.5 21B-A3B | ERNIE 4.5 21B-A3B Thinking
MiniMaxAI/MiniMax-M2 | MiniMax M2 230B-A10B | MiniMax M2, MiniMax M2.1, MiniMax M2.5
openai/gpt-oss-20b | gpt-oss 20B
openai/gpt-oss-120b | gpt-oss 120B
deepseek-ai/DeepSeek-V2-Lite-Chat | DeepSeek V2 Lite 16B-A2.4B | DeepSeek V2 Lite
deepseek-ai/DeepSeek-Coder-V2-Lite-Instruct | DeepSeek Coder V2 Lite 16B | DeepSeek Coder V2 Lite
deepseek-ai/DeepSeek-V2.5 | DeepSeek V2.5 236B-A21B | DeepSeek V2.5
deepseek-ai/DeepSeek-V3 | DeepSeek V3 671B-A37B | DeepSeek V3, DeepSeek V3 671B, DeepSeek V3 0324
deepseek-ai/DeepSeek-R1 | DeepSeek R1 671B-A37B | DeepSeek R1, DeepSeek R1 671B, DeepSeek R1 0528
deepseek-ai/DeepSeek-V3.1 | DeepSeek V3.1 671B-A37B | DeepSeek V3.1, DeepSeek V3.1 Terminus
deepseek-ai/DeepSeek-R1-Distill-Qwen-1.5B | DeepSeek R1 Distill Qwen 1.5B
deepseek-ai/DeepSeek-R1-Distill-Qwen-7B | DeepSeek R1 Distill Qwen 7B
deepseek-ai/DeepSeek-R1-Distill-Qwen-14B | DeepSeek R1 Distill Qwen 14B
deepseek-ai/DeepSeek-R1-Distill-Qwen-32B | DeepSeek R1 Distill Qwen 32B
deepseek-ai/DeepSeek-R1-Distill-Llama-8B | DeepSeek R1 Distill Llama 8B
deepseek-ai/DeepSeek-R1-Distill-Llama-70B | DeepSeek R1 Distill Llama 70B
deepseek-ai/DeepSeek-R1-0528-Qwen3-8B | DeepSeek R1 0528 Qwen3 8B
moonshotai/Kimi-K2-Instruct | Kimi K2 1T-A32B | Kimi K2, Kimi K2 0905
moonshotai/Moonlight-16B-A3B-Instruct | Moonlight 16B-A3B | Moonlight
tiiuae/Falcon-H1-0.5B-Instruct | Falcon-H1 0.5B
tiiuae/Falcon-H1-1.5B-Deep-Instruct | Falcon-H1 1.5B Deep
tiiuae/Falcon-H1-3B-Instruct | Falcon-H1 3B
tiiuae/Falcon-H1-7B-Instruct | Falcon-H1 7B
tiiuae/Falcon-H1-34B-Instruct | Falcon-H1 34B
LiquidAI/LFM2-350M | LFM2 350M
LiquidAI/LFM2-700M | LFM2 700M
LiquidAI/LFM2-1.2B | LFM2 1.2B
LiquidAI/LFM2-2.6B | LFM2 2.6B
LiquidAI/LFM2-8B-A1B | LFM2 8B-A1B
LiquidAI/LFM2-24B-A2B | LFM2 24B-A2B
state-spaces/mamba2-2.7b | Mamba2 2.7B
mistralai/Mamba-Codestral-7B-v0.1 | Mamba Codestral 7B | Codestral Mamba 7B
"""

VISION = "text part only; its vision tower is a separate mmproj file"
DROPPED_ROWS = "rows without a token, which the converter drops"
PREDICTOR = "layer that predicts further tokens (MTP), not loaded unless asked for"
NO_PREDICTOR = "without its layer that predicts further tokens (MTP), as most published files are"

# GGUF vocabularies: conversion/gemma.py, Gemma3Model.modify_tensors, drops rows that no token has.
GGUF_VOCABULARY = {262208: 262144, 262400: 262144}

# Published GGUF files of these have the MTP layer: conversion/glm.py, Glm4MoeModel.
WITH_PREDICTOR = {"glm4moe"}

# config.json, rope_scaling.rope_type of the family: "llama3" makes a tensor of frequencies, "longrope" two.
ROPE_FREQS_FAMILIES = {"llama-3.1", "llama-3.2", "llama-3.3", "nemotron", "exaone-4"}
ROPE_FREQS_MODELS = {"deepseek-ai/DeepSeek-R1-Distill-Llama-8B", "deepseek-ai/DeepSeek-R1-Distill-Llama-70B"}
LONG_ROPE_MODELS = {
    "microsoft/Phi-3.5-mini-instruct",
    "microsoft/Phi-3-medium-128k-instruct",
    "microsoft/Phi-4-mini-instruct",
}

WINDOWED = {"gemma2", "gemma3", "gemma3n", "gemma4", "gpt-oss", "cohere2", "olmo2", "exaone4", "llama4"}
"""Architectures whose window llama.cpp heeds."""

# config.json, layer_types of the 4.0-h models with 40 layers.
GRANITE_ATTENTION_LAYERS = (5, 15, 25, 35)


def metadata_of(record: dict[str, Any]) -> dict[str, Any]:
    """GGUF's keys without the architecture's prefix."""
    architecture, blocks = record["gguf_arch"], record["blocks"]
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
    if mixer["head_dim"] * mixer["heads"] != record["hidden_size"]:
        keys |= {"attention.key_length": mixer["head_dim"], "attention.value_length": mixer["head_dim"]}
    return keys


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
    return keys | ({"attention.q_lora_rank": mixer["q_lora"]} if mixer.get("q_lora") else {})


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
    "mla": latent,
    "mamba2": mamba2,
    "gdn": gated_delta_net,
    "shortconv": short_convolution,
}


def experts(network: dict[str, Any], record: dict[str, Any]) -> dict[str, Any]:
    keys = {"expert_count": network["experts"], "expert_used_count": network["top_k"]}
    if network["inter"] != record["intermediate_size"]:
        keys["expert_feed_forward_length"] = network["inter"]
    if shared := network.get("shared_inter"):
        if record["gguf_arch"] in {"deepseek2", "glm4moe"}:
            keys["expert_shared_count"] = shared // network["inter"]
        else:
            keys["expert_shared_feed_forward_length"] = shared
    groups = record["blocks"]["groups"]
    networks = record["blocks"]["ffns"]
    n_dense = sum(g["count"] for g in groups if g["ffn"] and networks[g["ffn"]]["kind"] == "mlp")
    if n_dense and record["gguf_arch"] != "llama4":
        keys["leading_dense_block_count"] = n_dense
    return keys


def glm4moe(_: dict[str, Any], keys: dict[str, Any]) -> dict[str, Any]:
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
}


def flags_of(record: dict[str, Any]) -> list[str]:
    """What metadata does not say; the names are those of ``estimator.templates.tensors_of``."""
    blocks, architecture = record["blocks"], record["gguf_arch"]
    mixers, networks = list(blocks["mixers"].values()), list(blocks["ffns"].values())
    has_predictor = architecture in WITH_PREDICTOR
    embedding = (record["vocab_size"] or 0) * record["hidden_size"]
    said = {
        "tied": record["tie_word_embeddings"],
        "rope_freqs": record["family"] in ROPE_FREQS_FAMILIES or record["id"] in ROPE_FREQS_MODELS,
        "long_rope": record["id"] in LONG_ROPE_MODELS,
        "qkv_bias": any(mixer.get("qkv_bias") for mixer in mixers),
        "qk_norm": any(mixer.get("qk_norm") == "head" for mixer in mixers),
        "per_head_qk_norm": architecture == "command-r" and "extra_per_block" in blocks,
        "values_are_keys": any(mixer.get("k_eq_v") for mixer in mixers),
        "router_bias": architecture != "gpt-oss" and any(network.get("router_bias") for network in networks),
        "no_ssm_norm": architecture == "falcon-h1" and record["reference_total"] == record["total_params"],
        "lean_predictor": has_predictor and blocks["mtp"]["extra"] < embedding,
    }
    return sorted(flag for flag, is_so in said.items() if is_so)


def differences(record: dict[str, Any], keys: dict[str, Any]) -> dict[str, int]:
    """What a conversion has more or less than the parameters stated."""
    found = {}
    if record["params_vision"]:
        found["vision tower"] = -record["params_vision"]
    if keys["vocab_size"] != record["vocab_size"]:
        n_tables = 1 if record["tie_word_embeddings"] else 2
        n_rows = keys["vocab_size"] - record["vocab_size"]
        found[DROPPED_ROWS] = n_tables * n_rows * record["hidden_size"]
    if record["gguf_arch"] in WITH_PREDICTOR:
        found[PREDICTOR] = record["params_mtp"]
    if record["gguf_arch"] == "falcon-h1" and "no_ssm_norm" not in flags_of(record):
        found["norms of the state, which the statement leaves out"] = record["reference_total"] - record["total_params"]
    return found


def notes_of(record: dict[str, Any]) -> list[str]:
    notes = [VISION] if record["params_vision"] else []
    if record["params_mtp"] and record["gguf_arch"] not in WITH_PREDICTOR:
        notes.append(NO_PREDICTOR)
    return notes


def names_of(record: dict[str, Any], further: list[str], taken: set[str]) -> list[str]:
    """Further names; of the table's, those that no other entry claims for itself."""
    of_table = [record["ollama_name"], *record["aliases"]]
    return further + [name for name in of_table if name and " " not in name and plain(name) not in taken]


def comma(listed: str) -> list[str]:
    return [name.strip() for name in listed.split(",") if name.strip()]


def plain(name: str) -> str:
    return "".join(c for c in name.rpartition("/")[2].casefold() if c.isalnum())


def entry(record: dict[str, Any], name: str, further: list[str], taken: set[str]) -> dict[str, Any]:
    keys = metadata_of(record)
    found = {
        "name": name,
        "id": record["id"],
        "aliases": names_of(record, further, taken),
        "family": record["family"],
        "kind": record["kind"],
        "parameters": record["total_params"],
        "active": record["active_params"],
        "released": record["release"],
        "licence": record["license"],
        "architecture": record["gguf_arch"],
        "flags": flags_of(record),
        "differences": differences(record, keys),
        "notes": notes_of(record),
        "keys": keys,
    }
    if record["gguf_arch"] == "gpt-oss":
        found["quant"] = "MXFP4_MOE"
    return {key: value for key, value in found.items() if value not in (None, [], {})}


def main(path: str) -> None:
    records = {record["id"]: record for record in map(json.loads, Path(path).read_text("utf-8").splitlines())}
    chosen = [[part.strip() for part in f"{line} |".split("|")][:3] for line in CHOSEN.strip().splitlines()]
    taken = {plain(claimed) for checkpoint, name, further in chosen for claimed in (checkpoint, name, *comma(further))}
    lines = [
        json.dumps(entry(records[checkpoint], name, comma(further), taken), ensure_ascii=False, separators=(",", ":"))
        for checkpoint, name, further in chosen
    ]
    CATALOGUE.parent.mkdir(exist_ok=True)
    CATALOGUE.write_text("\n".join(lines) + "\n", "utf-8")
    print(f"{len(lines)} models, {CATALOGUE.stat().st_size} bytes")


if __name__ == "__main__":
    main(sys.argv[1])
