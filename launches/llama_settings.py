"""A llama.cpp command's flags as what moves memory: the estimator's ``Options``, the context and the sequences.

common/arg.cpp and tools/server/server.cpp of 0c1e57098; for ik_llama.cpp common/common.cpp of 8337e4cd3.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from estimator.llama_options import SPLIT_MODES, Options
from launches.llama_defaults import ALL_LAYERS, Defaults
from launches.numbers import Values
from launches.uncounted import Uncounted
from launches.variables import is_unset
from launches.words import NEGATED, Flag, Given
from records.record import record

CACHE_TYPES = ("f32", "f16", "bf16", "q8_0", "q4_0", "q4_1", "iq4_nl", "q5_0", "q5_1")
"""`kv_cache_types` in common/arg.cpp."""
FORK_CACHE_TYPES = (*CACHE_TYPES, "q6_0", "q8_KV")
"""And ik_llama.cpp's own (common/common.cpp, `kv_cache_type_from_str`)."""
PLAIN_TYPES = frozenset({"f32", "f16", "bf16"})
ON = frozenset({"on", "enabled", "true", "1"})
AUTO = frozenset({"auto", "-1"})
OFF = frozenset({"off", "disabled", "false", "0"})
"""`is_truthy`, `is_autoy` and `is_falsey` of common/arg.cpp."""
LOAD_MODES = ("auto", "none", "mmap", "mlock", "mmap+mlock", "dio")
MAPPING_MODES = frozenset({"auto", "mmap", "mmap+mlock"})
"""llama-model-loader.cpp, `use_mmap`."""
DENSE_FEED_FORWARD = r"\.ffn_(up|down|gate)\."
"""What --n-cpu-ffn leaves in RAM of each of the first blocks (`LLM_FFN_DENSE_REGEX`, common/common.h)."""


@record(frozen=True, slots=True, kw_only=True)
class Settings:
    """What a command asks for, before a program makes something of its own of it."""

    context_tokens: int
    is_context_free: bool
    """None was asked for, and the engine may take a shorter one."""
    n_sequences: int | None
    """None: the program decides."""
    kv_type: str | None
    options: Options


def settings_of(values: Values, defaults: Defaults, *, build: str, is_fork: bool) -> Settings:
    """All of it; what the engine refuses, and what is not sure, is told to ``values``."""
    values.is_older = bool(build)
    given = values.given
    context = values.whole("--ctx-size", defaults.context_tokens, least=0)
    fits = _fits(values, defaults, is_fork=is_fork)
    is_flash_attention = _flash_attention(values, defaults, is_fork=is_fork)
    types = FORK_CACHE_TYPES if is_fork else CACHE_TYPES
    key_type = values.one_of("--cache-type-k", types, "f16")
    value_type = values.one_of("--cache-type-v", types, "f16")
    if value_type not in PLAIN_TYPES and not is_flash_attention:
        values.refuse(f"values of the KV cache can't be {value_type} without flash attention")
    options = Options(
        n_gpu_layers=_layers(values, "--gpu-layers", defaults.n_gpu_layers, fits=fits),
        is_flash_attention=is_flash_attention,
        n_batch_tokens=values.whole("--batch-size", defaults.n_batch_tokens, least=1),
        n_ubatch_tokens=values.whole("--ubatch-size", 512, least=1),
        is_kv_unified=is_on(given, "--kv-unified", default=False),
        is_kv_offloaded=is_on(given, "--kv-offload", default=True),
        value_type=None if value_type == key_type else value_type,
        is_full_window=is_on(given, "--swa-full", default=False),
        n_cpu_moe_layers=values.whole("--n-cpu-moe", 0, least=0),
        is_cpu_moe=is_on(given, "--cpu-moe", default=False),
        tensor_overrides=_overrides(values),
        tensor_split=_split(values),
        split_mode=_split_mode(values, is_fork=is_fork),
        main_device=values.whole("--main-gpu", 0, least=0),
        offloads_operations=is_on(given, "--op-offload", default=True),
        is_mapped=_is_mapped(values),
        is_repacked=is_on(given, "--repack", default=True),
        prompt_cache_mib=_prompt_cache_mib(values),
        n_checkpoints=values.whole("--ctx-checkpoints", 0, least=0) if given.has("--ctx-checkpoints") else None,
        fit_target_mib=values.reals("--fit-target", ",/") or None,
        fit_context_tokens=values.whole("--fit-ctx", 0, least=0) if given.has("--fit-ctx") else None,
        is_projector_offloaded=is_on(given, "--mmproj-offload", default=True)
        and given.last("--mmproj-device") != "none",
        build=build,
    )
    if is_fork:
        options = _forked(values, options)
    return Settings(
        context_tokens=context,
        is_context_free=fits and not given.has("--ctx-size") and not context,
        n_sequences=values.whole("--parallel", 1) if given.has("--parallel") else None,
        kv_type=key_type if given.has("--cache-type-k") else None,
        options=options,
    )


