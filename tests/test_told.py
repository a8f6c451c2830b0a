"""What is told of a stranger's command."""

import ast
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from proc_tree import make_process

import tui
from launches.told import screened_name, told
from probes.process_facts import ProcessReader
from probes.process_titles import process_title
from probes.recording import snapshot_to_json
from probes.replay import replay_sources
from probes.served import Served
from probes.snapshot import Process, Snapshot
from tui.dump import snapshot_line
from tui.engine_process import engine_in
from tui.expectation import Expectation
from tui.history import History
from tui.history_file import write_recording
from tui.sources import told_command


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        (("vllm", "serve", "--api-key", "sk-1", "--port", "80"), "vllm serve --api-key ... --port 80"),
        (("vllm", "--api-key=hunter2"), "vllm --api-key=..."),
        (("x", "--password", "two words"), "x --password ..."),
        (("x", "--password", "1234567"), "x --password ..."),
        (("env", "HF_TOKEN=short1", "DB_PWD=x", "python"), "env HF_TOKEN=... DB_PWD=... python"),
        (("docker", "run", "-e", "OPENAI_API_KEY=abc"), "docker run -e OPENAI_API_KEY=..."),
        (("docker", "run", "--env=HF_TOKEN=a"), "docker run --env=HF_TOKEN=..."),
        (("x", "-m", "https://me:pa:ss@host/x.gguf"), "x -m https://...@host/x.gguf"),
        (("x", "https://host/x?token=abc&b=c"), "x https://host/x?token=...&b=c"),
        (("x", "redis://:secret@host/0"), "x redis://...@host/0"),
        (("sh", "-c", "HF_TOKEN=a vllm --password b --max-tokens 5"),
         "sh -c HF_TOKEN=... vllm --password ... --max-tokens 5"),
        (("x", '{"api_key": "abc", "tokens": 5}'), 'x {"api_key": "...", "tokens": 5}'),
        (("x", "-H", "Authorization: Bearer abc.def"), "x -H Authorization: ..."),
        (("x", "-H", "Cookie: a=b; c=d"), "x -H Cookie: ..."),
        (("vllm", "serve", "a/b", "--api-key", "first", "second", "--port", "1"),
         "vllm serve a/b --api-key ... ... --port 1"),
        (("x", "--password", "-abc", "-v"), "x --password ... -v"),
        (("sh", "-c", "vllm serve --api-key first second 'third' --port 1 && ls"),
         "sh -c vllm serve --api-key ... ... ... --port 1 && ls"),
        (("x", "hf_abcdefgh"), "x ..."),
        (("x", "hf_abcdefgh:pa55@host"), "x ...@host"),
        (("x", "--ngrok", "2AbcDEfghijklmnopqrstuvwxyz0123456789"), "x --ngrok ..."),
    ],
)  # fmt: skip
def test_what_may_be_a_secret_is_left_out(words: tuple[str, ...], shown: str) -> None:
    assert told(words) == shown


@pytest.mark.parametrize(
    "command",
    [
        "/usr/bin/llama-server -m /models/Qwen3-30B-A3B-Instruct-2507-UD-Q4_K_XL.gguf -c 8192 -ngl 99",
        "ollama runner --model /blobs/sha256-0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
        "vllm serve a/b --tokenizer x --max-num-batched-tokens 4096 --max-token-len 4096 --enable-auth-less on",
        "x --override-kv tokenizer.ggml.add_bos_token=bool:false --no-auth pos --stop-token-ids 1,2",
        "docker run ghcr.io/a/b:c@sha256:0a1b2c3d",
        "VLLM::EngineCore_0",
        "",
    ],
)
def test_what_is_none_is_told_whole(command: str) -> None:
    assert told(command.split(" ")) == command


@given(st.lists(st.text(max_size=30), max_size=8))
def test_what_was_told_before_is_told_alike(words: list[str]) -> None:
    once = told(["x", *(f"--api-key={word}" for word in words), "HF_TOKEN=abc"])

    assert told(once.split(" ")) == once


