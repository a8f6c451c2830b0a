"""What engines say of themselves is understood, and what they should not say is not believed."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from loopback_server import misbehaving, serving

from probes.loopback import NoAnswer, ask
from probes.served import READERS, Served, served_by, version_by

OLLAMA = {
    "models": [
        {
            "name": "qwen3:8b",
            "model": "qwen3:8b",
            "size": 6654289920,
            "digest": "500a1f067a9f",
            "details": {"format": "gguf", "family": "qwen3", "parameter_size": "8.2B", "quantization_level": "Q4_K_M"},
            "expires_at": "2026-11-26T10:00:00Z",
            "size_vram": 6654289920,
            "context_length": 8192,
        }
    ]
}
"""In the shape of docs/api.md of Ollama, "List Running Models"."""
PROPS = {
    "default_generation_settings": {"id": 0, "n_ctx": 8192, "params": {"temperature": 0.8}},
    "total_slots": 4,
    "model_path": "/models/Qwen3-8B-Q4_K_M.gguf",
    "build_info": "b6900-0c1e57098",
}
"""In the shape of llama-server's README, "GET /props"."""
LLAMA_METRICS = """# HELP llamacpp:requests_processing Number of requests processing.
# TYPE llamacpp:requests_processing gauge
llamacpp:requests_processing 2
llamacpp:requests_deferred 1
llamacpp:kv_cache_usage_ratio 0.25
"""
VLLM_MODELS = {"object": "list", "data": [{"id": "served", "root": "Qwen/Qwen3-32B", "max_model_len": 40960}]}
VLLM_METRICS = """vllm:num_requests_running{engine="0",model_name="served"} 3.0
vllm:num_requests_waiting{engine="0",model_name="served"} 5.0
vllm:kv_cache_usage_perc{engine="0",model_name="served"} 0.75
"""


def told(engine, **answers):
    pages = {"/" + path.replace("_", "/"): body for path, body in answers.items()}

    def ask_page(path):
        if path not in pages:
            raise NoAnswer("status 404")
        body = pages[path]
        return body.encode() if isinstance(body, str) else json.dumps(body).encode()

    return served_by(engine, ask_page)


@pytest.mark.parametrize(
    ("engine", "path", "answer", "version"),
    [
        ("llamacpp", "/props", PROPS, "b6900-0c1e57098"),
        ("ollama", "/api/version", {"version": "0.12.6"}, "0.12.6"),
        ("vllm", "/version", {"version": "0.11.0"}, "0.11.0"),
        ("vllm", "/version", {"version": 11}, None),
        ("vllm", "/version", ["0.11.0"], None),
        ("vllm", "/elsewhere", {}, None),
        ("mlx", "/version", {"version": "0.28"}, None),
    ],
)
def test_an_engine_says_its_version(engine, path, answer, version):
    def ask_page(asked):
        if asked != path:
            raise NoAnswer("status 404")
        return json.dumps(answer).encode()

    assert version_by(engine, ask_page) == version


def test_ollama_lists_what_is_loaded():
    (one,) = told("ollama", api_ps=OLLAMA)
    assert one == Served(model="qwen3:8b", quant="Q4_K_M", context_tokens=8192, device_bytes=6654289920)


def test_an_ollama_that_has_loaded_nothing_serves_nothing():
    assert told("ollama", api_ps={"models": []}) == ()


def test_llama_server_tells_model_context_and_requests():
    (one,) = told("llamacpp", props=PROPS, metrics=LLAMA_METRICS)
    expected = Served(model="Qwen3-8B-Q4_K_M.gguf", context_tokens=32768, cache_ratio=0.25, n_running=2, n_waiting=1)
    assert one == expected


def test_without_metrics_the_rest_is_told():
    (one,) = told("llamacpp", props=PROPS)
    assert (one.context_tokens, one.cache_ratio) == (32768, None)


def test_vllm_tells_its_cache_and_requests():
    (one,) = told("vllm", v1_models=VLLM_MODELS, metrics=VLLM_METRICS)
    expected = Served(model="Qwen/Qwen3-32B", context_tokens=40960, cache_ratio=0.75, n_running=3, n_waiting=5)
    assert one == expected


