"""vLLM: ``vllm serve``, its module ``openai.api_server`` and the benchmarks that load a model, as of 0.33.0.

What older releases take is understood as well (launches/tables/vllm.py). Values as utils/argparse_utils.py reads them.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from types import MappingProxyType

from estimator.cache_rows import ROW_TYPES
from estimator.releases import LAST_WITH_V0, release
from estimator.vllm_options import Options
from launches.checkpoint import checkpoint_source
from launches.command import Command, Program
from launches.errors import NoLaunch
from launches.installed import installed_version
from launches.json_value import json_object, merged
from launches.launch import Launch
from launches.reading import Reading, address_of
from launches.settings_file import over_settings
from launches.tables import vllm as tables
from launches.variables import is_unset
from launches.words import ARGPARSE, Flag, Given, Manner, table, take_apart

FLEXIBLE = Manner(
    has_equals=ARGPARSE.has_equals,
    has_abbreviations=True,
    has_attached_values=True,
    has_guarded_values=True,
    folds_underscores=True,
)
"""`FlexibleArgumentParser`."""
MODULES = MappingProxyType(
    {
        "vllm.entrypoints.openai.api_server": "serve",
        "vllm.entrypoints.launchers.api_server.entry": "serve",
        "vllm.entrypoints.api_server": "serve",
        "vllm.entrypoints.openai.run_batch": "run-batch",
        "benchmark_throughput.py": "throughput",
        "benchmark_latency.py": "latency",
        "vllm.benchmarks.throughput": "throughput",
        "vllm.benchmarks.latency": "latency",
    }
)
"""Modules and scripts that have no subcommand, and which one they are."""
_FORK = re.compile(r"\w+\.(vllm)(?:\.(?:xpu|cpu))?(\.entrypoints(?:\.openai)?\.(?:api_server|run_batch))")
"""IPEX-LLM wraps the modules in its own (ipex-llm, python/llm/src/ipex_llm/vllm/)."""
WITH_SUBCOMMANDS = frozenset({"vllm", "vllm.entrypoints.cli", "vllm.entrypoints.cli.main"})
BENCHMARKS = ("throughput", "latency", "startup", "mm-processor", "forward")
"""Of ``vllm bench``, those that load the model themselves; ``serve`` and ``sweep`` ask a server."""
MODEL = "Qwen/Qwen3-0.6B"
"""Without one (config/model.py, `ModelConfig.model`, 0.33.0)."""
PORT = 8000
OTHER_BATCH = (2048, 128)
"""(tokens, sequences) of one step of what is no OpenAI server and no benchmark, on every card (config/scheduler.py,
`DEFAULT_MAX_NUM_BATCHED_TOKENS`, `DEFAULT_MAX_NUM_SEQS`)."""
CHUNK_TOKENS = 2048
"""``--enable-chunked-prefill`` before V1, which had it off (config.py of 0.6.4 to 0.7.3, `SchedulerConfig`)."""
BENCH_TOKENS = 8192
"""Tokens in one step where no server is asked for, on cards below 70 GiB; from there on 16384
(`EngineArgs.get_batch_defaults`, `UsageContext.LLM_CLASS`)."""

DTYPES = MappingProxyType({"half": "float16", "float": "float32", "auto": "auto"} | {
    name: name for name in ("float16", "bfloat16", "float32")
})  # fmt: skip
MODES = ("balanced", "interactivity", "throughput")
CACHE_TYPES = (
    *ROW_TYPES,
    "fp8_inc",
    "int4_per_token_head",
    "nvfp4_4over6",
    "turboquant_k8v4",
    "turboquant_4bit_nc",
    "turboquant_k3v4_nc",
    "turboquant_3bit_nc",
    "octave_k3v4",
    "octave_k3v3",
    "octave_k3v3_compact",
    "ultraquant_4bit",
)
"""`CacheDType`, config/cache.py."""
QUANTISED_ON_LOADING = MappingProxyType(
    {
        "fp8": "FP8-dynamic",
        "fp8_per_tensor": "FP8-tensor",
        "fp8_per_channel": "FP8-dynamic",
        "fp8_per_block": "FP8",
        "ptpc_fp8": "FP8-dynamic",
        "int8_per_channel_weight_only": "W8A8",
        "nvfp4_per_token": "NVFP4",
        "mxfp8": "MXFP8",
        "bitsandbytes": "bnb-4bit",
    }
)
"""``--quantization`` of checkpoints that are not quantised (config/quantization.py, `_ONLINE_SHORTHANDS`; layers of
0.8.5: fp8.py, ptpc_fp8.py, bitsandbytes.py). All others name what the checkpoint is stored in."""
CONVERTED_WHILE_LOADING_SINCE = (0, 15)
"""Until then FP8 was made of 16-bit weights that were all on the device (github.com/vllm-project/vllm: pull request
31914, merged 2026-01-07; 32773 names 0.13 and 0.14 as taking more than BF16 does, issue 7200 is of 2024-08)."""
_GGUF = re.compile(r"\.gguf$|gguf:[\w-]+$", re.IGNORECASE)
"""A file, or a quant that is named behind a repository of them."""
QUANTISED_OTHERWISE = ("experts_int8", "torchao", "rtn", "online", "deepspeedfp", "tpu_int8")
"""And those of which it isn't known here which weights they quantise."""
BESIDE: Mapping[str, str] = MappingProxyType(
    {
        "--mm-encoder-tp-mode data": "the encoder's copy on each device is not counted",
        "--enable-multimodal-encoder-data-parallel": "the encoder's copy on each device is not counted",
        "--mm-ipc-gpu-memory-gb": "what --mm-ipc-gpu-memory-gb holds on the device is not counted",
        "--enable-prompt-adapter": "prompt adapters are not counted",
    }
)
"""Memory that is not counted, by the flag, and the value, that asks for it."""
OTHERWISE: Mapping[str, str] = MappingProxyType(
    {
        "--cpu-offload-params": "which weights go to RAM is not looked into (--cpu-offload-params)",
        "--offload-group-size": "layers that go to RAM (--offload-group-size) are counted on the devices",
        "--kv-cache-dtype-skip-layers": "layers with a cache as the model computes are counted as if of the asked type",
        "--quantization-config": "which weights --quantization-config quantises is not known here",
        "--mamba-cache-dtype": "recurrent states are counted by the model's type, not by --mamba-cache-dtype",
        "--load-format ipc_cache": "weights are counted here that vllm preload holds already",
    }
)
"""And what is counted, but not so."""
DOTTED = frozenset({"-cc", "-sc", "-ac", "-dc", "-O"})
"""Short flags that take keys behind a dot."""
_KEYED = re.compile(r"(-{1,2}[A-Za-z][\w-]*)((?:\.[\w-]+)+)(\+?)(?:=(.*))?", re.DOTALL)
_HUMAN = re.compile(r"(\d+(?:\.\d+)?)([kKmMgGtT])")


