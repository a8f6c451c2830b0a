"""llama-cpp-python's server: ``python -m llama_cpp.server``, its flags, their variables and ``--config_file``.

llama_cpp/server/settings.py, cli.py and __main__.py of 0.3.36: a flag, and a variable in capitals, for each setting.
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache

from estimator.errors import UnreadableModel
from estimator.json_file import read_json_object
from estimator.llama_options import Options
from launches.command import Command, Program
from launches.errors import NoLaunch
from launches.launch import Launch
from launches.llama_defaults import ALL_LAYERS
from launches.llama_models import from_repository, quant_in
from launches.numbers import Values
from launches.uncounted import Uncounted
from launches.words import ARGPARSE, Flag, Given, Takes, table, take_apart
from launches.yaml_file import UnreadableSettings, read_settings

VALUED = """model model_alias n_gpu_layers split_mode main_gpu vocab_only use_mmap use_mlock rpc_servers seed n_ctx
n_batch n_ubatch n_threads n_threads_batch rope_scaling_type rope_freq_base rope_freq_scale yarn_ext_factor
yarn_attn_factor yarn_beta_fast yarn_beta_slow yarn_orig_ctx mul_mat_q logits_all embedding offload_kqv flash_attn
last_n_tokens_size lora_base lora_path numa chat_format chat_template_kwargs clip_model_path cache cache_type cache_size
hf_tokenizer_config_path hf_pretrained_model_name_or_path hf_model_repo_id draft_model draft_model_num_pred_tokens
type_k type_v verbose host port ssl_keyfile ssl_certfile api_key interrupt_requests disable_ping_events root_path
config_file f16_kv low_vram n_gqa rms_norm_eps"""
"""The last four of 0.2 and before."""
LISTS = "tensor_split kv_overrides"
MODULES = frozenset({"llama_cpp.server", "llama_cpp.server.__main__"})
APP = "llama_cpp.server.app:"
"""What uvicorn is asked for in its place (llama_cpp/server/__main__.py): settings are then variables alone."""
SEEING_FORMATS = frozenset(
    "llava-1-5 obsidian llava-1-6 mtmd gemma4 moondream nanollava llama-3-vision-alpha minicpm-v-2.6 qwen2.5-vl".split()
)
"""With these the image part is loaded, with no other (llama_cpp/server/model.py of 2026-11, `chat_format`)."""
_UVICORN = table("""
--host N
--port N
--factory
--reload
--workers N
--log-level N
--root-path N
--app-dir N
--env-file N
--timeout-keep-alive N
--limit-concurrency N
--loop N
--http N
--proxy-headers
--ssl-keyfile N
--ssl-certfile N
""")
"""Some of uvicorn's own (uvicorn.org, "Settings")."""
CONTEXT_TOKENS, BATCH_TOKENS = 2048, 512
HOST, PORT = "localhost", 8000
STORED_TYPES = {0: "f32", 1: "f16", 2: "q4_0", 3: "q4_1", 6: "q5_0", 7: "q5_1", 8: "q8_0", 20: "iq4_nl", 30: "bf16"}
"""`ggml_type`, ggml/include/ggml.h."""
SPLIT_MODES = {0: "none", 1: "layer", 2: "row"}
"""`llama_split_mode`, include/llama.h."""
MAX_CONFIG_BYTES = 1 << 20


def recognises(program: Program) -> bool:
    """The module, or uvicorn with its application."""
    is_served = program.name == "uvicorn" and any(word.startswith(APP) for word in program.arguments)
    return program.name in MODULES or is_served


def read(program: Program, command: Command) -> tuple[Launch, ...]:
    """The models that it would load; of a file with several, one is loaded at a time.

    Raises:
        NoLaunch: it only shows something.
    """
    if any(word in ("-h", "--help") for word in program.arguments):
        raise NoLaunch("llama_cpp.server only shows something so")
    given = _given(program)
    path = given.last("--config_file")
    if path is None:
        return (_launch(Values(given), program, command),)
    try:
        return tuple(_launch(Values(each), program, command) for each in _of_file(command.path(path), given))
    except (UnreadableModel, UnreadableSettings) as error:
        values = Values(given)
        values.refuse(str(error))
        return (_launch(values, program, command),)


