"""What the headless commands import: the static graph can't tell a deferred import from an eager one."""

import subprocess
import sys
from pathlib import Path

import pytest
from gguf_files import llama_metadata, llama_tensors, write_gguf
from hub_files import LLAMA, llama_stored, write_checkpoint

HEAVY = {"textual", "rich", "pydantic", "asyncio", "logging", "concurrent.futures", "importlib.metadata"}
SCRIPT = """
import sys
from tui.cli import main
try:
    main(sys.argv[1:])
except SystemExit:
    pass
print(*sorted(sys.modules), file=sys.stderr)
"""


def imported_by(*arguments: str) -> set[str]:
    """All modules that a run has imported."""
    ended = subprocess.run(
        [sys.executable, "-c", SCRIPT, *arguments], capture_output=True, text=True, check=True, encoding="utf-8"
    )
    return set(ended.stderr.split())


def test_check_imports_nothing_that_draws(tmp_path: Path) -> None:
    path = tmp_path / "tiny.gguf"
    write_gguf(path, llama_metadata(), llama_tensors())

    modules = imported_by("check", str(path), "--json")

    assert "estimator.engines.llamacpp" in modules
    assert modules & HEAVY == set()


def test_a_gguf_path_imports_nothing_that_reads_names_or_checkpoints(tmp_path: Path) -> None:
    path = tmp_path / "tiny.gguf"
    write_gguf(path, llama_metadata(), llama_tensors())

    modules = imported_by("check", str(path))

    assert "estimator.readers.gguf" in modules
    others = ("estimator.hub_", "estimator.readers.", "estimator.local_models", "estimator.ollama_store")
    assert {name for name in modules if name.startswith(others)} == {"estimator.readers.gguf"}


def test_a_model_imports_its_own_graph_and_nothing_that_goes_beside_a_model(tmp_path: Path) -> None:
    path = tmp_path / "tiny.gguf"
    write_gguf(path, llama_metadata(), llama_tensors())

    modules = imported_by("check", str(path))

    assert "estimator.graphs.transformer" in modules
    others = (
        "estimator.graphs.hybrid",
        "estimator.graphs.delta_net",
        "estimator.graphs.gemma",
        "estimator.graphs.nemo",
    )
    assert not any(name.startswith((*others, "estimator.companions", "estimator.projector")) for name in modules)


def test_a_checkpoint_is_checked_without_what_draws_or_validates(tmp_path: Path) -> None:
    modules = imported_by("check", str(write_checkpoint(tmp_path / "Small", LLAMA, llama_stored())), "--engine", "vllm")

    assert "estimator.readers.safetensors" in modules
    assert modules & HEAVY == set()


@pytest.mark.parametrize("arguments", [("snapshot",), ("snapshot", "--json"), ()])
def test_a_snapshot_imports_neither_what_draws_nor_the_engines(arguments: tuple[str, ...]) -> None:
    modules = imported_by(*arguments)

    assert "probes.sampler" in modules
    assert modules & HEAVY == set()
    assert not modules & {f"probes.vendors.{name}" for name in ("gaudi", "ascend", "qualcomm")}, "none is here"
    assert not any(name.startswith("estimator.engines.") for name in modules)


def test_help_imports_no_room_but_its_own() -> None:
    modules = imported_by("--help")

    assert modules & HEAVY == set()
    assert not any(name.startswith(("estimator", "probes")) for name in modules)
    # Python 3.14's own argparse imports them, to colour its help.
    assert "dataclasses" not in modules or sys.version_info >= (3, 14)


def test_load_lines_are_known_without_the_estimator_and_without_a_table_of_products() -> None:
    script = """
import sys
from probes.snapshot import Device, Pool, Snapshot
from tui.places import lines_of
pool = Pool(key="gpu", total_bytes=8, used_bytes=0, free_bytes=8)
gpu = Device(key="gpu", name="RTX 4090", vendor="nvidia", index=0, pool_key="gpu")
print(len(lines_of(Snapshot(taken_seconds=0, pools=(pool,), devices=(gpu,)))))
print(*sorted({"probes.accelerators", "json", "estimator"} & set(sys.modules)))
"""
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert ended.stdout.split() == ["1"]


def test_a_file_of_settings_is_read_without_what_validates(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text('theme = "nord"\ninterval_seconds = 2\n[alerts]\nbell = 1\n')
    script = "import sys; from pathlib import Path; from tui.settings_file import read_settings\n"
    script += "print(len(read_settings(Path(sys.argv[1])).complaints), 'pydantic' in sys.modules)"

    ended = subprocess.run([sys.executable, "-c", script, str(path)], capture_output=True, text=True, check=True)

    assert ended.stdout.split() == ["1", "False"]


def test_the_screen_opens_without_what_its_first_picture_does_not_show() -> None:
    later = ("tui.recognised", "tui.learner", "tui.watch", "tui.widgets.banner", "estimator", "json", "tomllib")
    script = f"import sys; import tui.app; print(*(name for name in {later} if name in sys.modules))"

    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert ended.stdout.split() == []


def test_the_screen_loads_no_openssl_and_whoever_wants_it_later_has_it() -> None:
    script = "import sys; from tui.lean_imports import import_asyncio; import_asyncio(); import tui.app\n"
    script += "print('ssl' in sys.modules, '_ssl' in sys.modules)\nimport ssl; print(hasattr(ssl, 'SSLContext'))"

    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert ended.stdout.split() == ["False", "False", "True"]
