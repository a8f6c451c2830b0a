"""The face of every engine, and where they are found."""

from collections.abc import Sequence
from importlib import import_module
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol

from estimator.errors import EstimatorError
from estimator.ledger import Estimate, Place, Workload
from estimator.model import Model

if TYPE_CHECKING:
    from estimator.needs import Needs

ENGINES = ("llamacpp", "ollama", "vllm", "sglang", "trtllm", "tgi", "transformers", "mlx", "exllama", "generic")
"""Modules of ``estimator.engines``, in the order they are offered."""

RUN_BY = MappingProxyType(
    {
        "llamaserver": "llamacpp",
        "llamafile": "llamacpp",
        "lmstudio": "llamacpp",
        "koboldcpp": "llamacpp",
        "jan": "llamacpp",
        "mlxlm": "mlx",
        "tensorrtllm": "trtllm",
        "textgenerationinference": "tgi",
        "exllamav2": "exllama",
        "exllamav3": "exllama",
        "tabbyapi": "exllama",
        "ruleofthumb": "generic",
        "huggingface": "transformers",
        "hf": "transformers",
    }
)
"""Programs that run an engine of another name."""


ANY_VENDOR = frozenset({"nvidia", "amd", "intel", "apple"})
"""Vendors of devices, as probes name them."""


class Engine(Protocol):
    """A module of ``estimator.engines``."""

    NAME: str
    """As its users write it: ``llama.cpp``."""
    Options: Any
    """A frozen dataclass; each field's metadata has ``flag``, ``help`` and, where closed, ``choices``."""
    KV_TYPES: Sequence[str]
    """What ``Workload.kv_type`` may be, the default first."""
    KV_STEPS: Sequence[str]
    """Of these, what is worth trying one after another, the widest first."""
    QUANTS: Sequence[str]
    """The quants that are worth offering for it, the best ones first."""
    CONVERTED_QUANT: str
    """Where people give it conversions of their own: the one of these that is nearest to Q4_K_M. Otherwise empty."""
    VENDORS: frozenset[str]
    """Whose devices it runs on."""
    DEVICE_FLAG: str | None
    """What takes llama.cpp's names of the devices to use. Empty: nothing does, and it uses what the driver lets it see.
    None: no program is known that could be told."""

    def estimate(self, model: Model, workload: Workload, options: Any, places: Sequence[Place]) -> Estimate:
        """What the engine would allocate, as asked.

        Raises:
            Unjudgeable: this engine's needs for this model aren't known.
        """
        ...

    def fallback(self, model: Model, workload: Workload, options: Any, places: Sequence[Place]) -> Estimate | None:
        """What it would do by itself where that does not fit; None where it would not do anything, or can't."""
        ...

    def quick_estimate(self, model: Model, workload: Workload, options: Any, places: Sequence[Place]) -> Estimate:
        """As ``estimate``, for many loads at once: with a wider band where the narrow one takes long.

        Raises:
            Unjudgeable: as ``estimate``.
        """
        ...

    def quick_fallback(
        self, model: Model, workload: Workload, options: Any, places: Sequence[Place]
    ) -> Estimate | None:
        """As ``fallback``, for many loads at once."""
        ...

    def relieved(self, model: Model, workload: Workload, options: Any, places: Sequence[Place]) -> Any | None:
        """Its ``Options`` with so much left to the host that the rest fits; None where nothing has to be."""
        ...

    def needs(self, model: Model, options: Any, made: Estimate, host: str) -> "Needs":
        """What the load takes on disk, and of RAM while it lasts; ``host`` is a place of the estimate."""
        ...

    def flags(self, model: Model, workload: Workload, options: Any, made: Estimate) -> str:
        """The command-line arguments that ask the engine for this estimate."""
        ...

    def command(self, model: Model, arguments: str) -> str:
        """The line that starts it with these ``flags``, ready to be pasted into a shell."""
        ...


def nothing(model: Model, workload: Workload, options: Any, places: Sequence[Place]) -> None:
    """The ``fallback``, or ``relieved``, of an engine that starts as asked or not at all."""
    del model, workload, options, places


def load_engine(name: str) -> Engine:
    """The engine of that name, in any usual spelling, or the one that a program of that name runs.

    Raises:
        EstimatorError: no such engine.
    """
    typed = "".join(c for c in name.casefold() if c.isalnum())
    wanted = RUN_BY.get(typed, typed)
    if wanted not in ENGINES:
        raise EstimatorError(f"no engine is called {name!r}; known: {', '.join(ENGINES)}")
    engine: Engine = import_module(f"estimator.engines.{wanted}")
    return engine


def usual_engine(model: Model) -> str:
    """Who runs such a model where nobody was named: a key of ``ENGINES``."""
    if model.kind in ("audio", "image", "video"):
        usual = "generic"
    elif model.format == "mlx":
        usual = "mlx"
    elif model.format == "exl":
        usual = "exllama"
    else:
        usual = "llamacpp" if model.format == "gguf" else "vllm"
    return usual if usual in ENGINES else ENGINES[0]