def recognises(program: Program) -> bool:
    """``vllm``, or one of its modules."""
    return program.name in WITH_SUBCOMMANDS or _module(program.name) in MODULES


def _module(name: str) -> str:
    """VLLM's own, where another package wraps it."""
    found = _FORK.fullmatch(name)
    return name if found is None else found[1] + found[2]


def read(program: Program, command: Command) -> tuple[Launch, ...]:
    """The model that the server, or the benchmark, would load.

    Raises:
        NoLaunch: it asks a server, or shows something.
    """
    task, n_before = _task(program)
    arguments = program.arguments[n_before:]
    if any(word in ("-h", "--help", "-v", "--version") or word.startswith("--help=") for word in arguments):
        raise NoLaunch(f"{_called(program, task)} only shows something so")
    given = _given(task, arguments, program.offset + n_before, command)
    return (_Launch(task, program, command, given).launch(),)


def human_whole(text: str) -> int:
    """``32k`` is 32000, ``32K`` 32768 (`human_readable_int`).

    Raises:
        ValueError: it is no number.
    """
    found = _HUMAN.fullmatch(text.strip())
    if found is None:
        return int(text)
    power = "kmgt".index(found[2].casefold()) + 1
    return int(float(found[1]) * 1000**power) if found[2].islower() else int(found[1]) * 1024**power


