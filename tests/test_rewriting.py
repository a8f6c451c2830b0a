"""A command with a change of the advice in it: where its words stand, and that they are read as what was meant."""

from shlex import quote, split

import pytest
from command_lines import launches_of
from commands_found import find_command

from estimator.verdict import Level
from launches.command import Command
from launches.launch import read_launches
from launches.line import words_of
from launches.rewriting import Edit, rewritten_words
from probes.sampler import take_one
from probes.simulate import simulated_sources
from tui.advice import advise
from tui.launched import model_of, places_seen, plan_of
from tui.plan import assess
from tui.rewritten import rewritten


def edited(line, told=None, gone=()):
    """The line with these settings, as words."""
    command = Command(arguments=tuple(split(line)))
    edit = Edit(told=told or {}, gone=frozenset(gone))
    return list(rewritten_words(command, read_launches(command)[0].spans, edit))


LONGER = {"--ctx-size": ("-c", "512")}
LAYERS = {"--gpu-layers": ("-ngl", "7")}
LENGTH = {"--max-model-len": ("--max-model-len", "512")}


@pytest.mark.parametrize(
    ("line", "told", "rewritten"),
    [
        ("llama-server -c 99 -m a.gguf", LONGER, "llama-server -c 512 -m a.gguf"),
        ("llama-server -m a.gguf", LONGER, "llama-server -m a.gguf -c 512"),
        ("llama-cli -m a.gguf -- -p x", LONGER, "llama-cli -m a.gguf -c 512 -- -p x"),
        ("llama-server -c 1 -m a.gguf -c 2", LONGER, "llama-server -c 512 -m a.gguf"),
        ("A=1 nice -n 5 llama-server -m a.gguf", LAYERS, "A=1 nice -n 5 llama-server -m a.gguf -ngl 7"),
        ("vllm serve a/b --max-model-len=9 --port 1", LENGTH, "vllm serve a/b --max-model-len 512 --port 1"),
        (
            "docker run --gpus all vllm/vllm-openai",
            LENGTH,
            "docker run --gpus all vllm/vllm-openai --max-model-len 512",
        ),
        (
            "trtllm-eval --model a/b --tp_size 2 gsm8k --num_samples 9",
            {"--tensor_parallel_size": ("--tp_size", "4"), "--max_seq_len": ("--max_seq_len", "512")},
            "trtllm-eval --model a/b --tp_size 4 --max_seq_len 512 gsm8k --num_samples 9",
        ),
        (
            "pm2 start --name x 'cd y && vllm serve a/b' --no-autorestart",
            LENGTH,
            "pm2 start --name x 'cd y && vllm serve a/b --max-model-len 512' --no-autorestart",
        ),
        ("bash -c 'vllm serve a/b > log 2>&1'", LENGTH, "bash -c 'vllm serve a/b --max-model-len 512 > log 2>&1'"),
        (
            "bash -lc 'cd x && A=\"b c\" vllm serve a/b --max-model-len 9 | tee y; echo done'",
            LENGTH,
            "bash -lc 'cd x && A=\"b c\" vllm serve a/b --max-model-len 512 | tee y; echo done'",
        ),
        (
            f"sh -c {quote('bash -c ' + quote('vllm serve a/b') + ' &')}",
            LENGTH,
            f"sh -c {quote('bash -c ' + quote('vllm serve a/b --max-model-len 512') + ' &')}",
        ),
        (
            "docker run --entrypoint bash img -c 'vllm serve a/b'",
            LENGTH,
            "docker run --entrypoint bash img -c 'vllm serve a/b --max-model-len 512'",
        ),
    ],
)
def test_a_setting_stands_where_it_stood_or_where_the_engine_reads_it(line, told, rewritten):
    assert edited(line, told) == split(rewritten)


@pytest.mark.parametrize(
    ("line", "rewritten"),
    [
        ("llama-server -c 9 -m a.gguf -np 4", "llama-server -m a.gguf -np 4"),
        ("sh -c 'llama-server -m a.gguf -c 9 | cat'", "sh -c 'llama-server -m a.gguf | cat'"),
    ],
)
def test_a_setting_that_is_gone_leaves_no_trace(line, rewritten):
    assert edited(line, gone=["--ctx-size"]) == split(rewritten)


def test_a_value_with_a_blank_is_one_word_of_a_script_too():
    assert edited("sh -c 'llama-server -m a'", {"--override-tensor": ("-ot", "a b=CPU")})[2].endswith("-ot 'a b=CPU'")


