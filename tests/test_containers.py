"""What a container, or a shell, or another machine stands around an engine is seen."""

import pytest
import scenes
from command_lines import launches_of

from estimator.errors import Unjudgeable
from launches.built_for import vendor_of
from launches.errors import NoLaunch, UnknownProgram
from probes.sampler import take_one
from probes.simulate import simulated_sources
from tui.launched import places_seen, plan_of

GIB = 1 << 30


def read(text: str):
    (launch,) = launches_of(text)
    return launch


@pytest.mark.parametrize(
    "image", ["llama.cpp:server", "llama.cpp:server-b4719", "llama.cpp:full --server", "local/llama.cpp:light"]
)
def test_an_image_that_is_built_for_the_cpu_sees_no_devices(image):
    launch = read(f"docker run --gpus all ghcr.io/ggml-org/{image} -m /a.gguf -ngl 99")
    assert launch.devices == ()
    assert "CPU" in launch.doubts[-1]


@pytest.mark.parametrize("image", ["llama.cpp:server-cuda", "llama.cpp:full-cuda --server", "llama.cpp:server-vulkan"])
def test_an_image_with_a_device_in_its_tag_sees_those_that_it_is_given(image):
    assert read(f"docker run --gpus all ghcr.io/ggml-org/{image} -m /a.gguf").devices is None


def test_a_container_that_is_given_no_gpu_runs_on_the_cpu():
    launch = read("docker run -d ghcr.io/ggml-org/llama.cpp:server-cuda -m /a.gguf -ngl 99")
    assert launch.devices == ()
    assert "--gpus all" in launch.doubts[-1]


def test_an_engine_that_needs_a_gpu_would_not_start_without():
    assert "--gpus all" in read("docker run vllm/vllm-openai --model a/b").refusal


@pytest.mark.parametrize(
    "option",
    [
        "--gpus all",
        "--runtime nvidia",
        "--runtime=nvidia",
        "--device nvidia.com/gpu=all",
        "--device /dev/kfd --device /dev/dri",
        "--privileged",
    ],
)
def test_devices_are_given_in_several_ways(option):
    launch = read(f"podman run {option} vllm/vllm-openai --model a/b")
    assert (launch.refusal, launch.devices) == ("", None)


def test_a_usual_runtime_of_nvidias_is_said_to_be_assumed():
    launch = read("docker run -e NVIDIA_VISIBLE_DEVICES=all vllm/vllm-openai --model a/b")
    assert (launch.refusal, "taken to be" in launch.doubts[-1]) == ("", True)


