"""TabbyAPI: ``main.py`` and ``start.py`` with ``config.yml`` beside them, ``start.sh``, and their variables.

common/config_models.py, common/tabby_config.py, common/args.py and backends/exllamav3/model.py of e632af4 (2026-08-13),
and what configurations of 2026-09 and -10 say beside (theroyallab/tabbyAPI issues 465 and 476).
What the command line says counts over ``TABBY_SECTION_NAME``, and that over the file; ``--config`` over all.
"""

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import lru_cache

from estimator.engines.exllama import Options
from launches.command import Command, Program
from launches.errors import NoLaunch
from launches.launch import Launch
from launches.reading import Reading, address_of
from launches.words import ARGPARSE, Flag, Given, Takes, take_apart
from launches.yaml_file import UnreadableSettings, Value, read_settings

SECTIONS: Mapping[str, str] = {
    "network": """host port disable-auth disable-fetch-requests send-tracebacks api-servers allowed-origins
    sse-ping-interval""",
    "logging": """log-prompt log-generation-params log-requests log-chat-completions log-chat-completion-requests
    enable-log-file prompt generation-params requests""",
    "model": """model-dir inline-model-loading use-dummy-models dummy-model-names model-name use-as-default backend
    max-seq-len cache-size cache-mode tensor-parallel tensor-parallel-backend gpu-split-auto autosplit-reserve gpu-split
    cpu-moe-offload-layers rope-scale rope-alpha chunk-size output-chunking max-batch-size prompt-template vision
    template-vars-default template-vars-force force-enable-thinking reasoning reasoning-start-token reasoning-end-token
    start-in-reasoning tool-calls-in-reasoning reasoning-budget-tokens reasoning-budget-message tool-format harmony
    muse-glimmer num-experts-per-token fasttensors override-base-seq-len cpu-moe-split-experts cpu-moe-threads
    ngram-ram vision-offload warmup answer-start-token answer-end-token no-flash-attention low-mem use-cfg
    supports-tool-calling tool-prompt-template""",
    "draft_model": """draft-mode draft-model-dir draft-model-name draft-rope-scale draft-rope-alpha draft-cache-mode
    draft-gpu-split draft-num-tokens dynamic-draft ngram-match-min draft-confidence record-draft-stats""",
    "lora": "lora-dir loras",
    "embeddings": "embedding-model-dir embeddings-device embedding-model-name",
    "sampling": "override-preset",
    "memory": "sysmem-recurrent-cache sysmem-kv-cache sysmem-multimodal-cache cuda-malloc-async",
    "developer": """unsafe-launch disable-request-streaming cuda-malloc-backend uvloop realtime-process-priority
    process-priority seqlog seqlog-server-url seqlog-api-key""",
    "config": "config",
}
"""Some of ``logging``, ``model`` and ``developer`` of releases before."""
LISTS = frozenset(
    """allowed-origins api-servers autosplit-reserve draft-gpu-split dummy-model-names gpu-split loras
    use-as-default""".split()
)
STARTING = ("--gpu-lib", "--update-repository", "--update-deps", "--force-reinstall", "--nowheel")
"""Of ``start.py`` itself."""
SCRIPTS = frozenset({"main.py", "start.py", "start.sh", "start.bat"})
OWN = frozenset({"--model-name", "--max-seq-len", "--cache-mode", "--gpu-split-auto", "--autosplit-reserve"})
ACTIONS = frozenset({"download", "export-openapi", "export-config"})
PORT = 5000
_NAME = re.compile(r"tabby[-_]?api")
KV_TYPES = {"FP16": None, "Q8": "q8", "Q6": "q6", "Q4": "q4", "8,8": "q8", "6,6": "q6", "4,4": "q4"}
"""``--cache-mode``: a name, or bits of keys and values."""


