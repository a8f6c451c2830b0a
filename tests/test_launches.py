"""What is no engine's command is said to be none."""

import pytest

from launches.command import Command
from launches.errors import NoLaunch, UnknownProgram
from launches.launch import read_launches
from launches.line import posted


@pytest.mark.parametrize("words", [(), ("ls", "-l"), ("python", "train.py"), ("A=b",)])
def test_an_unknown_program_is_said_to_be_unknown(words):
    with pytest.raises(UnknownProgram):
        read_launches(Command(arguments=words))


@pytest.mark.parametrize(
    "words",
    [
        ("env", "-C", "/srv", "llama-server"),
        ("sudo", "--chdir=/srv", "llama-server"),
        ("systemd-run", "--working-directory", "/srv", "llama-server"),
        ("mpirun", "-mca", "plm_rsh_args", "-p 22", "-wdir", "/srv", "llama-server"),
        ("bash", "-c", "cd /srv && exec llama-server -m a.gguf"),
        ("docker", "run", "--gpus", "all", "-w", "/srv", "some/image:1", "llama-server"),
    ],
)
def test_a_path_begins_where_the_program_starts(words):
    own = () if words[0] == "bash" else ("-m", "a.gguf")
    (launch,) = read_launches(Command(arguments=(*words, *own), directory="/else"))
    assert launch.source == "/srv/a.gguf"


def test_options_of_a_container_that_are_a_variable_are_named():
    words = ("docker", "run", "--rm", "$args", "vllm/vllm-openai:v0.10.2", "--model", "a/b")
    (launch,) = read_launches(Command(arguments=words))
    assert (launch.source, launch.unknown, launch.refusal) == ("a/b", ("$args",), "")


def test_an_image_may_be_a_variable():
    words = ("docker", "run", "--gpus", "all", "$IMAGE", "vllm", "serve", "openai/gpt-oss-20b")
    assert read_launches(Command(arguments=words))[0].source == "openai/gpt-oss-20b"


SERVED = "trtllm-serve a/b --extra_llm_api_options x.yml"
TOLD = "max_batch_size: 8\nkv_cache_config: {free_gpu_memory_fraction: 0.5}"


@pytest.mark.parametrize(
    "text",
    [
        "cat > x.yml <<EOF\nmax_batch_size: $N\nkv_cache_config:\n  free_gpu_memory_fraction: 0.5\nEOF\n" + SERVED,
        f"cat <<'EOF' > x.yml\n{TOLD}\nEOF\n{SERVED}",
        f"sudo tee x.yml <<-E >/dev/null\n{TOLD}\nE\n{SERVED}",
        f"cd /x; bash -c 'cat > x.yml <<E\n{TOLD}\nE\n{SERVED}'",
    ],
)
def test_settings_that_a_text_writes_before_are_read(text):
    (launch,) = read_launches(posted("N=8\n" + text))
    assert (launch.options.max_batch_size, launch.options.kv_cache_free_gpu_memory_fraction) == (8, 0.5)
    assert launch.refusal == ""


def test_settings_that_are_written_behind_are_not():
    (launch,) = read_launches(posted(f"{SERVED}\ncat > x.yml <<EOF\nmax_batch_size: 8\nEOF\n"))
    assert "x.yml" in launch.refusal


@pytest.mark.parametrize("wrapper", ["rtk", "some-wrapper run", "a b c"])
def test_a_wrapper_that_nobody_knows_is_named(wrapper):
    words = (*wrapper.split(), "transformers", "serve", "--force-model", "a/b")
    (launch,) = read_launches(Command(arguments=words))
    assert (launch.program, launch.source, launch.unknown) == ("transformers serve", "a/b", (wrapper,))


@pytest.mark.parametrize("script", ["vllm serve a/b", "cd /x && A=1 vllm serve a/b"])
def test_an_engine_in_one_word_of_a_program_that_nobody_knows_is_read(script):
    (launch,) = read_launches(Command(arguments=("pm2", "start", "--name", "a", script)))
    assert (launch.program, launch.source, launch.unknown) == ("vllm serve", "a/b", ("pm2",))


@pytest.mark.parametrize("words", [("notify", "please run vllm serve a/b"), ("git", "commit", "-m", "vllm serve a/b")])
def test_a_sentence_that_mentions_an_engine_starts_none(words):
    with pytest.raises(UnknownProgram):
        read_launches(Command(arguments=words))


@pytest.mark.parametrize(
    "words", ["pip install vllm serve a/b", "which vllm serve a/b", "some-tool vllm", "some-tool a b c"]
)
def test_what_only_names_an_engine_starts_none(words):
    with pytest.raises(UnknownProgram):
        read_launches(Command(arguments=tuple(words.split())))


def test_trtllm_eval_takes_the_server_s_options_before_its_task_and_others_behind():
    line = "trtllm-eval --model a/b --tp_size 2 --max_seq_len 4096 gsm8k --apply_chat_template --num_samples 9"
    (launch,) = read_launches(posted(line))
    assert (launch.program, launch.source, launch.n_devices, launch.context_tokens) == ("trtllm-eval", "a/b", 2, 4096)
    assert (launch.unknown, launch.refusal, launch.address) == ((), "", None)


def test_trtllm_eval_without_a_task_loads_nothing():
    with pytest.raises(NoLaunch, match="without a task"):
        read_launches(posted("trtllm-eval --model a/b"))


def test_what_asks_a_server_of_sglang_s_loads_nothing():
    with pytest.raises(NoLaunch, match="bench_serving loads no language model itself"):
        read_launches(posted("python -m sglang.bench_serving --backend sglang"))