@pytest.mark.parametrize(
    ("option", "n_bytes"),
    [
        ("--memory 16g", 16 * GIB),
        ("--memory=512m", GIB // 2),
        ("-m 1073741824", GIB),
        ("-m 8Gb", 8 * GIB),
        ("--memory 0", None),
        ("--memory-swap 9g --shm-size 8g", None),
        ("--memory much", None),
    ],
)
def test_a_limit_of_a_containers_ram_is_told(option, n_bytes):
    assert read(f"docker run --gpus all {option} ollama/ollama").ram_limit_bytes == n_bytes


def test_a_containers_limit_is_all_the_ram_that_it_has():
    snapshot = take_one(simulated_sources("RTX 4090, RAM 64GiB"), 5.0)
    limited, free = (
        next(
            place
            for place in places_seen(read(f"docker run --gpus all {option} ollama/ollama"), snapshot)
            if place.kind == "host"
        )
        for option in ("--memory 16g", "")
    )
    assert (limited.total_bytes, limited.free_bytes) == (16 * GIB, 16 * GIB)
    assert free.total_bytes == 64 * GIB


@pytest.mark.parametrize(
    ("word", "program"),
    [("--server", "llama-server"), ("-s", "llama-server"), ("--run", "llama-cli"), ("-b", "llama-bench")],
)
def test_a_full_image_starts_what_its_first_word_says(word, program):
    launch = read(f"docker run --gpus all ghcr.io/ggml-org/llama.cpp:full-cuda {word} -m /a.gguf -ngl 9")
    assert (launch.program, launch.options.n_gpu_layers) == (program, 9)


def test_an_image_may_be_built_here():
    assert read("docker run --gpus all text-generation-inference:2.1.0 --model-id a/b").source == "a/b"


@pytest.mark.parametrize(
    ("behind", "source"),
    [
        ("a/b --max-model-len 5", "a/b"),
        ("/models/a/b --max-model-len 5", "/models/a/b"),
        ("--model a/b --max-model-len 5", "a/b"),
        ("/opt/start.sh --max-model-len 5", None),
        ("scripts/start.sh --max-model-len 5", None),
        ("a/b", None),
        ("a/b -c x", None),
    ],
)
def test_an_image_of_ones_own_may_take_a_model_first(behind, source):
    text = f"docker run --gpus all me/vllm--openai:x {behind}"
    if source is None:
        with pytest.raises((UnknownProgram, NoLaunch)):
            read(text)
    else:
        assert read(text).source == source


def test_the_build_of_an_image_is_in_its_tag():
    launch = read("docker run --gpus all ghcr.io/ggml-org/llama.cpp:server-cuda-b5966 -m /a.gguf")
    assert (launch.options.build, launch.n_sequences) == ("b5966", 1)


@pytest.mark.parametrize(
    "text",
    [
        "ssh box 'llama-server -m a.gguf'",
        "ssh -p 22 me@box llama-server -m a.gguf",
        "kubectl exec -it pod -- vllm serve a/b",
        "adb shell './llama-bench -m a.gguf'",
    ],
)
def test_what_runs_on_another_machine_is_not_judged_here(text):
    with pytest.raises(NoLaunch, match="another machine"):
        launches_of(text)


@pytest.mark.parametrize(
    "text",
    [
        "tmux new-session -d -s llm 'vllm serve a/b'",
        "tmux send-keys -t llm 'vllm serve a/b' Enter",
        "screen -dmS llm vllm serve a/b",
        "screen -dmS llm bash -c 'vllm serve a/b'",
        "su - me -c 'vllm serve a/b'",
        "nix-shell -p vllm --run 'vllm serve a/b'",
        "eval 'vllm serve a/b'",
        "CMD='vllm serve a/b'\n$CMD",
        "CMD='vllm serve a/b'\neval $CMD",
        "sudo -E env PATH=/x vllm serve a/b",
        "cat > x.service <<EOF\nExecStart=/opt/bin/vllm serve a/b\nEOF\nsystemctl start x",
        "qemu-x86_64 -L /usr/x -cpu max vllm serve a/b",
    ],
)
def test_a_command_within_others_is_found(text):
    assert read(text).source == "a/b"


@pytest.mark.parametrize("text", ["tmux attach -t llm", "su - me", "screen -ls", "cmd /c"])
def test_a_shell_without_an_engine_is_none(text):
    with pytest.raises(UnknownProgram):
        launches_of(text)


@pytest.mark.parametrize(
    ("image", "vendor"),
    [
        ("ghcr.io/ggml-org/llama.cpp:server-rocm", "amd"),
        ("ghcr.io/ggml-org/llama.cpp:server-cuda-b5966", "nvidia"),
        ("ghcr.io/ggml-org/llama.cpp:server-musa", "mthreads"),
        ("ghcr.io/ggml-org/llama.cpp:server-intel", "intel"),
        ("ghcr.io/ggml-org/llama.cpp:server-vulkan", ""),
        ("ollama/ollama:rocm", "amd"),
        ("ollama/ollama:0.13.1-rocm", "amd"),
        ("vllm/vllm-openai-rocm:v0.9", "amd"),
        ("lmsysorg/sglang:v0.5.1-cu126", "nvidia"),
        ("registry.example.org/models/llama.cpp:server", ""),
    ],
)
def test_an_images_name_says_whose_devices_it_is_built_for(image, vendor):
    assert vendor_of(image) == vendor


def test_an_image_for_amds_devices_is_not_placed_on_nvidias():
    snapshot = take_one(simulated_sources("RTX 4090, RAM 64GiB"), 5.0)
    image = "ghcr.io/ggml-org/llama.cpp:server-rocm"
    launch = read(f"docker run --device /dev/kfd --device /dev/dri {image} -m /a.gguf -c 4096")
    with pytest.raises(Unjudgeable, match="devices of AMD"):
        plan_of(launch, scenes.model(), snapshot)


def test_an_image_for_any_devices_is_placed_on_those_that_are_there():
    snapshot = take_one(simulated_sources("RTX 4090, RAM 64GiB"), 5.0)
    launch = read("docker run --gpus all ghcr.io/ggml-org/llama.cpp:server-vulkan -m /a.gguf -c 4096")
    assert len(plan_of(launch, scenes.model(), snapshot).devices) == 1


@pytest.mark.parametrize("option", ["--gpus device=1", "--runtime nvidia -e NVIDIA_VISIBLE_DEVICES=1"])
def test_a_containers_gpus_are_counted_as_the_driver_does(option):
    environment = read(f"docker run {option} vllm/vllm-openai --model a/b").environment
    assert (environment["CUDA_VISIBLE_DEVICES"], environment["CUDA_DEVICE_ORDER"]) == ("1", "PCI_BUS_ID")
    assert "CUDA_DEVICE_ORDER" not in read("docker run --gpus all vllm/vllm-openai --model a/b").environment


@pytest.mark.parametrize(
    "options",
    [
        "-dp 8000:8000",
        "-itdp8000:8000",
        "-dit",
        "-itd=true",
        "-dv /a:/b -ite A=b",
        "-div=/a:/b",
        "-eA=b -e=A=b -e A=b",
        "-p=80:80 -d",
    ],
)
def test_of_letters_that_stand_together_the_first_that_takes_a_value_takes_the_rest(options):
    launch = read(f"docker run --gpus all {options} vllm/vllm-openai --model a/b")
    assert (launch.source, launch.refusal) == ("a/b", "")
