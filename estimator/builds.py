"""What changed in llama.cpp's memory from build to build, what ik_llama.cpp kept of it, and which build Ollama carries.

Each rule holds from a date on, with the change that made it. Dates are those of the merge, to a few days.
"""

import re
from bisect import bisect_right
from collections.abc import Sequence
from datetime import date, timedelta
from functools import lru_cache

from estimator import fork
from estimator.change import Change, values_on
from estimator.errors import EstimatorError
from records.record import record

PULL = "github.com/ggml-org/llama.cpp/pull"
MEASURED = date(2026, 10, 1)
"""llama.cpp 0c1e57098, the build that this estimator was measured against."""


@record(frozen=True, slots=True, kw_only=True)
class Build:
    """The rules of one build; the defaults are those of the newest one that was measured."""

    name: str = "llama.cpp 0c1e57098, 2026-10-01"
    is_measured: bool = True
    """Compute buffers were measured with these rules."""
    is_fork: bool = False
    """ik_llama.cpp, whose graphs differ by what estimator.fork knows, and by more."""
    spares_experts: bool = False
    """A device only computes with experts of the host where each of them has 32 tokens of a step on average."""
    has_known_graph: bool = True
    """Its graph is the newest one's but for the rules below."""
    plain_cell_multiple: int = 256
    """Cells come in multiples of it where there is no flash attention."""
    flash_cell_multiple: int = 256
    """And where there is."""
    caches_by_layer: bool = True
    """The cache of a layer lies with it; before, all of it in RAM until ``-ngl`` went three beyond the blocks."""
    settles_attention: bool = True
    """Flash attention is turned off where a device has no kernel for it; before, it was computed on the host there."""
    has_window_caches: bool = True
    """Layers with a sliding window keep no more than it, and a step."""
    is_window_padded_last: bool = True
    """A window's cells are cut to the context before they are rounded up, not after."""
    drops_latent_values: bool = True
    """A latent is cached once; before, its value half a second time."""
    skips_predictor_cache: bool = True
    """Layers that only predict further tokens keep nothing; before, cells like any other."""
    has_streams: bool = True
    """Sequences may own cells of their own; before, all shared one set."""
    counts_output_layer: bool = True
    """``-ngl N`` puts the output layer and N - 1 blocks on devices; before, N blocks, and the output layer last."""
    reserves_all_outputs: bool = False
    """The step is laid out as if every token's logits were wanted."""
    is_mask_halved: bool = True
    """With flash attention the masks are made as float16; before, as float32, and converted on the device."""
    mask_row_multiple: int = 1
    """Rows of a mask are rounded up to it."""
    has_cell_indices: bool = True
    """Cells are addressed by index, which are inputs of the step; before, they were written in one piece."""
    has_embedding_input: bool = True
    """Room for embeddings as input stands beside that for tokens, though a step uses one of the two."""
    computes_values_first: bool = True
    """Of a step's values and keys, where no layer has a window."""
    selects_rows_last: bool = True
    """gpt-oss: the rows whose logits are wanted are chosen after the last layer; before, within it."""
    has_gated_unit: bool = True
    """A gate and what it multiplies are one operation, whose result is a third matrix; before, two in place."""
    keeps_fused_alive: bool = True
    """What CUDA fuses, routers and the sum of experts, is kept until it is done."""
    has_fit: bool = True
    """Leaves by itself in RAM what devices have no room for (--fit)."""
    rotates_quantised_cache: bool = True
    reserves_expanded_cache: bool = True
    """The float16 copy of a quantised cache that CUDA's flash attention needs lies in the compute buffer; before, in a
    pool that grew as the context filled."""
    pins_norms: bool = False
    """With all layers on devices, a layer's norms are computed where it lies: of two tensors that go from a device to
    the next one, the norm and what it is of, one is left. `graph_get_cb` in src/llama-context.cpp asks for that in
    every load. llama-fit-params, after which the newest build is reckoned, forgets it before it measures
    (`ggml_backend_sched_reserve_size`), so that real loads need less there by the copies of one embedding per token;
    logs of May 2024 show 640.01 MiB on each of eight devices, where it would say 672.01 on seven."""
    has_mixed_input: bool = False
    """Takes embeddings beside tokens as input."""
    has_fused_norm: bool = False
    """A norm and its weight are one operation, whose result is a tensor of its own."""
    computes_up_first: bool = False
    """Of a gated unit's two halves."""
    sums_experts_at_once: bool = False
    """The chosen experts' results are added in one operation."""
    fuses_experts: bool = False
    """Gate, up and what joins them are one operation over the experts (-fmoe)."""
    latent_way: int = 0
    """How latent attention is computed (-mla): 0 with whole heads; 1 latents, and their values once more, transposed,
    where there is no flash attention; 2 latents alone, expanded for large steps; 3 that, and 1 for small steps."""
    attention_mib: int = 0
    """Attention is computed for as many heads at once as need no more (-amb); all at once where 0."""
    has_key_values: bool = True
    """The matrix that expands latents is there, in the file or computed; otherwise only way 1 is left."""
    stores_keys_by_head: bool = False
    """A row of the key cache is one head's, so that each tensor of it is padded as its short rows are."""
    expands_by_heads: bool = True
    """Latents are expanded for some heads at once; before, on devices, for all, and rotated as float32."""
    finishes_heads_in_turn: bool = False
    """Attention of some heads is done before the next ones' keys and values are expanded."""


