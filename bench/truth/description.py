"""The model of a row: from the numbers that its log prints, or from the catalogue by name."""

import json
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from itertools import combinations
from typing import Any

from estimator.errors import EstimatorError
from estimator.metadata import describe
from estimator.mixture import DEFAULT_TYPES, mixture, mixture_shape, parse_quant
from estimator.model import Model, Tensor
from estimator.readers import catalogue
from estimator.templates import tensors_of
from truth.figure import NotReplayable, Row

KEYS = {
    "n_layer": "block_count",
    "n_embd": "embedding_length",
    "n_ff": "feed_forward_length",
    "n_head": "attention.head_count",
    "n_head_kv": "attention.head_count_kv",
    "n_ctx_train": "context_length",
    "head_dim_k": "attention.key_length",
    "head_dim_v": "attention.value_length",
    "n_rot": "rope.dimension_count",
    "n_swa": "attention.sliding_window",
    "n_expert": "expert_count",
    "n_expert_used": "expert_used_count",
    "n_ff_exp": "expert_feed_forward_length",
    "n_ff_shexp": "expert_shared_feed_forward_length",
    "n_expert_shared": "expert_shared_count",
    "n_layer_dense_lead": "leading_dense_block_count",
    "q_lora_rank": "attention.q_lora_rank",
    "kv_lora_rank": "attention.kv_lora_rank",
    "n_embd_head_k_mla": "attention.key_length_mla",
    "n_embd_head_v_mla": "attention.value_length_mla",
    "n_embd_head_k_swa": "attention.key_length_swa",
    "n_embd_head_v_swa": "attention.value_length_swa",
    "shared_kv_layers": "attention.shared_kv_layers",
    "ssm_d_conv": "ssm.conv_kernel",
    "ssm_d_inner": "ssm.inner_size",
    "ssm_d_state": "ssm.state_size",
    "ssm_dt_rank": "ssm.time_step_rank",
    "ssm_n_group": "ssm.group_count",
    "n_nextn": "nextn_predict_layers",
    "full_attention_interval": "full_attention_interval",
    "n_vocab": "vocab_size",
}
"""The names that llama.cpp prints (`print_info`), to those of the file."""

FLAGS = ("rope_freqs", "tied", "qkv_bias", "qk_norm", "router_bias", "lean_predictor", "long_rope")
"""What a log does not print and the number of tensors tells."""
STAND_IN_VOCABULARY = 32_000
FORK_SOURCES = re.compile(r"ik_llama-main|GGUF-Tool-Suite")


def is_fork(row: Row) -> bool:
    """Whether ik_llama.cpp printed it: by its name, by what only it prints, or by a source that runs nothing else."""
    prints = any(row["run"].get(key) is not None for key in ("mla_attn", "fused_moe", "attn_max_b"))
    return row["engine"] == "ik_llama.cpp" or prints or bool(FORK_SOURCES.search(row["source"]))


def latent_way(row: Row) -> int | None:
    """ik_llama.cpp computes latent attention as it is asked to (-mla), whatever the file was converted for."""
    asked = re.search(r"-mla[ =]([0-3])", row["run"].get("command") or "")
    way: int | None = row["run"].get("mla_attn")
    return int(asked[1]) if way is None and asked else way


def metadata_of(row: Row) -> dict[str, object]:
    """GGUF's keys with the row's numbers.

    Raises:
        NotReplayable: it lacks those that every model has.
    """
    architecture = row["model"].get("arch")
    hparams: Mapping[str, Any] = row["model"].get("hparams") or {}
    if not architecture or not all(hparams.get(key) for key in ("n_layer", "n_embd", "n_head_kv")):
        raise NotReplayable("the log does not print the model's numbers")
    made: dict[str, object] = {"general.architecture": architecture}
    for name, key in KEYS.items():
        value = hparams.get(name)
        if isinstance(value, str) and value.startswith("["):
            try:
                value = json.loads(value)
            except json.JSONDecodeError as error:
                raise NotReplayable("the log cuts off a list of numbers per layer") from error
        if value is None or (name == "n_swa" and not value):
            continue
        made[f"{architecture}.{key}"] = value
    if f"{architecture}.attention.head_count" not in made and hparams.get("n_gqa"):
        made[f"{architecture}.attention.head_count"] = hparams["n_head_kv"] * hparams["n_gqa"]
    if f"{architecture}.attention.head_count" not in made:
        raise NotReplayable("the log does not print the model's numbers")
    if architecture == "deepseek2":
        _settle_latents(made, row)
    if architecture == "gemma4" and isinstance(hparams.get("n_embd_k_gqa"), str):
        _settle_gemma4(made, json.loads(hparams["n_embd_k_gqa"]))
    return made


