"""What ``docker compose up`` starts is read of the file that describes it."""

import os

import pytest

from launches.command import Command
from launches.errors import NoLaunch, UnknownProgram
from launches.launch import read_launches
from launches.line import words_of

# vllm-project/vllm issue 35991, read 2026-11-26, cut.
GPT_OSS = """
networks:
  ai-net:
    driver: bridge

services:
  vllm:
    image: vllm/vllm-openai:v0.10.1
    restart: unless-stopped
    runtime: nvidia

    environment:
      - NVIDIA_VISIBLE_DEVICES=all
      - PYTORCH_CUDA_ALLOC_CONF=expandable_segments:True

    volumes:
      - "/media/models/gptoss_fromhf:/models"

    command: >
      --model /models
      --host 0.0.0.0
      --port 8000
      --gpu-memory-utilization 0.9
      --max-model-len 4096
      --dtype auto

    networks:
      - ai-net

  open-webui:
    image: ghcr.io/open-webui/open-webui:main
"""
# sgl-project/sglang issue 4547, read 2026-11-26, cut.
OLMOCR = """
services:
  sglang:
    image: lmsysorg/sglang:latest
    volumes:
      - ${HOME}/.cache/huggingface:/root/.cache/huggingface
    ports:
       - 80:30000
    entrypoint: python3 -m sglang.launch_server
    command: --model-path allenai/olmOCR-7B-0225-preview
      --host 0.0.0.0
      --port 30000
    deploy:
      resources:
        reservations:
          devices:
            - driver: nvidia
              device_ids: ["1"]
              capabilities: [gpu]
"""
# opea-project/GenAIExamples ChatQnA/docker_compose/intel/cpu/aipc/compose.yaml, read 2026-11-26, cut.
AIPC = """
services:
  tei:
    image: ghcr.io/huggingface/text-embeddings-inference:cpu-1.7
    command: --model-id BAAI/bge-base-en-v1.5
  ollama-service:
    image: ollama/ollama
    entrypoint: ["bash", "-c"]
    command: ["ollama serve & sleep 10 && ollama run ${OLLAMA_MODEL} & wait"]
    environment:
      OLLAMA_MODEL: ${OLLAMA_MODEL}
"""
# kilingki/exllamav3-tabbyapi-docker-config docker-compose.yml, read 2026-11-26, cut.
TABBY = """
services:
  llm:
    image: ghcr.io/theroyallab/tabbyapi:latest
    command:
      - "/app/launch.py"
      - "--model-dir"
      - "/app/models"
      - "--model-name"
      - "${TABBY_MODEL_NAME:?Set TABBY_MODEL_NAME in .env}"
      - "--cache-size"
      - "32768"
    environment:
      NVIDIA_VISIBLE_DEVICES: all
    volumes:
      - ${MODELS_PATH:?Set MODELS_PATH in .env}/${TABBY_MODEL_NAME:?Set it}:/app/models/${TABBY_MODEL_NAME}:ro
    mem_limit: 24g
    deploy:
      resources:
        reservations:
          devices:
            - driver: nvidia
              count: all
              capabilities: [gpu]
"""
ANY = "services:\n  a:\n    image: vllm/vllm-openai\n    gpus: all\n    command: --model {model}\n"


def up(folder, text, *words, name="compose.yaml", **environment):
    (folder / name).write_text(text)
    arguments = ("docker", "compose", *(words or ("up", "-d")))
    return read_launches(Command(arguments=arguments, environment=environment, directory=str(folder)))[0]


def test_a_block_of_text_is_the_command_of_its_image(tmp_path):
    launch = up(tmp_path, GPT_OSS, name="docker-compose.yml")
    assert (launch.program, launch.source) == ("vllm serve", "/media/models/gptoss_fromhf")
    assert (launch.context_tokens, launch.options.gpu_memory_utilization, launch.options.version) == (
        4096,
        0.9,
        "0.10.1",
    )


def test_an_entry_point_stands_before_the_command(tmp_path):
    launch = up(tmp_path, OLMOCR)
    assert (launch.engine_name, launch.source) == ("sglang", "allenai/olmOCR-7B-0225-preview")
    assert launch.environment["CUDA_VISIBLE_DEVICES"] == "1"


def test_variables_come_from_the_shell_and_from_the_file_beside_it(tmp_path):
    (tmp_path / ".env").write_text("MODELS_PATH=/data\nTABBY_MODEL_NAME='b'\n")
    launch = up(tmp_path, TABBY, TABBY_MODEL_NAME="a")
    assert (launch.source, launch.context_tokens, launch.ram_limit_bytes) == ("/data/a", 32768, 24 << 30)


def test_what_is_no_engine_is_passed_over(tmp_path):
    launch = up(tmp_path, AIPC, OLLAMA_MODEL="llama3.2")
    assert (launch.program, launch.source) == ("ollama run", "llama3.2")


