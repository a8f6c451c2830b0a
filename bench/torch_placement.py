"""Whether ``device_map="auto"`` places blocks as we say: Transformers' own function beside ours, on random limits.

    pip install torch transformers accelerate
    python bench/torch_placement.py [--cases N]

Models are made without weights; nothing is allocated, and no GPU is needed.
"""

import argparse
import random
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

import torch
import transformers.integrations.accelerate as placement
from transformers import AutoConfig, AutoModelForCausalLM

from estimator.device_map import DISK, HOST, auto_device_map
from estimator.modules import Module

NAMES = {HOST: "cpu", DISK: "disk"}


def model_of(pick: random.Random, n_layers: int) -> Any:
    config = AutoConfig.for_model(
        "llama",
        hidden_size=64,
        intermediate_size=pick.choice([64, 256]),
        num_hidden_layers=n_layers,
        num_attention_heads=4,
        num_key_value_heads=4,
        vocab_size=pick.choice([200, 3000]),
        tie_word_embeddings=pick.random() < 0.4,
        pad_token_id=None,
        bos_token_id=None,
        eos_token_id=None,
    )
    with torch.device("meta"):
        return AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16)


def is_alike(pick: random.Random) -> bool:
    n_layers = pick.choice([4, 7, 12])
    model = model_of(pick, n_layers)
    sizes, _ = placement.compute_module_sizes(model, None, only_modules=False)
    limits: dict[Any, int] = {n: int(sizes[""] * pick.uniform(0.1, 0.9)) for n in range(pick.choice([1, 2, 3]))}
    limits["cpu"] = int(sizes[""] * pick.uniform(0.2, 2))
    placement.get_max_memory = lambda _=None: dict(limits)  # theirs would ask the devices
    theirs = placement.infer_auto_device_map(
        model, max_memory=dict(limits), no_split_module_classes=model._no_split_modules, clean_result=False
    )
    blocks = [f"model.layers.{n}" for n in range(n_layers)]
    modules = [
        Module(name="embedding", n_bytes=sizes["model.embed_tokens"], read_bytes=0),
        *(Module(name=name, n_bytes=sizes[name], read_bytes=0, block=n) for n, name in enumerate(blocks)),
        Module(name="output", n_bytes=sizes.get("lm_head", 0) + sizes["model.norm"], read_bytes=0),
    ]
    *devices, host = limits.values()
    ours = auto_device_map(modules, devices, host).devices
    # A tied output lies with the embedding, whatever comes between.
    wanted = [_at(theirs, name) for name in ("model.embed_tokens", *blocks)]
    return [NAMES.get(at, at) for at in ours[:-1]] == wanted


def _at(found: dict[str, Any], name: str) -> Any:
    while name not in found:
        name = name.rpartition(".")[0]
    return found[name]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=60)
    n_cases = parser.parse_args().cases
    pick = random.Random(1)
    n_alike = sum(is_alike(pick) for _ in range(n_cases))
    print(f"placed alike: {n_alike} of {n_cases}")


if __name__ == "__main__":
    main()
