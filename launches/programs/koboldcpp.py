"""KoboldCpp: llama.cpp with flags of its own, and settings in a file (``--config x.kcpps``).

koboldcpp.py of 1.117.1 (2026): its argparse, and what `load_model` makes of it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from estimator.errors import UnreadableModel
from estimator.json_file import read_json_object
from estimator.llama_options import SPLIT_MODES, Options
from launches.command import Command, Program
from launches.errors import NoLaunch
from launches.launch import Launch
from launches.llama_defaults import ALL_LAYERS
from launches.llama_models import from_address
from launches.numbers import Values
from launches.uncounted import Uncounted
from launches.words import ARGPARSE, Flag, Given, Takes, table, take_apart

MAX_CONFIG_BYTES = 1 << 20
PORT = 5001
CONTEXT_TOKENS = 8192
BATCH_SIZES = (-1, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096)
KV_TYPES = {"0": "f16", "1": "q8_0", "2": "q4_0", "3": "bf16"}
"""What --quantkv's numbers stand for; names are taken too."""
OWN_NAMES = {
    "--ctx-size": "--contextsize",
    "--gpu-layers": "--gpulayers",
    "--batch-size": "--batchsize",
    "--n-cpu-moe": "--moecpu",
    "--override-tensor": "--overridetensors",
    "--tensor-split": "--tensor_split",
    "--split-mode": "--splitmode",
    "--main-gpu": "--maingpu",
    "--parallel": "--parallelrequests",
    "--no-kv-offload": "--lowvram",
    "--swa-full": "--noswa",
}
"""llama.cpp's flags -> those that say the same here."""
_NAMED = ("f16", "bf16", "q8_0", "q5_1", "q4_0")
_TABLE = table("""
--usecuda --usecublas --usehipblas [N...]
--usevulkan [N...]
--useclblast N N
--usecpu
--noblas
--model -m N...
--config N
--contextsize --ctx-size -c N
--gpulayers --gpu-layers --n-gpu-layers -ngl [N]
--host N
--launch
--tensor_split --tensorsplit --tensor-split -ts N...
--threads -t N
--port N
--version
--analyze N
--autofit --fit -fit
--autofitpadding N
--batchsize --blasbatchsize --batch-size -b N
--benchmark [N]
--blasthreads --batchthreads --threadsbatch --threads-batch N
--chatcompletionsadapter N
--checkforupdates
--cli
--debugmode [N]
--defaultgenamt N
--device -dev N
--downloaddir N
--draftamount --draft-max --draft-n --spec-draft-n-max N
--draftgpulayers --gpu-layers-draft --n-gpu-layers-draft -ngld N
--draftgpusplit N...
--draftmodel --model-draft -md N
--enableguidance
--exportconfig N
--exporttemplate N
--failsafe
--foreground
--gendefaults N
--gendefaultsoverwrite
--genlimit --promptlimit N
--highpriority
--ignoremissing
--jinja
--jinja_kwargs --jinja-kwargs --jinjakwargs --chat-template-kwargs N
--jinja_tools --jinja-tools --jinjatools
--jinjatemplate --chat-template-file N
--jinjathink N
--lora N...
--loramult N
--lowvram -nkvo --no-kv-offload
--maingpu --main-gpu -mg N
--maxrequestsize N
--mcpfile N
--mmproj N
--mmprojcpu --no-mmproj-offload
--moecpu --n-cpu-moe -ncmoe [N]
--moeexperts N
--multiuser [N]
--multiplayer
--nocertify
--nofastforward
--noflashattention --no-flash-attn -nofa
--noavx2
--nobostoken
--nommq
--nomodel
--nopipelineparallel
--noshift --no-context-shift
--noswa --swa-full
--onready N
--allow-config-onready
--overridekv --override-kv N
--overridenativecontext N
--overridetensors --override-tensor -ot N
--parallelrequests --continuous-batching --contbatch N
--password N
--preloadstory N
--prompt -p N
--quantkv N
--quiet
--ratelimit N
--reasoningeffort N
--remotetunnel
--ropeconfig N...
--savedatafile N
--singleinstance
--smartcache [N]
--smartcontext
--splitmode -sm --split-mode N
--ssl N...
--swapadding N
--unpack N
--usemtp
--usemlock --mlock
--usemmap
--nommap --no-mmap
--visionmaxres N
--visionmaxtokens --image-max-tokens N
--visionmintokens --image-min-tokens N
--websearch
--showgui
--skiplauncher
--hordemodelname N
--hordeworkername N
--hordekey N
--hordemaxctx N
--hordegenlen N
--hordeconfig N...
--sdaudiovae N
--sdclamped [N]
--sdclampedsoft N
--sdclip1 --sdclipl N
--sdclip2 --sdclipg N
--sdclipdevice N
--sdconvdirect N
--sdflashattention
--sdlora N...
--sdloramult N...
--sdmaingpu N
--sdmodel N
--sdoffloadcpu
--sdphotomaker N
--sdquant [N]
--sdt5xxl N
--sdthreads N
--sdtiledvae N
--sdupscaler N
--sdvae N
--sdvaeauto
--sdvaedevice N
--sdvramlimit N
--sdconfig N...
--sdnotile
--sdvaecpu
--sdclipgpu
--sdgendefaults
--whispermodel N
--ttsmodel N
--ttswavtokenizer N
--ttsgpu
--ttsmaxlen N
--ttsthreads N
--ttsdir N
--musicllm N
--musicembeddings N
--musicdiffusion N
--musicvae N
--musiclowvram
--embeddingsmodel N
--embeddingsmaxctx N
--embeddingsgpu
--rpcmode N
--rpcport N
--rpchost N
--rpcdevice N
--rpctargets N
--admin
--adminpassword N
--admindir N
--adminunloadtimeout N
--routermode
--reqtimeout N
--autoswapmode
--baseconfig N
--pipelineparallel
--forceversion N
--flashattention --flash-attn -fa
--useswa
--testmemory
--stream
--linearrope
--unbantokens
--usemirostat N...
--psutil_set_threads
--bantokens N...
--help -h
""")
_BESIDE = (
    "--sdmodel --whispermodel --ttsmodel --embeddingsmodel --musicllm --musicdiffusion --musicembeddings --lora".split()
)
"""What it loads beside the text model."""


