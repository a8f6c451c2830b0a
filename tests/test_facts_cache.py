"""What headers said is kept by path, size and time."""

import json
import os
from pathlib import Path

import pytest
from shelves import inventory_of, only, write_model


def overwritten(path: Path) -> None:
    """Other content of the same size, at the same time."""
    status = path.stat()
    content = path.read_bytes()
    path.write_bytes(content.replace(b"llama.context_length", b"llama.context_lengtX"))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def test_a_header_that_was_read_is_not_read_again(tmp_path: Path) -> None:
    path, cache = write_model(tmp_path / "models" / "it.gguf"), tmp_path / "cache" / "models.json"
    first = only(inventory_of(path.parent, cache=cache))
    overwritten(path)

    assert only(inventory_of(path.parent, cache=cache)).facts == first.facts


def test_a_file_that_changed_is_read_again(tmp_path: Path) -> None:
    path, cache = write_model(tmp_path / "models" / "it.gguf"), tmp_path / "models.json"
    inventory_of(path.parent, cache=cache)
    write_model(path, llama__context_length=8192)
    os.utime(path, ns=(1, 1))

    facts = only(inventory_of(path.parent, cache=cache)).facts

    assert facts is not None
    assert facts.context_tokens == 8192


def test_what_is_not_read_comes_from_the_last_time(tmp_path: Path) -> None:
    path, cache = write_model(tmp_path / "models" / "it.gguf"), tmp_path / "models.json"
    assert inventory_of(path.parent, cache=cache, is_reading=False).n_unread == 1
    inventory_of(path.parent, cache=cache)

    found = inventory_of(path.parent, cache=cache, is_reading=False)

    assert found.n_unread == 0
    assert only(found).facts is not None


def test_trouble_is_kept_too(tmp_path: Path) -> None:
    path, cache = write_model(tmp_path / "models" / "it.gguf"), tmp_path / "models.json"
    os.truncate(path, 2000)
    first = only(inventory_of(path.parent, cache=cache))

    assert "truncated" in first.trouble
    assert only(inventory_of(path.parent, cache=cache, is_reading=False)).trouble == first.trouble


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        "null",
        '{"schema": 2}',
        '{"schema": 1, "made_by": "", "entries": []}',
        "\x00" * 100,
        "[" * 100_000,
        '{"schema": 1, "made_by": "another version", "entries": {}}',
    ],
)
def test_a_damaged_cache_is_begun_anew(tmp_path: Path, content: str) -> None:
    path, cache = write_model(tmp_path / "models" / "it.gguf"), tmp_path / "models.json"
    cache.write_text(content)

    assert only(inventory_of(path.parent, cache=cache)).facts is not None
    assert str(path) in json.loads(cache.read_text())["entries"]


@pytest.mark.parametrize(
    "told", [None, 5, {"quant": 5}, {"n_parameters": "x"}, {"n_parameters": -1}, {"other": ""}, {"quant": "x" * 5000}]
)
def test_an_entry_that_no_version_writes_is_not_believed(tmp_path: Path, told: object) -> None:
    path, cache = write_model(tmp_path / "models" / "it.gguf"), tmp_path / "models.json"
    inventory_of(path.parent, cache=cache)
    kept = json.loads(cache.read_text())
    kept["entries"][str(path)][1] = told
    cache.write_text(json.dumps(kept))

    facts = only(inventory_of(path.parent, cache=cache)).facts

    assert facts is not None
    assert facts.architecture == "llama"


def test_a_cache_that_cannot_be_written_is_done_without(tmp_path: Path) -> None:
    path = write_model(tmp_path / "models" / "it.gguf")

    found = inventory_of(path.parent, cache=path / "below a file" / "models.json")

    assert only(found).facts is not None
    assert found.complaints == ()


def test_what_is_known_of_other_places_stays(tmp_path: Path) -> None:
    one, two = write_model(tmp_path / "one" / "it.gguf"), write_model(tmp_path / "two" / "it.gguf")
    cache = tmp_path / "models.json"
    inventory_of(one.parent, cache=cache)
    inventory_of(two.parent, cache=cache)

    assert set(json.loads(cache.read_text())["entries"]) == {str(one), str(two)}
