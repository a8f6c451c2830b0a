"""Models that lie on this machine: each once, with what the matter is with it."""

import os
import threading
from pathlib import Path

import pytest
from gguf_files import Typed, llama_metadata, llama_tensors, write_gguf
from hub_files import LLAMA, llama_stored, write_checkpoint, write_safetensors
from shelves import inventory_of, only, write_model, write_split

from estimator.found_model import ADAPTER, MODEL, PART, PROJECTOR
from estimator.inventory import take_inventory
from estimator.model import Tensor
from estimator.model_roots import COMFY_UI, FOLDER, LM_STUDIO, Root
from estimator.reader import read_model


def test_a_file_is_told_with_what_its_header_says(tmp_path: Path) -> None:
    path = write_model(tmp_path / "Tiny-Q4_K_M.gguf")

    found = only(inventory_of(tmp_path))

    assert (found.names, found.key, found.format, found.sources) == (("Tiny-Q4_K_M",), str(path), "gguf", (FOLDER,))
    assert found.n_bytes == path.stat().st_size
    assert found.facts is not None
    assert (found.facts.quant, found.facts.architecture, found.facts.context_tokens) == ("Q4_K_M", "llama", 4096)
    assert found.facts.n_parameters == read_model(str(path)).n_parameters
    assert found.is_usable


@pytest.mark.parametrize("link", [os.symlink, os.link])
def test_a_file_under_two_names_is_one_model(tmp_path: Path, link: object) -> None:
    path = write_model(tmp_path / "a" / "first.gguf")
    (tmp_path / "b").mkdir()
    link(path, tmp_path / "b" / "second.gguf")  # type: ignore[operator]

    found = inventory_of(tmp_path)

    assert only(found).names == ("first", "second")
    assert found.n_bytes == path.stat().st_size


def test_a_file_in_two_places_is_one_model_of_both(tmp_path: Path) -> None:
    write_model(tmp_path / "studio" / "owner" / "name" / "it.gguf")
    studio = Root(source=LM_STUDIO, path=str(tmp_path / "studio"))
    own = Root(source=FOLDER, path=str(tmp_path))
    assert only(take_inventory([own, studio])).sources == (LM_STUDIO, FOLDER)


def test_a_split_file_is_one_model(tmp_path: Path) -> None:
    parts = write_split(tmp_path, "Tiny-Q4_K_M", 3)

    found = only(inventory_of(tmp_path))

    assert (found.names, found.path) == (("Tiny-Q4_K_M",), str(parts[0]))
    assert found.n_bytes == sum(part.stat().st_size for part in parts)
    assert found.is_usable
    assert found.facts is not None
    assert found.facts.n_parameters == 2 * 256 * 1000 + 256 + 2 * (256 * 2 + 256 * 256 * 3 + 256 * 512 * 3)


def test_a_part_that_is_missing_is_named(tmp_path: Path) -> None:
    write_split(tmp_path, "Tiny", 3)[1].unlink()

    found = only(inventory_of(tmp_path))

    assert found.is_partial
    assert found.trouble == "1 of 3 parts are missing (Tiny-00002-of-00003.gguf)"


def test_a_part_that_is_still_coming_belongs_to_those_that_are_there(tmp_path: Path) -> None:
    path = write_split(tmp_path, "Tiny", 3)[2]
    path.rename(f"{path}.downloadInProgress")

    found = only(inventory_of(tmp_path))

    assert found.is_partial
    assert len(found.files) == 3
    assert found.trouble == "unfinished download"


@pytest.mark.parametrize(
    "name",
    [
        "it.gguf.downloadInProgress",
        "it.gguf.part",
        "downloading_it.gguf.part",
        "incomplete-it.gguf",
        "it.gguf.crdownload",
        "it.safetensors.incomplete",
    ],
)
def test_a_download_that_has_not_finished_is_partial(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"GGUF" + bytes(5000))

    found = only(inventory_of(tmp_path))

    assert found.is_partial
    assert found.names == ("it",)
    assert not found.is_usable


def test_a_file_beside_which_aria2_keeps_its_notes_is_partial(tmp_path: Path) -> None:
    write_model(tmp_path / "it.gguf")
    (tmp_path / "it.gguf.aria2").touch()

    assert only(inventory_of(tmp_path)).is_partial


def test_a_download_counts_what_it_holds_not_what_it_was_laid_out_for(tmp_path: Path) -> None:
    with (tmp_path / "it.gguf.part").open("wb") as file:
        file.write(bytes(8192))
        file.truncate(1 << 40)

    assert inventory_of(tmp_path).n_bytes < 1 << 20


