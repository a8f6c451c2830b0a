import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from gguf_files import llama_metadata, llama_tensors, write_gguf
from hub_files import LLAMA, llama_stored, write_checkpoint

from estimator.engines import ollama
from estimator.errors import AmbiguousModel, UnreadableModel
from estimator.hub_cache import find_in_cache, find_in_studio, names_in_cache
from estimator.ollama_store import find_in_store, names_in_store, store_roots
from estimator.reader import read_model

DIGEST = "a" * 64
PROJECTOR = "b" * 64


def pull(root: Path, name: str, *, layers: Sequence[Mapping[str, object]] | None = None) -> Path:
    """A name in a store, as `ollama pull` leaves it: host/namespace/model/tag."""
    blobs = root / "blobs"
    blobs.mkdir(parents=True, exist_ok=True)
    write_gguf(blobs / f"sha256-{DIGEST}", llama_metadata(), llama_tensors())
    (blobs / f"sha256-{PROJECTOR}").write_bytes(b"\0" * (3 << 20))
    manifest = root / "manifests" / name
    manifest.parent.mkdir(parents=True, exist_ok=True)
    if layers is None:
        layers = [layer("model", DIGEST)]
    manifest.write_text(json.dumps({"schemaVersion": 2, "layers": list(layers)}))
    return root


def layer(kind: str, digest: str) -> dict[str, object]:
    return {"mediaType": f"application/vnd.ollama.image.{kind}", "digest": f"sha256:{digest}", "size": 1}


@pytest.mark.parametrize(
    ("stored", "typed"),
    [
        ("registry.ollama.ai/library/llama3.1/8b", "llama3.1:8b"),
        ("registry.ollama.ai/library/qwen3/latest", "qwen3"),
        ("registry.ollama.ai/library/qwen3/latest", "Qwen3:latest"),
        ("registry.ollama.ai/someone/model/tag", "someone/model:tag"),
        ("hf.co/bartowski/Qwen3-8B-GGUF/Q4_K_M", "hf.co/bartowski/Qwen3-8B-GGUF:Q4_K_M"),
        ("hf.co/bartowski/Qwen3-8B-GGUF/Q4_K_M", "hf.co/bartowski/qwen3-8b-gguf:q4_k_m"),
    ],
)
def test_a_name_is_found_as_people_type_it(tmp_path: Path, stored: str, typed: str) -> None:
    found = find_in_store(typed, [str(pull(tmp_path, stored))])

    assert found is not None
    assert found.path == str(tmp_path / "blobs" / f"sha256-{DIGEST}")


@pytest.mark.parametrize(
    "typed", ["qwen3:14b", "other", "", ":", "/", "a/b/c/d/e", "../qwen3", "qwen3/..:latest", "qwen3:..", "\0", "q w"]
)
def test_what_the_store_does_not_have_is_none(tmp_path: Path, typed: str) -> None:
    assert find_in_store(typed, [str(pull(tmp_path, "registry.ollama.ai/library/qwen3/latest"))]) is None


def test_names_are_listed_as_ollama_lists_them(tmp_path: Path) -> None:
    pull(tmp_path, "registry.ollama.ai/library/qwen3/8b")
    pull(tmp_path, "hf.co/someone/repository/Q8_0")

    assert list(names_in_store([str(tmp_path)])) == ["hf.co/someone/repository:Q8_0", "qwen3:8b"]


def test_an_image_part_and_an_adapter_are_noted(tmp_path: Path) -> None:
    layers = [layer("model", DIGEST), layer("projector", PROJECTOR), layer("adapter", PROJECTOR)]
    found = find_in_store("v", [str(pull(tmp_path, "registry.ollama.ai/library/v/latest", layers=layers))])

    assert found is not None
    assert len(found.projectors) == len(found.adapters) == 1