def _task(program: Program) -> tuple[str, int]:
    """What it is to do, and how many words say so.

    Raises:
        NoLaunch: it loads no model.
    """
    if _module(program.name) in MODULES:
        return MODULES[_module(program.name)], 0
    first, second = (*program.arguments[:2], "", "")[:2]
    if first in ("serve", "run-batch"):
        return first, 1
    if (first, second) == ("snapshot", "create"):
        return "serve", 2
    if first in ("preload", "snapshot"):
        raise NoLaunch(f"what vllm {first} holds is not known here")
    if first == "bench" and second in BENCHMARKS:
        return second, 2
    raise NoLaunch(f"vllm {first} loads no model".replace("  ", " "))


def _called(program: Program, task: str) -> str:
    if program.name not in WITH_SUBCOMMANDS:
        return program.name
    return f"vllm bench {task}" if task in BENCHMARKS else f"vllm {task}"


@lru_cache(maxsize=2)
def _flags(*, is_bench: bool) -> tuple[Flag, ...]:
    """`EnableDisableAction` pairs ``--enable-x`` with ``--disable-x``."""
    found = table(tables.SERVE + tables.BENCH if is_bench else tables.SERVE)
    names = {name for flag in found for name in flag.names}
    opposites = {"--enable-": "--disable-", "--disable-": "--enable-"}
    return tuple(
        replace(
            flag,
            negatives=(
                *flag.negatives,
                *(
                    opposite
                    for start, other in opposites.items()
                    for name in flag.names
                    if flag.negatives and name.startswith(start)
                    if (opposite := other + name.removeprefix(start)) not in names
                ),
            ),
        )
        for flag in found
    )


def _given(task: str, arguments: Sequence[str], offset: int, command: Command) -> Given:
    flags = _flags(is_bench=task != "serve")
    given = take_apart(_plain_words(arguments), flags, FLEXIBLE, offset=offset)
    return over_settings(given, "--config", command, flags, FLEXIBLE, _plain_words)


def _plain_words(words: Sequence[str]) -> tuple[str, ...]:
    """As many words, with ``-O3`` and ``--flag.key value`` in the form that a table knows."""
    found: list[str] = []
    position = 0
    while position < len(words):
        word = words[position]
        position += 1
        keyed = _KEYED.fullmatch(word)
        if keyed is not None and (keyed[1].startswith("--") or keyed[1] in DOTTED):
            if keyed[4] is not None:
                found.append(f"{keyed[1]}={_keyed_json(keyed, keyed[4])}")
            elif position < len(words):
                found += [keyed[1], _keyed_json(keyed, words[position])]
                position += 1
            else:
                found.append(keyed[1])
        elif re.fullmatch(r"-O=?\w+", word):
            found.append(f"--optimization-level={word[2:].removeprefix('=')}")
        else:
            found.append(word)
    return tuple(found)


def _keyed_json(keyed: re.Match[str], text: str) -> str:
    value: object
    if keyed[3]:
        value = text.split(",")
    else:
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            value = text
    for key in reversed(keyed[2][1:].split(".")[:16]):
        value = {key: value}
    return json.dumps(value)