CHANGES = (
    # The oldest tree that was compared with the newest, step by step, is PyPI's llama-cpp-python 0.2.77 of 2024-06.
    Change(date(2023, 12, 7), "caches_by_layer", f"{PULL}/4309: llama_kv_cache_init", before=False, after=True),
    Change(date(2024, 5, 1), "has_known_graph", "src/llama-graph.cpp", before=False, after=True),
    Change(
        date(2024, 3, 22), "plain_cell_multiple", "fb99743da in the history: n_ctx padded to 32", before=1, after=32
    ),
    Change(date(2024, 4, 30), "plain_cell_multiple", f"{PULL}/6438: n_ctx padded to 256", before=32, after=256),
    Change(
        date(2024, 5, 13),
        "plain_cell_multiple",
        f"{PULL}/7257: less where there is no flash attention",
        before=256,
        after=32,
    ),
    Change(
        date(2024, 4, 30),
        "mask_row_multiple",
        f"{PULL}/5021: GGML_KQ_MASK_PAD with flash attention",
        before=1,
        after=64,
    ),
    Change(date(2025, 5, 20), "has_window_caches", f"{PULL}/13194", before=False, after=True),
    Change(date(2025, 6, 30), "has_gated_unit", f"{PULL}/14158", before=False, after=True),
    Change(date(2025, 7, 16), "has_streams", f"{PULL}/14363", before=False, after=True),
    Change(date(2025, 8, 2), "has_cell_indices", f"{PULL}/14959: LLAMA_SET_ROWS by default", before=False, after=True),
    Change(date(2025, 8, 30), "settles_attention", f"{PULL}/15434: -fa auto", before=False, after=True),
    Change(date(2025, 11, 7), "plain_cell_multiple", f"{PULL}/16812 and 17046", before=32, after=256),
    Change(date(2025, 11, 7), "is_window_padded_last", f"{PULL}/16812 and 17046", before=False, after=True),
    # q, k, v in the tree of 2025-08 that PyPI's llama-cpp-python 0.3.16 carries, q, v, k in that of its 0.3.17.
    Change(date(2025, 11, 13), "computes_values_first", f"{PULL}/16884", before=False, after=True),
    Change(date(2025, 12, 10), "mask_row_multiple", f"{PULL}/17910", before=64, after=1),
    Change(date(2025, 12, 15), "has_fit", f"{PULL}/16653", before=False, after=True),
    Change(date(2026, 1, 23), "has_embedding_input", f"{PULL}/18898", before=False, after=True),
    Change(date(2026, 1, 25), "drops_latent_values", f"{PULL}/19067", before=False, after=True),
    # Not yet in ec98e2002 of 2025-12-16, but in a5bb8ba4c of 2026-01-27, which Ollama carried (its Makefile.sync).
    Change(
        date(2026, 1, 1),
        "counts_output_layer",
        "i_gpu_start, load_tensors, src/llama-model.cpp",
        before=False,
        after=True,
    ),
    Change(date(2026, 4, 1), "rotates_quantised_cache", f"{PULL}/21038", before=False, after=True),
    Change(date(2026, 5, 28), "is_mask_halved", f"{PULL}/23764", before=False, after=True),
    Change(date(2026, 5, 31), "reserves_all_outputs", f"{PULL}/23861", before=True, after=False),
    Change(date(2026, 6, 3), "reserves_expanded_cache", f"{PULL}/23907", before=False, after=True),
    # Not yet in the tree that PyPI's llama-cpp-python 0.3.30 carries, from summer 2026.
    Change(date(2026, 8, 1), "selects_rows_last", "src/models/openai-moe.cpp", before=False, after=True),
    Change(date(2026, 8, 20), "keeps_fused_alive", f"{PULL}/25952", before=False, after=True),
    # Not in 0c1e57098 of 2026-10-01, but in b11549, whose ten measured buffers it explains.
    Change(
        date(2026, 10, 10),
        "has_mixed_input",
        "measured with b11549, which PyPI's xllamacpp carries",
        before=False,
        after=True,
    ),
)

