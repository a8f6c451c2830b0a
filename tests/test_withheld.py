"""What is named as not understood is named without secrets."""

import pytest

from launches.command import Command
from launches.errors import LaunchError
from launches.launch import read_launches
from launches.told import screened
from launches.withheld import NAMELESS, key_of, withheld
from launches.yaml_file import settings_of


@pytest.mark.parametrize(
    ("word", "shown"),
    [
        ("--hf_tokn hf_SECRET3", "--hf_tokn ..."),
        ("--hub=hf_SECRET3", "--hub=..."),
        ("--passwrd hunter2", "--passwrd ..."),
        ("--bearer 0a1b2c3d4e5f60718293a4b5c6d7e8f9", "--bearer ..."),
        ("--proxy http://me:hunter2@proxy:80", "--proxy ..."),
        ("hf_SECRET3", "..."),
        ("HUB_TOKN=secret3", "HUB_TOKN=..."),
        ("--passwrd 1234", "--passwrd ..."),
    ],
)
def test_a_value_that_may_be_a_secret_is_left_out(word: str, shown: str) -> None:
    assert withheld(word) == shown


@pytest.mark.parametrize(
    "word",
    [
        "--quite-new 5",
        "--max-tokens-ahead 4096",
        "--max-prefill-num-token 8192",
        "--api_key $API_KEY",
        "--tokenizer-kind fast",
        "--draft unsloth/Qwen3-30B-A3B-Instruct-2507-GGUF-UD-Q4_K_XL",
        "b (a service that starts ollama serve)",
        "--disk-offload disk-nvme",
    ],
)
def test_any_other_value_is_named(word: str) -> None:
    assert withheld(word) == word


def test_of_a_line_that_is_not_read_the_key_is_named_alone() -> None:
    found = settings_of("a: 1\nOTHER: !x hf_SECRET2\n- HF_TOKEN=hf_SECRET4\nhf_SECRET5\n").unread

    assert found == ("OTHER", "HF_TOKEN", NAMELESS)


def test_a_key_that_is_a_token_itself_is_not_named() -> None:
    assert "SECRET" not in key_of("hf_SECRET6: 1")


def test_a_launch_names_a_misspelt_flag_without_its_token() -> None:
    (launch,) = read_launches(Command(arguments=("vllm", "serve", "a/b", "--hf_tokn", "hf_SECRET3")))

    assert launch.unknown == ("--hf_tokn ...",)


def test_a_launch_names_a_line_of_its_settings_without_its_token() -> None:
    written = (("v.yml", "model: a/b\nhf-token: !y hf_SECRET4\n"),)
    (launch,) = read_launches(Command(arguments=("vllm", "serve", "--config", "v.yml"), files=written))

    assert launch.unknown == ("v.yml: hf-token",)


TOKEN = "hf_S3CRETsecret99"


@pytest.mark.parametrize(
    ("line", "n_at_least"),
    [
        (f"vllm serve a/b --max-model-len {TOKEN}", 1),
        (f"vllm serve a/b --dtype {TOKEN}", 1),
        (f"vllm serve a/b {TOKEN}", 1),
        (f"llama-server -m a.gguf -c {TOKEN}", 1),
        (f"trtllm-serve a/b --kv_cache_dtype {TOKEN}", 1),
        (f"wrapper --token {TOKEN} vllm serve a/b", 1),
        (f"uvx --newer {TOKEN} vllm serve a/b", 1),
    ],
)
def test_what_an_engine_would_not_take_is_told_without_a_token(line: str, n_at_least: int) -> None:
    (launch,) = read_launches(Command(arguments=tuple(line.split())))
    told = (launch.refusal, *launch.unknown, *launch.doubts)

    assert sum("..." in sentence for sentence in told) >= n_at_least
    assert not any(TOKEN in sentence for sentence in told)


@pytest.mark.parametrize(
    "line",
    [f"{TOKEN} serve", f"ollama {TOKEN}", f"docker run {TOKEN}", f"docker {TOKEN}", f"vllm {TOKEN}"],
)
def test_what_starts_no_engine_is_told_without_a_token(line: str) -> None:
    with pytest.raises(LaunchError) as raised:
        read_launches(Command(arguments=tuple(line.split())))

    assert TOKEN not in str(raised.value)


def test_a_server_elsewhere_is_named_without_its_password() -> None:
    command = Command(arguments=("ollama", "run", "a"), environment={"OLLAMA_HOST": "http://me:hunter2@far:1"})
    with pytest.raises(LaunchError, match=r"on \.\.\.@far:1"):
        read_launches(command)


@pytest.mark.parametrize(
    "sentence",
    [
        "--port takes a whole number from 0 on, not '80a'",
        "ghcr.io/a/b:c@sha256:0a1b2c3d is an image",
        "/models/Qwen3_30B_A3B_Instruct_2507_UD_Q4_K_XL_00001.gguf: no such file",
        "it is 12:30 at the latest",
    ],
)
def test_a_sentence_without_a_secret_stays(sentence: str) -> None:
    assert screened(sentence) == sentence