@dataclass
class _Launch:
    """One command line of it."""

    task: str
    program: Program
    command: Command
    given: Given

    def __post_init__(self) -> None:
        self.reading = Reading(self.given)

    def launch(self) -> Launch:
        reading, given = self.reading, self.given
        options, n_devices = self._options(), self._n_devices()
        source = self._source()
        context = self._context()
        kv_type = self._kv_type()
        quant = self._quant(source)
        self._doubts()
        ids = (reading.word("--device-ids") or "").strip("[] ")
        return Launch(
            program=_called(self.program, self.task),
            engine_name="vllm",
            source=checkpoint_source(self.command, source),
            quant=quant,
            is_converted_after_loading=self._is_converted_late(quant, options.version),
            context_tokens=context or 0,
            is_context_free=context is None,
            is_length_bound=not self._may_be_longer(),
            kv_type=kv_type,
            options=options,
            devices=self._devices(ids),
            n_devices=n_devices,
            n_machines=self._n_machines(),
            environment=self.program.environment,
            address=self._address(),
            unknown=reading.unknown,
            doubts=tuple(reading.doubts),
            refusal=reading.refusal,
            spans=given.spans,
        )

    def _source(self) -> str:
        positionals = self.given.positionals
        named = positionals[:1] if self.task == "serve" and self.program.name in WITH_SUBCOMMANDS else ()
        too_many = self.reading.surplus(len(named))
        if too_many and self.program.name != "vllm.entrypoints.api_server":
            self.reading.refusals.append(f"{_called(self.program, self.task)} knows nothing of {too_many[0][:60]!r}")
        return (named[0] if named else None) or self.reading.word("--model") or MODEL

    def _options(self) -> Options:
        reading = self.reading
        compiling = self._object("--compilation-config")
        level = reading.word("--optimization-level")
        has_graphs = level != "0" and str(compiling.get("cudagraph_mode", "")).casefold() != "none"
        n_tokens = reading.whole("--max-num-batched-tokens", parse=human_whole)
        if n_tokens is None and self.task in BENCHMARKS:
            n_tokens = BENCH_TOKENS
            reading.doubt("on cards from 70 GiB on, its steps take 16384 tokens, not the 8192 that are reckoned with")
        n_sequences = reading.whole("--max-num-seqs")
        version = self._version()
        is_compiled = release(version).is_compiled
        if is_compiled and (self.task == "run-batch" or _module(self.program.name) == "vllm.entrypoints.api_server"):
            n_tokens, n_sequences = n_tokens or OTHER_BATCH[0], n_sequences or OTHER_BATCH[1]
        if not is_compiled and n_tokens is None and reading.is_on("--enable-chunked-prefill"):
            n_tokens = CHUNK_TOKENS
        if n_tokens is not None and n_sequences is not None and n_tokens < n_sequences:
            reading.refusals.append(
                f"--max-num-batched-tokens {n_tokens} must not be less than --max-num-seqs {n_sequences}"
            )
        share = reading.fraction("--gpu-memory-utilization", most=1, takes_least=False)
        return Options(
            gpu_memory_utilization=share,
            tensor_parallel_size=reading.whole("--tensor-parallel-size") or 1,
            pipeline_parallel_size=reading.whole("--pipeline-parallel-size") or 1,
            data_parallel_size=self._n_copies(),
            is_expert_parallel=reading.is_on("--enable-expert-parallel"),
            max_num_seqs=n_sequences,
            max_num_batched_tokens=n_tokens,
            is_eager=reading.is_on("--enforce-eager") or not has_graphs,
            block_size=reading.whole("--block-size"),
            kv_cache_memory_bytes=reading.whole("--kv-cache-memory-bytes", parse=human_whole),
            cpu_offload_gb=reading.fraction("--cpu-offload-gb") or 0.0,
            is_prefill_whole=not reading.is_on("--enable-chunked-prefill", unset=True),
            performance_mode=reading.choice("--performance-mode", MODES) or MODES[0],
            is_hybrid_manager_disabled=reading.is_on("--disable-hybrid-kv-cache-manager"),
            dtype=DTYPES[reading.choice("--dtype", tuple(DTYPES)) or "auto"],
            mamba_ssm_cache_dtype=reading.choice("--mamba-ssm-cache-dtype", ("auto", "float16", "bfloat16", "float32"))
            or "auto",
            version=version,
        )

    def _version(self) -> str:
        found = installed_version(self.command, self.program, "vllm")
        if found is None:
            return Options().version
        number = re.match(r"v?(\d{1,3})\.(\d{1,3})", found)
        if number is None:
            return Options().version
        is_old = (int(number[1]), int(number[2])) <= LAST_WITH_V0
        return f"{found} V0" if is_old and self.program.environment.get("VLLM_USE_V1") == "0" else found

    def _n_copies(self) -> int:
        """Copies of the model that this command itself starts."""
        n_copies = self.reading.whole("--data-parallel-size") or 1
        n_here = self.reading.whole("--data-parallel-size-local")
        if self.reading.word("--data-parallel-rank") is not None and n_here is None:
            n_here = 1
        if n_here is None or n_here >= n_copies:
            return n_copies
        return n_here

    def _n_machines(self) -> int:
        """That share the model: experts are dealt out over all copies, wherever they are."""
        n_nodes = self.reading.whole("--nnodes") or 1
        if not self.reading.is_on("--enable-expert-parallel"):
            return n_nodes
        return max(n_nodes, -(-(self.reading.whole("--data-parallel-size") or 1) // self._n_copies()))

    def _n_devices(self) -> int:
        reading = self.reading
        return (
            (reading.whole("--tensor-parallel-size") or 1)
            * (reading.whole("--pipeline-parallel-size") or 1)
            * (reading.whole("--prefill-context-parallel-size") or 1)
            * self._n_copies()
        )

    def _devices(self, ids: str) -> tuple[str, ...] | None:
        if (self.reading.word("--device") or "").casefold() == "cpu":
            return ()
        return tuple(part.strip().strip("'\"") for part in ids.split(",")) if ids else None

    def _context(self) -> int | None:
        """None where it is to be as long as there is room for."""
        text = self.reading.word("--max-model-len")
        if text is not None and text.casefold() in ("-1", "auto"):
            return None
        return self.reading.whole("--max-model-len", parse=human_whole) or 0

    def _kv_type(self) -> str | None:
        found = self.reading.choice("--kv-cache-dtype", CACHE_TYPES)
        if found is None or found in ROW_TYPES:
            return found
        self.reading.doubt(
            f"how large a cache of type {found} is, is not known here; it is judged as if of the model's"
        )
        return None

    def _quant(self, source: str) -> str | None:
        method = (self.reading.word("--quantization") or "").casefold()
        by_loader = self.reading.word("--load-format") == "bitsandbytes"
        found = QUANTISED_ON_LOADING.get("bitsandbytes" if by_loader and not method else method)
        is_stored_so = any(part in source.casefold() for part in ("fp8", "4bit", "bnb", "nvfp4", "mxfp8"))
        self.reading.doubt(
            f"which of the weights {method} quantises is not known here; they are counted as stored",
            when=method in QUANTISED_OTHERWISE,
        )
        self.reading.leave_out(
            "what vLLM keeps beside the bytes of a GGUF file is not counted", when=_GGUF.search(source) is not None
        )
        self.reading.doubt_stored(method, source, "vLLM", when=found is None and method not in QUANTISED_OTHERWISE)
        return None if is_stored_so else found

    def _is_converted_late(self, quant: str | None, version: str) -> bool:
        number = re.match(r"v?(\d{1,3})\.(\d{1,3})", version)
        is_old = number is not None and (int(number[1]), int(number[2])) < CONVERTED_WHILE_LOADING_SINCE
        return is_old and quant == "FP8-dynamic"

    def _object(self, flag: str) -> dict[str, object]:
        objects = []
        for word in self.given.every(flag):
            # Before 0.11, a dictionary as Python writes it was taken as well.
            found = json_object(word) or json_object(word.replace("'", '"'))
            if found is not None:
                objects.append(found)
            elif is_unset(word):
                self.reading.unread.append(f"{flag} {word[:60]}")
            elif not word.isdigit() and word.strip() != "{}":  # --compilation-config 3, before 0.11
                self.reading.refuse(flag, word, "takes JSON")
        return merged(objects)

    def _address(self) -> tuple[str, int] | None:
        is_server = self.task == "serve" and not self.given.has("--headless") and not self.given.has("--uds")
        found = address_of(self.reading, "0.0.0.0", PORT)  # noqa: S104  # told, not listened on
        return found if is_server else None

    def _doubts(self) -> None:
        reading = self.reading
        speculating = self._object("--speculative-config")
        draft = speculating.get("model") or reading.word("--speculative-model") or reading.word("--spec-model")
        method = str(speculating.get("method", reading.word("--spec-method") or ""))
        is_guessed = method in ("ngram", "ngram_gpu", "suffix") or str(draft) in ("ngram", "[ngram]")
        if draft and not is_guessed:
            reading.leave_out(f"the draft model {str(draft)[:96]} and its cache are not counted")
        elif speculating and not is_guessed:
            reading.leave_out("the layers that predict several tokens at once, and their cache, are not counted")
        reading.leave_out("adapters (LoRA) and room for them are not counted", when=reading.is_on("--enable-lora"))
        reading.leave_out("what --hf-overrides changes of the model is not looked into", when=self._has_overrides())
        swapped = reading.fraction("--swap-space")
        reading.leave_out(
            f"{swapped or 0:g} GiB of RAM for each device (--swap-space, before 0.11) are not counted",
            when=bool(swapped),
        )
        offloaded = reading.fraction("--kv-offloading-size")
        reading.leave_out(f"{offloaded or 0:g} GiB of RAM for the cache are not counted", when=bool(offloaded))
        reading.leave_out(
            "what --kv-transfer-config keeps of the cache elsewhere is not counted",
            when=bool(self._object("--kv-transfer-config")) and not offloaded,
        )
        reading.leave_out(
            "--num-gpu-blocks-override sets the cache's size, which is reckoned without it",
            when=self.given.has("--num-gpu-blocks-override"),
        )
        reading.doubt(
            "--decode-context-parallel-size divides the cache over devices, which is not reckoned with",
            when=(reading.whole("--decode-context-parallel-size") or 1) > 1,
        )
        for flag, sentence in BESIDE.items():
            reading.leave_out(sentence, when=self._is_asked(flag))
        for flag, sentence in OTHERWISE.items():
            reading.doubt(sentence, when=self._is_asked(flag))
        n_spare = self._object("--eplb-config").get("num_redundant_experts") or reading.word("--num-redundant-experts")
        reading.leave_out(
            f"{str(n_spare)[:20]} further copies of experts are not counted", when=str(n_spare or 0) != "0"
        )
        reading.doubt(
            "encoders of images and sound are counted, and not loaded",
            when=reading.is_on("--language-model-only"),
        )

    def _is_asked(self, flag: str) -> bool:
        """Whether it is given, and not only as it is without."""
        name, _, asked = flag.partition(" ")
        said = self.given.last(name)
        return said == asked if asked else bool(self.given.is_on(name)) and said not in ("0", "0.0", "{}")

    def _may_be_longer(self) -> bool:
        """Whether a longer context than the model's own is allowed, or made its own."""
        told = self.program.environment.get("VLLM_ALLOW_LONG_MAX_MODEL_LEN", "0").strip().casefold()
        return told in ("1", "true") or bool(self._object("--hf-overrides")) or self.given.has("--rope-scaling")

    def _has_overrides(self) -> bool:
        overrides = self._object("--hf-overrides")
        return bool(set(overrides) - {"architectures", "rope_scaling", "rope_parameters", "rope_theta"})