@pytest.mark.parametrize(("n_bytes", "said"), [(0, "empty"), (100, "damaged"), (-1, "truncated"), (-5000, "truncated")])
def test_a_file_that_was_cut_off_is_broken(tmp_path: Path, n_bytes: int, said: str) -> None:
    path = write_model(tmp_path / "it.gguf")
    os.truncate(path, n_bytes if n_bytes >= 0 else path.stat().st_size + n_bytes)

    found = only(inventory_of(tmp_path))

    assert said in found.trouble
    assert str(tmp_path) not in found.trouble
    assert not found.is_usable


def test_a_pointer_in_place_of_a_file_is_broken(tmp_path: Path) -> None:
    (tmp_path / "it.gguf").write_bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 5\n")

    assert "Git LFS pointer" in only(inventory_of(tmp_path)).trouble


def test_a_part_that_was_cut_off_breaks_the_whole(tmp_path: Path) -> None:
    path = write_split(tmp_path, "Tiny", 2)[1]
    os.truncate(path, path.stat().st_size - 1)

    assert "truncated" in only(inventory_of(tmp_path)).trouble


def test_an_image_part_is_no_model(tmp_path: Path) -> None:
    write_gguf(tmp_path / "vision.gguf", {"general.architecture": "clip"}, [Tensor("v.patch", (64, 64), "F16")])
    write_gguf(tmp_path / "mmproj-F16.gguf", {"general.architecture": "clip"}, [Tensor("v.patch", (64, 64), "F16")])

    assert [model.role for model in inventory_of(tmp_path).models] == [PROJECTOR, PROJECTOR]


def test_an_adapter_is_no_model(tmp_path: Path) -> None:
    metadata = {"general.architecture": "llama", "general.type": "adapter"}
    write_gguf(tmp_path / "lora.gguf", metadata, [Tensor("a", (64, 64), "F16")])
    (tmp_path / "peft").mkdir()
    (tmp_path / "peft" / "adapter_config.json").write_text("{}")
    write_safetensors(tmp_path / "peft" / "adapter_model.safetensors", [("a", "F16", (8, 8))])

    assert [model.role for model in inventory_of(tmp_path).models] == [ADAPTER, ADAPTER]


def test_what_is_no_language_model_is_whole_all_the_same(tmp_path: Path) -> None:
    write_gguf(tmp_path / "flux1-dev-Q8_0.gguf", {"general.architecture": "flux"}, [Tensor("img_in", (64, 64), "Q8_0")])

    found = only(inventory_of(tmp_path))

    assert found.trouble == ""
    assert found.facts is not None
    assert (found.facts.architecture, found.facts.quant, found.facts.n_parameters) == ("flux", "Q8_0", 4096)
    assert found.facts.note


def test_a_checkpoint_in_shards_is_one_model(tmp_path: Path) -> None:
    write_checkpoint(tmp_path / "owner" / "Small", LLAMA, llama_stored(), n_shards=3)

    found = only(inventory_of(tmp_path))

    assert (found.names, found.path) == (("owner/Small",), str(tmp_path / "owner" / "Small"))
    assert found.facts is not None
    assert (found.facts.quant, found.facts.architecture) == ("BF16", "llama")
    assert len(found.files) == 3


def test_a_shard_that_is_missing_is_named(tmp_path: Path) -> None:
    (write_checkpoint(tmp_path, LLAMA, llama_stored(), n_shards=3) / "model-00002-of-00003.safetensors").unlink()

    assert only(inventory_of(tmp_path)).trouble == "1 of 3 parts are missing (model-00002-of-00003.safetensors)"


def test_an_index_without_any_weights_is_partial(tmp_path: Path) -> None:
    for path in write_checkpoint(tmp_path, LLAMA, llama_stored(), n_shards=2).glob("*.safetensors"):
        path.unlink()

    found = only(inventory_of(tmp_path))

    assert found.is_partial
    assert "2 of 2 parts are missing" in found.trouble


def test_a_shard_that_was_cut_off_is_broken(tmp_path: Path) -> None:
    write_checkpoint(tmp_path, LLAMA, llama_stored(), n_shards=2)
    path = tmp_path / "model-00002-of-00002.safetensors"
    os.truncate(path, path.stat().st_size - 1)

    assert "truncated" in only(inventory_of(tmp_path)).trouble