def recognises(program: Program) -> bool:
    """By its name, which carries the system and the libraries: ``koboldcpp-linux-x64-cuda1210``."""
    return program.name.casefold().startswith(("koboldcpp", "croco.cpp", "koboldcpp.py"))


def read(program: Program, command: Command) -> tuple[Launch, ...]:
    """The text model.

    Raises:
        NoLaunch: none is loaded.
    """
    given = take_apart(program.arguments, _TABLE, ARGPARSE, offset=program.offset)
    values = Values(given)
    if given.has("--version") or given.has("--help") or given.has("--analyze"):
        raise NoLaunch("KoboldCpp loads no model with these flags")
    positionals = list(given.positionals)
    config = given.last("--config")
    if config is None and positionals and positionals[0].casefold().endswith((".kcpps", ".kcppt")):
        config = positionals.pop(0)
    if config is not None:  # "Other arguments will be ignored"
        values = Values(_of_config(command.path(config), values))
        positionals = []
    model = _model(values, positionals, command, program)
    if model is None and values.given.has("--nomodel"):
        raise NoLaunch("KoboldCpp starts without a text model (--nomodel)")
    if model is None:
        values.doubts.append("no model is named: it is chosen in KoboldCpp's own window")
    left = positionals[1 + (len(positionals) > 1 and positionals[1].isdigit()) :]
    kv_type, options = _options(values, command)
    return (
        Launch(
            program="koboldcpp",
            engine_name="llamacpp",
            source=model,
            context_tokens=values.whole("--contextsize", CONTEXT_TOKENS, least=256),
            n_sequences=max(1, values.whole("--parallelrequests", 1)),
            kv_type=kv_type,
            options=options,
            devices=_devices(values.given),
            environment=program.environment,
            address=_address(values, positionals),
            unknown=(*given.unknown, *dict.fromkeys(values.unread), *left),
            doubts=tuple(dict.fromkeys((*values.doubts, *_doubts(values.given)))),
            refusal="; ".join(dict.fromkeys((*given.refusals, *values.given.refusals, *values.refusals))),
            spans=() if config is not None else given.spans,
        ),
    )


