"""What an engine quantises only once all of it is loaded needs room as it is stored."""

import re
from shlex import split

import pytest
from commands_found import find_command

from estimator.verdict import Level
from launches.command import Command
from probes.sampler import take_one
from probes.simulate import simulated_sources

SGLANG = "sglang serve --context-length 4096 --model-path Qwen/Qwen3-14B"
IMAGE = "docker run --gpus all vllm/vllm-openai:{} --max-model-len 4096 --model Qwen/Qwen3-14B --quantization fp8"


def verdict_of(line, machine="RTX 4090, RAM 64GiB"):
    snapshot = take_one(simulated_sources(machine), 5.0)
    return find_command(Command(arguments=tuple(split(line))), snapshot).assessment.verdict


@pytest.mark.parametrize(
    "line", [f"{SGLANG} --quantization fp8", f"{SGLANG} --quantization mxfp8", IMAGE.format("v0.10.1")]
)
def test_what_is_converted_after_loading_fails_where_the_stored_weights_have_no_room(line):
    verdict = verdict_of(line)
    assert (verdict.level, verdict.place, verdict.is_refused) == (Level.FAILS, "GPU 0", True)
    assert re.search(r"27\.[56] GiB of BF16 on GPU 0, which has \S+ GiB free", verdict.reason)


@pytest.mark.parametrize(
    "line",
    [
        f"{SGLANG}-FP8",
        f"{SGLANG}-FP8 --quantization fp8",
        f"{SGLANG} --quantization nvfp4_online",
        f"{SGLANG} --quantization bitsandbytes",
        IMAGE.format("v0.15.0"),
    ],
)
def test_what_is_converted_as_it_is_read_or_stored_so_needs_no_more(line):
    assert verdict_of(line).level < Level.FAILS


def test_the_stored_weights_may_be_sliced_over_several_devices():
    two = "RTX 4090, RTX 4090, RAM 64GiB"
    assert verdict_of(f"{SGLANG} --quantization fp8 --tp 2", two).level < Level.FAILS


def test_a_device_with_room_for_the_stored_weights_takes_them():
    assert verdict_of(f"{SGLANG} --quantization fp8", "RTX 5090, RAM 64GiB").level is Level.FITS