NUMBERED = (
    (1, date(2023, 3, 10)), (1619, date(2023, 12, 7)), (1795, date(2024, 1, 8)), (2833, date(2024, 5, 9)),
    (3571, date(2024, 8, 12)), (4553, date(2025, 1, 25)), (5269, date(2025, 5, 3)), (6040, date(2025, 7, 31)),
    (6646, date(2025, 10, 1)), (7108, date(2025, 11, 20)), (7847, date(2026, 1, 27)), (8193, date(2026, 3, 3)),
    (8672, date(2026, 4, 6)), (9093, date(2026, 5, 11)), (9272, date(2026, 5, 22)), (9409, date(2026, 5, 29)),
    (9509, date(2026, 6, 4)), (9637, date(2026, 6, 14)),
    (9888, date(2026, 7, 4)), (10069, date(2026, 7, 19)), (10488, date(2026, 8, 17)), (11549, date(2026, 10, 16)),
)  # fmt: skip
"""Numbers of builds and the days they are from: its own releases, as logs, issues and PyPI's xllamacpp name them."""

OLLAMA = (
    ((0, 1, 40), date(2024, 5, 30)), ((0, 1, 45), date(2024, 6, 17)), ((0, 2, 0), date(2024, 7, 7)),
    ((0, 3, 1), date(2024, 7, 29)), ((0, 3, 4), date(2024, 8, 6)), ((0, 3, 10), date(2024, 9, 3)),
    ((0, 5, 2), date(2024, 12, 10)), ((0, 5, 5), date(2025, 1, 8)), ((0, 5, 13), date(2025, 2, 26)),
    ((0, 6, 6), date(2025, 4, 16)), ((0, 6, 7), date(2025, 4, 25)), ((0, 6, 8), date(2025, 5, 1)),
    ((0, 7, 0), date(2025, 5, 12)), ((0, 11, 5), date(2025, 8, 14)), ((0, 12, 4), date(2025, 10, 1)),
    ((0, 12, 6), date(2025, 10, 10)), ((0, 12, 11), date(2025, 10, 24)), ((0, 13, 2), date(2025, 11, 20)),
    ((0, 13, 3), date(2025, 12, 9)), ((0, 13, 5), date(2025, 12, 16)), ((0, 30, 0), date(2026, 5, 29)),
    ((0, 30, 5), date(2026, 6, 4)), ((0, 30, 9), date(2026, 6, 13)), ((0, 30, 11), date(2026, 6, 24)),
    ((0, 31, 0), date(2026, 6, 29)), ((0, 32, 2), date(2026, 7, 20)), ((0, 32, 6), date(2026, 8, 4)),
    ((0, 32, 15), date(2026, 8, 17)),
)  # fmt: skip
"""Ollama's versions that came with another llama.cpp, and the day of that: the commits that changed its Makefile.sync,
its submodule or, from 0.30 on, its LLAMA_CPP_VERSION (github.com/ollama/ollama, tags of 2026-08)."""

