"""``llama-bench``, whose every flag takes several values: each combination is a load of its own, one after another.

tools/llama-bench/llama-bench.cpp of llama.cpp 0c1e57098; ik_llama.cpp's own flags from its examples/llama-bench.
"""

import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice, product

from estimator.llama_options import SPLIT_MODES, Options
from launches.command import Command, Program
from launches.errors import NoLaunch
from launches.launch import Launch
from launches.llama_defaults import ALL_LAYERS, build_named, is_fork_path
from launches.llama_models import from_repository
from launches.llama_programs import unmarked
from launches.llama_settings import DENSE_FEED_FORWARD, FORK_CACHE_TYPES, MAPPING_MODES, OFF, PLAIN_TYPES, misspelt
from launches.llama_table import has_fork_value
from launches.numbers import Values
from launches.variables import is_unset
from launches.words import LLAMA_CPP, Given, table, take_apart

MOST_LAUNCHES = 64
"""So many combinations are looked at; the message says if there are more."""
MOST_VALUES = 64
USUAL_MODEL = "models/7B/ggml-model-q4_0.gguf"
_TABLE = table("""
--help -h
--version
--model -m N
--hf-repo -hf -hfr N
--hf-file -hff N
--hf-token -hft N
--offline
--n-prompt -p N
--n-gen -n N
-pg N
-gp N
--n-depth -d N
--batch-size -b N
--ubatch-size -ub N
--cache-type-k -ctk N
--cache-type-v -ctv N
--device -dev N
--list-devices
--threads -t N
--threads-gen-prompt -tgb --threads-gen-batch N
--cpu-mask -C N
--cpu-strict N
--poll N
--gpu-layers -ngl --n-gpu-layers N
--n-cpu-moe -ncmoe N
--n-cpu-ffn -ncffn N
--rpc -rpc N
--split-mode -sm N
--load-mode -lm N
--lazy-mode -lzm N
--main-gpu -mg N
--no-kv-offload -nkvo N
--numa N
--flash-attn -fa N
--embeddings -embd N
--no-op-offload -nopo N
--no-host N
--repack -rp [N]
--tensor-split -ts N
--override-tensor -ot N
--repetitions -r N
--prio N
--delay N
--output -o N
--output-err -oe N
--verbose -v
--progress
--no-warmup
--warmup -w N
--fit-target -fitt N
--fit-ctx -fitc N
--mmap -mmp N
--direct-io -dio N
--memory-f32 N
--mul-mat-q -mmq N
--low-vram -lv N
--gqa N
--fused-moe -fmoe N
--no-fmoe -no-fmoe N
--mla-use -mla --mla-attn N
--attention-max-batch -amb --attn-max-batch N
--smart-expert-reduction -ser N
--run-time-repack -rtr N
--grouped-expert-routing -ger N
--graph-reuse -gr N
--no-fused-up-gate -no-fug N
--no-ooae -no-ooae --no-offload-only-active-experts N
--rope-cache -rcache N
--merge-qkv -mqkv N
--merge-up-gate-experts -muge --merge-up-gate-exps N
--defer-experts
--scheduler-async -sas N
--fit N
--fit-margin N
--max-gpu N
--print-overrides N
--transparent-huge-pages -thp N
--k-cache-hadamard -khad N
--v-cache-hadamard -vhad N
--cuda-params -cuda N
""")
_FORK_MARKS = frozenset(
    "-fmoe --fused-moe -mla --mla-use --mla-attn -amb --attention-max-batch --attn-max-batch -ser -rtr "
    "--run-time-repack -ger -gp -no-fug -no-ooae -mqkv -muge -sas -tgb".split()
)
_COUNTED = """
--n-prompt --n-gen -pg -gp --n-depth --batch-size --ubatch-size --cache-type-k --cache-type-v --device --gpu-layers
--n-cpu-moe --n-cpu-ffn --split-mode --load-mode --main-gpu --no-kv-offload --flash-attn --tensor-split
--override-tensor --mmap
""".split()
"""Flags that move memory."""
_RANGE = re.compile(r"(-?\d{1,9})(?:-(\d{1,9})(?:([+*|])(\d{1,9}))?)?")
_TRUE = frozenset({"1", "true", "on", "enabled"})


def recognises(program: Program) -> bool:
    """By its name, or as a command of ``llama``."""
    if program.name == "llama":
        return program.arguments[:1] == ("bench",)
    return unmarked(program.name) in ("llama-bench", "llama_bench")


