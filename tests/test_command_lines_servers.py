"""The command lines of servers are read as each server reads them."""

import pytest
from command_lines import differences, launches_of, lines_of

from estimator.engines import sglang, trtllm

USUAL = {
    "sglang": sglang.Options(tp_size=1),
    "trtllm": trtllm.Options(tp_size=1),
}
LINES = [pytest.param(name, line, id=f"{name}: {line['seen']}") for name in USUAL for line in lines_of(name)]


@pytest.mark.parametrize(("name", "line"), LINES)
def test_a_posted_line_is_read_as_it_is_meant(name, line, tmp_path):
    (launch,) = launches_of(line["text"], line.get("files"), tmp_path)
    assert list(differences(line, launch, USUAL[name], tmp_path)) == []


@pytest.mark.parametrize("name", USUAL)
def test_there_are_as_many_posted_lines_as_were_promised(name):
    assert len(lines_of(name)) >= 25
