"""Engines are asked seldom, and one that gives no answer is asked the more seldom."""

import json

from probes.loopback import NoAnswer, Unavailable
from tui.asker import Asker, Subject

PROPS = json.dumps(
    {"default_generation_settings": {"n_ctx": 4096}, "total_slots": 1, "model_path": "/m/a.gguf"}
).encode()
PORTS = (8080,)


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


def asker_with(answer):
    """An asker that is told whom to follow without a thread: turns are taken by hand."""
    clock = Clock()
    asker = Asker(ask_port=answer, clock=clock)
    asker.stop()  # no thread begins
    return asker, clock


def turns(asker, clock, seconds):
    n = 0
    for _ in range(seconds):
        n += asker.ask_due()
        clock.now += 1
    return n


def test_what_it_says_is_kept():
    asker, _ = asker_with(lambda port, path: PROPS)
    asker.follow((Subject(pid=1, engine_name="llamacpp", ports=PORTS),))
    asker.ask_due()
    assert asker.answers()[1][0].context_tokens == 4096


def test_one_that_answers_is_asked_every_ten_seconds():
    asker, clock = asker_with(lambda port, path: PROPS)
    asker.follow((Subject(pid=1, engine_name="llamacpp", ports=PORTS),))
    assert turns(asker, clock, 100) == 10


def test_one_that_gives_no_answer_is_asked_the_more_seldom():
    def refuse(port, path):
        raise NoAnswer("hangs")

    asker, clock = asker_with(refuse)
    asker.follow((Subject(pid=1, engine_name="llamacpp", ports=PORTS),))
    assert turns(asker, clock, 1000) == 7  # after 20, 40, 80, 160, 320, 320 seconds
    assert asker.answers() == {}


def test_one_that_lies_takes_nothing_from_the_others():
    asker, _ = asker_with(lambda port, path: b"[" if port == 1 else PROPS)
    asker.follow(
        (
            Subject(pid=1, engine_name="llamacpp", ports=(1,)),
            Subject(pid=2, engine_name="llamacpp", ports=(2,)),
        )
    )
    asker.ask_due()
    asker.ask_due()
    assert list(asker.answers()) == [2]


def test_the_first_port_that_answers_counts():
    def answer(port, path):
        if port == 1:
            raise NoAnswer("not HTTP")
        return PROPS

    asker, _ = asker_with(answer)
    asker.follow((Subject(pid=1, engine_name="llamacpp", ports=(1, 2)),))
    asker.ask_due()
    assert 1 in asker.answers()


def test_one_without_ports_or_interface_is_not_asked():
    asker, _ = asker_with(lambda port, path: PROPS)
    asker.follow((Subject(pid=1, engine_name="llamacpp", ports=()), Subject(pid=2, engine_name="exllama", ports=PORTS)))
    assert not asker.ask_due()


def test_one_that_is_gone_is_forgotten():
    asker, _ = asker_with(lambda port, path: PROPS)
    asker.follow((Subject(pid=1, engine_name="llamacpp", ports=PORTS),))
    asker.ask_due()
    asker.follow(())
    assert asker.answers() == {}


def test_what_was_said_stays_while_the_same_is_followed():
    asker, _ = asker_with(lambda port, path: PROPS)
    subject = Subject(pid=1, engine_name="llamacpp", ports=PORTS)
    asker.follow((subject,))
    asker.ask_due()
    asker.follow((subject,))
    assert 1 in asker.answers()


def test_a_version_is_asked_for_once():
    asked = []

    def answer(port, path):
        asked.append(path)
        return b'{"version": "0.12.6"}' if path == "/api/version" else b'{"models": [{"name": "qwen3:8b"}]}'

    asker, clock = asker_with(answer)
    asker.follow((Subject(pid=1, engine_name="ollama", ports=PORTS),))
    turns(asker, clock, 100)
    assert (asker.answers()[1][0].version, asked.count("/api/version")) == ("0.12.6", 1)


def test_one_that_does_not_say_its_version_is_not_asked_for_it_again():
    asked = []

    def answer(port, path):
        asked.append(path)
        if path == "/api/version":
            raise NoAnswer("status 404")
        return b'{"models": [{"name": "qwen3:8b"}]}'

    asker, clock = asker_with(answer)
    asker.follow((Subject(pid=1, engine_name="ollama", ports=PORTS),))
    turns(asker, clock, 100)
    assert (asker.answers()[1][0].version, asked.count("/api/version")) == (None, 1)


def test_one_that_loads_is_asked_for_its_version_once_it_is_loaded():
    loading = Unavailable(b'{"error": {"message": "Loading model"}}')
    answers = [loading, json.dumps({**json.loads(PROPS), "build_info": "b1-x"}).encode()]

    def answer(port, path):
        if path != "/props":
            raise NoAnswer("no metrics")
        if isinstance(answers[0], Unavailable):
            raise answers.pop(0)
        return answers[0]

    asker, clock = asker_with(answer)
    asker.follow((Subject(pid=1, engine_name="llamacpp", ports=PORTS),))
    asker.ask_due()
    assert asker.answers()[1][0].is_loading
    clock.now += 10
    asker.ask_due()
    assert asker.answers()[1][0].version == "b1-x"