@pytest.mark.parametrize(
    "digest", ["../../etc/passwd", "sha256:../../x", "", "sha256:" + "a" * 63, "sha1:" + "a" * 64, "sha256:" + "A" * 64]
)
def test_a_digest_that_is_none_is_refused(tmp_path: Path, digest: str) -> None:
    layers = [{"mediaType": "application/vnd.ollama.image.model", "digest": digest}]
    root = pull(tmp_path, "registry.ollama.ai/library/q/latest", layers=layers)

    with pytest.raises(UnreadableModel, match="damaged"):
        find_in_store("q", [str(root)])


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"layers": 3}', '{"layers": [3]}', "[" * 10_000])
def test_a_damaged_manifest_is_refused_in_one_sentence(tmp_path: Path, text: str) -> None:
    root = pull(tmp_path, "registry.ollama.ai/library/q/latest")
    (root / "manifests/registry.ollama.ai/library/q/latest").write_text(text)

    with pytest.raises(UnreadableModel):
        find_in_store("q", [str(root)])


def test_missing_weights_are_named(tmp_path: Path) -> None:
    root = pull(tmp_path, "registry.ollama.ai/library/q/latest")
    (root / "blobs" / f"sha256-{DIGEST}").unlink()

    with pytest.raises(UnreadableModel, match="pull the model again"):
        find_in_store("q", [str(root)])


def test_the_store_that_is_set_is_the_only_one(tmp_path: Path) -> None:
    pull(tmp_path, "registry.ollama.ai/library/q/latest")

    assert store_roots({"OLLAMA_MODELS": str(tmp_path)}) == (str(tmp_path),)
    assert store_roots({"OLLAMA_MODELS": str(tmp_path / "none")}) == ()


def download(root: Path, owner: str, name: str, *, revision: str = "c" * 40) -> Path:
    """A repository in Hugging Face's cache."""
    folder = root / f"models--{owner}--{name}"
    (folder / "refs").mkdir(parents=True, exist_ok=True)
    (folder / "refs" / "main").write_text(revision)
    return write_checkpoint(folder / "snapshots" / revision, LLAMA, llama_stored())


@pytest.mark.parametrize("typed", ["Qwen/Qwen3-8B", "qwen/qwen3-8b", "Qwen3-8B"])
def test_a_downloaded_repository_is_found_by_its_id(tmp_path: Path, typed: str) -> None:
    snapshot = download(tmp_path, "Qwen", "Qwen3-8B")

    assert find_in_cache(typed, [str(tmp_path)]) == str(snapshot)


@pytest.mark.parametrize("typed", ["Qwen/Qwen3", "Other/Qwen3-8B", "", "..", "../Qwen3-8B", "Qwen/..", "a/b/c", "\0"])
def test_part_of_an_id_is_not_enough(tmp_path: Path, typed: str) -> None:
    download(tmp_path, "Qwen", "Qwen3-8B")

    assert find_in_cache(typed, [str(tmp_path)]) is None


def test_a_reference_that_leads_elsewhere_is_not_followed(tmp_path: Path) -> None:
    snapshot = download(tmp_path, "Qwen", "Qwen3-8B")
    (tmp_path / "models--Qwen--Qwen3-8B" / "refs" / "main").write_text("../../../..")

    assert find_in_cache("Qwen/Qwen3-8B", [str(tmp_path)]) == str(snapshot)


def test_a_name_that_two_owners_have_needs_the_owner(tmp_path: Path) -> None:
    download(tmp_path, "Qwen", "Qwen3-8B")
    download(tmp_path, "unsloth", "Qwen3-8B")

    assert find_in_cache("Qwen3-8B", [str(tmp_path)]) is None
    assert list(names_in_cache([str(tmp_path)])) == ["Qwen/Qwen3-8B", "unsloth/Qwen3-8B"]


