"""What an engine's own interface says of itself: model, context, cache in use, requests.

Each engine's answers as its source has them; a field that is missing, or of another kind, is not said.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from probes.loopback import NoAnswer, Unavailable
from records.record import record

Ask = Callable[[str], bytes]
"""Path -> body; raises NoAnswer."""
_LENGTH = 200
_VERSION_LENGTH = 60
_MOST_LINES = 50_000
_SAMPLE = re.compile(r"([A-Za-z_:][A-Za-z0-9_:]*)(?:\{[^}]*\})?\s+([-+0-9.eE]{1,30})(?:\s+\d{1,20})?")
"""One line of Prometheus' text format (prometheus.io/docs/instrumenting/exposition_formats)."""


@record(frozen=True, slots=True, kw_only=True)
class Served:
    """One model that is served. None: not said. Untrusted text."""

    model: str | None = None
    quant: str | None = None
    context_tokens: int | None = None
    device_bytes: int | None = None
    """What the engine itself says that it holds on devices (Ollama's ``size_vram``)."""
    cache_ratio: float | None = None
    """Of the KV cache, what is in use: 0.0 to 1.0."""
    n_running: int | None = None
    n_waiting: int | None = None
    version: str | None = None
    """Of the engine; asked for apart, by ``version_by``."""
    is_loading: bool = False
    """It says that it loads, and nothing else yet."""


def served_by(engine_name: str, ask: Ask, *, has_metrics: bool = True) -> tuple[Served, ...]:
    """What an engine of that name serves now; nothing where it has loaded none yet.

    Args:
        engine_name: whose interface it is.
        ask: what asks it.
        has_metrics: whether its metrics may be asked for. llama-server counts a question for them as work: one that
            has gone to sleep would load its model again (tools/server, since 2025-12).

    Raises:
        NoAnswer: it says nothing that could be used.
    """
    reader = READERS.get(engine_name)
    if reader is None:
        raise NoAnswer("this engine has no interface that is known here")
    return reader(ask if has_metrics else _without_metrics(ask))


def version_by(engine_name: str, ask: Ask) -> str | None:
    """What an engine of that name calls its own version; None where it does not say. Asked once is enough."""
    path, key = _VERSIONS.get(engine_name, ("", ""))
    if not path:
        return None
    try:
        found = _text(_object(ask(path)).get(key))
    except NoAnswer:
        return None
    return None if found is None else found[:_VERSION_LENGTH]


_VERSIONS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "llamacpp": ("/props", "build_info"),
        "ollama": ("/api/version", "version"),
        "vllm": ("/version", "version"),
    }
)
"""Engine -> (path, key): llama.cpp's tools/server/README.md, "GET /props" (``b6900-0c1e57098``); Ollama's docs/api.md,
"Version"; vLLM's entrypoints/openai/api_server.py, `show_version`."""


def _without_metrics(ask: Ask) -> Ask:
    def asked(path: str) -> bytes:
        if path == "/metrics":
            raise NoAnswer("it is not asked for its metrics")
        return ask(path)

    return asked


def _ollama(ask: Ask) -> tuple[Served, ...]:
    """``GET /api/ps``: api/types.go, `ProcessModelResponse`; docs/api.md, "List Running Models"."""
    answer = _object(ask("/api/ps"))
    return tuple(
        Served(
            model=_text(one.get("name") or one.get("model")),
            quant=_text(_mapping(one.get("details")).get("quantization_level")),
            context_tokens=_count(one.get("context_length")),
            device_bytes=_count(one.get("size_vram")),
        )
        for one in _objects(answer.get("models"))
    )


def _llama_server(ask: Ask) -> tuple[Served, ...]:
    """``GET /props``, and ``/metrics`` where --metrics was given: tools/server/README.md and server.cpp.

    Until the model is loaded it answers with status 503 and "Loading model" (0c1e570, from 0.3 s after its
    start on: our measurement).
    """
    try:
        properties = _object(ask("/props"))
    except Unavailable as busy:
        if _text(_mapping(_object(busy.body).get("error")).get("message")) != "Loading model":
            raise
        return (Served(is_loading=True),)
    settings = _mapping(properties.get("default_generation_settings"))
    figures = _figures_or_none(ask)
    n_slots, n_each = _count(properties.get("total_slots")), _count(settings.get("n_ctx"))
    return (
        Served(
            model=_text(properties.get("model_alias")) or _file_name(properties.get("model_path")),
            context_tokens=n_each * max(1, n_slots or 1) if n_each else None,
            cache_ratio=_ratio(figures.get("llamacpp:kv_cache_usage_ratio")),
            n_running=_whole(figures.get("llamacpp:requests_processing")),
            n_waiting=_whole(figures.get("llamacpp:requests_deferred")),
        ),
    )