def recognises(program: Program) -> bool:
    """Its scripts, by the folder that they lie in or by flags that only it has."""
    if program.is_module:
        return False
    if program.image and program.name.endswith(".py") and _NAME.search(program.image.casefold()) is not None:
        return True  # a script of one's own around its main.py takes the same
    if program.name not in SCRIPTS:
        return False
    place = f"{program.image} {program.directory}/{program.path}".casefold()
    names = {word.partition("=")[0].replace("_", "-") for word in program.arguments}
    return _NAME.search(place) is not None or len(names & OWN) > 1


def read(program: Program, command: Command) -> tuple[Launch, ...]:
    """The model that it would load; without one it loads what it is asked for.

    Raises:
        NoLaunch: it fetches, exports or shows something.
    """
    if any(word in ACTIONS or word in ("-h", "--help") for word in program.arguments):
        raise NoLaunch("TabbyAPI loads no model so")
    given = take_apart(program.arguments, _flags(), ARGPARSE, offset=program.offset, environment=program.environment)
    folder = os.path.dirname(program.path)
    given = _with_file(given, folder, command)
    reading = Reading(given)
    for word in reading.surplus(0)[:1]:
        reading.refusals.append(f"TabbyAPI knows nothing of {word[:60]!r}")
    name = reading.word("--model-name")
    models = os.path.join(folder, os.path.expanduser(reading.word("--model-dir") or "models"))
    context, n_sequences = _lengths(reading)
    options = _options(reading)
    kv_type = _kv_type(reading)
    _doubt(reading)
    return (
        Launch(
            program="TabbyAPI",
            engine_name="exllama",
            source=None if name is None else command.path(os.path.join(models, name)),
            context_tokens=context,
            n_sequences=n_sequences,
            kv_type=kv_type,
            options=options,
            environment=program.environment,
            address=address_of(reading, "127.0.0.1", PORT),
            unknown=reading.unknown,
            doubts=tuple(reading.doubts),
            refusal=reading.refusal,
            spans=given.spans,
        ),
    )


@lru_cache(maxsize=1)
def _flags() -> tuple[Flag, ...]:
    found = [
        Flag(
            names=(f"--{name}",),
            takes=Takes.MANY if name in LISTS else Takes.ONE,
            variable=f"TABBY_{section}_{name}".upper().replace("-", "_"),
        )
        for section, names in SECTIONS.items()
        for name in names.split()
    ]
    return (*found, *(Flag(names=(name,), takes=Takes.OPTIONAL) for name in STARTING))


def _with_file(given: Given, folder: str, command: Command) -> Given:
    """Over what ``config.yml`` says; ``--config FILE`` counts over all else."""
    named = given.last("--config")
    path = command.path(os.path.join(folder, "config.yml") if named is None else named)
    if named is None and not os.path.isfile(path):
        return given
    try:
        settings = read_settings(path)
    except UnreadableSettings as error:
        return replace(given, refusals=(*given.refusals, str(error)))
    told = dict(_told(settings.values))
    unknown = (
        *given.unknown,
        *(f"{path}: {line}" for line in settings.unread),
        *(f"{key} in {path}" for key in _unread(settings.values)),
    )
    values = {**given.values, **told} if named is not None else {**told, **given.values}
    return replace(given, values=values, unknown=unknown)


def _told(values: Mapping[str, Value]) -> Iterator[tuple[str, tuple[tuple[str, ...], ...]]]:
    for section, names in SECTIONS.items():
        said = values.get(section)
        if not isinstance(said, dict):
            continue
        for name in names.split():
            value = said.get(name.replace("-", "_"))
            words = value if isinstance(value, list) else [] if value is None else [value]
            if words:
                yield f"--{name}", (tuple(str(word) for word in words[:256]),)


def _unread(values: Mapping[str, Value]) -> Iterator[str]:
    """What is in no list, and is said to be something."""
    for section, said in values.items():
        known = {name.replace("-", "_") for name in SECTIONS.get(section, "").split()}
        for name, value in said.items() if isinstance(said, dict) else ():
            if name not in known and value not in (None, False, 0, [], {}):
                yield f"{section}.{name}"