def draft_of(values: Values, options: Options, draft: str | None) -> Options:
    """With the model that drafts tokens, where there is one."""
    if draft is None:
        return options
    types = FORK_CACHE_TYPES
    layers = _layers(values, "--gpu-layers-draft", None, fits=True)
    if values.given.has("--device-draft"):
        values.doubts.append("the draft model is counted on the model's own devices, not on those of --device-draft")
    return replace(
        options,
        draft_model=draft,
        n_draft_gpu_layers=layers,
        draft_key_type=values.one_of("--cache-type-k-draft", types, "f16"),
        draft_value_type=values.one_of("--cache-type-v-draft", types, "f16"),
    )


def _fits(values: Values, defaults: Defaults, *, is_fork: bool) -> bool:
    if is_fork:
        return is_on(values.given, "--fit", default=defaults.fits)
    text = values.told("--fit")
    if text is not None and text not in ON | OFF:
        values.refuse(f"--fit takes on or off, not {text!r}")
    return is_on(values.given, "--fit", default=defaults.fits)


def _layers(values: Values, flag: str, default: int | None, *, fits: bool) -> int | None:
    """A number, ``auto`` or ``all``; less than 0 is one of these, too. Without --fit, automatic means all."""
    text = values.given.last(flag)
    if text is None:
        n_layers = default
    elif text == "auto":
        n_layers = None
    elif text == "all":
        n_layers = ALL_LAYERS
    else:
        number = values.whole(flag, 0)
        n_layers = None if number == -1 else ALL_LAYERS if number < 0 else number
        if is_unset(text):  # a variable of which nothing is known
            n_layers = default
    return ALL_LAYERS if n_layers is None and not fits else n_layers


def _flash_attention(values: Values, defaults: Defaults, *, is_fork: bool) -> bool:
    given = values.given
    if not given.has("--flash-attn"):
        return defaults.is_flash_attention
    text = values.told("--flash-attn")
    if given.last("--flash-attn") is not None and text is None:  # a variable
        return defaults.is_flash_attention
    if text is None:
        if defaults.is_value_wanted and not is_fork:
            values.doubts.append("-fa without a value is refused by llama.cpp from 2025-08-30 on; -fa on says the same")
        return True
    folded = text.casefold() if is_fork else text
    if folded not in ON | OFF | AUTO:
        values.refuse(f"--flash-attn takes on, off or auto, not {text!r}")
    return folded not in OFF


def _overrides(values: Values) -> str | None:
    """All of them: each time adds to those before (`parse_tensor_buffer_overrides`)."""
    parts = [part for text in values.given.every("--override-tensor") for part in text.split(",") if part]
    for part in parts:
        if "=" not in part:
            values.refuse(f"--override-tensor takes pattern=buffer, not {part!r}")
            return None
    n_blocks = min(values.whole("--n-cpu-ffn", 0, least=0), 1000)
    parts += [rf"blk\.{block}{DENSE_FEED_FORWARD}=CPU" for block in range(n_blocks)]
    return ",".join(parts) or None


def _split(values: Values) -> tuple[float, ...] | None:
    """Shares; all of them 0 means by free memory, as if there were none."""
    shares = values.reals("--tensor-split", ",/")
    return shares if any(shares) else None


