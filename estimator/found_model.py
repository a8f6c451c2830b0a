"""A model that lies on this machine, whole or not, under all of its names."""

from dataclasses import field

from estimator.stored_file import StoredFile
from records.record import record

MODEL, PROJECTOR, ADAPTER, PART = "model", "projector", "adapter", "part"
"""What it is: to be loaded as it is; an image or sound encoder that goes beside one; a LoRA; a part of a pipeline of
images (VAE, text encoder, ControlNet)."""


@record(frozen=True, slots=True, kw_only=True)
class Facts:
    """What its headers say, as far as they were read."""

    quant: str = ""
    architecture: str = ""
    n_parameters: int | None = None
    context_tokens: int | None = None
    format: str = ""
    """Where it is more than the file's name tells: ``mlx``, ``exl``."""
    role: str = ""
    """Where the file says it is no model: one of those above."""
    trouble: str = ""
    """Why nothing could load it: truncated, damaged, empty."""
    note: str = ""
    """Why it can't be judged here though it is whole."""


@record(frozen=True, slots=True, kw_only=True)
class FoundModel:
    """Shared files are those of each who shares them; ``Inventory.n_bytes`` counts them once."""

    names: tuple[str, ...]
    """The best first: as its program lists it (``llama3.1:8b``, ``owner/name:Q4_K_M``), or as the file is called."""
    key: str
    """What ``read_model`` takes."""
    path: str
    """The first file, or the checkpoint's directory."""
    sources: tuple[str, ...]
    """Whose store it lies in: ``Ollama``, ``Hugging Face`` ... or ``folder``."""
    format: str
    """``gguf``, ``safetensors``, ``mlx``, ``exl``, ``pytorch``, ``llamafile``, ``diffusers``; of a download that has no
    name yet ``unknown``."""
    files: tuple[StoredFile, ...]
    """Its weights, in the order of their parts, as far as they are there."""
    companions: tuple[StoredFile, ...] = ()
    """What belongs to it without being its weights: its configuration, Ollama's projector."""
    role: str = MODEL
    trouble: str = ""
    """Why it can't be loaded, a sentence; nothing where nothing is known to be wrong."""
    is_partial: bool = False
    """It was never there as a whole: a download goes on, or was left."""
    facts: Facts | None = field(default=None)
    """None where nothing was read."""

    @property
    def n_bytes(self) -> int:
        """Of the disk, with what belongs to it."""
        return sum(held_bytes(self, file) for file in (*self.files, *self.companions))

    @property
    def identity(self) -> frozenset[tuple[int, int]]:
        """Of its weights, whatever they are called."""
        return frozenset(file.identity for file in self.files)

    @property
    def is_usable(self) -> bool:
        """Whether an engine could load it, as far as is known."""
        return not self.trouble and not self.is_partial and self.role == MODEL


def held_bytes(model: FoundModel, file: StoredFile) -> int:
    """A whole file by its length, as every program says it; what is laid out for a download by what it holds."""
    return file.held_bytes if model.is_partial else file.n_bytes