def read(program: Program, command: Command) -> tuple[Launch, ...]:
    """A launch for each model and each combination of what moves memory, with the longest context of all tests.

    Raises:
        NoLaunch: nothing is measured.
    """
    is_command = program.name == "llama"
    arguments, offset = program.arguments[is_command:], program.offset + is_command
    given = take_apart(arguments, _TABLE, LLAMA_CPP, offset=offset)
    if any(given.has(flag) for flag in ("--help", "--version", "--list-devices")):
        raise NoLaunch("llama-bench loads no model with these flags")
    path = program.image or program.path or program.name
    is_marked = not _FORK_MARKS.isdisjoint(arguments) or has_fork_value(arguments)
    is_fork = is_marked or is_fork_path(command.path(path))
    values = Values(given, refusals=list(misspelt(given.unknown, _TABLE)))
    values.unread += [f"{flag} {text[:60]}" for flag in _COUNTED for text in given.every(flag) if is_unset(text)]
    build = build_named(path, program.name, is_fork=is_fork)
    combined = list(islice(_combinations(values, build), MOST_LAUNCHES + 1))
    if len(combined) > MOST_LAUNCHES:
        values.doubts.append(f"only the first {MOST_LAUNCHES} combinations are looked at")
    context = _context_tokens(values)
    sources = _sources(values, command, program)
    return tuple(
        Launch(
            program="llama-bench",
            engine_name="llamacpp",
            source=source,
            context_tokens=context,
            kv_type=key_type,
            options=options,
            devices=devices,
            environment=program.environment,
            unknown=values.unknown,
            doubts=tuple(dict.fromkeys(values.doubts)),
            refusal="; ".join((*given.refusals, *dict.fromkeys(values.refusals))),
            spans=given.spans,
        )
        for source in sources
        for key_type, options, devices in combined[:MOST_LAUNCHES]
    )[:MOST_LAUNCHES]


def _sources(values: Values, command: Command, program: Program) -> list[str]:
    given = values.given
    found = [command.path(part) for text in given.every("--model") for part in text.split(",") if part]
    files = [part for text in given.every("--hf-file") for part in text.split(",")]
    for number, repository in enumerate(part for text in given.every("--hf-repo") for part in text.split(",")):
        file = files[number] if number < len(files) else ""
        meant = from_repository(repository, file, command, program.environment)
        if meant is None:
            values.refuse(f"--hf-repo takes owner/name or owner/name:quant, not {repository!r}")
        else:
            found.append(meant.source)
    return found[:MOST_VALUES] or [command.path(USUAL_MODEL)]


def _context_tokens(values: Values) -> int:
    """Of the longest test: a prompt, a generation, or both, at the greatest depth."""
    given = values.given
    pairs = [text.split(",") for text in (*given.every("-pg"), *given.every("-gp"))]
    both = [sum(int(part) for part in pair if part.strip().isdigit()) for pair in pairs]
    longest = max((*_numbers(values, "--n-prompt", 512), *_numbers(values, "--n-gen", 128), *both))
    return max(1, longest + max(_numbers(values, "--n-depth", 0)))


