"""What Apptainer and Singularity start is read within their images."""

import pytest

from launches.command import Command
from launches.errors import NoLaunch
from launches.launch import read_launches


def read(text, **environment):
    command = Command(arguments=tuple(text.split()), environment=environment, directory="/home/u")
    return read_launches(command)[0]


@pytest.mark.parametrize(
    ("image", "version"),
    [
        ("vllm-openai_v0.8.3.sif", "0.8.3"),
        ("docker://vllm/vllm-openai:v0.9.2", "0.9.2"),
        ("/x/vllm-openai.sif", "0.33"),
    ],
)
def test_an_image_that_is_run_starts_its_entry_point(image, version):
    launch = read(f"singularity run --nv {image} --model a/b")
    assert (launch.program, launch.source, launch.options.version) == ("vllm serve", "a/b", version)


def test_an_image_of_a_name_that_is_like_an_engines_is_named():
    assert read("apptainer run --nv my-vllm.sif --model a/b").unknown == ("my-vllm (an image)",)


def test_an_instance_has_a_name_before_its_words():
    assert read("apptainer instance run --nv vllm-openai_v0.8.3.sif one --model a/b").source == "a/b"


def test_a_folder_that_is_bound_is_found_outside():
    assert read("apptainer exec --nv -B /m:/data,/tmp x.sif vllm serve /data/x").source == "/m/x"


def test_it_starts_where_it_is_called_and_sees_what_is_set():
    launch = read("singularity exec --nv --env A=1,B=2 x.sif vllm serve ./x", CUDA_VISIBLE_DEVICES="2")
    assert launch.source == "/home/u/x"
    assert {name: launch.environment.get(name) for name in ("A", "B", "CUDA_VISIBLE_DEVICES")} == {
        "A": "1",
        "B": "2",
        "CUDA_VISIBLE_DEVICES": "2",
    }


def test_a_span_stands_in_the_whole_command():
    text = "apptainer --debug exec --nv x.sif vllm serve a/b --max-model-len 4096"
    assert [text.split()[span.first] for span in read(text).spans] == ["--max-model-len"]


@pytest.mark.parametrize("task", ["pull docker://a/b", "shell x.sif", "instance list", "exec x.sif", ""])
def test_what_starts_no_program_is_said_to_start_none(task):
    with pytest.raises(NoLaunch):
        read(f"apptainer {task}")
