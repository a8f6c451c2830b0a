from dataclasses import replace
from pathlib import Path

import pytest
from gguf_files import llama_metadata, llama_tensors, write_gguf

from estimator.engines import llamacpp, ollama
from estimator.errors import UnreadableModel
from estimator.ledger import Basis, Estimate, Kind, Place, Workload
from estimator.model import Model, Tensor
from estimator.reader import read_model

GIB = 1 << 30
GPU = Place(name="GPU 0", kind="cuda", total_bytes=24 * GIB, free_bytes=24 * GIB)
RAM = Place(name="RAM", kind="host", total_bytes=64 * GIB, free_bytes=64 * GIB)
PROJECTOR = {
    "general.architecture": "clip",
    "general.type": "mmproj",
    "clip.has_vision_encoder": True,
    "clip.projector_type": "gemma3",
    "clip.vision.block_count": 1,
    "clip.vision.attention.head_count": 16,
    "clip.vision.embedding_length": 1152,
    "clip.vision.feed_forward_length": 4304,
    "clip.vision.projection_dim": 2560,
    "clip.vision.image_size": 896,
    "clip.vision.patch_size": 14,
}


@pytest.fixture
def model(tmp_path: Path) -> Model:
    path = tmp_path / "model.gguf"
    write_gguf(path, llama_metadata(), llama_tensors())
    return read_model(str(path))


@pytest.fixture
def projector(tmp_path: Path) -> str:
    path = tmp_path / "mmproj.gguf"
    write_gguf(path, PROJECTOR, [Tensor("v.blk.0.ffn_up.weight", (1152, 4304), "F16")])
    return str(path)


def estimated(model: Model, places: tuple[Place, ...] = (GPU, RAM), **options: object) -> Estimate:
    asked = replace(llamacpp.Options(), **options)  # type: ignore[arg-type]
    return llamacpp.estimate(model, Workload(context_tokens=4096), asked, places)


def labelled(made: Estimate, word: str) -> Estimate:
    return replace(made, terms=tuple(term for term in made.terms if term.label.startswith(word)))


def test_without_companions_nothing_is_added(model: Model) -> None:
    assert not labelled(estimated(model), "mmproj").terms
    assert not labelled(estimated(model), "draft").terms


def test_a_projector_that_may_be_there_widens_the_high_end_alone(model: Model) -> None:
    seeing = replace(model, n_projector_parameters=423_060_336, may_bring_projector=True)
    without, may = estimated(model), estimated(seeing)
    assert may.n_bytes(["GPU 0"]) == without.n_bytes(["GPU 0"])
    assert GIB < may.high_bytes(["GPU 0"]) - without.high_bytes(["GPU 0"]) < 2 * GIB
    assert labelled(may, "mmproj").terms[0].basis is Basis.ASSUMED
    assert any("image part" in doubt for doubt in may.doubts)


def test_ollama_loads_the_image_part_of_a_model_from_its_library(model: Model) -> None:
    named = read_model("Gemma 3 4B")
    workload, words = Workload(context_tokens=4096), "mmproj, if there is one"
    assert labelled(ollama.estimate(named, workload, ollama.Options(), (GPU, RAM)), words).terms
    assert not labelled(llamacpp.estimate(named, workload, llamacpp.Options(), (GPU, RAM)), words).terms
    own = replace(model, n_projector_parameters=400_000_000)  # a file of one's own has none
    assert not labelled(ollama.estimate(own, workload, ollama.Options(), (GPU, RAM)), words).terms


def test_a_projector_that_is_known_is_not_counted_twice(model: Model, projector: str) -> None:
    seeing = replace(model, n_projector_parameters=423_060_336, may_bring_projector=True)
    assert estimated(seeing, projector=projector).terms == estimated(model, projector=projector).terms


def test_a_projector_lies_whole_on_the_first_device(model: Model, projector: str) -> None:
    found = labelled(estimated(model, projector=projector), "mmproj")

    assert found.n_bytes(["GPU 0"], Kind.WEIGHTS) == 1152 * 4304 * 2
    assert found.n_bytes(["RAM"]) == 0


def test_a_projector_can_be_kept_in_ram(model: Model, projector: str) -> None:
    found = labelled(estimated(model, projector=projector, is_projector_offloaded=False), "mmproj")

    assert found.n_bytes(["GPU 0"]) == 0
    assert found.n_bytes(["RAM"], Kind.WEIGHTS) == 1152 * 4304 * 2


