"""Stores of programs: names, shared blobs, and what in them is not all there."""

import json
from pathlib import Path

import pytest
from gguf_files import llama_metadata, llama_tensors, write_gguf
from hub_files import LLAMA, llama_stored, write_safetensors
from shelves import OllamaStore, Repository, inventory_of, only, write_model

from estimator.found_model import FoundModel
from estimator.inventory import Inventory, take_inventory
from estimator.model_roots import (
    COMFY_UI,
    FOLDER,
    GPT4ALL,
    HUGGING_FACE,
    JAN,
    LLAMA_CPP,
    LM_STUDIO,
    MODEL_SCOPE,
    OLLAMA,
    Root,
    model_roots,
)
from estimator.ollama_store import find_in_store, names_in_store, store_roots


@pytest.fixture
def store(tmp_path: Path) -> OllamaStore:
    return OllamaStore(tmp_path / "ollama")


def named(found: Inventory) -> dict[str, FoundModel]:
    return {model.names[0]: model for model in found.models}


# Ollama


def test_a_name_of_ollama_is_called_as_people_type_it(store: OllamaStore) -> None:
    path = store.weights("a")
    store.name("library/qwen3/8b", [store.layer("a")])

    found = only(inventory_of(store.root))

    assert (found.names, found.key, found.path) == (("qwen3:8b",), "qwen3:8b", str(path))
    assert found.facts is not None
    assert found.facts.quant == "Q4_K_M"


def test_names_that_share_a_blob_are_one_model(store: OllamaStore) -> None:
    size = store.weights("a").stat().st_size
    for tag in ("8b", "latest"):
        store.name(f"library/qwen3/{tag}", [store.layer("a")])

    found = inventory_of(store.root)

    assert only(found).names == ("qwen3:8b", "qwen3:latest")
    assert found.n_bytes == size


def test_what_ollama_loads_beside_the_weights_is_counted_and_shared(store: OllamaStore) -> None:
    sizes = [store.weights(digit).stat().st_size for digit in "ab"]
    store.blob("c").write_bytes(bytes(1000))
    for tag, digit in (("one", "a"), ("two", "b")):
        store.name(f"library/v/{tag}", [store.layer(digit), store.layer("c", "projector")])

    found = inventory_of(store.root)

    assert found.models[0].n_bytes == sizes[0] + 1000
    assert found.n_bytes == sum(sizes) + 1000


def test_a_blob_that_is_missing_is_said(store: OllamaStore) -> None:
    store.name("library/qwen3/8b", [store.layer("a")])

    found = only(inventory_of(store.root))

    assert found.trouble == "weights are missing (blob sha256-aaaaaaaaaaaa); pull the model again"
    assert not found.is_partial


def test_a_blob_that_is_still_pulled_is_partial(store: OllamaStore) -> None:
    store.name("library/qwen3/8b", [store.layer("a")])
    store.blob("a").with_name(store.blob("a").name + "-partial").write_bytes(bytes(9000))

    found = only(inventory_of(store.root))

    assert (found.is_partial, found.names) == (True, ("qwen3:8b",))


def test_a_pull_that_has_no_name_yet_is_partial(store: OllamaStore) -> None:
    (store.root / "manifests").mkdir()
    store.blob("a").with_name(store.blob("a").name + "-partial").write_bytes(bytes(9000))
    store.blob("a").with_name(store.blob("a").name + "-partial-0").write_text("{}")

    found = only(inventory_of(store.root))

    assert (found.is_partial, found.names) == (True, ("sha256-aaaaaaaaaaaa",))


def test_a_blob_of_another_length_than_its_manifest_says_is_broken(store: OllamaStore) -> None:
    size = store.weights("a").stat().st_size
    store.name("library/qwen3/8b", [store.layer("a", size=size + 1)])

    assert "not as long" in only(inventory_of(store.root)).trouble


def test_a_model_of_ollamas_cloud_is_not_here(store: OllamaStore) -> None:
    store.blob("c").write_text("{}")
    store.name("library/gpt-oss/120b-cloud", [store.layer("c", "params")])

    assert inventory_of(store.root).models == ()