def test_a_variable_of_which_nothing_is_known_stays_as_it_is_written(tmp_path):
    assert up(tmp_path, ANY.format(model="${MODEL}")).source == "${MODEL}"


needs_pipes = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes in this system's files")


@needs_pipes
def test_a_pipe_in_place_of_the_file_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    command = Command(arguments=("docker", "compose", "-f", "pipe", "up"), directory=str(tmp_path))
    with pytest.raises(UnknownProgram, match="cannot be read"):
        read_launches(command)


@needs_pipes
def test_a_pipe_in_place_of_the_variables_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / ".env")
    assert up(tmp_path, ANY.format(model="a/b")).source == "a/b"


def test_several_files_add_to_each_other(tmp_path):
    (tmp_path / "b.yml").write_text("services:\n  a:\n    command: --model c/d\n    environment: [A=1]\n")
    launch = up(tmp_path, ANY.format(model="a/b"), "-f", "compose.yaml", "-f", "b.yml", "up")
    assert (launch.source, launch.environment.get("A")) == ("c/d", "1")


def test_a_second_engine_is_named(tmp_path):
    second = "  b:\n    image: ollama/ollama\n    gpus: all\n"
    assert up(tmp_path, ANY.format(model="a/b") + second).unknown == ("b (a service that starts ollama serve)",)
    assert up(tmp_path, ANY.format(model="a/b") + second, "up", "b").program == "ollama serve"


def test_what_is_not_read_is_named(tmp_path):
    text = "include: [b.yml]\n" + ANY.format(model="a/b").replace("    gpus", "    extends: {service: c}\n    gpus")
    assert up(tmp_path, text).unknown == ("include of compose.yaml", "a (a service): extends")


def test_anchors_and_values_on_several_lines_are_read(tmp_path):
    text = """
x-gpu: &gpu
  deploy:
    resources:
      reservations:
        devices: [{driver: nvidia,
                   count: 1, capabilities: [gpu]}]
services:
  a:
    <<: *gpu
    image: vllm/vllm-openai
    command: --model a/b
      --max-model-len 4096
      --dtype half
"""
    launch = up(tmp_path, text)
    assert (launch.source, launch.context_tokens, launch.options.dtype) == ("a/b", 4096, "float16")
    assert (launch.environment["CUDA_VISIBLE_DEVICES"], launch.unknown, launch.refusal) == ("0", (), "")


def test_aliases_of_aliases_come_to_an_end(tmp_path):
    anchors = "".join(f"a{n}: &a{n}\n  x: *a{n - 1}\n  y: *a{n - 1}\n" for n in range(1, 40))
    assert up(tmp_path, "a0: &a0\n  k: v\n" + anchors + ANY.format(model="a/b")).source == "a/b"


def test_an_image_of_ones_own_is_read_by_its_name_and_named(tmp_path):
    launch = up(tmp_path, ANY.format(model="a/b").replace("vllm/vllm-openai", "opea/vllm-rocm:1.4"))
    assert (launch.program, launch.source, launch.unknown) == ("vllm serve", "a/b", ("opea/vllm-rocm:1.4 (an image)",))


def test_a_service_is_run_with_another_command(tmp_path):
    launch = up(tmp_path, ANY.format(model="a/b"), "run", "--rm", "a", "--model", "c/d")
    assert launch.source == "c/d"


@pytest.mark.parametrize("words", [("up",), ("up", "c")])
def test_what_nothing_describes_is_unknown(tmp_path, words):
    if len(words) > 1:
        (tmp_path / "compose.yaml").write_text(ANY.format(model="a/b"))
    with pytest.raises(UnknownProgram):
        read_launches(Command(arguments=("docker-compose", *words), directory=str(tmp_path)))


def test_compose_within_compose_comes_to_an_end(tmp_path):
    text = f"services:\n  a:\n    image: docker:cli\n    volumes: ['{tmp_path}:/x']\n    working_dir: /x\n"
    with pytest.raises(UnknownProgram):
        up(tmp_path, text + "    command: sh -c 'docker compose up'\n")


def test_what_shows_something_starts_nothing(tmp_path):
    with pytest.raises(NoLaunch):
        up(tmp_path, ANY.format(model="a/b"), "ps")


@pytest.mark.parametrize("option", ["", "-T ", "-e A=1 -T "])
def test_a_command_in_a_service_that_runs_is_read(option):
    command = Command(arguments=tuple(words_of(f"docker compose -f a.yml exec {option}box ollama run llama3.2")))
    (launch,) = read_launches(command)
    assert (launch.program, launch.source) == ("ollama run", "llama3.2")


def test_a_span_in_a_service_that_runs_stands_in_the_whole_command():
    words = "docker compose exec -T box llama-server -m a.gguf -c 4096".split()
    (launch,) = read_launches(Command(arguments=tuple(words)))
    assert words[{span.flag: span.first for span in launch.spans}["--ctx-size"]] == "-c"
