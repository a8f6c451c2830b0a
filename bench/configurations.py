"""How well a model is known by its ``config.json`` alone: parameters and cache widths against a table of checkpoints.

    python bench/configurations.py models.jsonl

The table has one JSON object per checkpoint with its shape, its parameter count and what its layers keep. From the
shape a configuration is written as the model's repository has it; what is read from that is compared with the counts.
A field that the table doesn't carry (which layers of a hybrid attend) is taken from its description in words.
"""

import argparse
import json
import re
import statistics
from collections import Counter
from pathlib import Path
from typing import Any

from estimator.errors import EstimatorError
from estimator.hub_config import parse_hub_config
from estimator.hub_model import model_of_config
from estimator.model import PROJECTOR_PREFIXES, Model
from estimator.quant import stored_bytes

Record = dict[str, Any]

SIMPLE = {
    "model_type": "model_type", "hidden_size": "hidden_size", "num_layers": "num_hidden_layers",
    "num_attention_heads": "num_attention_heads", "num_kv_heads": "num_key_value_heads", "head_dim": "head_dim",
    "intermediate_size": "intermediate_size", "vocab_size": "vocab_size", "tie_word_embeddings": "tie_word_embeddings",
    "max_position_embeddings": "max_position_embeddings", "qkv_bias": "attention_bias",
}  # fmt: skip
OF_ATTENTION = ("sliding_window", "kv_lora_rank", "qk_rope_head_dim", "qk_nope_head_dim", "v_head_dim", "q_lora_rank")
OF_EXPERTS = {
    "num_experts": "num_experts", "experts_per_token": "num_experts_per_tok",
    "moe_intermediate_size": "moe_intermediate_size", "num_shared_experts": "n_shared_experts",
    "shared_intermediate_size": "shared_expert_intermediate_size", "first_k_dense": "first_k_dense_replace",
}  # fmt: skip
OF_DELTA_NET = {
    "conv_kernel": "linear_conv_kernel_dim", "key_head_dim": "linear_key_head_dim",
    "value_head_dim": "linear_value_head_dim", "num_key_heads": "linear_num_key_heads",
    "num_value_heads": "linear_num_value_heads",
}  # fmt: skip
OF_MAMBA = {
    "n_heads": "mamba_n_heads", "head_dim": "mamba_d_head", "d_state": "mamba_d_state", "d_conv": "mamba_d_conv",
    "n_groups": "mamba_n_groups", "expand": "mamba_expand", "dt_rank": "mamba_dt_rank",
}  # fmt: skip


def configuration(record: Record) -> Record:
    """As the repository has it, as far as the table tells."""
    attention = record["attention"]
    config = {field: record.get(key) for key, field in SIMPLE.items()}
    config |= {key: attention.get(key) for key in OF_ATTENTION}
    config |= {field: (record["moe"] or {}).get(key) for key, field in OF_EXPERTS.items()}
    config |= {field: (attention.get("linear") or {}).get(key) for key, field in OF_DELTA_NET.items()}
    config |= {field: (attention.get("mamba") or {}).get(key) for key, field in OF_MAMBA.items()}
    for mixer in (record["blocks"] or {"mixers": {}})["mixers"].values():
        if indexer := mixer.get("indexer"):
            config |= {"index_n_heads": indexer["heads"], "index_head_dim": indexer["dim"]}
    config["architectures"] = [record["architecture"]]
    config |= HYBRIDS.get(record["model_type"], lambda _: {})(record)
    return {field: value for field, value in config.items() if value is not None}


def listed_layers(record: Record) -> Record:
    listed = re.search(r"\[(.*?)\]", record["attention"]["pattern"])
    assert listed
    return {
        "full_attn_idxs": [int(n) for n in listed[1].split(",")],
        "block_auto_adjust_ff_dim": False,
        "conv_L_cache": 3,
    }


def nemotron(record: Record) -> Record:
    mamba = record["attention"]["mamba"]
    return {
        "hybrid_override_pattern": record["attention"]["pattern"].split(" ")[0],
        "mamba_num_heads": mamba["n_heads"],
        "mamba_head_dim": mamba["head_dim"],
        "ssm_state_size": mamba["d_state"],
        "conv_kernel": mamba["d_conv"],
        "moe_shared_expert_intermediate_size": record["moe"]["shared_intermediate_size"],
        "moe_latent_size": next((n["latent"] for n in record["blocks"]["ffns"].values() if n.get("latent")), None),
    }


def granite(record: Record) -> Record:
    """As config.json of the models with 40 layers has it."""
    if record["gguf_arch"] != "granitehybrid":
        return {
            "layer_types": ["attention"] * record["num_layers"],
            "shared_intermediate_size": record["intermediate_size"],
        }
    inner = record["moe"]["shared_intermediate_size"] or record["intermediate_size"]
    return {
        "layer_types": ["attention" if i in (5, 15, 25, 35) else "mamba" for i in range(record["num_layers"])],
        "shared_intermediate_size": inner,
    }


def falcon_h1(record: Record) -> Record:
    mamba = record["attention"]["mamba"]
    return {"mamba_d_ssm": mamba["n_heads"] * mamba["head_dim"], "mamba_rms_norm": True}


def mamba2(record: Record) -> Record:
    mamba = record["attention"]["mamba"]
    return {"num_heads": mamba["n_heads"], "head_dim": mamba["head_dim"], "state_size": mamba["d_state"]}


def maverick(record: Record) -> Record:
    is_interleaved = "mlp" in record["blocks"]["ffns"]
    return {
        "interleave_moe_layer_step": 2 if is_interleaved else 1,
        "intermediate_size": record["moe"]["moe_intermediate_size"],
        "intermediate_size_mlp": record["intermediate_size"],
        "attention_chunk_size": 8192,
    }