def test_the_older_name_of_vllms_cache_counts_too():
    metrics = VLLM_METRICS.replace("kv_cache_usage_perc", "gpu_cache_usage_perc")
    assert told("vllm", v1_models=VLLM_MODELS, metrics=metrics)[0].cache_ratio == 0.75


def test_figures_of_several_engines_are_summed():
    metrics = VLLM_METRICS + VLLM_METRICS.replace('engine="0"', 'engine="1"')
    assert told("vllm", v1_models=VLLM_MODELS, metrics=metrics)[0].n_running == 6


def test_sglang_tells_what_it_uses():
    metrics = 'sglang:token_usage{a="b"} 0.5\nsglang:num_running_reqs 1\nsglang:num_queue_reqs 0\n'
    (one,) = told("sglang", v1_models=VLLM_MODELS, metrics=metrics)
    assert (one.cache_ratio, one.n_running, one.n_waiting) == (0.5, 1, 0)


def test_lm_studio_lists_only_what_is_loaded():
    data = [
        {"id": "a", "state": "loaded", "quantization": "Q4_K_M", "loaded_context_length": 4096},
        {"id": "b", "state": "not-loaded"},
    ]
    assert told("lmstudio", api_v0_models={"data": data}) == (Served(model="a", quant="Q4_K_M", context_tokens=4096),)


def test_tgi_tells_model_and_queue():
    answers = {"info": {"model_id": "mistralai/Mistral-7B", "max_total_tokens": 8192}, "metrics": "tgi_queue_size 2\n"}
    (one,) = told("tgi", **answers)
    assert (one.model, one.context_tokens, one.n_waiting) == ("mistralai/Mistral-7B", 8192, 2)


@pytest.mark.parametrize("figure", ["1.5", "-0.1", "nan", "inf", "1e400"])
def test_a_share_that_is_none_is_not_said(figure):
    metrics = f"vllm:kv_cache_usage_perc {figure}\n"
    assert told("vllm", v1_models=VLLM_MODELS, metrics=metrics)[0].cache_ratio is None


@pytest.mark.parametrize("body", ["", "{", "[]", "7", "[" * 100_000, '{"data": 5}', '{"data": [5]}', "null"])
@pytest.mark.parametrize("engine", sorted(READERS))
def test_an_answer_of_another_kind_is_refused_or_empty(engine, body):
    try:
        found = served_by(engine, lambda _: body.encode())
    except NoAnswer:
        return
    assert all(one.context_tokens is None for one in found)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["models", "data", "name", "details", "context_length", "total_slots", "n_ctx", "id", "state"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@pytest.mark.parametrize("engine", sorted(READERS))
@given(found=_JSON)
def test_any_json_is_taken_without_a_crash(engine, found):
    body = json.dumps(found).encode()
    try:
        served = served_by(engine, lambda _: body)
    except NoAnswer:
        return
    assert all(one.model is None or len(one.model) <= 200 for one in served)


def test_a_real_server_on_this_machine_is_asked():
    pages = {"/props": json.dumps(PROPS).encode(), "/metrics": LLAMA_METRICS.encode()}
    with serving(pages) as port:
        (one,) = served_by("llamacpp", lambda path: ask(port, path))
    assert one.context_tokens == 32768


def test_one_that_would_have_to_work_for_it_is_not_asked_for_metrics():
    asked = []

    def ask_page(path):
        asked.append(path)
        return json.dumps(PROPS).encode()

    served_by("llamacpp", ask_page, has_metrics=False)
    assert asked == ["/props"]


LOADING = b'{"error":{"message":"Loading model","type":"unavailable_error","code":503}}'
"""As llama-server (0c1e570) answers until its model is loaded: recorded here, 2026-11-26."""


def unavailable(body):
    def answer(connection):
        connection.recv(65536)
        head = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: %d\r\n\r\n" % len(body)
        connection.sendall(head + body)

    return misbehaving(answer)


def test_a_llama_server_that_loads_says_so():
    with unavailable(LOADING) as port:
        assert served_by("llamacpp", lambda path: ask(port, path)) == (Served(is_loading=True),)


@pytest.mark.parametrize(
    "body", [b"", b"busy", b"[]", b'{"error": "Loading model"}', b'{"error": {"message": "full"}}']
)
def test_who_is_unavailable_for_another_reason_does_not_load(body):
    with unavailable(body) as port, pytest.raises(NoAnswer):
        served_by("llamacpp", lambda path: ask(port, path))
