"""An engine is said in a line: shortest where least is known, and harmless whatever its names hold."""

import pytest

from probes.served import Served
from tui.recognised import Phase, Predicted, Recognised
from tui.widgets.engine_text import engine_details, engine_line

GIB = 1 << 30


def engine(**changes):
    given = {
        "pid": 7,
        "started_ticks": 1,
        "pids": frozenset({7}),
        "program": "llama-server",
        "engine_name": "llamacpp",
        "model_name": "Qwen3 4B",
        "quant": "Q8_0",
        "context_tokens": 8192,
        "predicted": {"GPU 0": Predicted(n_bytes=45 * GIB // 10, low_bytes=4 * GIB, high_bytes=5 * GIB)},
        "held": {"GPU 0": 46 * GIB // 10},
        "phase": Phase.RESTING,
    }
    return Recognised(**{**given, **changes})


def test_model_context_and_prediction_are_said():
    assert engine_line(engine(), "GPU 0") == "Qwen3 4B Q8_0 · 8k · predicted 4.5"


def test_while_it_loads_its_progress_is_said():
    loading = engine(phase=Phase.LOADING, held={"GPU 0": 9 * GIB // 10}, growth_bytes_per_second=float(GIB // 10))
    assert engine_line(loading, "GPU 0") == "Qwen3 4B Q8_0 · loading 20 % · predicted 4.5 · 36 s left · 8k"


def test_what_it_serves_is_said():
    served = Served(cache_ratio=0.25, n_running=2, n_waiting=3)
    assert engine_line(engine(served=served), "GPU 0").endswith("KV 25 % used · 2 running, 3 waiting")


def test_without_a_model_the_program_is_said():
    unknown = engine(model_name="", quant="", context_tokens=None, predicted={}, phase=Phase.UNKNOWN)
    assert engine_line(unknown, "GPU 0") == "llama-server"


def test_a_place_without_a_prediction_is_said_nothing_of():
    assert "predicted" not in engine_line(engine(), "GPU 1")


@pytest.mark.parametrize("name", ["\x1b[31mred", "[bold]x[/]", "\u202eevil", "a\nb"])
def test_hostile_names_are_plain_text(name):
    hostile = engine(model_name=name, quant=name, program=name, reason=name, unknown=(name,))
    texts = [engine_line(hostile), *(text for text, _ in engine_details(hostile))]
    assert not any(char in text for text in texts for char in "\x1b\n\u202e")


def test_why_nothing_is_predicted_is_said():
    unknown = engine(predicted={}, reason="no such file")
    assert any("no such file" in text for text, _ in engine_details(unknown))


def test_a_line_says_why_nothing_is_predicted_once():
    unknown = engine(model_name="", quant="", context_tokens=None, predicted={}, reason="no such file")
    assert [text for text, _ in engine_details(unknown)] == ["llama-server · nothing is predicted: no such file"]


def test_of_one_that_hangs_it_is_said_that_it_is_not_warned_of():
    hanging = engine(phase=Phase.STALLED, held={"GPU 0": 9 * GIB // 10})
    assert engine_line(hanging, "GPU 0") == "Qwen3 4B Q8_0 · stalled at 20 % · predicted 4.5 · 8k"
    assert any("not warned of" in text for text, _ in engine_details(hanging))
