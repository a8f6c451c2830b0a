"""The store of watched loads: nothing lost but the load in flight, whatever happens to app, disk and file."""

import os
import sqlite3
import subprocess
import sys
import tempfile
import textwrap
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from kept_loads import GPU, LOAD, kept

from tui.store import Store
from tui.store_file import StoreError, StoreFile

FIRST_SCHEMA = (
    (
        """CREATE TABLE loads (
            id INTEGER PRIMARY KEY, host TEXT NOT NULL, boot TEXT NOT NULL, pid INTEGER NOT NULL,
            started_ticks INTEGER NOT NULL, rested_seconds REAL NOT NULL, loading_seconds REAL NOT NULL,
            program TEXT NOT NULL, engine_name TEXT NOT NULL, engine_version TEXT NOT NULL, model_name TEXT NOT NULL,
            quant TEXT NOT NULL, context_tokens INTEGER, n_sequences INTEGER NOT NULL,
            UNIQUE (host, boot, pid, started_ticks))""",
        """CREATE TABLE places (
            load_id INTEGER NOT NULL, name TEXT NOT NULL, product TEXT NOT NULL, vendor TEXT NOT NULL,
            driver TEXT NOT NULL, predicted_bytes INTEGER NOT NULL, low_bytes INTEGER NOT NULL,
            high_bytes INTEGER NOT NULL, held_bytes INTEGER NOT NULL, peak_bytes INTEGER NOT NULL,
            takes_share INTEGER NOT NULL, PRIMARY KEY (load_id, name))""",
    ),
)
"""As the first version of the store made its tables."""
ROOT = Path(__file__).resolve().parent.parent
# urllib, since Python 3.13's pathlib imports it when it is asked for an address: nobody may not read root's own Python.
IMPORTS = (
    "import os, sys, urllib.parse; sys.path.insert(0, 'tests'); from kept_loads import *; from tui.store_file import *"
)


def test_what_is_kept_is_read_again(tmp_path: Path) -> None:
    store = Store(tmp_path / "state" / "loads.sqlite3")

    store.keep(LOAD)

    assert store.loads() == (LOAD,)


def test_without_a_file_there_are_no_loads_and_none_is_made(tmp_path: Path) -> None:
    path = tmp_path / "loads.sqlite3"

    assert Store(path).loads() == ()
    assert not path.exists()


def test_the_file_is_for_its_user_alone(tmp_path: Path) -> None:
    kept(tmp_path / "loads.sqlite3", 1)

    assert (tmp_path / "loads.sqlite3").stat().st_mode & 0o777 == 0o600


def test_the_newest_come_first(tmp_path: Path) -> None:
    assert [load.pid for load in kept(tmp_path / "l", 2, 3, 1).loads(2)] == [3, 2]


def test_one_load_kept_twice_is_one_load_and_what_it_held_may_only_grow(tmp_path: Path) -> None:
    store = Store(tmp_path / "l")
    store.keep(LOAD)
    store.keep(replace(LOAD, places=(replace(GPU, held_bytes=5300, peak_bytes=5400),)))
    store.keep(replace(LOAD, places=(replace(GPU, held_bytes=5000),)))

    (found,) = store.loads()

    assert (found.places[0].held_bytes, found.places[0].peak_bytes) == (5300, 5400)


def test_the_oldest_go(tmp_path: Path) -> None:
    store = Store(tmp_path / "l", most_loads=3)
    for number in range(5):
        store.keep(replace(LOAD, pid=number, rested_seconds=LOAD.rested_seconds + number))

    assert [load.pid for load in store.loads()] == [4, 3, 2]


def test_what_is_forgotten_is_gone_and_the_rest_stays(tmp_path: Path) -> None:
    store = kept(tmp_path / "l", 1, 2, 3)

    n_removed = store.forget([load for load in store.loads() if load.pid == 2])

    assert n_removed == 1
    assert [load.pid for load in store.loads()] == [3, 1]


def test_a_newer_schema_is_neither_read_nor_written(tmp_path: Path) -> None:
    path = tmp_path / "l"
    store = kept(path, 1)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 99")
    before = path.read_bytes()

    for use in (store.loads, lambda: store.keep(LOAD)):
        with pytest.raises(StoreError, match="newer plimsoll"):
            use()

    assert path.read_bytes() == before