def _vllm(ask: Ask) -> tuple[Served, ...]:
    """``GET /v1/models`` (`ModelCard.max_model_len`, entrypoints/openai/protocol.py) and ``/metrics``.

    The cache's name changed with the engine: v1/metrics/loggers.py has kv_cache_usage_perc, before 0.10
    gpu_cache_usage_perc; both are shares of one.
    """
    card = _first_model(ask)
    figures = _figures_or_none(ask)
    cache = figures.get("vllm:kv_cache_usage_perc", figures.get("vllm:gpu_cache_usage_perc"))
    return (
        Served(
            model=_text(card.get("root")) or _text(card.get("id")),
            context_tokens=_count(card.get("max_model_len")),
            cache_ratio=_ratio(cache),
            n_running=_whole(figures.get("vllm:num_requests_running")),
            n_waiting=_whole(figures.get("vllm:num_requests_waiting")),
        ),
    )


def _sglang(ask: Ask) -> tuple[Served, ...]:
    """``GET /v1/models``, and ``/metrics`` where --enable-metrics was given: srt/metrics/collector.py."""
    card = _first_model(ask)
    figures = _figures_or_none(ask)
    return (
        Served(
            model=_text(card.get("root")) or _text(card.get("id")),
            context_tokens=_count(card.get("max_model_len")),
            cache_ratio=_ratio(figures.get("sglang:token_usage")),
            n_running=_whole(figures.get("sglang:num_running_reqs")),
            n_waiting=_whole(figures.get("sglang:num_queue_reqs")),
        ),
    )


def _openai(ask: Ask) -> tuple[Served, ...]:
    """``GET /v1/models`` alone: mlx_lm's server, TensorRT-LLM, transformers."""
    card = _first_model(ask)
    return (Served(model=_text(card.get("id")), context_tokens=_count(card.get("max_model_len"))),)


def _lm_studio(ask: Ask) -> tuple[Served, ...]:
    """``GET /api/v0/models``: lmstudio.ai/docs/app/api/endpoints/rest; those whose ``state`` is ``loaded``."""
    return tuple(
        Served(
            model=_text(one.get("id")),
            quant=_text(one.get("quantization")),
            context_tokens=_count(one.get("loaded_context_length")),
        )
        for one in _objects(_object(ask("/api/v0/models")).get("data"))
        if one.get("state") == "loaded"
    )


def _tgi(ask: Ask) -> tuple[Served, ...]:
    """``GET /info`` (router/src/server.rs, `Info`) and ``/metrics``."""
    answer = _object(ask("/info"))
    figures = _figures_or_none(ask)
    return (
        Served(
            model=_text(answer.get("model_id")),
            context_tokens=_count(answer.get("max_total_tokens")),
            n_running=_whole(figures.get("tgi_batch_current_size")),
            n_waiting=_whole(figures.get("tgi_queue_size")),
        ),
    )


READERS: Mapping[str, Callable[[Ask], tuple[Served, ...]]] = MappingProxyType(
    {
        "ollama": _ollama,
        "llamacpp": _llama_server,
        "vllm": _vllm,
        "sglang": _sglang,
        "mlx": _openai,
        "trtllm": _openai,
        "transformers": _openai,
        "lmstudio": _lm_studio,
        "tgi": _tgi,
    }
)


def _first_model(ask: Ask) -> Mapping[str, Any]:
    cards = _objects(_object(ask("/v1/models")).get("data"))
    if not cards:
        raise NoAnswer("it lists no model")
    return cards[0]


def _figures_or_none(ask: Ask) -> dict[str, float]:
    """Metrics by name, summed over their labels; none where it offers none."""
    try:
        text = ask("/metrics").decode(errors="replace")
    except NoAnswer:
        return {}
    figures: dict[str, float] = {}
    for line in text.splitlines()[:_MOST_LINES]:
        found = _SAMPLE.fullmatch(line.strip())
        if found is None:
            continue
        try:
            figures[found[1]] = figures.get(found[1], 0.0) + float(found[2])
        except ValueError:
            continue
    return figures


def _object(content: bytes) -> Mapping[str, Any]:
    try:
        found = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise NoAnswer("its answer is no JSON") from error
    if not isinstance(found, dict):
        raise NoAnswer("its answer is not what this engine says")
    return found


def _mapping(found: object) -> Mapping[str, Any]:
    return found if isinstance(found, dict) else {}


def _objects(found: object) -> Sequence[Mapping[str, Any]]:
    return [one for one in found[:64] if isinstance(one, dict)] if isinstance(found, list) else []


def _text(found: object) -> str | None:
    return found[:_LENGTH] if isinstance(found, str) and found else None


def _file_name(found: object) -> str | None:
    text = _text(found)
    return None if text is None else re.split(r"[/\\]", text)[-1] or None


def _count(found: object) -> int | None:
    return found if isinstance(found, int) and not isinstance(found, bool) and 0 <= found < 1 << 62 else None


def _whole(found: float | None) -> int | None:
    return int(found) if found is not None and 0 <= found < 1e9 else None


def _ratio(found: float | None) -> float | None:
    return found if found is not None and 0 <= found <= 1 else None
