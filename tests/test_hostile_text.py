"""Names from outside in what is printed: whatever they hold, it is harmless text, and one line stays one line."""

import io
import json
import unicodedata
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scenes import HOSTILE, model, named

from probes.access import Access
from probes.snapshot import Snapshot
from tui.check import find_out
from tui.cli import main
from tui.doctor import doctor_json, doctor_text
from tui.dump import snapshot_line, snapshot_text
from tui.examination import examine
from tui.finding import Finding
from tui.plan import default_plan
from tui.prometheus import prometheus_text
from tui.proposal import Proposal, proposal_json, proposal_lines
from tui.report import finding_text
from tui.request import Request
from tui.schema import finding_json

PIECES = (
    "\x1b[31m", "\x1b]0;title\x07", "\x1b]8;;http://x\x1b\\", "\x1bP+q\x1b\\",
    "\x9b2J", "\x9d0;t\x9c", "\x07", "\x08", "\x7f",
    "\u202a", "\u202e", "\u2066", "\u2069", "\u200e", "\u061c", "\u200b", "\u200d", "\u2060", "\ufeff", "\u00ad",
    "\n", "\r", "\t", "\v", "\f", "\x85", "\u2028", "\u2029", "\x00", "\ud800", "\udfff", "\ue000", "\U000e0041",
    "[red]markup[/]", "[/b]", "[@click=app.quit]x[/]", "{", "%s", '"', "\\", "GPU", "é", "漢", " ",
)  # fmt: skip
NAMES = st.lists(st.sampled_from(PIECES), min_size=1, max_size=12).map("".join) | st.text(max_size=30)
HARMFUL = {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}


def harm(text: str) -> set[str]:
    """Characters that are no text; lines are ended by line feeds alone."""
    return {ascii(char) for char in set(text) - {"\n"} if unicodedata.category(char) in HARMFUL}


def finding_on(taken: Snapshot, name: str) -> Finding:
    chosen = replace(model("Llama 3.1 8B"), name=name)
    request = Request(source=name, options=default_plan(chosen).options)
    return replace(find_out(request, chosen, taken), request=request, model=chosen)


@given(NAMES)
def test_a_printed_snapshot_has_no_harm_in_it(name: str) -> None:
    assert harm(snapshot_text(named(name))) == set()


@given(NAMES)
def test_names_add_no_lines_to_a_printed_snapshot(name: str) -> None:
    assert snapshot_text(named(f"a{name}a")).count("\n") == snapshot_text(named("aa")).count("\n")


@given(NAMES)
def test_a_snapshot_in_json_is_one_line_of_ascii(name: str) -> None:
    line = snapshot_line(named(name))

    assert line.isascii()
    assert harm(line) == set()
    assert "\n" not in line


@given(NAMES)
def test_metrics_have_no_harm_in_them(name: str) -> None:
    text = prometheus_text(named(name), n_processes=5)

    assert harm(text) == set()
    assert all(line.startswith(("plimsoll_", "# ")) for line in text.splitlines())


@given(NAMES)
def test_a_verdict_has_no_harm_in_it(name: str) -> None:
    finding = finding_on(named(name), name)

    assert harm(finding_text(finding)) == set()
    assert harm(finding_text(finding, is_explained=True)) == set()


@given(NAMES)
def test_a_verdict_in_json_is_ascii_without_controls(name: str) -> None:
    text = json.dumps(finding_json(finding_on(named(name), name)), indent=2)

    assert text.isascii()
    assert harm(text) == set()


@given(NAMES)
def test_a_proposal_has_no_harm_in_it(name: str) -> None:
    chosen = replace(model("Llama 3.1 8B"), name=name)
    proposal = Proposal(model=chosen, plan=replace(default_plan(chosen), model=chosen), options=())

    assert harm("\n".join(proposal_lines(proposal))) == set()
    assert harm(json.dumps(proposal_json(proposal), indent=2)) == set()


@given(NAMES)
def test_an_examination_has_no_harm_in_it(name: str) -> None:
    environment = {"TERM": name, "LANG": name, "CUDA_VISIBLE_DEVICES": name, "OLLAMA_MODELS": name}
    found = replace(examine(named(name), Access(root="/nonexistent", environment={})), environment=environment)

    assert harm(doctor_text(found)) == set()
    assert harm(json.dumps(doctor_json(found), indent=2)) == set()


@pytest.mark.parametrize(
    "arguments",
    [
        ("check", HOSTILE),
        ("check", HOSTILE, "--json"),
        ("check", "Llama 3.1 8B", "--simulate", HOSTILE),
        ("check", "Llama 3.1 8B", "--device", HOSTILE, "--simulate", "RTX 4090"),
        ("check", "Llama 3.1 8B", "--quant", HOSTILE, "--simulate", "RTX 4090"),
        ("check", "Llama 3.1 8B", "--engine", HOSTILE),
        ("plan", HOSTILE),
        ("snapshot", "--replay", HOSTILE.replace("\x00", "")),
        ("doctor", "--simulate", HOSTILE),
        ("check", "--", HOSTILE),
        ("check", "--json", "--", "vllm", "serve", HOSTILE),
        ("check", "--", "llama-server", "-m", HOSTILE),
        ("plan", HOSTILE, "--json"),
        ("history", HOSTILE),
        ("forget", HOSTILE),
        ("completions", HOSTILE),
        ("alias", HOSTILE),
        ("serve", "--host", HOSTILE),
        (HOSTILE,),
    ],
    ids=lambda arguments: arguments[0] if arguments[0].isascii() else "app",
)
def test_what_is_typed_comes_back_as_harmless_text(arguments: tuple[str, ...]) -> None:
    said = io.StringIO()
    with redirect_stdout(said), redirect_stderr(said):
        try:
            status = main(arguments)
        except SystemExit as left:
            status = int(left.code or 0)

    assert status != 0
    assert harm(said.getvalue()) == set()