def test_an_older_schema_is_brought_up_to_date(tmp_path: Path) -> None:
    path = tmp_path / "l"
    first = ("CREATE TABLE kept (n INTEGER)",)
    StoreFile(path, (first,)).write(lambda connection: connection.execute("INSERT INTO kept VALUES (5)"))

    second = ("ALTER TABLE kept ADD COLUMN doubled INTEGER", "UPDATE kept SET doubled = 2 * n")
    found = StoreFile(path, (first, second)).read(
        lambda connection: connection.execute("SELECT * FROM kept").fetchall()
    )

    assert found == [(5, 10)]


def test_loads_of_the_first_schema_are_kept_and_tell_nothing_of_a_runtime(tmp_path: Path) -> None:
    path = tmp_path / "l"
    loads = (
        "INSERT INTO loads VALUES (1, 'here', 'first', 7, 70, 1.79e9, 3.5, 'llama-server', 'llamacpp', '', 'Qwen3 8B', "
        "'Q4_K_M', 8192, 1)"
    )
    places = "INSERT INTO places VALUES (1, 'GPU 0', 'RTX 4090', 'nvidia', '580', 5000, 4000, 6000, 5100, 5100, 0)"
    StoreFile(path, FIRST_SCHEMA).write(lambda one: (one.execute(loads), one.execute(places)))

    (found,) = Store(path).loads()

    assert (found.model_name, found.architecture) == ("Qwen3 8B", "")
    assert (found.places[0].held_bytes, found.places[0].runtime_bytes) == (5100, None)


def test_a_version_that_was_told_once_stays_where_it_is_not_told_again(tmp_path: Path) -> None:
    store = Store(tmp_path / "l")
    store.keep(LOAD)
    store.keep(replace(LOAD, engine_version=""))

    assert store.loads()[0].engine_version == LOAD.engine_version


def test_what_once_does_not_tell_of_the_runtime_never_does(tmp_path: Path) -> None:
    store = Store(tmp_path / "l")
    store.keep(LOAD)
    store.keep(replace(LOAD, places=(replace(GPU, runtime_bytes=None),)))
    store.keep(LOAD)

    assert store.loads()[0].places[0].runtime_bytes is None


def test_a_step_that_fails_half_way_leaves_the_old_schema(tmp_path: Path) -> None:
    path = tmp_path / "l"
    first = ("CREATE TABLE kept (n INTEGER)",)
    StoreFile(path, (first,)).write(lambda connection: connection.execute("INSERT INTO kept VALUES (5)"))

    bad = ("ALTER TABLE kept ADD COLUMN doubled INTEGER", "INSERT INTO kept (n) VALUES (zeroblob(9000000))")
    with pytest.raises(StoreError):
        StoreFile(path, (first, bad)).read(lambda connection: connection.execute("SELECT * FROM kept").fetchall())

    assert StoreFile(path, (first,)).read(lambda one: one.execute("SELECT * FROM kept").fetchall()) == [(5,)]