BIG = "-hf bartowski/Meta-Llama-3.1-8B-Instruct-GGUF:Q8_0 -c 131072"
LINES = [
    f"llama-server {BIG} -ngl 99",
    f"bash -c 'llama-server {BIG} -ngl 99 > log.txt 2>&1'",
    "llama-server -hf unsloth/Qwen3-30B-A3B-GGUF:Q4_K_M -c 131072 -ngl 99",
    "python -m llama_cpp.server --hf_model_repo_id bartowski/Meta-Llama-3.1-8B-Instruct-GGUF --model *Q8_0.gguf "
    "--n_ctx 131072 --n_gpu_layers -1",
    "vllm serve meta-llama/Llama-3.1-8B-Instruct",
    "vllm serve Qwen/Qwen3-14B-AWQ --max-model-len 40960 --gpu-memory-utilization 0.5",
    "bash -lc 'vllm serve meta-llama/Llama-3.1-8B-Instruct 2>&1 | tee x'",
    "docker run --gpus all vllm/vllm-openai --model meta-llama/Llama-3.1-8B-Instruct",
    "python -m sglang.launch_server --model-path meta-llama/Llama-3.1-8B-Instruct --mem-fraction-static 0.5",
    "lms load meta-llama/llama-3.1-8b --gpu max --context-length 262144 --parallel 2",
]


@pytest.fixture(scope="module")
def machine():
    return take_one(simulated_sources("RTX 4090, RAM 64GiB"), 5.0)


@pytest.mark.parametrize("line", LINES)
def test_each_line_that_advice_prints_has_room_when_it_is_read_again(line, machine):
    finding = find_command(Command(arguments=tuple(split(line))), machine)
    printed = [rewrite for rewrite in finding.rewrites if rewrite]
    assert finding.exit_status == 1
    assert printed
    for rewrite in printed:
        again = find_command(Command(arguments=tuple(words_of(rewrite))), machine)
        assert again.assessment.verdict.level <= Level.TIGHT


@pytest.mark.parametrize(
    ("line", "flag"),
    [
        ("vllm serve Qwen/Qwen3-32B-AWQ", "--tensor-parallel-size 2"),
        ("python -m sglang.launch_server --model-path Qwen/Qwen3-32B-AWQ", "--tp-size 2"),
    ],
)
def test_a_second_device_that_is_there_is_put_to_use(line, flag):
    two = take_one(simulated_sources("2x RTX 3090"), 5.0)
    lines = find_command(Command(arguments=tuple(split(line))), two).rewrites
    assert f"{line} {flag}" in lines


def test_the_folder_that_a_text_goes_to_is_kept(machine):
    finding = find_command(Command(arguments=tuple(words_of(f"cd ~/some && A=1 llama-server {BIG} -ngl 99"))), machine)
    printed = [rewrite for rewrite in finding.rewrites if rewrite]
    assert printed
    assert all(rewrite.startswith("cd ~/some && A=1 llama-server ") for rewrite in printed)


def test_layers_bring_the_context_along_that_fit_would_have_chosen(machine):
    command = Command(arguments=("llama-server", "-hf", "bartowski/Llama-3.3-70B-Instruct-GGUF:Q4_K_M"))
    (launch,) = read_launches(command)
    plan = plan_of(launch, model_of(launch), machine)
    places = places_seen(launch, machine)
    change = next(each for each in advise(plan, places).changes if each.plan.options != plan.options)
    line = rewritten(command, launch, assess(plan, places), change, machine)
    (again,) = launches_of(line)
    assert (launch.context_tokens, again.context_tokens) == (0, plan.workload.context_tokens)
    assert again.options.n_gpu_layers == change.plan.options.n_gpu_layers < 80


def test_of_ollama_the_server_is_told():
    busy = take_one(simulated_sources("RTX 4090, used 16GiB, RAM 32GiB"), 5.0)
    finding = find_command(Command(arguments=("ollama", "run", "llama3.1:8b")), busy)
    lines = [line for line in finding.rewrites if line]
    tokens = finding.advice.changes[0].plan.workload.context_tokens
    assert lines[0] == (
        f"set OLLAMA_CONTEXT_LENGTH={tokens} for ollama serve and restart it, "
        f"or type /set parameter num_ctx {tokens} in the session"
    )
    assert not any("&" in line for line in lines)