_VERSION = r"v?(\d{1,3})\.(\d{1,3})(?:\.(\d{1,3}))?(?:-\w+)?"
_DATED = r"(\d{4})-(\d{1,2})(?:-(\d{1,2}))?"
_NUMBERED = r"b?(\d{1,5})"


@lru_cache(maxsize=64)  # the text is what somebody typed
def build_of(text: str = "") -> Build:
    """The build meant: ``2025-06``, ``2025-06-12``, ``b5269``; ``ik-2025-06``, ``ollama-0.12.6``; empty for the newest.

    Raises:
        EstimatorError: neither a date nor a number.
    """
    wanted = text.strip().casefold()
    if wanted in ("", "latest", "newest"):
        return Build()
    if wanted.startswith("ollama"):
        return _carried(wanted.removeprefix("ollama").lstrip("-_ "), text)
    is_fork = wanted.startswith("ik")
    numbered = fork.NUMBERED if is_fork else NUMBERED
    day = MEASURED if wanted == "ik" else _day(wanted.removeprefix("ik").lstrip("-_ "), text, numbered)
    if is_fork:
        return _forked(day)
    if day >= MEASURED and not _after(day, "has_mixed_input"):
        return Build()
    name = f"llama.cpp of {day.isoformat()}"
    return Build(name=name, is_measured=False, pins_norms=True, **values_on(day, CHANGES))


def _carried(version: str, text: str) -> Build:
    """What an Ollama carries; those up to 0.29 said themselves which blocks go where, and the output layer last."""
    found = re.fullmatch(_VERSION, version)
    if found is None:
        raise EstimatorError(f"no build is called {text!r}; an Ollama's is ollama-0.12.6")
    numbers = (int(found[1]), int(found[2]), int(found[3] or 0))
    at = bisect_right([first for first, _ in OLLAMA], numbers)
    day = OLLAMA[max(0, at - 1)][1]
    name = f"llama.cpp of {day.isoformat()} in Ollama {version}"
    return Build(name=name, is_measured=False, pins_norms=True, **values_on(day, CHANGES))


def _day(wanted: str, text: str, known: Sequence[tuple[int, date]]) -> date:
    dated, numbered = re.fullmatch(_DATED, wanted), re.fullmatch(_NUMBERED, wanted)
    try:
        if dated:
            # A month alone: its middle, so that a change early in it counts and one late in it does not.
            return date(int(dated[1]), int(dated[2]), int(dated[3] or 15))
        if numbered:
            return day_of_number(int(numbered[1]), known)
    except ValueError:
        pass
    raise EstimatorError(f"no build is called {text!r}; give a month (2025-06), a number (b5269), or ik-2025-06")


def day_of_number(number: int, known: Sequence[tuple[int, date]] = NUMBERED) -> date:
    """About when the build of that number was made, llama.cpp's where no other list is given."""
    numbers = [one for one, _ in known]
    at = min(max(bisect_right(numbers, number), 1), len(known) - 1)
    (first, first_day), (second, second_day) = known[at - 1], known[at]
    n_days = (second_day - first_day).days * (number - first) / (second - first)
    return first_day + timedelta(days=min(round(n_days), 4000))


def _after(day: date, field: str) -> bool:
    return any(change.field == field and day >= change.since for change in CHANGES)


def _forked(day: date) -> Build:
    """ik_llama.cpp: as its main line was when it forked, and what it changed since."""
    rules = values_on(min(day, fork.FORKED), CHANGES) | fork.rules_on(day)
    return Build(name=f"ik_llama.cpp of {day.isoformat()}", is_measured=False, **rules)
