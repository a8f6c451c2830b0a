"""What a bug report should not tell."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tui.scrub import Scrub, own_names

SCRUB = Scrub({"anna", "lab-gpu-03", "lab-gpu-03.example.org"})


@pytest.mark.parametrize(
    ("text", "scrubbed"),
    [
        ("/home/anna/models/x.gguf", "~/models/x.gguf"),
        ("/Users/someone/.cache", "~/.cache"),
        (r"C:\Users\Anna\models", r"~\models"),
        ("/data/anna/models", "/data/…/models"),
        ("lab-gpu-03 and Lab-GPU-03.example.org", "… and …"),
        ("GPU-5ad0d5e2-74f1-9a2c-8a6b-0123456789ab", "GPU-5ad0d5e2-…"),
        ("MIG-5ad0d5e2-74f1-9a2c-8a6b-0123456789ab", "MIG-5ad0d5e2-…"),
        ("/docker/3f2a9c0b71de3f2a9c0b71de3f2a9c0b71de3f2a9c0b71de3f2a9c0b71de1234", "/docker/3f2a9c0b…"),
        ("mail anna@example.org", "mail …"),
        ("at 192.168.1.20:11434", "at …:11434"),
    ],
)
def test_who_and_where_are_taken_out(text: str, scrubbed: str) -> None:
    assert SCRUB.text(text) == scrubbed


@pytest.mark.parametrize("text", ["annals of bandana", "0000:01:00.0", "580.159.04", "NVIDIA GeForce RTX 4090", "8.9"])
def test_what_only_looks_alike_stays(text: str) -> None:
    assert SCRUB.text(text) == text


def test_names_that_name_nobody_are_no_names() -> None:
    assert Scrub({"root", "nvidia", "x"}).text("root nvidia x") == "root nvidia x"


def test_text_within_values_is_scrubbed_and_keys_are_not() -> None:
    assert SCRUB.value({"anna": ["/home/anna", 3, None, {"a": "anna"}]}) == {"anna": ["~", 3, None, {"a": "…"}]}


def test_variables_that_matter_are_shown_and_secrets_are_only_set() -> None:
    shown = SCRUB.variables(
        {
            "CUDA_VISIBLE_DEVICES": "GPU-5ad0d5e2-74f1-9a2c-8a6b-0123456789ab",
            "OLLAMA_HOST": "10.0.0.5",
            "OLLAMA_MODELS": "/home/anna/models",
            "VLLM_API_KEY": "hunter2",
            "HF_TOKEN": "hf_x",
            "HF_HOME": "/data/anna/hf",
            "GGML_CUDA_FORCE_MMQ": "1",
            "OLLAMA_ORIGINS": "http://x",
            "EDITOR": "vi",
            "LLAMA_ARG_MODEL_URL": "https://user:pass@host/x",
            "NCCL_SOCKET_IFNAME": "eth0;rm\n",
        }
    )

    assert shown == {
        "CUDA_VISIBLE_DEVICES": "GPU-5ad0d5e2-…",
        "GGML_CUDA_FORCE_MMQ": "1",
        "HF_HOME": "/data/…/hf",
        "LLAMA_ARG_MODEL_URL": "(set)",
        "NCCL_SOCKET_IFNAME": "(set)",
        "OLLAMA_HOST": "(set)",
        "OLLAMA_MODELS": "~/models",
        "OLLAMA_ORIGINS": "(set)",
        "VLLM_API_KEY": "(set)",
    }


def test_user_and_host_are_known_from_the_environment() -> None:
    environment = {"USER": "anna", "HOME": "/home/anna-b", "HOSTNAME": "box.example.org"}

    assert own_names(environment, "box") == {"anna", "anna-b", "box", "box.example.org"}


@given(st.text(max_size=300))
def test_a_uuid_is_never_shown_whole_whatever_stands_around_it(text: str) -> None:
    identity = "5ad0d5e2-74f1-9a2c-8a6b-0123456789ab"

    assert "0123456789ab" not in SCRUB.text(f"{text} {identity} {text}"[:900])


def test_a_long_text_is_cut() -> None:
    assert len(SCRUB.text("x y " * 10_000)) <= 1000


def test_what_is_cut_out_at_the_end_of_a_text_that_was_cut_is_said_once() -> None:
    assert Scrub([]).text("NVIDIA-" + "a" * 40 + "…") == "NVIDIA-aaaaaaaa…"