def translated(words: Mapping[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    """llama.cpp's settings, by its flags, in KoboldCpp's own words; what it has none for is left out."""
    found = {own: (own, *words[flag][1:]) for flag, own in OWN_NAMES.items() if flag in words}
    number = {name: number for number, name in KV_TYPES.items()}.get(words.get("--cache-type-k", ("", ""))[1])
    return found | ({"--quantkv": ("--quantkv", number)} if number is not None else {})


def _model(values: Values, positionals: Sequence[str], command: Command, program: Program) -> str | None:
    stated = values.given.every("--model") or tuple(positionals[:1])
    if not stated or not stated[0]:
        return None
    if stated[0].startswith(("https://", "http://")):
        return from_address(stated[0], command, program.environment).source
    return command.path(stated[0])


def _options(values: Values, command: Command) -> tuple[str | None, Options]:
    given = values.given
    backend = given.every("--usecuda")
    is_flash = not given.is_on("--noflashattention")
    kv_type = _kv_type(values)
    n_batch = values.whole("--batchsize", 512)
    if n_batch not in BATCH_SIZES:
        values.refuse(f"--batchsize takes {', '.join(map(str, BATCH_SIZES))}, not {n_batch}")
    n_batch = max(1, n_batch)
    mode = values.one_of("--splitmode", SPLIT_MODES, "row" if "rowsplit" in backend else "layer")
    overrides = given.last("--overridetensors")
    projector, draft = given.last("--mmproj"), given.last("--draftmodel")
    options = Options(
        n_gpu_layers=_layers(values),
        is_flash_attention=is_flash,
        n_batch_tokens=n_batch,
        n_ubatch_tokens=n_batch,
        is_kv_offloaded=not (given.is_on("--lowvram") or "lowvram" in backend),
        value_type="f16" if kv_type not in (None, "f16") and not is_flash else None,
        is_full_window=bool(given.is_on("--noswa")),
        n_cpu_moe_layers=_or_all(values, "--moecpu"),
        tensor_overrides=overrides or None,
        tensor_split=_split(values),
        split_mode=mode,
        main_device=max(0, values.whole("--maingpu", 0)),
        is_mapped=bool(given.is_on("--usemmap")),
        projector=command.path(projector) if projector else None,
        is_projector_offloaded=not given.is_on("--mmprojcpu"),
    )
    if draft:
        layers = values.whole("--draftgpulayers", ALL_LAYERS)
        options = replace(options, draft_model=command.path(draft), n_draft_gpu_layers=layers)
    return kv_type, options


def _layers(values: Values) -> int | None:
    """-1 lets it fit as many as there is room for; the flag alone means one."""
    given = values.given
    if given.is_on("--autofit") or not given.has("--gpulayers"):
        return None
    if given.last("--gpulayers") is None:
        return 1
    n_layers = values.whole("--gpulayers", -1)
    return None if n_layers < 0 else n_layers


def _or_all(values: Values, flag: str) -> int:
    if not values.given.has(flag):
        return 0
    return ALL_LAYERS if values.given.last(flag) is None else values.whole(flag, 0, least=0)


def _split(values: Values) -> tuple[float, ...] | None:
    shares = []
    for word in values.given.every("--tensor_split"):
        for part in word.replace("/", ",").split(","):
            try:
                shares.append(float(part))
            except ValueError:
                values.refuse(f"--tensor_split takes numbers, not {word!r}")
                return None
    return tuple(shares) if any(shares) else None


def _kv_type(values: Values) -> str | None:
    text = values.given.last("--quantkv")
    if text is None:
        return None
    kv_type = KV_TYPES.get(text, text)
    if kv_type not in _NAMED:
        values.refuse(f"--quantkv takes {', '.join((*_NAMED, *KV_TYPES))}, not {text!r}")
        return None
    return kv_type


def _devices(given: Given) -> tuple[str, ...] | None:
    if (stated := given.last("--device")) is not None and stated:
        return tuple(name for name in stated.split(",") if name)
    if given.is_on("--usecpu") or given.is_on("--noblas"):
        return ()
    numbers = [word for word in given.every("--usecuda") if word.isdigit()]
    if numbers:
        return (f"CUDA{numbers[0]}",)
    return tuple(f"Vulkan{word}" for word in given.every("--usevulkan") if word.isdigit()) or None


def _address(values: Values, positionals: Sequence[str]) -> tuple[str, int] | None:
    if values.given.is_on("--cli"):
        return None
    usual = int(positionals[1]) if len(positionals) > 1 and positionals[1].isdigit() else PORT
    return values.given.last("--host") or "0.0.0.0", values.whole("--port", usual, least=0)  # noqa: S104  # said, not bound


def _doubts(given: Given) -> list[str]:
    found: list[str] = [Uncounted(f"what {flag} loads is not counted") for flag in _BESIDE if given.last(flag)]
    if (given.last("--rpcmode") or "disabled") != "disabled":
        found.append("devices of other machines are not counted (--rpcmode)")
    if given.is_on("--usemtp"):
        found.append(Uncounted("layers that predict further tokens, and their cache, are not counted (--usemtp)"))
    if given.last("--smartcache") or given.has("--smartcache"):
        found.append("snapshots of past contexts fill RAM as they come (--smartcache)")
    if not given.is_on("--noshift"):
        found.append("128 tokens more than asked for are kept so that the context can shift, which is not counted")
    return found


def _of_config(path: str, values: Values) -> Given:
    """The settings of a file, as if they had been typed."""
    try:
        stored: Mapping[str, object] = read_json_object(path, MAX_CONFIG_BYTES)
    except UnreadableModel as error:
        values.refuse(str(error))
        return replace(values.given, refusals=tuple(values.refusals))
    flags = {name.lstrip("-").replace("-", "_"): flag for flag in _TABLE for name in flag.names}
    told: dict[str, tuple[tuple[str, ...], ...]] = {}
    for name, value in stored.items():
        flag = flags.get("model" if name == "model_param" else "port" if name == "port_param" else name)
        words = None if flag is None else _words_of(flag, value)
        if flag is not None and words is not None:
            told[flag.names[0]] = (words,)
    return Given(values=told)


def _words_of(flag: Flag, value: object) -> tuple[str, ...] | None:
    """What a stored value would be as words; None where it says nothing."""
    if value is None or value is False or value in ("", []):
        return () if flag.names[0] in ("--usecuda", "--usevulkan") and value == [] else None
    if value is True:
        return ()
    if isinstance(value, list):
        return tuple(str(part) for part in value[:256])
    return None if flag.takes is Takes.NOTHING and value == 0 else (str(value),)