_OWN_NAMES = {
    "--ctx-size": "--n_ctx",
    "--gpu-layers": "--n_gpu_layers",
    "--batch-size": "--n_batch",
    "--ubatch-size": "--n_ubatch",
    "--main-gpu": "--main_gpu",
}


def translated(words: Mapping[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    """llama.cpp's settings, by its flags, in this server's own words; what it has none for is left out."""
    found = {own: (own, *words[flag][1:]) for flag, own in _OWN_NAMES.items() if flag in words}
    if "--tensor-split" in words:
        found["--tensor_split"] = ("--tensor_split", *words["--tensor-split"][1].split(","))
    numbers = {name: str(number) for number, name in STORED_TYPES.items()}
    for flag, own in (("--cache-type-k", "--type_k"), ("--cache-type-v", "--type_v")):
        if (number := numbers.get("".join(words.get(flag, ("", ""))[1:]))) is not None:
            found[own] = (own, number)
    return found


def _given(program: Program) -> Given:
    if program.name in MODULES:
        return take_apart(program.arguments, _flags(), ARGPARSE, offset=program.offset, environment=program.environment)
    own = take_apart(program.arguments, _UVICORN, ARGPARSE, offset=program.offset)
    told = take_apart((), _flags(), ARGPARSE, offset=program.offset, environment=program.environment)
    address = {"--host": ((own.last("--host") or "127.0.0.1",),), "--port": ((own.last("--port") or str(PORT),),)}
    return replace(told, values={**told.values, **address}, unknown=own.unknown)


@lru_cache(maxsize=1)
def _flags() -> tuple[Flag, ...]:
    def flag(name: str, takes: Takes) -> Flag:
        return Flag(names=(f"--{name}",), takes=takes, variable=name.upper())

    return (
        *(flag(name, Takes.ONE) for name in VALUED.split()),
        *(Flag(names=(f"--{name}",), takes=Takes.ANY) for name in LISTS.split()),
    )


def _launch(values: Values, program: Program, command: Command) -> Launch:
    given = values.given
    model = given.last("--model")
    if model is None and not values.refusals:
        values.refuse("llama_cpp.server needs --model")
    repository = given.last("--hf_model_repo_id")
    n_batch = values.whole("--n_batch", BATCH_TOKENS, least=1)
    keys, vals = _stored_type(values, "--type_k"), _stored_type(values, "--type_v")
    is_flash = _is_on(given, "--flash_attn", default=False)
    if vals not in (None, "f16", "f32", "bf16") and not is_flash:
        values.refuse(f"values of the KV cache can't be {vals} without --flash_attn true")
    projector = given.last("--clip_model_path") if given.last("--chat_format") in SEEING_FORMATS else None
    has_all_logits = _is_on(given, "--logits_all", default=True)
    options = Options(
        n_gpu_layers=_layers(values),
        is_flash_attention=is_flash,
        n_batch_tokens=n_batch,
        n_ubatch_tokens=values.whole("--n_ubatch", 512, least=1),
        is_kv_offloaded=_is_on(given, "--offload_kqv", default=True) and not _is_on(given, "--low_vram", default=False),
        value_type=None if (vals or "f16") == (keys or "f16") else vals or "f16",
        split_mode=SPLIT_MODES.get(values.whole("--split_mode", 1), "layer"),
        main_device=values.whole("--main_gpu", 0, least=0),
        tensor_split=_shares(values),
        is_mapped=_is_on(given, "--use_mmap", default=True),
        projector=None if projector is None else command.path(projector),
        n_outputs=n_batch if has_all_logits else None,
        keeps_logits=has_all_logits,
    )
    context = values.whole("--n_ctx", CONTEXT_TOKENS, least=0)
    _doubt(values)
    source = _source(model, repository, program, command)
    return Launch(
        program="llama_cpp.server",
        engine_name="llamacpp",
        source=source,
        context_tokens=context,
        kv_type=keys,
        options=options,
        environment=program.environment,
        address=(given.last("--host") or HOST, values.whole("--port", PORT, least=0)),
        unknown=values.unknown,
        doubts=tuple(dict.fromkeys(values.doubts)),
        refusal="; ".join((*given.refusals, *values.refusals)),
        spans=given.spans,
    )


def _source(model: str | None, repository: str | None, program: Program, command: Command) -> str | None:
    """The file, or the one of a repository that a pattern names (Llama.from_pretrained: ``fnmatch``)."""
    if model is None or not repository:
        return None if model is None else command.path(model)
    quant = quant_in(re.sub(r"[*?\[\]]+", "-", model))
    file = model if quant == "" and "*" not in model else ""
    meant = from_repository(f"{repository}:{quant}" if quant else repository, file, command, program.environment)
    return f"{repository}/{model}" if meant is None else meant.source


def _layers(values: Values) -> int:
    n_layers = values.whole("--n_gpu_layers", 0, least=-1)
    return ALL_LAYERS if n_layers < 0 else n_layers


def _stored_type(values: Values, flag: str) -> str | None:
    if not values.given.has(flag):
        return None
    number = values.whole(flag, 1, least=0)
    if number not in STORED_TYPES:
        values.refuse(f"{flag} takes the number of a type of ggml's, not {number}")
    return STORED_TYPES.get(number)


def _shares(values: Values) -> tuple[float, ...] | None:
    try:
        shares = tuple(float(word) for word in values.given.every("--tensor_split"))
    except ValueError:
        values.refuse("--tensor_split takes numbers with blanks between")
        return None
    return shares if any(shares) else None


def _is_on(given: Given, flag: str, *, default: bool) -> bool:
    told = given.is_on(flag)
    return default if told is None else told


def _doubt(values: Values) -> None:
    given = values.given
    if given.has("--lora_path"):
        values.doubts.append(Uncounted("what --lora_path loads is not counted"))
    if given.has("--clip_model_path") and given.last("--chat_format") not in SEEING_FORMATS:
        values.doubts.append("the image part is loaded with a --chat_format that has images only")
    if given.has("--rpc_servers"):
        values.doubts.append("devices of other machines are not counted (--rpc_servers)")
    if _is_on(given, "--cache", default=False) and given.last("--cache_type") != "disk":
        n_bytes = values.whole("--cache_size", 2 << 30, least=0) if len(given.last("--cache_size") or "") < 10 else None
        shown = f"up to {n_bytes >> 20} MiB of RAM" if n_bytes is not None else "RAM"
        values.doubts.append(f"past prompts may fill {shown} as they come (--cache)")


def _of_file(path: str, given: Given) -> list[Given]:
    """The settings of each of its models, as if they had been typed.

    Raises:
        UnreadableModel: no file in JSON.
        UnreadableSettings: no file in YAML.
    """
    stored: Mapping[str, object]
    if path.endswith((".yaml", ".yml")):
        stored = read_settings(path).values
    else:
        stored = read_json_object(path, MAX_CONFIG_BYTES)
    models = stored.get("models")
    if not isinstance(models, list) or not models:
        raise UnreadableSettings(f"{path} names no models")
    common = {f"--{name}": ((str(stored[name]),),) for name in ("host", "port") if stored.get(name) is not None}
    told = [{**common, **_told(model)} for model in models[:64] if isinstance(model, dict)]
    return [replace(given, values=values, spans=()) for values in told] or [given]


def _told(model: Mapping[str, object]) -> dict[str, tuple[tuple[str, ...], ...]]:
    found: dict[str, tuple[tuple[str, ...], ...]] = {}
    for name, value in model.items():
        words = value if isinstance(value, list) else [value]
        if value is not None:
            found[f"--{name}"] = (tuple(str(word) for word in words[:256]),)
    return found