def gemma4(record: Record) -> Record:
    mixers, blocks = record["blocks"]["mixers"], record["blocks"]
    groups = {group["mixer"]: group["count"] for group in blocks["groups"]}
    n_layers = record["num_layers"]
    n_full = sum(count for name, count in groups.items() if name.startswith("full"))
    table = ((blocks.get("embed") or {}).get("tables") or {}).get("per_layer", 0)
    return {
        "layer_types": [
            "full_attention" if (i + 1) % (n_layers // n_full) == 0 else "sliding_attention" for i in range(n_layers)
        ],
        "num_key_value_heads": mixers["sliding"]["kv_heads"],
        "head_dim": mixers["sliding"]["head_dim"],
        "num_global_key_value_heads": mixers["full"]["kv_heads"],
        "global_head_dim": mixers["full"]["head_dim"],
        "attention_k_eq_v": bool(mixers["full"].get("k_eq_v")),
        "num_kv_shared_layers": sum(count for name, count in groups.items() if name.endswith("_shared")),
        "hidden_size_per_layer_input": table // record["vocab_size"] // n_layers,
        "use_double_wide_mlp": "mlp2" in blocks["ffns"],
        "enable_moe_block": bool(record["moe"]["num_experts"]),
        "intermediate_size": blocks["ffns"].get("ffn", {}).get("dense_inter", record["intermediate_size"]),
        "shared_expert_intermediate_size": None,
    }


def kimi_linear(_: Record) -> Record:
    return {
        "linear_attn_config": {
            "full_attn_layers": [4, 8, 12, 16, 20, 24, 27], "head_dim": 128, "short_conv_kernel_size": 4,
        }
    }  # fmt: skip


def longcat(record: Record) -> Record:
    return {
        "num_hidden_layers": record["num_layers"] // (2 if record["num_layers"] > 28 else 1),
        "zero_expert_num": 256,
    }


def minimax_m1(record: Record) -> Record:
    return {"attn_type_list": [int(i % 8 == 7) for i in range(record["num_layers"])]}


def pruned(record: Record) -> Record:
    """The widths of each group of layers, in the table's order."""
    if record["blocks"] is None:
        return {}
    mixers, networks, blocks = record["blocks"]["mixers"], record["blocks"]["ffns"], []
    for group in record["blocks"]["groups"]:
        mixer, network = mixers.get(group["mixer"]), networks.get(group["ffn"])
        grouped = bool(mixer) and mixer.get("kind") == "gqa"
        n_sharing = mixer["heads"] // mixer["kv_heads"] if grouped else 0
        inner = network["inter"] if network else 0
        attention = {"n_heads_in_group": n_sharing} if grouped else {"no_op": True}
        blocks += [{"attention": attention, "ffn": {"ffn_mult": inner * 1.5 / record["hidden_size"]}}] * group["count"]
    return {"block_configs": blocks}


HYBRIDS = {
    "nemotron-nas": pruned,
    "longcat_flash": longcat,
    "minimax_m1": minimax_m1,
    "lfm2": listed_layers,
    "lfm2_moe": listed_layers,
    "nemotron_h": nemotron,
    "granitemoehybrid": granite,
    "falcon_h1": falcon_h1,
    "mamba2": mamba2,
    "llama4": maverick,
    "gemma4": gemma4,
    "gemma4_unified": gemma4,
    "kimi_linear": kimi_linear,
}


def n_text_parameters(model: Model) -> int:
    towers = [tensor for tensor in model.tensors if tensor.name.startswith(PROJECTOR_PREFIXES)]
    return model.n_parameters - sum(stored_bytes("I8", tensor.shape) for tensor in towers)


def elements_per_token(record: Record) -> int | None:
    summary = record.get("kv_summary")
    if not summary:
        return None
    return sum(part["layers"] * part["elems_per_token"] for part in summary if part["kind"] in ("kv", "mla"))


def main(path: str) -> None:
    errors: dict[bool, list[float]] = {True: [], False: []}
    outcomes: Counter[str] = Counter()
    for record in map(json.loads, Path(path).read_text("utf-8").splitlines()):
        if not record["model_type"] or not record["num_layers"]:
            outcomes["skipped: no language model"] += 1
            continue
        try:
            model = model_of_config(parse_hub_config(configuration(record), "config.json"), name="", source="")
        except EstimatorError as error:
            outcomes["refused"] += 1
            print(f"  {record['id']}: {error}")
            continue
        is_known = not any("not known here" in doubt for doubt in model.doubts)
        error = n_text_parameters(model) / (record["params_text"] or record["total_params"]) - 1
        errors[is_known].append(abs(error))
        stated = elements_per_token(record)
        found = sum(layer.key_width + layer.value_width for layer in model.layers)
        outcomes[
            "cache as stated" if stated == found else "cache not stated" if stated is None else "cache differs"
        ] += 1
        if abs(error) > 0.005 or stated not in (None, found):
            print(f"  {record['id']} ({record['model_type']}): {error:+.2%} parameters, {found} of {stated} elements")
    for is_known, found_errors in errors.items():
        kind = "known architectures" if is_known else "unknown ones, said to be"
        within = sum(error <= 0.001 for error in found_errors)
        print(
            f"{kind}: {len(found_errors)}; parameters within 0.1 % in {within}, median error "
            f"{statistics.median(found_errors):.3%}, worst {max(found_errors):.2%}"
        )
    print("; ".join(f"{name}: {count}" for name, count in sorted(outcomes.items())))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("table", help="the checkpoints, one JSON object a line")
    main(parser.parse_args().table)
