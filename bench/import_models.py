"""Write the catalogue of models from a table of checkpoints: ``python bench/import_models.py models.jsonl``.

The table has one JSON object per checkpoint, with its shape and its parameter count. ``bench/models.txt`` says which of
them are in the catalogue, and how people call them; what the table can't know of a GGUF conversion is listed here and
in ``bench/model_keys.py``. The same table always makes the same catalogue.
"""

import argparse
import json
import re
import sys
from pathlib import Path
from typing import Any

from model_keys import architecture_of, metadata_of

sys.path.insert(0, str(Path(__file__).parent.parent))

from estimator.model import TEXT_PART_ONLY
from estimator.readers.catalogue import CATALOGUE, INDEX, entries, index_line, plain_model
from estimator.sketch import SKETCHES, sketch_line

CHOSEN = Path(__file__).parent / "models.txt"
"""Checkpoint | name as people say it | further names."""

DROPPED_ROWS = "rows without a token, which the converter drops"
COPIED_HEAD = "a copy of the embedding that the checkpoint stores as its head, and the converter keeps"
PREDICTOR = "layer that predicts further tokens (MTP), not loaded unless asked for"
NO_PREDICTOR = "without its layer that predicts further tokens (MTP), as most published files are"
NOT_LLAMACPP = "llama.cpp can't load it"
UNSURE_ORDER = "which of its layers have no attention is not known here; only how many"

# Published GGUF files of these have the MTP layer: conversion/glm.py, Glm4MoeModel.
WITH_PREDICTOR = {"glm4moe"}

# config.json, rope_scaling.rope_type of the family: "llama3" makes a tensor of frequencies, "longrope" two.
ROPE_FREQS_FAMILIES = {
    "llama-3.1", "llama-3.2", "llama-3.2-vision", "llama-3.3", "nemotron", "nemotron-nas", "exaone-4", "apertus",
}  # fmt: skip
ROPE_FREQS_MODELS = {"deepseek-ai/DeepSeek-R1-Distill-Llama-8B", "deepseek-ai/DeepSeek-R1-Distill-Llama-70B"}
LONG_ROPE_MODELS = {
    "microsoft/Phi-3.5-mini-instruct",
    "microsoft/Phi-3-mini-128k-instruct",
    "microsoft/Phi-3-medium-128k-instruct",
    "microsoft/Phi-3.5-MoE-instruct",
    "microsoft/Phi-4-mini-instruct",
    "openbmb/MiniCPM4-8B",
}

# conversion/gemma.py, modify_tensors: a stored copy of the embedding is left out.
DROPPING_COPIED_HEADS = {"gemma", "gemma2", "gemma3"}

# What people run them for, by words of the checkpoint's name; the first that is found counts.
KINDS = (
    ("code", r"coder|code|starcoder|codestral|devstral|laguna|kimi-dev"),
    ("reasoning", r"(^|-)r1|qwq|think|magistral|gpt-oss|reasoning|-m1-|deepcoder|math"),
)
VIDEO_FAMILIES = {"wan", "hunyuan-video", "ltx"}


def flags_of(record: dict[str, Any]) -> list[str]:
    """What metadata does not say; the names are those of ``estimator.templates.tensors_of``."""
    blocks, architecture = record["blocks"], architecture_of(record)
    mixers, networks = list(blocks["mixers"].values()), list(blocks["ffns"].values())
    has_predictor = architecture in WITH_PREDICTOR
    embedding = (record["vocab_size"] or 0) * record["hidden_size"]
    said = {
        "tied": (record["tie_word_embeddings"] or record["kind"] == "embedding") and not has_copied_head(record),
        "copied_head": has_copied_head(record),
        "rope_freqs": architecture in {"llama", "deci", "mllama", "exaone4", "apertus"}
        and (record["family"] in ROPE_FREQS_FAMILIES or record["id"] in ROPE_FREQS_MODELS),
        "long_rope": record["id"] in LONG_ROPE_MODELS,
        "qkv_bias": any(mixer.get("qkv_bias") for mixer in mixers),
        "qk_norm": architecture != "mllama" and any(mixer.get("qk_norm") == "head" for mixer in mixers),
        "per_head_qk_norm": architecture in {"command-r", "stablelm"} and "extra_per_block" in blocks,
        "two_norms": architecture == "falcon" and blocks["norm"].get("per_block") == 2,
        "values_are_keys": any(mixer.get("k_eq_v") for mixer in mixers),
        "router_bias": architecture != "gpt-oss" and any(network.get("router_bias") for network in networks),
        "no_ssm_norm": architecture == "falcon-h1" and not norms_its_state(record),
        "lean_predictor": has_predictor and "mtp" in blocks and blocks["mtp"]["extra"] < embedding,
    }
    return sorted(flag for flag, is_so in said.items() if is_so)