@pytest.mark.parametrize("content", ["", "{", "[]", '{"layers": 5}', '{"layers": [5, {"digest": "sha256:../../x"}]}'])
def test_a_damaged_manifest_costs_its_own_name(store: OllamaStore, content: str) -> None:
    store.weights("a")
    store.name("library/qwen3/8b", [store.layer("a")])
    store.name("library/bad/1b", []).write_text(content)

    assert named(inventory_of(store.root))["qwen3:8b"].is_usable


def test_a_manifest_that_is_a_link_to_a_blob_is_read(store: OllamaStore) -> None:
    store.weights("a")
    store.blob("d").write_text(json.dumps({"schemaVersion": 2, "layers": [store.layer("a")]}))
    path = store.name("library/qwen3/8b", [], folder="manifests-v2")
    path.unlink()
    path.symlink_to(store.blob("d"))

    assert only(inventory_of(store.root)).names == ("qwen3:8b",)
    assert list(names_in_store([str(store.root)])) == ["qwen3:8b"]
    found = find_in_store("qwen3:8b", store_roots({"OLLAMA_MODELS": str(store.root)}))
    assert found is not None
    assert found.path == str(store.blob("a"))


def test_of_a_list_the_manifest_for_llama_cpp_is_taken(store: OllamaStore) -> None:
    store.weights("a")
    store.blob("b").write_bytes(bytes(10))
    child = {"schemaVersion": 2, "layers": [store.layer("a")]}
    store.blob("d").write_text(json.dumps(child))
    mlx = {"runner": "mlx", "layers": [store.layer("b", "tensor")]}
    store.name("library/qwen3/8b", []).write_text(
        json.dumps(
            {
                "mediaType": "application/vnd.ollama.manifest.list.v2+json",
                "manifests": [mlx, {"runner": "ollama", "digest": "sha256:" + "d" * 64}],
            }
        )
    )

    assert only(inventory_of(store.root)).path == str(store.blob("a"))
    found = find_in_store("qwen3:8b", [str(store.root)])
    assert found is not None
    assert found.path == str(store.blob("a"))


def test_a_blob_that_another_program_has_a_link_to_is_counted_once(store: OllamaStore, tmp_path: Path) -> None:
    path = store.weights("a")
    store.name("library/qwen3/8b", [store.layer("a")])
    link = tmp_path / "studio" / "owner" / "name" / "Qwen3-8B-Q4_K_M.gguf"
    link.parent.mkdir(parents=True)
    link.symlink_to(path)
    roots = [Root(source=LM_STUDIO, path=str(tmp_path / "studio")), Root(source=OLLAMA, path=str(store.root))]

    found = take_inventory(roots)

    assert only(found).names == ("qwen3:8b", "Qwen3-8B-Q4_K_M")
    assert only(found).sources == (OLLAMA, LM_STUDIO)
    assert found.n_bytes == path.stat().st_size


# Hugging Face's cache


def blob(repository: Repository, name: str) -> Path:
    path = repository.root / "blobs" / name
    write_gguf(path, llama_metadata(), llama_tensors())
    return path


def test_a_repository_with_one_file_is_called_by_its_name(tmp_path: Path) -> None:
    repository = Repository(tmp_path, "owner/Tiny-GGUF")
    size = blob(repository, "x").stat().st_size
    repository.link(repository.revision("a"), "Tiny-Q4_K_M.gguf", "x")

    found = only(inventory_of(tmp_path))

    assert (found.names, found.n_bytes) == (("owner/Tiny-GGUF",), size)


def test_files_of_one_repository_are_told_apart_as_llama_cpp_does(tmp_path: Path) -> None:
    repository = Repository(tmp_path, "owner/Tiny-GGUF")
    for name in ("x", "y", "z"):
        blob(repository, name)
    revision = repository.revision("a")
    repository.link(revision, "Tiny-Q4_K_M.gguf", "x")
    repository.link(revision, "UD-Q8_0/Tiny-UD-Q8_0.gguf", "y")
    repository.link(revision, "mmproj-F16.gguf", "z")

    names = [model.names[0] for model in inventory_of(tmp_path).models]

    assert names == ["owner/Tiny-GGUF:Q4_K_M", "owner/Tiny-GGUF:Q8_0", "owner/Tiny-GGUF/mmproj-F16.gguf"]


