"""Containers that people post in YAML or JSON are read as what they start."""

import pytest

from launches.launch import Launch, read_launches
from launches.line import posted, words_of
from launches.posted_services import started_by

POD = """apiVersion: v1
kind: Service
spec:
  ports: [{port: 80}]
---
apiVersion: apps/v1
kind: Deployment
spec:
  template:
    spec:
      containers:
        - name: it
          image: ghcr.io/ggml-org/llama.cpp:server-cuda
          args: ["-m", "/models/$(FILE)", "-c", "2048", "--parallel", "2"]
          env:
            - name: FILE
              value: a.gguf
          resources:
            limits:
              memory: 16Gi
              nvidia.com/gpu: 1
"""


def read(text: str) -> Launch:
    return read_launches(posted(text))[0]


@pytest.mark.parametrize(
    "text",
    [
        "services:\n  it:\n    image: x\n    command: llama-cli -m a",
        'services:\n  it:\n    build: .\n    command:\n      - "llama-cli"\n      - "-m"\n      - a',
        "it:\n    image: x\n    command: [llama-cli, -m, a]",
        "image: x\n    command: llama-cli -m a",
        "image: x\n    command:\n      [\n        llama-cli, -m,\n        a,\n      ]",
        "- name: it\n      image: x\n      command: [llama-cli]\n      args: [-m, a]",
        "containers:\n      - image: x\n        command: ['llama-cli']\n        args:\n        - -m\n        - a",
        "- docker_container:\n    name: it\n    image: x\n    command: llama-cli -m a\n    env:\n      PATH: x",
        "my file:\n```yaml\nservices:\n  it:\n    image: x\n    command: llama-cli -m a\n```",
    ],
)
def test_a_container_that_is_told_what_to_start_starts_that(text):
    around = ("docker", "run", "--gpus", "all", "x", "it:built", "--entrypoint", "-e", "PATH=x")
    assert [word for word in words_of(text) if word not in around] == ["llama-cli", "-m", "a"]


def test_a_pod_is_told_by_its_arguments_and_their_variables():
    found = read(POD)
    assert (found.source, found.context_tokens, found.n_sequences) == ("/models/a.gguf", 2048, 2)


def test_a_pods_limits_are_those_of_its_program():
    found = read(POD)
    assert (found.ram_limit_bytes, found.devices) == (16 << 30, None)


def test_a_pod_that_asks_for_no_gpu_sees_none():
    assert read(POD.replace("nvidia.com/gpu: 1", "cpu: 4")).devices == ()


def test_a_pods_script_keeps_its_lines():
    text = (
        "containers:\n- image: x/y:1\n  command:\n  - bash\n  - -c\n  - |\n    set -e\n    # first\n"
        "    exec llama-cli \\\n      -m a.gguf \\\n      -c 4096\n"
    )
    assert read(text).context_tokens == 4096


def test_a_quote_in_a_list_may_go_on_over_lines():
    text = (
        "image: vllm/vllm-openai:v0.8.5\ncommand:\n  - sh\n  - -c\n"
        '  - "bash a.sh leader;\n    vllm serve a/b --max-model-len 4096"\nresources: {limits: {nvidia.com/gpu: 1}}\n'
    )
    assert (read(text).source, read(text).context_tokens) == ("a/b", 4096)


def test_a_container_may_begin_with_its_list_of_words():
    text = (
        "- args:\n        - --model=a/b\n        - --max-model-len=4096\n        image: vllm/vllm-openai:v0.10.0\n"
        "        resources: {limits: {nvidia.com/gpu: 1}}\n"
    )
    assert (read(text).source, read(text).context_tokens) == ("a/b", 4096)


def test_settings_of_an_editor_start_their_command_as_it_is():
    text = '{"servers": {"it": {"command": "llama-server", "args": ["-m", "a"], "env": {"LLAMA_ARG_CTX_SIZE": "512"}}}}'
    assert words_of(text) == ["env", "LLAMA_ARG_CTX_SIZE=512", "llama-server", "-m", "a"]


@pytest.mark.parametrize("told", ["-e 'KCPP_ARGS=--contextsize 4096' -e KCPP_MODEL=/m/a.gguf", ""])
def test_koboldcpps_image_is_told_by_variables_alone(told):
    line = f"docker run --gpus all {told} koboldai/koboldcpp --model b.gguf --contextsize 1024"
    found = read(line)
    assert (found.source, found.context_tokens) == (("/m/a.gguf", 4096) if told else (None, 8192))


@pytest.mark.parametrize(
    ("begun", "again"),
    [
        ("", "image: x\ncommand: ["),
        ("image: x\nargs: ", "["),
        ('{"image": ', "["),
        ("image: &a x\n", "args: *a\n"),
        ("image: x\ncommand: 'a\n", "b\n"),
    ],
)
def test_what_is_no_container_is_no_error(begun, again):
    lines = (started_by(begun + again * 400) or "").splitlines()
    assert all(line.startswith("docker run") for line in lines)


@pytest.mark.parametrize(
    ("resources", "is_refused"),
    [
        ("", False),
        ("  resources: {}\n", False),
        ("  resources: {limits: {nvidia.com/gpu: 1}}\n", False),
        ("  resources: {limits: {memory: 16Gi}}\n", True),
    ],
)
def test_a_pods_container_lacks_a_gpu_only_where_its_limits_are_told_without_one(resources, is_refused):
    text = f"containers:\n- name: it\n  image: vllm/vllm-openai:v0.10.0\n  args: [--model, a/b]\n{resources}"
    assert ("no GPU" in read(text).refusal) is is_refused