@pytest.mark.parametrize(
    "content", [b"not a database" * 100, b"SQLite format 3\0" + b"\xff" * 5000], ids=["text", "bytes"]
)
def test_a_damaged_file_is_moved_aside_and_a_new_one_begun(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "l"
    path.write_bytes(content)
    store = Store(path)

    store.keep(LOAD)

    assert store.loads() == (LOAD,)
    assert (tmp_path / "l.damaged").read_bytes() == content
    assert "damaged" in store.notice


@example(damage=[(0.19921875, b"\x80")])
@given(damage=st.lists(st.tuples(st.floats(0, 1), st.binary(min_size=1, max_size=64)), min_size=1, max_size=6))
@settings(max_examples=15, deadline=None)
def test_whatever_happens_to_the_bytes_only_a_store_error_is_raised(damage: list[tuple[float, bytes]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "l"
        store = kept(path, 1, 2, 3)
        content = bytearray(path.read_bytes())
        for at, put in damage:
            start = int(at * (len(content) - 1))
            content[start : start + len(put)] = put
        path.write_bytes(content)
        for use in (store.loads, lambda: store.keep(LOAD), store.loads):
            with suppress(StoreError):
                use()


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(StoreError, match="nothing is learned"):
        Store(tmp_path / "file" / "loads.sqlite3").keep(LOAD)


def child(code: str, *arguments: str) -> str:
    """What a child process prints that imports the store first."""
    text = f"{IMPORTS}\n{textwrap.dedent(code)}"
    found = subprocess.run(
        [sys.executable, "-c", text, *arguments], cwd=ROOT, capture_output=True, text=True, check=False, timeout=60
    )
    assert found.returncode == 0, found.stderr
    return found.stdout


@pytest.mark.skipif(not hasattr(os, "setuid") or os.geteuid() != 0, reason="only root can become nobody")
def test_a_read_only_home_is_one_sentence_and_what_is_there_is_read() -> None:
    with tempfile.TemporaryDirectory() as folder:  # not below tmp_path, which is root's alone
        os.chmod(folder, 0o755)
        path = Path(folder) / "l"
        kept(path, 1)
        path.chmod(0o644)
        said = child(
            """
            os.setgid(65534); os.setuid(65534)
            store = Store(Path(sys.argv[1]))
            print(len(store.loads()))
            try:
                store.keep(LOAD)
            except StoreError as error:
                print(error)
            """,
            str(path),
        )
        assert said.splitlines()[0] == "1"
        assert "it cannot be written here; nothing is learned" in said
        assert len(Store(path).loads()) == 1


@pytest.mark.skipif(sys.platform == "win32", reason="a limit on the size of files is POSIX's")
def test_a_full_disk_is_one_sentence_and_loses_nothing_that_was_kept(tmp_path: Path) -> None:
    said = child(
        """
        import resource
        path = Path(sys.argv[1])
        store = kept(path, 1, 2)
        size = path.stat().st_size
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
        n_kept = 2
        try:
            for number in range(3, 500):
                store.keep(replace(LOAD, pid=number))
                n_kept += 1
        except StoreError as error:
            print(error)
        print(n_kept == len(store.loads()))
        """,
        str(tmp_path / "l"),
    )

    assert "nothing is learned" in said.splitlines()[0]
    assert said.splitlines()[1] == "True"


def test_two_apps_at_once_keep_all_of_both(tmp_path: Path) -> None:
    path = tmp_path / "l"
    code = f"{IMPORTS}; kept(Path(sys.argv[1]), *map(int, sys.argv[2:]))"
    writers = [
        subprocess.Popen([sys.executable, "-c", code, str(path), *map(str, numbers)], cwd=ROOT)
        for numbers in (range(15), range(10, 25))
    ]

    assert [writer.wait(60) for writer in writers] == [0, 0]
    assert sorted(load.pid for load in Store(path).loads()) == list(range(25))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the bench forks its writer")
def test_a_killed_writer_loses_nothing_that_was_kept() -> None:
    found = subprocess.run(
        [sys.executable, "bench/store.py", "--kills", "12", "--no-times"],
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip

    assert found.returncode == 0, found.stdout + found.stderr


def test_what_is_forgotten_is_gone_from_the_bytes_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "l"
    store = Store(path)
    for number in range(60):
        store.keep(replace(LOAD, pid=number, model_name=f"secret model {number}"))
    assert b"secret model 30" in path.read_bytes()

    assert store.forget_all() == 60

    assert b"secret" not in path.read_bytes()
    assert store.loads() == ()


def test_to_forget_all_takes_rows_that_make_no_sense_and_what_was_moved_aside(tmp_path: Path) -> None:
    path = tmp_path / "l"
    store = kept(path, 1)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE loads SET loading_seconds = -1")
        connection.commit()
    (tmp_path / "l.damaged").write_bytes(b"was a store")

    assert (store.loads(), store.forget_all()) == ((), 1)

    assert not (tmp_path / "l.damaged").exists()


def test_to_forget_all_where_nothing_is_makes_no_file(tmp_path: Path) -> None:
    assert Store(tmp_path / "l").forget_all() == 0
    assert not list(tmp_path.iterdir())
