"""The image or sound part of a model (mmproj) in a GGUF file of its own: what llama.cpp and Ollama load beside it.

Keys are those of tools/mtmd/clip-impl.h and gguf-py's constants.py (`Keys.Clip`, `ClipVision`, `ClipAudio`) of
llama.cpp, 2026-10.
"""

import os
from collections.abc import Mapping
from dataclasses import field

from estimator.errors import UnreadableModel
from estimator.file_cursor import shown
from estimator.gguf_header import read_header
from estimator.metadata import Keys
from estimator.model import Tensor
from records.record import record

PROJECTOR_TYPES = frozenset({"mmproj", "clip"})
"""``general.type`` or ``general.architecture`` of such files."""


@record(frozen=True, slots=True, kw_only=True)
class Encoder:
    """One encoder of the file, for images or for sound; widths are 0 where the file does not say them."""

    n_layers: int
    n_heads: int
    embedding_width: int
    feed_forward_width: int
    image_size: int = 0
    """Pixels along one side."""
    patch_size: int = 0
    merge_size: int = 1
    """Patches along one side that become one token."""


@record(frozen=True, slots=True, kw_only=True, eq=False)
class Projector:
    """What is loaded beside a model so that it sees or hears."""

    name: str
    source: str
    """The file."""
    kind: str
    """``clip.projector_type``: ``gemma3``, ``qwen2.5vl_merger``, ``mlp`` ..."""
    vision: Encoder | None
    audio: Encoder | None
    tensors: tuple[Tensor, ...] = field(repr=False)
    file_bytes: int


def read_projector(path: str) -> Projector:
    """The projector in a file.

    Raises:
        UnreadableModel: no such file, damaged, or a model and not a projector.
    """
    header = read_header(path)
    metadata = header.metadata
    if PROJECTOR_TYPES.isdisjoint({str(metadata.get("general.type")), str(metadata.get("general.architecture"))}):
        raise UnreadableModel(
            f"{shown(path)}: not the image or sound part (mmproj) of a model; give the file whose name says mmproj"
        )
    if not header.tensors:
        raise UnreadableModel(f"{shown(path)}: holds no weights; download it again")
    try:
        vision, audio = (_encoder(metadata, part) for part in ("vision", "audio"))
    except UnreadableModel as error:
        raise UnreadableModel(f"{shown(path)}: {error}") from error
    name = metadata.get("general.name")
    return Projector(
        name=shown(name).strip() if isinstance(name, str) and name.strip() else shown(os.path.basename(path)),
        source=path,
        kind=_kind(metadata),
        vision=vision,
        audio=audio,
        tensors=header.tensors,
        file_bytes=header.file_bytes,
    )


def _kind(metadata: Mapping[str, object]) -> str:
    for key in ("clip.projector_type", "clip.vision.projector_type", "clip.audio.projector_type"):
        found = metadata.get(key)
        if isinstance(found, str):
            return shown(found)
    return ""


def _encoder(metadata: Mapping[str, object], part: str) -> Encoder | None:
    """None where the file has no such encoder."""
    keys = Keys(metadata, f"clip.{part}")
    stated = metadata.get(f"clip.has_{part}_encoder")
    if stated is False or not (stated or f"clip.{part}.block_count" in metadata):
        return None
    return Encoder(
        n_layers=keys.count("block_count", 0),
        n_heads=keys.count("attention.head_count", 0),
        embedding_width=keys.count("embedding_length", 0),
        feed_forward_width=keys.count("feed_forward_length", 0),
        image_size=keys.count("image_size", 0),
        patch_size=keys.count("patch_size", 0),
        merge_size=keys.count("spatial_merge_size", keys.count("projector.scale_factor", 1)) or 1,
    )