def test_revisions_that_share_a_blob_are_one_model(tmp_path: Path) -> None:
    repository = Repository(tmp_path, "owner/Tiny")
    blob(repository, "x")
    for letter in "ab":
        repository.link(repository.revision(letter), "Tiny.gguf", "x")

    assert only(inventory_of(tmp_path)).names == ("owner/Tiny",)


def test_an_older_revision_with_other_weights_is_a_model_of_its_own(tmp_path: Path) -> None:
    repository = Repository(tmp_path, "owner/Tiny")
    for letter in "ab":
        blob(repository, letter)
        repository.link(repository.revision(letter, is_main=letter == "b"), "Tiny.gguf", letter)

    assert list(named(inventory_of(tmp_path))) == ["owner/Tiny", "owner/Tiny@aaaaaaaa"]


def test_a_blob_that_was_taken_away_is_said(tmp_path: Path) -> None:
    repository = Repository(tmp_path, "owner/Tiny")
    repository.link(repository.revision("a"), "Tiny.gguf", "gone")

    assert "is not there" in only(inventory_of(tmp_path)).trouble


@pytest.mark.parametrize("name", ["etag.incomplete", "etag.1f00aa22.incomplete"])
def test_a_blob_that_is_still_fetched_is_partial(tmp_path: Path, name: str) -> None:
    repository = Repository(tmp_path, "owner/Tiny")
    (repository.root / "blobs" / name).write_bytes(bytes(5000))

    found = only(inventory_of(tmp_path))

    assert (found.is_partial, found.names) == (True, ("owner/Tiny",))


def test_a_checkpoint_is_called_by_its_repository_and_what_lies_beside_it_belongs_to_it(tmp_path: Path) -> None:
    repository = Repository(tmp_path, "owner/Small")
    revision = repository.revision("a")
    (revision / "config.json").write_text(json.dumps(LLAMA))
    write_safetensors(revision / "model.safetensors", llama_stored())
    (revision / "original").mkdir()
    (revision / "original" / "consolidated.00.pth").write_bytes(bytes(3000))

    found = only(inventory_of(tmp_path))

    assert (found.names, found.path) == (("owner/Small",), str(revision))
    assert found.n_bytes >= 3000 + found.files[0].n_bytes
    assert found.facts is not None
    assert found.facts.quant == "BF16"


def test_a_tokenizer_alone_is_no_model(tmp_path: Path) -> None:
    revision = Repository(tmp_path, "owner/Small").revision("a")
    (revision / "config.json").write_text(json.dumps(LLAMA))
    (revision / "tokenizer.json").write_text("{}")

    assert inventory_of(tmp_path).models == ()


def test_what_a_folder_for_downloads_has_not_got_yet_is_partial(tmp_path: Path) -> None:
    downloads = tmp_path / "Small" / ".cache" / "huggingface" / "download"
    downloads.mkdir(parents=True)
    (downloads / "hash.etag.incomplete").write_bytes(bytes(5000))

    found = only(inventory_of(tmp_path))

    assert (found.is_partial, found.names) == (True, ("Small",))


# Where they are


HOME = {"HOME": "/home/you"}


def places(environment: dict[str, str], source: str, platform: str = "linux") -> list[str]:
    return [root.path for root in model_roots(environment, platform=platform) if root.source == source]


@pytest.mark.parametrize(
    ("source", "environment", "path"),
    [
        (OLLAMA, HOME, "/home/you/.ollama/models"),
        (OLLAMA, HOME | {"OLLAMA_MODELS": "~/o"}, "/home/you/o"),
        (HUGGING_FACE, HOME, "/home/you/.cache/huggingface/hub"),
        (HUGGING_FACE, HOME | {"XDG_CACHE_HOME": "/c"}, "/c/huggingface/hub"),
        (HUGGING_FACE, HOME | {"HF_HOME": "/h"}, "/h/hub"),
        (HUGGING_FACE, HOME | {"HF_HOME": "/h", "HF_HUB_CACHE": "/hub"}, "/hub"),
        (LM_STUDIO, HOME, "/home/you/.lmstudio/models"),
        (LM_STUDIO, HOME, "/home/you/.cache/lm-studio/models"),
        (LLAMA_CPP, HOME, "/home/you/.cache/llama.cpp"),
        (LLAMA_CPP, HOME | {"LLAMA_CACHE": "/l"}, "/l"),
        (MODEL_SCOPE, HOME, "/home/you/.cache/modelscope/hub/models"),
        (JAN, HOME, "/home/you/.local/share/Jan/data/llamacpp/models"),
        (JAN, HOME | {"JAN_DATA_FOLDER": "/j"}, "/j/llamacpp/models"),
        (GPT4ALL, HOME, "/home/you/.local/share/nomic.ai/GPT4All"),
        (COMFY_UI, HOME, "/home/you/comfy/ComfyUI/models"),
    ],
)
def test_a_program_is_looked_for_where_it_keeps_its_models(source: str, environment: dict[str, str], path: str) -> None:
    assert path in places(environment, source)