def _split_mode(values: Values, *, is_fork: bool) -> str:
    own = ("graph", "attn") if is_fork else ()
    mode = values.one_of("--split-mode", (*SPLIT_MODES, *own), "layer")
    if mode in own:
        values.doubts.append(
            Uncounted(f"split mode {mode} is counted as layer: what it keeps on each device is not known here")
        )
        return "layer"
    return mode


def _is_mapped(values: Values) -> bool:
    """By the flag that stands last: each one sets the whole mode (common/arg.cpp)."""
    given = values.given
    if is_on(given, "--mlock", default=False) or given.last("--load-mode") in ("mlock", "mmap+mlock"):
        values.doubts.append("weights in RAM are locked there: what is mapped can't be given back to others")
    modes = ("--load-mode", "--mmap", "--direct-io")
    names = [flag for flag in modes if given.has(flag)] + [span.flag for span in given.spans if span.flag in modes]
    if not names:
        return True
    last = names[-1]
    if last != "--load-mode" and not values.is_older:
        told = _as_given(values, last)
        values.doubts.append(f"{told} is refused by llama.cpp from 2026-10 on, which has --load-mode for it")
    if last == "--load-mode":
        return values.one_of("--load-mode", LOAD_MODES, "auto") in MAPPING_MODES
    if last == "--mmap":
        return is_on(given, "--mmap", default=True)
    return not is_on(given, "--direct-io", default=False)


def _as_given(values: Values, flag: str) -> str:
    """``--no-mmap``, where that is what turned it off."""
    is_negated = values.given.last(flag) in NEGATED and flag in ("--mmap", "--direct-io")
    return f"--no-{flag.removeprefix('--')}" if is_negated else flag


def _prompt_cache_mib(values: Values) -> int | None:
    if not values.given.has("--cache-ram"):
        return None
    n_mib = values.whole("--cache-ram", 0)
    if n_mib < 0:
        values.doubts.append("past prompts may fill RAM without a limit (--cache-ram -1)")
        return None
    return n_mib


def _forked(values: Values, options: Options) -> Options:
    """ik_llama.cpp's own; what runs repacked is not mapped."""
    given = values.given
    if given.has("--fused-moe") and not is_on(given, "--fused-moe", default=True):
        values.doubts.append("experts are counted as the build computes them by default, not apart (-no-fmoe)")
    for flag in ("--cache-type-k-first", "--cache-type-k-last", "--cache-type-v-first", "--cache-type-v-last"):
        if given.has(flag):
            values.doubts.append(f"all layers' cache is counted as of one type, whatever {flag} says")
    return replace(
        options,
        latent_way=values.whole("--mla-use", 0) if given.has("--mla-use") else None,
        attention_mib=values.whole("--attention-max-batch", 0) if given.has("--attention-max-batch") else None,
        is_moe_fused=given.has("--fused-moe") and is_on(given, "--fused-moe", default=False),
        is_mapped=options.is_mapped and not is_on(given, "--run-time-repack", default=False),
    )


def misspelt(words: Sequence[str], flags: Sequence[Flag]) -> Iterator[str]:
    """Why it would refuse words that are a flag and its value in one, or with too many or few dashes.

    The parser compares whole words (common/arg.cpp, `common_params_parse_ex`; `gpt_params_parse_ex` before).
    """
    names = {name for flag in flags for name in (*flag.names, *flag.negatives)}
    for word in words:
        plain = word.partition(" ")[0]
        name, equals, value = plain.partition("=")
        glued = re.fullmatch(r"(-[A-Za-z]{1,4})(\d[\w.,]*)", plain)
        if equals and name in names:
            yield f"llama.cpp takes no {plain[:60]}; {name} {value[:40]} is meant"
        elif glued is not None and glued[1] in names:
            yield f"llama.cpp takes no {plain[:60]}; {glued[1]} {glued[2]} is meant"
        elif (other := plain[1:] if plain.startswith("--") else f"-{plain}") in names:
            yield f"llama.cpp knows no {plain[:60]}; {other} is its name"


def is_on(given: Given, flag: str, *, default: bool) -> bool:
    """Whether a switch is on, by words or a variable."""
    told = given.is_on(flag)
    return default if told is None else told