def test_lm_studio_keeps_models_by_publisher(tmp_path: Path) -> None:
    (tmp_path / "bartowski" / "Qwen3-8B-GGUF").mkdir(parents=True)

    assert find_in_studio("bartowski/Qwen3-8B-GGUF", [str(tmp_path)]) == str(tmp_path / "bartowski" / "Qwen3-8B-GGUF")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with a store and a cache of its own."""
    (tmp_path / "hub").mkdir()
    monkeypatch.setenv("OLLAMA_MODELS", str(tmp_path / "ollama"))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path


def test_what_is_here_comes_before_the_catalogue(here: Path) -> None:
    pull(here / "ollama", "registry.ollama.ai/library/qwen3/8b")

    assert read_model("qwen3:8b").source == str(here / "ollama" / "blobs" / f"sha256-{DIGEST}")
    assert read_model("qwen3:14b").source == "catalogue"


def test_ollama_names_with_two_slashes_are_no_paths(here: Path) -> None:
    pull(here / "ollama", "hf.co/someone/repository/Q8_0")

    assert read_model("hf.co/someone/repository:Q8_0").name == "hf.co/someone/repository:Q8_0"


def test_a_models_further_parts_are_said(here: Path) -> None:
    layers = [layer("model", DIGEST), layer("projector", PROJECTOR)]
    pull(here / "ollama", "registry.ollama.ai/library/v/latest", layers=layers)

    assert any("3 MiB" in doubt for doubt in read_model("v").doubts)


def test_a_downloaded_checkpoint_is_read_under_its_repositorys_name(here: Path) -> None:
    download(here / "hub", "someone", "Small-1B")

    model = read_model("someone/Small-1B")

    assert (model.name, model.quant) == ("Small-1B", "BF16")


def test_a_tag_chooses_among_several_files_of_a_repository(here: Path) -> None:
    snapshot = download(here / "hub", "someone", "Small-GGUF")
    for quant in ("Q4_K_M", "Q8_0"):
        write_gguf(snapshot / f"Small-{quant}.gguf", llama_metadata(), llama_tensors())

    assert read_model("someone/Small-GGUF:Q4_K_M").source.endswith("Small-Q4_K_M.gguf")
    with pytest.raises(AmbiguousModel):
        read_model("someone/Small-GGUF")


def test_candidates_on_this_machine_are_listed_first(here: Path) -> None:
    pull(here / "ollama", "registry.ollama.ai/library/qwen3/0.6b-mine")

    with pytest.raises(AmbiguousModel) as caught:
        read_model("qwen3")
    assert caught.value.candidates[0] == "qwen3:0.6b-mine"
    assert len(caught.value.candidates) > 1


def test_a_directory_may_be_a_checkpoint(tmp_path: Path) -> None:
    write_checkpoint(tmp_path, LLAMA, llama_stored())

    assert read_model(str(tmp_path)).quant == "BF16"


def test_a_configuration_alone_is_a_model_too(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(LLAMA))

    assert read_model(str(tmp_path)).file_bytes is None
    assert read_model(str(tmp_path / "config.json"), "AWQ").quant == "AWQ"


@pytest.mark.parametrize("name", ["missing.gguf", "missing.safetensors", "a/b/missing"])
def test_a_missing_file_is_not_taken_for_a_name(tmp_path: Path, name: str) -> None:
    with pytest.raises(UnreadableModel, match="no such file"):
        read_model(str(tmp_path / name))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes")
def test_a_pipe_in_the_cache_is_not_waited_for(tmp_path: Path) -> None:
    download(tmp_path, "Qwen", "Qwen3-8B")
    reference = tmp_path / "models--Qwen--Qwen3-8B" / "refs" / "main"
    reference.unlink()
    os.mkfifo(reference)

    assert find_in_cache("Qwen/Qwen3-8B", [str(tmp_path)]) is not None


def test_a_directory_that_stands_for_a_configuration_is_told_apart(tmp_path: Path) -> None:
    (tmp_path / "config.json").mkdir()

    with pytest.raises(UnreadableModel, match="is no file"):
        read_model(f"{tmp_path}/")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="this user may read everything")
def test_a_directory_that_others_may_not_list_says_so(tmp_path: Path) -> None:
    tmp_path.chmod(0o300)

    with pytest.raises(UnreadableModel, match="who may read it"):
        read_model(f"{tmp_path}/")


def test_a_model_of_ollamas_is_run_by_the_name_it_has_there(here: Path) -> None:
    pull(here / "ollama", "registry.ollama.ai/library/qwen3/8b")
    model = read_model("qwen3:8b")

    assert model.name == "qwen3:8b"
    assert ollama.command(model, "X=1") == "X=1 ollama serve & ollama run qwen3:8b"
