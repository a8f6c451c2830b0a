"""LM Studio's command loads what it is told, with what its own window would ask for."""

import pytest
from command_lines import launches_of

from launches.errors import NoLaunch


def read(text):
    (launch,) = launches_of(text)
    return launch


def test_a_chat_loads_its_model():
    launch = read('lms chat openai/gpt-oss-20b -p "Hello" --ttl 60')
    assert (launch.program, launch.source, launch.context_tokens) == ("lms chat", "openai/gpt-oss-20b", 4096)
    assert launch.unknown == ()


@pytest.mark.parametrize("text", ["lms chat", "lms ls", "lms load a --estimate-only", "lms server start"])
def test_without_a_model_nothing_is_loaded(text):
    with pytest.raises(NoLaunch):
        read(text)


@pytest.mark.parametrize("flags", ["--speculative-draft-simple --speculative-draft-model b", "--speculative-draft-mtp"])
def test_what_drafts_is_told_as_not_counted(flags):
    launch = read(f"lms load a {flags} -y")
    assert launch.unknown == ()
    assert any("not counted" in doubt for doubt in launch.doubts)


def test_nothing_is_said_of_what_is_switched_off():
    assert not any("not counted" in doubt for doubt in read("lms load a --no-speculative-draft-mtp").doubts)