def test_on_a_mac_and_on_windows_places_are_others() -> None:
    windows = {"USERPROFILE": r"C:\Users\you", "LOCALAPPDATA": r"C:\Users\you\AppData\Local"}

    assert places(HOME, LLAMA_CPP, "darwin") == ["/home/you/Library/Caches/llama.cpp"]
    assert places(windows, LLAMA_CPP, "win32") == [r"C:\Users\you\AppData\Local\llama.cpp"]
    assert places(windows, OLLAMA, "win32") == [r"C:\Users\you\.ollama\models"]
    assert places(windows, GPT4ALL, "win32")[0] == r"C:\Users\you\AppData\Local\nomic.ai\GPT4All"


def test_lm_studio_is_asked_where_its_folder_is(tmp_path: Path) -> None:
    (tmp_path / ".lmstudio").mkdir()
    (tmp_path / ".lmstudio" / "settings.json").write_text(json.dumps({"downloadsFolder": "/big/models"}))

    assert places({"HOME": str(tmp_path)}, LM_STUDIO)[0] == "/big/models"


def test_the_pointer_to_lm_studios_home_is_followed(tmp_path: Path) -> None:
    (tmp_path / ".lmstudio-home-pointer").write_text("/elsewhere/lmstudio\n")

    assert "/elsewhere/lmstudio/models" in places({"HOME": str(tmp_path)}, LM_STUDIO)


def test_folders_of_a_persons_own_come_last_and_are_named() -> None:
    root = model_roots(HOME, ["~/gguf"])[-1]

    assert (root.source, root.path, root.is_named) == (FOLDER, "/home/you/gguf", True)


def test_comfy_uis_further_folders_are_read(tmp_path: Path) -> None:
    (tmp_path / "ComfyUI").mkdir()
    (tmp_path / "ComfyUI" / "extra_model_paths.yaml").write_text(
        "# mine\n"
        "a1111:\n"
        "    base_path: /sd/webui  # the other one\n"
        "    checkpoints: models/Stable-diffusion\n"
        "    loras: |\n"
        "         models/Lora\n"
        "         C:/odd: name\n"
        "    configs: models/configs\n"
        "own:\n"
        "    is_default: true\n"
        '    diffusion_models: "$BIG/unet"\n'
        "    vae: ~/vae\n"
    )
    environment = {"HOME": str(tmp_path), "BIG": "/big"}

    found = {root.path: root.role for root in model_roots(environment) if root.source == COMFY_UI}

    assert found.get("/sd/webui/models/Stable-diffusion") == "model"
    assert found.get("/sd/webui/models/Lora") == "adapter"
    assert "/sd/webui/C:/odd: name" in found
    assert (found.get("/big/unet"), found.get(str(tmp_path / "vae"))) == ("model", "part")
    assert not any("configs" in path or path.endswith("true") for path in found)


def test_a_program_that_is_not_there_costs_nothing(tmp_path: Path) -> None:
    found = take_inventory(model_roots({"HOME": str(tmp_path / "nobody")}, platform="darwin"))

    assert found == Inventory()


def test_a_folder_may_be_a_store(store: OllamaStore, tmp_path: Path) -> None:
    store.weights("a")
    store.name("library/qwen3/8b", [store.layer("a")])
    write_model(tmp_path / "own.gguf")

    assert list(named(inventory_of(tmp_path))) == ["own", "qwen3:8b"]