def _combinations(values: Values, build: str) -> Iterator[tuple[str | None, Options, tuple[str, ...] | None]]:
    """Nearly in the order in which they are measured: what is a word changes first."""
    given = values.given
    base = Options(
        build=build,
        latent_way=_first(values, "--mla-use"),
        attention_mib=_first(values, "--attention-max-batch"),
        is_moe_fused=given.last("--fused-moe") in _TRUE,
    )
    fits = given.has("--fit-target") or given.has("--fit-ctx")
    if fits:
        target, least = values.reals("--fit-target", ","), values.whole("--fit-ctx", 0, least=0)
        base = replace(base, fit_target_mib=target[:1] or None, fit_context_tokens=least or None)
    if build == "ik" and given.last("--fit") in _TRUE:
        values.doubts.append("what ik_llama.cpp's --fit leaves in RAM is not reckoned with")
    if given.has("--rpc"):
        values.doubts.append("devices of other machines are not counted (--rpc)")
    is_repacking = given.last("--run-time-repack") in _TRUE
    flash_by_default = build != "2024-05"
    numbers = product(
        _numbers(values, "--gpu-layers", ALL_LAYERS),
        _numbers(values, "--n-cpu-moe", 0),
        _numbers(values, "--main-gpu", 0),
        _numbers(values, "--batch-size", 2048),
        _numbers(values, "--ubatch-size", 512),
    )
    words = product(
        _words(given, "--split-mode", "layer"),
        _words(given, "--device", ""),
        _words(given, "--tensor-split", ""),
        _override_words(given, is_fork=build == "ik"),
        _words(given, "--cache-type-k", ""),
        _words(given, "--cache-type-v", "f16"),
        _words(given, "--no-kv-offload", "0"),
        _words(given, "--flash-attn", "on" if flash_by_default else "off"),
    )
    said = tuple(islice(words, MOST_LAUNCHES + 1))
    for (layers, n_moe, main, n_batch, n_ubatch), told in product(islice(numbers, MOST_LAUNCHES + 1), said):
        mode, devices, split, overrides, keys, vals, host, flash = told
        if mode not in SPLIT_MODES:
            values.refuse(f"--split-mode takes {', '.join(SPLIT_MODES)}, not {mode!r}")
            mode = "layer"  # the rest is still read
        for kind in (keys or "f16", vals):
            if kind not in FORK_CACHE_TYPES:
                values.refuse(f"there is no KV cache of type {kind!r}")
        is_flash = flash not in OFF
        if vals not in PLAIN_TYPES and not is_flash:
            values.refuse(f"values of the KV cache can't be {vals} without flash attention")
        yield (
            keys or None,
            replace(
                base,
                n_gpu_layers=None if fits else layers if layers >= 0 else ALL_LAYERS,
                n_cpu_moe_layers=n_moe,
                split_mode=mode,
                main_device=main,
                tensor_split=_shares(values, split),
                tensor_overrides=_overrides(values, overrides),
                n_batch_tokens=n_batch,
                n_ubatch_tokens=n_ubatch,
                value_type=None if vals == (keys or "f16") else vals,
                is_kv_offloaded=host not in _TRUE,
                is_flash_attention=is_flash,
                is_mapped=_is_mapped(given) and not is_repacking,
                offloads_operations=given.last("--no-op-offload") not in _TRUE,
                is_repacked=(given.last("--repack") or "1") in _TRUE,
                n_outputs=n_batch,
            ),
            None if not devices else () if devices == "none" else tuple(re.split("[/;]", devices)),
        )


def _words(given: Given, flag: str, default: str) -> list[str]:
    """Every value of every time; commas stand between."""
    stated = [text for text in given.every(flag) if not is_unset(text)]
    return [part for text in stated for part in text.split(",")][:MOST_VALUES] or [default]


def _override_words(given: Given, *, is_fork: bool) -> list[str]:
    """Measured one after the other; ik_llama.cpp puts all together (its llama-bench.cpp, `params.buft_overrides`)."""
    if not is_fork:
        return _words(given, "--override-tensor", "")
    return [";".join(part for text in given.every("--override-tensor") for part in text.split(","))]


def _numbers(values: Values, flag: str, default: int) -> list[int]:
    """Numbers and ranges, ``0-99+33`` or ``128-1024*2`` (`parse_int_range`)."""
    found: list[int] = []
    for part in _words(values.given, flag, ""):
        matched = _RANGE.fullmatch(part.strip())
        if matched is None:
            if part:
                values.refuse(f"{flag} takes numbers and ranges, not {part!r}")
            continue
        number, last = int(matched[1]), int(matched[2] or matched[1])
        step = int(matched[4] or 1)
        while number <= last and len(found) < MOST_VALUES:
            found.append(number)
            following = number * step if matched[3] == "*" else number + step
            if following <= number:
                break
            number = following
    return found or [default]


def _first(values: Values, flag: str) -> int | None:
    return _numbers(values, flag, 0)[0] if values.given.has(flag) else None


def _shares(values: Values, text: str) -> tuple[float, ...] | None:
    """Of one combination, with slashes or semicolons between."""
    parts = [part for part in re.split("[;/]+", text) if part]
    try:
        shares = tuple(float(part) for part in parts)
    except ValueError:
        values.refuse(f"--tensor-split takes numbers with slashes between, not {text!r}")
        return None
    return shares if any(shares) else None


def _overrides(values: Values, text: str) -> str | None:
    parts = [part for part in text.split(";") if part]
    if any("=" not in part for part in parts):
        values.refuse(f"--override-tensor takes pattern=buffer, not {text!r}")
        return None
    n_blocks = min(max(_numbers(values, "--n-cpu-ffn", 0)), 1000)
    parts += [rf"blk\.{block}{DENSE_FEED_FORWARD}=CPU" for block in range(n_blocks)]
    return ",".join(parts) or None


def _is_mapped(given: Given) -> bool:
    modes = _words(given, "--load-mode", "")
    if modes != [""]:
        return any(mode in MAPPING_MODES for mode in modes)
    return any(text in _TRUE for text in _words(given, "--mmap", "1"))