def test_encoding_takes_what_the_engine_reserved(model: Model, projector: str) -> None:
    (term,) = labelled(estimated(model, projector=projector), "mmproj").select(kind=Kind.COMPUTE)

    # mtmd_get_memory_usage, llama.cpp 0c1e57098, of such a header-only file less its weights.
    assert term.n_bytes == pytest.approx(977011136 - 849873024, rel=1e-4)


def test_encoding_an_image_of_any_size_is_said_to_be_assumed(model: Model, tmp_path: Path) -> None:
    path = tmp_path / "mmproj.gguf"
    growing = PROJECTOR | {"clip.projector_type": "qwen2.5vl_merger", "clip.vision.spatial_merge_size": 2}
    write_gguf(path, growing, [Tensor("v.blk.0.ffn_up.weight", (1152, 4304), "F16")])

    (term,) = labelled(estimated(model, projector=str(path)), "mmproj").select(kind=Kind.COMPUTE)

    assert term.basis is Basis.ASSUMED
    assert term.n_bytes == 4 * (46 * 2) ** 2 * (4304 + 3 * 1152)
    assert term.high_bytes > 4 * term.n_bytes


def test_a_draft_takes_what_it_would_take_alone(model: Model) -> None:
    beside = labelled(estimated(model, draft_model=model.source), "draft")
    alone = estimated(model)

    for kind in (Kind.WEIGHTS, Kind.KV_CACHE, Kind.COMPUTE):
        assert beside.n_bytes(["GPU 0"], kind) == alone.n_bytes(["GPU 0"], kind) > 0


def test_a_draft_s_cache_has_types_of_its_own(model: Model) -> None:
    plain = labelled(estimated(model, draft_model=model.source), "draft")
    packed = labelled(estimated(model, draft_model=model.source, draft_key_type="q8_0"), "draft")
    (whole,) = (term.n_bytes for term in plain.terms if term.kind is Kind.KV_CACHE)
    (found,) = (term.n_bytes for term in packed.terms if term.kind is Kind.KV_CACHE)

    # Keys take 34 bytes a block of 32 instead of 64, and CUDA's padding; values stay as they are.
    assert found == pytest.approx(whole * (34 + 64) / 128, rel=1e-3)


def test_a_draft_may_stay_in_ram(model: Model) -> None:
    beside = labelled(estimated(model, draft_model=model.source, n_draft_gpu_layers=0), "draft")

    assert beside.n_bytes(["GPU 0"], Kind.WEIGHTS) == 0
    assert beside.n_bytes(["RAM"], Kind.KV_CACHE) == estimated(model).n_bytes(["GPU 0"], Kind.KV_CACHE)


def test_drafted_tokens_are_checked_at_once(model: Model) -> None:
    alone, drafted = estimated(model), estimated(model, draft_model=model.source)
    (logits,) = (term for term in drafted.terms if term.label == "logits")

    assert logits.high_bytes == 4 * next(term for term in alone.terms if term.label == "logits").n_bytes


def test_less_room_is_left_for_the_model(model: Model, projector: str) -> None:
    options = llamacpp.Options(projector=projector)
    needed = estimated(model).n_bytes(["GPU 0"], Kind.WEIGHTS)
    small = replace(GPU, free_bytes=GIB + needed + (64 << 20), total_bytes=2 * GIB)
    workload = Workload(context_tokens=4096)

    assert llamacpp.fallback(model, workload, llamacpp.Options(), (small, RAM)) is None
    assert llamacpp.fallback(model, workload, options, (small, RAM)) is not None


def test_a_file_that_is_no_projector_is_said(model: Model) -> None:
    with pytest.raises(UnreadableModel, match="not the image or sound part"):
        estimated(model, projector=model.source)


def test_the_servers_line_names_both(model: Model, projector: str) -> None:
    options = llamacpp.Options(projector=projector, draft_model="qwen3 0.6b")
    made = estimated(model, projector=projector)

    flags = llamacpp.flags(model, Workload(context_tokens=4096), options, made)

    assert f"--mmproj {projector}" in flags
    assert "-md DRAFT.gguf" in flags
