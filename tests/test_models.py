"""``plimsoll models``: the list of what lies on this machine."""

import json
from pathlib import Path
from typing import Any

import pytest
from gguf_files import write_gguf
from shelves import OllamaStore, Repository, write_model

from estimator.model import Tensor
from tui.cli import main


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home with nothing in it."""
    for name in ("OLLAMA_MODELS", "HF_HUB_CACHE", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    return tmp_path / "home"


@pytest.fixture
def library(tmp_path: Path) -> Path:
    """A model, one that was cut off, one that is coming, and an image part."""
    folder = tmp_path / "library"
    write_model(folder / "Tiny-Q4_K_M.gguf")
    path = write_model(folder / "Cut-Q4_K_M.gguf")
    path.write_bytes(path.read_bytes()[:3000])
    (folder / "Coming-Q8_0.gguf.part").write_bytes(bytes(5000))
    write_gguf(folder / "mmproj-F16.gguf", {"general.architecture": "clip"}, [Tensor("v.a", (64, 64), "F16")])
    return folder


def listed(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    assert main(["models", "--json", *words]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_the_table_has_a_line_a_model_and_a_sum(library: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", str(library)]) == 0

    lines = capsys.readouterr().out.split("\n")
    assert [line.split()[0] for line in lines[:4]] == ["model", "Coming-Q8_0", "Cut-Q4_K_M", "Tiny-Q4_K_M"]
    assert "unfinished download" in lines[1]
    assert "broken: " in lines[2]
    assert [word for word in lines[3].split() if word in ("Q4_K_M", "4k", "folder")] == ["Q4_K_M", "4k", "folder"]
    assert lines[-2].startswith("3 models · 1 of their parts (--all lists them)")
    assert lines[-2].endswith("1 broken · 1 unfinished")


def test_parts_are_listed_where_they_are_asked_for(library: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", str(library), "--all"]) == 0

    assert "projector" in capsys.readouterr().out


def test_json_has_every_fact(library: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = listed(capsys, str(library))

    tiny = next(model for model in found["models"] if model["names"] == ["Tiny-Q4_K_M"])
    path = library / "Tiny-Q4_K_M.gguf"
    assert tiny == {
        "names": ["Tiny-Q4_K_M"],
        "path": str(path),
        "load_as": str(path),
        "sources": ["folder"],
        "role": "model",
        "format": "gguf",
        "bytes": path.stat().st_size,
        "files": 1,
        "quant": "Q4_K_M",
        "architecture": "llama",
        "parameters": tiny["parameters"],
        "context_tokens": 4096,
        "state": "whole",
        "trouble": None,
        "note": None,
    }
    assert [model["state"] for model in found["models"]] == ["unfinished", "broken", "whole", "whole"]


def test_places_of_programs_are_looked_through(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = OllamaStore(home / ".ollama" / "models")
    store.weights("a")
    store.name("library/tiny/1b", [store.layer("a")])
    repository = Repository(home / ".cache" / "huggingface" / "hub", "owner/Tiny")
    write_model(repository.root / "blobs" / "x")
    repository.link(repository.revision("b"), "Tiny.gguf", "x")
    write_model(home / ".lmstudio" / "models" / "owner" / "Other-GGUF" / "Other.gguf")

    found = listed(capsys)

    assert {model["names"][0]: model["sources"] for model in found["models"]} == {
        "tiny:1b": ["Ollama"],
        "owner/Tiny": ["Hugging Face"],
        "Other": ["LM Studio"],
    }


def test_folders_of_the_settings_are_looked_through(
    home: Path, library: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home / "config"))
    monkeypatch.setattr("sys.platform", "linux")
    (home / "config" / "plimsoll").mkdir(parents=True)
    (home / "config" / "plimsoll" / "config.toml").write_text(f'model_folders = "{library}:~/none"\n')

    assert main(["models"]) == 0

    printed = capsys.readouterr()
    assert "Tiny-Q4_K_M" in printed.out
    assert printed.err == f"plimsoll: {home}/none: no models there, or no such folder\n"


def test_what_was_read_once_is_not_read_again(home: Path, library: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert listed(capsys, str(library), "--quick")["unread"] == 3
    listed(capsys, str(library))

    assert listed(capsys, str(library), "--quick")["unread"] == 0


def test_status_1_says_that_something_is_broken_where_that_was_asked(library: Path) -> None:
    assert main(["models", str(library), "--strict"]) == 1


def test_status_0_says_that_all_is_whole(tmp_path: Path) -> None:
    write_model(tmp_path / "good" / "it.gguf")

    assert main(["models", str(tmp_path / "good"), "--strict"]) == 0


def test_nothing_found_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models"]) == 0

    assert capsys.readouterr().out.startswith("no models found")


def test_a_name_with_control_codes_never_reaches_the_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_model(tmp_path / "bad" / "\x1b]0;owned\x07\u202eevil.gguf")

    assert main(["models", str(tmp_path / "bad")]) == 0

    printed = capsys.readouterr().out
    assert "evil" in printed
    assert not {"\x1b", "\x07", "\u202e"} & set(printed)


def test_names_that_can_be_typed_are_those_of_what_is_whole_and_those_known(
    home: Path, library: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = OllamaStore(home / ".ollama" / "models")
    store.weights("a")
    for name in ("tiny/1b", "tiny/latest"):
        store.name(f"library/{name}", [store.layer("a")])

    assert main(["models", "--names", str(library)]) == 0

    names = capsys.readouterr().out.split("\n")
    assert {
        "tiny:1b",
        "tiny:latest",
        str(library / "Tiny-Q4_K_M.gguf"),
        "llama3.1:8b",
        "meta-llama/Llama-3.1-8B-Instruct",
    } <= set(names)
    assert not any("Coming" in name for name in names)