LONG_NAMES = (
    "Qwen3_30B_A3B_Instruct_2507_Q4_K_M",
    "Meta_Llama_3_1_70B_Instruct_Q4_K_M",
    "our_support_mails_fine_tune_2026_11_run_3",
)
SECRETS = ("sk-1", "hunter2", "pa55")
WORDS = ("vllm", "serve", "a/b", "HF_TOKEN=hunter2", "--api-key", "sk-1", "--proxy", "http://me:pa55@proxy")


def test_a_process_is_described_without_secrets(tmp_path: Path) -> None:
    make_process(tmp_path, 42, *WORDS, comm="vllm")
    title = process_title(42, str(tmp_path), told_command)

    assert title is not None
    assert title.command == "vllm serve a/b HF_TOKEN=... --api-key ... --proxy http://...@proxy"


def test_a_title_that_is_a_whole_command_is_told_without_secrets_too(tmp_path: Path) -> None:
    make_process(tmp_path, 42, "python train.py --api-key sk-1", comm="python train.py")
    title = process_title(42, str(tmp_path), told_command)

    assert title is not None
    assert (title.name, title.command) == ("python train.py --api-key ...",) * 2


def taken(command: str) -> Snapshot:
    return Snapshot(taken_seconds=1.0, processes=(Process(pid=1, device_key="g", name=command, command=command),))


def test_of_a_recording_that_holds_secrets_none_is_shown_or_written_again(tmp_path: Path) -> None:
    path = tmp_path / "old.jsonl"
    path.write_text(json.dumps(snapshot_to_json(taken(" ".join(WORDS)))) + "\n")
    (source,) = replay_sources(path, tell_command=told_command)
    probe = source.open()
    reading = probe.sample()
    probe.close()
    shown = Snapshot(taken_seconds=1.0, processes=reading.processes)
    written = tmp_path / "new.jsonl"
    history = History()
    history.append(shown)
    write_recording(history, shown, written)

    text = snapshot_line(shown) + written.read_text()
    assert "--api-key ..." in text
    assert not any(secret in text for secret in SECRETS)


def test_an_engine_is_told_without_what_its_command_has_of_secrets(tmp_path: Path) -> None:
    make_process(tmp_path, 42, "llama-server", "-m", "/m/x.gguf")
    facts = ProcessReader(root=str(tmp_path)).facts(42)
    assert facts is not None
    engine = engine_in(facts, None, is_new=True)
    assert engine is not None
    engine.take_expectation(Expectation(model_name="hf_abcdefgh", reason="http://me:pa55@host/x: no such file"))
    shown = engine.recognised(frozenset({42}), {}, None, 1.0)

    assert (shown.model_name, shown.reason) == ("...", "http://...@host/x: no such file")


@pytest.mark.parametrize("name", LONG_NAMES)
def test_a_model_of_a_long_name_is_shown_by_it_and_found_among_what_is_served(tmp_path: Path, name: str) -> None:
    make_process(tmp_path, 42, "ollama", "runner", "--model", f"/m/{name}")
    facts = ProcessReader(root=str(tmp_path)).facts(42)
    assert facts is not None
    engine = engine_in(facts, None, is_new=True)
    assert engine is not None
    engine.take_expectation(Expectation(model_name=name))
    served = Served(model=name)

    assert engine.told([Served(model="other"), served]) is served
    assert engine.recognised(frozenset({42}), {}, served, 1.0).model_name == name


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("hf_abcdefgh", "..."),
        ("sk-abcdefgh0123456789abcdefgh0123456789", "..."),
        ("me:pa55@host", "...@host"),
        *((name, name) for name in LONG_NAMES),
    ],
)
def test_of_a_model_s_name_only_a_known_form_of_a_secret_is_left_out(name: str, shown: str) -> None:
    assert screened_name(name) == shown


def test_whatever_is_read_here_is_told_without_secrets() -> None:
    calls = [
        node
        for path in Path(tui.__file__).parent.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] in ("real_sources", "replay_sources")
    ]
    tellers = [ast.unparse(word.value) for call in calls for word in call.keywords if word.arg == "tell_command"]

    assert calls
    assert tellers == ["told_command"] * len(calls)