def has_copied_head(record: dict[str, Any]) -> bool:
    is_stored = "dup_lm_head" in (record["reference_composition"] or "")
    return is_stored and architecture_of(record) not in DROPPING_COPIED_HEADS


def norms_its_state(record: dict[str, Any]) -> bool:
    """Falcon-H1: where the statement counts the norm, or the checkpoint has more than stated."""
    counted = record["blocks"]["mixers"]["mamba2"].get("gated_norm")
    return bool(counted) or record["reference_total"] != record["total_params"]


def differences(record: dict[str, Any], keys: dict[str, Any]) -> dict[str, int]:
    """What a conversion has more or less than the parameters stated."""
    width = record["hidden_size"]
    dropped_rows = (keys["vocab_size"] - record["vocab_size"]) * (1 if record["tie_word_embeddings"] else 2)
    found = {
        "vision tower": -record["params_vision"],
        DROPPED_ROWS: dropped_rows * width,
        COPIED_HEAD: record["vocab_size"] * width if has_copied_head(record) else 0,
        **DIFFERENCES.get(architecture_of(record), lambda *_: {})(record, keys),
    }
    return {reason: n for reason, n in found.items() if n}


def of_glm4moe(record: dict[str, Any], _: dict[str, Any]) -> dict[str, int]:
    return {PREDICTOR: record["params_mtp"] or 0}


def of_falcon_h1(record: dict[str, Any], _: dict[str, Any]) -> dict[str, int]:
    return {"norms of the state, which the statement leaves out": record["reference_total"] - record["total_params"]}


def of_apertus(record: dict[str, Any], _: dict[str, Any]) -> dict[str, int]:
    return {"two numbers of each layer, which the converter writes as metadata": -2 * record["num_layers"]}


def of_jina_bert(record: dict[str, Any], _: dict[str, Any]) -> dict[str, int]:
    width = record["hidden_size"]
    return {"pooling layer, which the converter drops": -(width * width + width)}


def of_bert(record: dict[str, Any], keys: dict[str, Any]) -> dict[str, int]:
    """conversion/bert.py, XLMRobertaModel: positions begin after the padding token."""
    width = record["hidden_size"]
    n_rows = record["blocks"]["embed"]["tables"]["pos"] // width - keys["context_length"]
    return of_jina_bert(record, keys) | {"positions before the first, which the converter drops": -n_rows * width}


def of_gemma_embedding(record: dict[str, Any], _: dict[str, Any]) -> dict[str, int]:
    return {"two dense layers after the last, which the converter leaves out": -record["blocks"]["extra"]}


def of_muse_glimmer(record: dict[str, Any], keys: dict[str, Any]) -> dict[str, int]:
    """conversion/muse_glimmer.py, modify_tensors."""
    n_weights = 2 * keys["attention.key_length"] * record["num_layers"]
    return {"norms of queries and keys, which the converter adds": n_weights}


def of_kimi_k3(record: dict[str, Any], _: dict[str, Any]) -> dict[str, int]:
    """conversion/kimi_k3.py pairs each norm with its projection."""
    n_weights = (2 * record["num_layers"] + 1) * record["hidden_size"]
    return {"scores of earlier blocks, which the converter stores as one": -n_weights}


def of_glm5_next(record: dict[str, Any], keys: dict[str, Any]) -> dict[str, int]:
    n_streams = keys["hyper_connection.count"]
    n_weights = n_streams * n_streams * record["hidden_size"] + n_streams + 1
    return {"mixing of the last streams, which llama.cpp does not load": -n_weights}


def of_qwen4exp(record: dict[str, Any], keys: dict[str, Any]) -> dict[str, int]:
    n_streams, rank = keys["hyper_connection.count"], keys["hyper_connection.low_rank"]
    n_weights = n_streams * record["hidden_size"] * (1 + 2 * rank)
    return {"mixing of the last streams, which the statement leaves out": n_weights}


DIFFERENCES = {
    "glm4moe": of_glm4moe,
    "falcon-h1": of_falcon_h1,
    "apertus": of_apertus,
    "jina-bert-v2": of_jina_bert,
    "bert": of_bert,
    "gemma-embedding": of_gemma_embedding,
    "muse-glimmer": of_muse_glimmer,
    "glm5-next": of_glm5_next,
    "kimi-k3": of_kimi_k3,
    "qwen4exp": of_qwen4exp,
}