def _settle_latents(made: dict[str, object], row: Row) -> None:
    """Only conversions for latent attention cache latents: they have one KV head, as wide as the latent."""
    hparams = row["model"]["hparams"]
    if hparams.get("n_head_kv") != 1:
        for key in ("key_length_mla", "value_length_mla"):
            made.pop(f"deepseek2.attention.{key}", None)


def _settle_gemma4(made: dict[str, object], widths: list[int]) -> None:
    """The log prints the heads' width of the first layer, which has a window; the others' are wider."""
    heads = made["gemma4.attention.head_count_kv"]
    heads = heads if isinstance(heads, list) else [heads] * len(widths)
    per_head = [width // n for width, n in zip(widths, heads, strict=True)]
    if max(per_head) > min(per_head):
        made["gemma4.attention.key_length"] = made["gemma4.attention.value_length"] = max(per_head)
        made["gemma4.attention.key_length_swa"] = made["gemma4.attention.value_length_swa"] = min(per_head)
        made["gemma4.attention.sliding_window_pattern"] = [int(width == min(per_head)) for width in per_head]


def counted(tensors: tuple[Tensor, ...]) -> Counter[str]:
    return Counter(tensor.type for tensor in tensors)


def type_counts(row: Row) -> Counter[str]:
    """Tensors by type, as the log lists them."""
    return Counter({name.upper(): n for name, n in (row["file"].get("tensor_types") or {}).items()})


def model_of(row: Row) -> tuple[Model, bool]:
    """(model, whether the type of every tensor is known): known where a mixture gives just the counts in the log.

    Raises:
        NotReplayable: neither the numbers nor the name lead to a model.
    """
    try:
        metadata = metadata_of(row)
    except NotReplayable:
        return _by_name(row)
    key = json.dumps([metadata, row["file"].get("tensor_types"), row["file"].get("ftype"), row["model"].get("name")])
    return _described(key)


@cache
def _described(key: str) -> tuple[Model, bool]:
    metadata, types, ftype, name = json.loads(key)
    stated = Counter({type_name.upper(): n for type_name, n in (types or {}).items()})
    full = dict(metadata)
    if metadata["general.architecture"] == "deepseek2":  # the tensors are named by widths that old files leave out
        rope = metadata.get("deepseek2.rope.dimension_count", 64)
        full.setdefault(
            "deepseek2.attention.key_length_mla", metadata.get("deepseek2.attention.key_length", 128 + rope)
        )
        full.setdefault("deepseek2.attention.value_length_mla", metadata.get("deepseek2.attention.value_length", 128))
    vocabulary = f"{metadata['general.architecture']}.vocab_size"
    if vocabulary not in full:  # tensors as far as the caches need them
        full[vocabulary] = STAND_IN_VOCABULARY
        stated = Counter()
    is_whole = full["general.architecture"] == "deepseek2" and full["deepseek2.attention.head_count_kv"] != 1
    found = list(_candidates(full, sum(stated.values()), is_whole=is_whole))
    for tensors in found:
        model = describe(
            _converted(metadata, full, tensors), tensors, name=str(name), source="log", quant=str(ftype), file_bytes=1
        )
        if stated and counted(mixture("BF16", tensors, mixture_shape(model)))["F32"] != stated["F32"]:
            continue  # every mixture leaves the same ones in float32
        for quant in _quants(ftype):
            for has_imatrix in (False, True):
                typed = mixture(quant, tensors, mixture_shape(model), has_imatrix=has_imatrix)
                if stated and counted(typed) == stated:
                    return replace(model, tensors=typed, quant=quant), True
    found = found or _candidates(full, 0, is_whole=is_whole)
    tensors = found[0] if found else _bare(metadata)
    try:
        converted = _converted(metadata, full, tensors)
        model = describe(converted, tensors, name=str(name), source="log", quant=str(ftype), file_bytes=1)
        typed = mixture(_quants(ftype)[0], tensors, mixture_shape(model)) if found else tensors
    except EstimatorError as error:
        raise NotReplayable(f"the model can't be described: {error}") from error
    return replace(model, tensors=typed), False


def _converted(
    metadata: Mapping[str, object], full: Mapping[str, object], tensors: tuple[Tensor, ...]
) -> Mapping[str, object]:
    """DeepSeek's numbers as the file has them: ik_llama.cpp prints whole heads for files that were converted for
    latents, which the tensors show."""
    names = {tensor.name for tensor in tensors}
    has_latents = "blk.0.attn_k_b.weight" in names and "blk.0.attn_kv_b.weight" not in names
    if not has_latents or metadata["deepseek2.attention.head_count_kv"] == 1:
        return metadata
    rank, rope = full["deepseek2.attention.kv_lora_rank"], full.get("deepseek2.rope.dimension_count", 64)
    assert isinstance(rank, int)
    assert isinstance(rope, int)
    return {**full, "deepseek2.attention.head_count_kv": 1, "deepseek2.attention.key_length": rank + rope}


def _quants(ftype: str | None) -> list[str]:
    """Every mixture, what the file is called first."""
    try:
        first = [name for name in [parse_quant(ftype or "Q4_K_M")] if name in DEFAULT_TYPES]
    except EstimatorError:
        first = []
    return first + [quant for quant in DEFAULT_TYPES if quant not in first]


def _candidates(metadata: Mapping[str, object], n_tensors: int, *, is_whole: bool = False) -> list[tuple[Tensor, ...]]:
    """Ways to have so many tensors; every way where their number is not known.

    Args:
        metadata: of the file.
        n_tensors: in the log, 0 where it does not say.
        is_whole: converted before latents were cached (2025-04), or for ik_llama.cpp, which takes both.
    """
    found = []
    bases: tuple[tuple[str, ...], ...] = ((),)
    if is_whole:
        bases = (("whole_key_values",), ("whole_key_values", "both_key_values"), ())
    for n in range(4):
        for flags in combinations(FLAGS, n):
            for base in bases:
                try:
                    tensors = tensors_of(metadata, frozenset((*flags, *base)))
                except (EstimatorError, KeyError, IndexError, TypeError, StopIteration):
                    continue
                if not n_tensors or len(tensors) == n_tensors:
                    found.append(tensors)
        if found and not n_tensors:
            break
    return found


def _bare(metadata: Mapping[str, object]) -> tuple[Tensor, ...]:
    """Only what the output needs: the caches don't depend on tensors."""
    architecture = metadata["general.architecture"]
    width = metadata[f"{architecture}.embedding_length"]
    rows = metadata.get(f"{architecture}.vocab_size") or 32000
    assert isinstance(width, int)
    assert isinstance(rows, int)
    return (Tensor("token_embd.weight", (width, rows), "BF16"), Tensor("output.weight", (width, rows), "BF16"))


def _by_name(row: Row) -> tuple[Model, bool]:
    """The catalogue's model of that name, if its layers are as many as the row's."""
    hparams = row["model"].get("hparams") or {}
    quant = row["file"].get("ftype")
    try:
        model = catalogue.read(row["model"]["name"] or "", quant)
    except (EstimatorError, KeyError) as error:
        raise NotReplayable("the log does not print the model's numbers, and its name is in no catalogue") from error
    for name, own in (("n_layer", model.n_layers), ("n_embd", model.embedding_width)):
        if hparams.get(name) not in (None, own):
            raise NotReplayable("the catalogue's model of that name has other numbers")
    return replace(model, file_bytes=1), bool(type_counts(row)) and counted(model.tensors) == type_counts(row)