def test_files_without_a_configuration_are_a_model_each(tmp_path: Path) -> None:
    for name in ("one", "two"):
        write_safetensors(tmp_path / f"{name}.safetensors", [("a", "F16", (8, 8)), ("b", "F32", (2, 2))])

    found = inventory_of(tmp_path).models

    assert [(model.names, model.facts and model.facts.quant) for model in found] == [
        (("one",), "F16"),
        (("two",), "F16"),
    ]


def test_a_pipeline_is_one_model(tmp_path: Path) -> None:
    root = tmp_path / "flux"
    for name in ("transformer", "vae"):
        (root / name).mkdir(parents=True)
        write_safetensors(root / name / "model.safetensors", [(name, "F16", (8, 8))])
    (root / "model_index.json").write_text("{}")

    found = only(inventory_of(tmp_path))

    assert (found.format, len(found.files)) == ("diffusers", 2)


def test_folders_of_comfy_ui_tell_what_lies_in_them(tmp_path: Path) -> None:
    for folder in ("checkpoints", "loras", "vae"):
        (tmp_path / folder).mkdir()
        write_safetensors(tmp_path / folder / f"{folder}.safetensors", [("a", "F16", (8, 8))])

    found = inventory_of(tmp_path, source=COMFY_UI).models

    assert {model.names[0]: model.role for model in found} == {"checkpoints": MODEL, "loras": ADAPTER, "vae": PART}


def test_links_that_lead_back_end_the_search(tmp_path: Path) -> None:
    write_model(tmp_path / "a" / "it.gguf")
    (tmp_path / "a" / "up").symlink_to(tmp_path)
    (tmp_path / "self").symlink_to("self")

    found = inventory_of(tmp_path)

    assert only(found).names == ("it",)
    assert found.complaints == ()


def test_a_link_that_leads_nowhere_is_broken(tmp_path: Path) -> None:
    (tmp_path / "it.gguf").symlink_to("gone.gguf")

    assert "is not there" in only(inventory_of(tmp_path)).trouble


def test_a_place_with_too_many_files_is_left_with_a_sentence(tmp_path: Path) -> None:
    for number in range(30):
        (tmp_path / f"{number}").mkdir()
        write_gguf(tmp_path / f"{number}" / "it.gguf", llama_metadata(), ())

    found = inventory_of(tmp_path, n_entries=40, is_reading=False)

    assert 5 < len(found.models) < 20
    assert found.complaints == (f"{tmp_path}: the rest was not looked at after 40 files",)


def test_a_place_that_does_not_answer_costs_its_own_rows_alone(tmp_path: Path) -> None:
    write_model(tmp_path / "good" / "it.gguf")
    write_model(tmp_path / "bad" / "other.gguf")
    answers = threading.Event()
    times = iter([0.0, 0.0, 0.0, 0.0])

    def clock() -> float:
        """Whoever looks into the second place waits; to the others its time is soon over."""
        thread = threading.current_thread().name
        if thread.endswith("bad"):
            answers.wait()
        return 0.0 if thread.endswith("good") else next(times, 1000.0)

    roots = [Root(source=FOLDER, path=str(tmp_path / name)) for name in ("good", "bad")]
    found = take_inventory(roots, seconds=3, clock=clock)
    answers.set()

    assert only(found).names == ("it",)
    assert found.complaints == (f"{tmp_path / 'bad'}: no answer within 5 seconds",)


def test_a_folder_that_was_asked_for_and_is_not_there_is_said(tmp_path: Path) -> None:
    path = str(tmp_path / "none")
    found = take_inventory([Root(source=FOLDER, path=path, is_named=True), Root(source=LM_STUDIO, path=path + "2")])

    assert found.complaints == (f"{path}: no models there, or no such folder",)


def test_a_folder_that_may_not_be_listed_is_said(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0)
    if os.access(closed, os.R_OK):
        pytest.skip("root may read everything")
    found = inventory_of(tmp_path)
    closed.chmod(0o700)

    assert "cannot be listed (Permission denied)" in found.complaints[0]


def test_a_name_that_is_no_text_is_found_too(tmp_path: Path) -> None:
    path = os.fsencode(tmp_path) + b"/na\xffme.gguf"
    write_gguf(os.fsdecode(path), llama_metadata(), llama_tensors())

    assert only(inventory_of(tmp_path, cache=tmp_path / "cache" / "c.json")).is_usable


def test_a_hostile_header_is_one_sentence(tmp_path: Path) -> None:
    write_gguf(tmp_path / "it.gguf", llama_metadata(llama__block_count=Typed("u64", 1 << 60)), llama_tensors())

    found = only(inventory_of(tmp_path))

    assert found.facts is not None
    assert found.facts.note or found.trouble
