"""What is left out while the library that draws is imported, and who gets it afterwards."""

import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from tui.lean_imports import LEFT_OUT, LEFT_OUT_RUNNING, import_without, without

NAMES = ("heavy_library", "heavy_part")
PART = "class Part:\n    size = 7\n    def __init__(self, weight):\n        self.weight = weight\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Modules are imported from there, and forgotten in the end."""
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "heavy_part.py").write_text(PART)
    yield tmp_path
    for name in NAMES:
        sys.modules.pop(name, None)


def run(script: str) -> list[str]:
    return subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()


def test_a_module_that_is_left_out_is_not_imported(folder: Path) -> None:
    (folder / "heavy_library.py").write_text("from heavy_part import Part\n")

    import_without(["heavy_library"], ["heavy_part"])

    assert "heavy_library" in sys.modules
    assert "heavy_part" not in sys.modules


def test_a_name_of_it_that_is_called_later_is_the_real_one(folder: Path) -> None:
    (folder / "heavy_library.py").write_text("from heavy_part import Part\n")
    import_without(["heavy_library"], ["heavy_part"])

    part = sys.modules["heavy_library"].Part(3)

    assert (part.weight, type(part).__module__) == (3, "heavy_part")


def test_what_such_a_name_has_is_the_real_ones(folder: Path) -> None:
    (folder / "heavy_library.py").write_text("from heavy_part import Part\n")
    import_without(["heavy_library"], ["heavy_part"])

    assert sys.modules["heavy_library"].Part.size == 7


def test_who_imports_it_later_gets_the_real_one(folder: Path) -> None:
    (folder / "heavy_library.py").write_text("from heavy_part import Part\n")
    import_without(["heavy_library"], ["heavy_part"])

    from heavy_part import Part  # type: ignore[import-not-found]  # noqa: PLC0415

    assert Part(4).weight == 4


def test_one_that_is_there_already_stays(folder: Path) -> None:
    (folder / "heavy_library.py").write_text("from heavy_part import Part\n")
    import_without(["heavy_part"], [])
    there = sys.modules["heavy_part"]

    import_without(["heavy_library"], ["heavy_part"])

    assert sys.modules["heavy_library"].Part is there.Part


@pytest.mark.parametrize("use", ["SIZE = Part.size + 1", "SIZE = 1 + SIZE_OF_PART"])
def test_a_library_that_does_more_with_a_name_than_to_keep_it_gets_the_real_one(folder: Path, use: str) -> None:
    (folder / "heavy_part.py").write_text(f"{PART}SIZE_OF_PART = Part.size\n")
    (folder / "heavy_library.py").write_text(f"from heavy_part import SIZE_OF_PART, Part\n{use}\n")

    import_without(["heavy_library"], ["heavy_part"])

    assert sys.modules["heavy_library"].SIZE == 8


def test_a_module_that_has_what_is_wanted_stands_for_another(folder: Path) -> None:
    (folder / "other_part.py").write_text("class Part:\n    size = 8\n")
    (folder / "heavy_library.py").write_text("from heavy_part import Part\n")
    import_without(["other_part"], [])

    import_without(["heavy_library"], [], {"heavy_part": sys.modules["other_part"]})

    assert sys.modules["heavy_library"].Part is sys.modules.pop("other_part").Part


def test_one_that_has_less_than_what_is_wanted_does_not(folder: Path) -> None:
    (folder / "heavy_library.py").write_text("from heavy_part import Part\n")

    import_without(["heavy_library"], [], {"heavy_part": sys})

    assert sys.modules["heavy_library"].Part.size == 7


def test_a_stand_in_gives_way_where_it_is_wanted_after_all(folder: Path) -> None:
    (folder / "heavy_library.py").write_text("from heavy_part import Part\n")

    with without(["heavy_part"]):
        import_without(["heavy_library"], [])
        weight = sys.modules["heavy_library"].Part(5).weight
        from heavy_part import Part  # type: ignore[import-not-found]  # noqa: PLC0415

    assert (weight, Part(6).weight) == (5, 6)


def test_an_error_that_is_its_own_is_not_hidden(folder: Path) -> None:
    (folder / "heavy_library.py").write_text("from heavy_part import Part\nPart + 1\n")

    with pytest.raises(TypeError):
        import_without(["heavy_library"], ["heavy_part"])


def test_the_screen_is_there_without_what_it_never_uses() -> None:
    script = "import sys; from tui.lean_imports import *; import_textual(); import tui.app, tui.screens.dashboard\n"
    script += "print(*sorted({*LEFT_OUT, 'typing_extensions'} & set(sys.modules)))"

    assert run(script) == []


def test_the_library_s_own_palette_is_had_by_who_asks_for_it() -> None:
    script = "from tui.lean_imports import *; import_textual(); import textual.app\n"
    script += "palette = textual.app.CommandPalette(id='own')\n"
    script += "from textual.command import CommandPalette; print(type(palette) is CommandPalette, palette.id)"

    assert run(script) == ["True", "own"]


def test_the_folder_of_pictures_is_the_platform_s() -> None:
    script = "from tui.lean_imports import *; import_textual(); import textual.app, platformdirs\n"
    script += "print(textual.app.user_downloads_path() == platformdirs.user_downloads_path())"

    assert run(script) == ["True"]


@pytest.mark.parametrize("name", LEFT_OUT + LEFT_OUT_RUNNING)
def test_what_is_left_out_is_part_of_what_is_installed(name: str) -> None:
    assert find_spec(name) is not None