def _lengths(reading: Reading) -> tuple[int, int]:
    """(tokens of the cache, sequences): 0 tokens are as many as the model was made for."""
    longest = reading.whole("--max-seq-len", minimum=-1) or 0
    size = reading.whole("--cache-size")
    reading.doubt(
        "no length is asked for: it is the model's own; releases before 2026 took 4096", when=not longest and not size
    )
    return size or max(0, longest), reading.whole("--max-batch-size") or 1


def _options(reading: Reading) -> Options:
    splits = _numbers(reading, "--gpu-split")
    reserves = _numbers(reading, "--autosplit-reserve")
    usual = Options()
    reading.doubt(
        f"{max(reserves, default=0):g} MiB are taken as left free on each device", when=len(set(reserves)) > 1
    )
    return Options(
        chunk_size=-(-(reading.whole("--chunk-size") or usual.chunk_size) // 256) * 256,  # `adjust_chunk_size`
        gpu_split=splits or None,
        autosplit_reserve=int(max(reserves)) if reserves else usual.autosplit_reserve,
    )


def _numbers(reading: Reading, flag: str) -> tuple[float, ...]:
    try:
        return tuple(float(part) for word in reading.given.every(flag) for part in word.strip("[]").split(",") if part)
    except ValueError:
        reading.refusals.append(f"{flag} takes numbers")
        return ()


def _kv_type(reading: Reading) -> str | None:
    mode = (reading.told("--cache-mode") or "FP16").replace(" ", "").upper()
    if mode in KV_TYPES:
        return KV_TYPES[mode]
    bits = re.fullmatch(r"([2-8]),([2-8])", mode)
    if bits is None:
        reading.refuse("--cache-mode", mode, "takes FP16, Q8, Q6, Q4 or two numbers of bits from 2 to 8")
        return None
    most = (int(bits[1]) + int(bits[2]) + 1) // 2
    found = "q8" if most > 6 else "q6" if most > 4 else "q4"
    reading.doubt(f"a cache of {mode} bits is judged as one of {found[1]}")
    return found


def _doubt(reading: Reading) -> None:
    given = reading.given
    draft = reading.word("--draft-model-name")
    reading.leave_out(f"the draft model {(draft or '')[:96]} and its cache are not counted", when=bool(draft))
    reading.leave_out(
        "layers that predict further tokens, and their cache, are not counted",
        when=reading.word("--draft-mode") == "mtp",
    )
    reading.leave_out("adapters (LoRA) are not counted", when=given.has("--loras"))
    reading.leave_out("the model of embeddings is not counted", when=bool(reading.word("--embedding-model-name")))
    reading.leave_out(
        "layers are split over devices whole; what tensor parallelism keeps on each is not known here",
        when=reading.is_on("--tensor-parallel"),
    )
    n_moe = reading.whole("--cpu-moe-offload-layers", minimum=0)
    reading.doubt(f"experts of {n_moe} layers that go to RAM are counted on the devices", when=bool(n_moe))
    n_split = reading.whole("--cpu-moe-split-experts", minimum=0)
    reading.doubt(f"{n_split} experts of each layer that go to RAM are counted on the devices", when=bool(n_split))
    reading.doubt("an encoder that goes to RAM is counted on the devices", when=reading.is_on("--vision-offload"))
    reading.leave_out("its table of n-grams in RAM is not counted", when=reading.is_on("--ngram-ram"))
    n_mib = sum(reading.whole(f"--sysmem-{kind}-cache", minimum=0) or 0 for kind in ("recurrent", "kv", "multimodal"))
    reading.leave_out(f"up to {n_mib} MiB of RAM for what it has computed are not counted", when=bool(n_mib))
    reading.doubt("no model is named: it loads what it is asked for", when=reading.word("--model-name") is None)
