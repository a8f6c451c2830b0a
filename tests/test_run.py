"""``plimsoll run`` as a shell sees it: the engine takes its place, with its status, its output and its signals."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ROOMY = ("--simulate", "RTX 4090, RAM 64GiB")
FULL = ("--simulate", "RTX 4090, used 20GiB, RAM 64GiB")
FITS = ("vllm", "serve", "Qwen/Qwen2.5-7B-Instruct", "--max-model-len", "8192")

pytestmark = pytest.mark.skipif(os.name == "nt", reason="there is no exec on Windows")

ENGINE = """#!/bin/sh
echo started > "$0.marker"
echo "$@"
echo "to stderr" >&2
[ -z "$SLEEPS" ] || exec sleep 60
exit 42
"""


@pytest.fixture
def engine(tmp_path):
    """A program called vllm, which says what it was given and ends with status 42."""
    path = tmp_path / "vllm"
    path.write_text(ENGINE)
    path.chmod(0o755)
    return path


def command(*options):
    return [
        sys.executable,
        "-c",
        "import sys; from tui.cli import main; sys.exit(main())",
        "run",
        *options,
        "--",
        *FITS,
    ]


def environment(engine, **changes):
    path = f"{engine.parent}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT), **changes}


def run(engine, *options):
    return subprocess.run(command(*options), env=environment(engine), capture_output=True, text=True, check=False)


def test_status_and_output_are_the_engines_own(engine):
    ended = run(engine, *ROOMY)
    assert (ended.returncode, ended.stdout) == (42, " ".join(FITS[1:]) + "\n")
    assert ended.stderr == "to stderr\n"


def test_what_has_no_room_is_refused_and_never_started(engine):
    ended = run(engine, *FULL)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert "not started" in ended.stderr
    assert not Path(f"{engine}.marker").exists()


def test_yes_starts_it_all_the_same(engine):
    assert run(engine, *FULL, "--yes").returncode == 42


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="how far the script is, only /proc tells")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_reaches_the_engine_itself(engine, number):
    process = subprocess.Popen(
        command(*ROOMY), env=environment(engine, SLEEPS="1"), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout.readline(), "the engine says that it runs"
    end = time.monotonic() + 10
    while b"sleep" not in Path(f"/proc/{process.pid}/cmdline").read_bytes() and time.monotonic() < end:
        os.sched_yield()
    process.send_signal(number)
    process.communicate(timeout=10)
    assert process.returncode == -number


def test_a_broken_pipe_ends_the_engine_as_ever(engine):
    engine.write_text("#!/bin/sh\nwhile echo y; do :; done\nexit 9\n")
    process = subprocess.Popen(
        command(*ROOMY), env=environment(engine), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    process.stdout.readline()
    process.stdout.close()
    assert process.wait(timeout=10) in (-signal.SIGPIPE, 128 + signal.SIGPIPE)


def test_a_program_that_is_not_there_is_said_so(tmp_path):
    ended = run(tmp_path / "vllm", *ROOMY)
    assert ended.returncode == 127
    assert "no such program" in ended.stderr


def test_one_that_may_not_be_executed_is_said_so(engine):
    engine.chmod(0o644)
    assert run(engine, *ROOMY).returncode in (126, 127)


def test_one_without_a_header_is_started_by_the_shell_as_a_llamafile_is(engine):
    engine.write_text(ENGINE.partition("\n")[2])
    ended = run(engine, *ROOMY)
    assert (ended.returncode, ended.stdout) == (42, " ".join(FITS[1:]) + "\n")


def test_without_a_command_it_says_how(tmp_path):
    ended = subprocess.run(
        [sys.executable, "-c", "import sys; from tui.cli import main; sys.exit(main())", "run"],
        env=environment(tmp_path / "x"), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ended.returncode == 2
    assert "which command?" in ended.stderr


def test_variables_before_the_program_are_set_for_it(engine):
    engine.write_text('#!/bin/sh\necho "$CUDA_VISIBLE_DEVICES"\n')
    words = [*command(*ROOMY)[: -len(FITS)], "CUDA_VISIBLE_DEVICES=0", *FITS]
    ended = subprocess.run(words, env=environment(engine), capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout) == (0, "0\n")


def test_a_line_in_quotes_is_not_started_in_part(engine):
    words = [*command(*ROOMY)[: -len(FITS)], "cd /tmp && vllm serve Qwen/Qwen2.5-7B-Instruct > log &"]
    ended = subprocess.run(words, env=environment(engine), capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert not Path(f"{engine}.marker").exists()


def test_a_time_may_stand_apart_from_wait(engine):
    words = [*command("--wait", "5s", *ROOMY)]
    assert subprocess.run(words, env=environment(engine), capture_output=True, check=False).returncode == 42
    bare = [word for word in words if word != "--"]
    assert subprocess.run(bare, env=environment(engine), capture_output=True, check=False).returncode == 42


@pytest.mark.parametrize("dashes", [["--"], []])
def test_check_takes_a_command_with_and_without_dashes(engine, dashes):
    main = "import sys; from tui.cli import main; sys.exit(main())"
    options = ROOMY if dashes else ()
    words = [sys.executable, "-c", main, "check", *options, *dashes, *FITS]
    ended = subprocess.run(words, env=environment(engine), capture_output=True, text=True, check=False)
    assert "Qwen2.5 7B" in ended.stdout


def test_a_command_hides_described_devices_as_it_would_real_ones(engine):
    main = "import sys; from tui.cli import main; sys.exit(main())"
    words = [sys.executable, "-c", main, "check", "--simulate", "2x RTX 4090, RAM 64GiB", "--"]
    hidden = subprocess.run(
        [*words, "env", "CUDA_VISIBLE_DEVICES=1", *FITS],
        env=environment(engine),
        capture_output=True,
        text=True,
        check=False,
    )
    assert hidden.stdout.startswith("● FITS on GPU 1")