def notes_of(record: dict[str, Any]) -> list[str]:
    architecture = architecture_of(record)
    said = {
        TEXT_PART_ONLY: record["params_vision"],
        NO_PREDICTOR: record["params_mtp"] and architecture not in WITH_PREDICTOR,
        NOT_LLAMACPP: architecture in {"opt", "longcat-flash", "mllama"},
        UNSURE_ORDER: architecture == "deci",
    }
    return [note for note, applies in said.items() if applies]


def names_of(record: dict[str, Any], further: list[str], taken: set[str]) -> list[str]:
    """Further names; of the table's, those that no other entry claims for itself."""
    of_table = [record["ollama_name"], *record["aliases"]]
    return further + [name for name in of_table if name and " " not in name and plain(name) not in taken]


def comma(listed: str) -> list[str]:
    return [name.strip() for name in listed.split(",") if name.strip()]


def plain(name: str) -> str:
    return "".join(c for c in name.rpartition("/")[2].casefold() if c.isalnum())


def kind_of(record: dict[str, Any]) -> str:
    if record["kind"] == "diffusion":
        return "video" if record["family"] in VIDEO_FAMILIES else "image"
    if record["kind"] != "text":
        return str(record["kind"])
    name = record["id"].rpartition("/")[2].casefold()
    return next((kind for kind, words in KINDS if re.search(words, name)), "text")


def default_quant(record: dict[str, Any]) -> str | None:
    """What most files of it are, where that is not the usual one."""
    architecture = architecture_of(record)
    if architecture == "gpt-oss":
        return "MXFP4_MOE"
    if record["kind"] == "embedding":
        return "F16" if record["total_params"] < 600e6 else "Q8_0"
    return None


def published_quant(record: dict[str, Any]) -> str | None:
    """What its own checkpoint is stored as, where that is not 16 bits."""
    return "FP8" if record["native_dtype"].startswith("float8") else None


def entry(record: dict[str, Any], name: str, further: list[str], taken: set[str]) -> dict[str, Any]:
    found = {
        "name": name,
        "id": record["id"],
        "aliases": names_of(record, further, taken),
        "family": record["family"],
        "kind": kind_of(record),
        "parameters": record["total_params"],
        "vision": record["params_vision"] or None,
        "ollama": record["ollama_name"],
        "published": published_quant(record),
        "released": record["release"],
        "licence": record["license"],
    }
    if record["kind"] in ("audio", "diffusion"):
        found |= {"dtype": record["native_dtype"], "parts": parts_of(record)}
    else:
        keys = metadata_of(record)
        found |= {
            "quant": default_quant(record),
            "architecture": architecture_of(record),
            "flags": flags_of(record),
            "differences": differences(record, keys),
            "notes": notes_of(record),
            "keys": keys,
        }
    return {key: value for key, value in found.items() if value not in (None, [], {})}


def parts_of(record: dict[str, Any]) -> dict[str, int]:
    """Parameters of the networks that such a model consists of."""
    components = record.get("extra_components")
    if components:
        return {component["name"]: component["params"] for component in components}
    return {"encoder and decoder": record["total_params"]}


def main(path: str) -> None:
    records = {record["id"]: record for record in map(json.loads, Path(path).read_text("utf-8").splitlines())}
    lines = [line for line in CHOSEN.read_text("utf-8").splitlines() if line and not line.startswith("#")]
    chosen = [[part.strip() for part in f"{line} |".split("|")][:3] for line in lines]
    taken = {plain(claimed) for checkpoint, name, further in chosen for claimed in (checkpoint, name, *comma(further))}
    found = [entry(records[checkpoint], name, comma(further), taken) for checkpoint, name, further in chosen]
    models, index = Path(CATALOGUE), Path(INDEX)
    models.write_text(
        "".join(json.dumps(one, ensure_ascii=False, separators=(",", ":")) + "\n" for one in found), "utf-8"
    )
    index.write_text("".join(index_line(one) + "\n" for one in found), "utf-8")
    languages = [known for known in entries() if not known.parts]
    sketches = [sketch_line(plain_model(known), known.checkpoint, known.default_quant) for known in languages]
    Path(SKETCHES).write_text("".join(f"{line}\n" for line in sketches), "utf-8")
    print(
        f"{len(found)} models, {models.stat().st_size} bytes, and {index.stat().st_size} bytes of names, "
        f"{len(sketches)} sketches of {Path(SKETCHES).stat().st_size} bytes"
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("table", help="the checkpoints, one JSON object a line")
    main(parser.parse_args().table)
