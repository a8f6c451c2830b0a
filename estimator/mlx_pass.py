"""What MLX holds beside weights and caches while it computes: commands in flight, scores, inputs of convolutions.

MLX evaluates lazily; a temporary array lives until the command buffer that uses it is done. Up to ten buffers of 40 to
50 MB are in flight (mlx/scheduler.h, `MAX_ACTIVE_TASKS`; mlx/backend/metal/device.cpp, `get_max_ops_mb_per_buffer`),
which is why the figure hardly depends on the model's width.
"""

from collections.abc import Sequence

from estimator.derived import of_model
from estimator.mlx_cache import MlxRun
from estimator.model import Layer, Model
from records.record import record

MB = 10**6

IDLE_BYTES = 150 * MB
"""Beside weights and cache at prompts of 128 tokens: 142 to 246 MB for Gemma 4 E2B, E4B and 31B, GLM 4.7 Flash, Qwen3
Coder Next and Qwen3.6 35B-A3B on an M5 Max (github.com/defai-digital/ax-engine, 2026-06)."""
IN_FLIGHT_BYTES = 570 * MB
"""More for a full chunk: 650 to 780 MB in all for Qwen3 0.6B and 4B at 1,500 tokens (M3 Ultra, mlx-lm 0.31.2), 690 and
760 for Gemma 4 26B-A4B and 31B at 2,048 (as above), once their windows' extra tokens are taken off."""
FULL_CHUNK_TOKENS = 1536
"""From which on it grows no more: 320 to 470 MB at 512 to 1,024 tokens of Qwen3 1.7B on an M4."""
SPREAD_BYTES = 200 * MB
"""Of these figures, to either side; chips differ in how much they keep in flight."""
CUDA_MORE_BYTES = (0, 1200 * MB, 3000 * MB)
"""(low, expected, high) more on MLX's CUDA backend: 1.2 and 2.4 GB for Qwen3 4B and 30B-A3B at 1,024 tokens on an H100
(github.com/ml-explore/mlx/pull/3077)."""

FUSED_HEAD_WIDTHS = frozenset({64, 72, 80, 96, 128})
"""Prompts of other heads are computed with all scores in memory (mlx/backend/metal/scaled_dot_product_attention.cpp,
`use_fallback`; 72 and 96 since 0.32). Kernels for 192 and 256 are in mlx 0.32.4, and run where they are asked for
(`force_fused`, github.com/ml-explore/mlx/pull/4185), which mlx-lm 0.32.2 does not do. The peak of Qwen3.6 35B-A3B grows
by 88.6 kB a token from 8,000 to 192,000, of which 20.5 are its cache, 65.5 these scores (16 heads x 2,048 x 2 bytes)
and 2.0 their mask (github.com/ml-explore/mlx-lm/issues/1480)."""

SCAN_STEP_TOKENS = 256
"""`ssm_attn`, mlx_lm/models/ssm.py: the matrix of decays of one step is as wide as it is long."""
SCAN_MATRICES = 12
"""Of float32 per head and step, alive together: what the 5.2 GB of Granite 4.0 H Small at 2,048 tokens leave
(github.com/ml-explore/mlx-lm/pull/525), one row; assumed from 0 up to half as many more."""
SCAN_HEAD_WIDTH = 64
"""Of Mamba 2's heads in Granite 4, Nemotron-H, Falcon-H1 and Bamba."""


@record(frozen=True, slots=True, kw_only=True)
class PassBytes:
    """(low, expected, high) beside weights and caches."""

    low: int
    expected: int
    high: int
    formula: str


def pass_bytes(model: Model, layers: Sequence[tuple[Layer, int]], run: MlxRun, *, is_cuda: bool = False) -> PassBytes:
    """While the last full chunk of a prompt is read."""
    n_pass = run.n_pass_tokens
    in_flight = IDLE_BYTES + IN_FLIGHT_BYTES * min(n_pass, FULL_CHUNK_TOKENS) // FULL_CHUNK_TOKENS
    # A pass has no more temporaries than all of its blocks together: what bounds the smallest models.
    in_flight = min(in_flight, all_temporaries(model, run))
    scores = _scores(model, layers, run)
    most_inputs = _convolution_inputs(model, layers, run)
    # The last tokens of several sequences don't lie together, so that they are copied, and the rest is let go.
    inputs = most_inputs if run.n_sequences == 1 else 0
    scanned = _scanned(model, layers, run)
    _, more, most = CUDA_MORE_BYTES if is_cuda else (0, 0, 0)
    return PassBytes(
        low=max(0, in_flight - SPREAD_BYTES) + scores + inputs * 5 // 8,
        expected=in_flight + more + scores + inputs + scanned,
        high=in_flight + SPREAD_BYTES + most + scores + most_inputs * 3 // 2 + scanned * 3 // 2,
        formula=f"{n_pass} tokens: {in_flight // MB} MB in flight"
        + (f", {scores // MB} MB of scores" if scores else "")
        + (f", {inputs // MB} MB of convolutions' inputs" if inputs else "")
        + (f", {scanned // MB} MB of scans" if scanned else ""),
    )


def all_temporaries(model: Model, run: MlxRun) -> int:
    """Outputs of every operation of a whole pass, roughly.

    A block has six of the model's width, four of the queries' and three of the feed-forward's.
    """
    queries = model.n_heads * model.head_width
    inner = model.feed_forward_width
    if model.experts:
        inner = max(inner, model.experts.n_used * (model.experts.feed_forward_width + model.embedding_width))
    per_block = 6 * model.embedding_width + 4 * queries + 3 * inner
    n_tokens = run.n_sequences * run.n_pass_tokens
    return 2 * n_tokens * per_block * model.n_layers + 8 * run.n_sequences * model.vocabulary_size


def _scores(model: Model, layers: Sequence[tuple[Layer, int]], run: MlxRun) -> int:
    """Of one layer in 16 bits, and of the mask, a byte per pair; quantised caches never have a kernel of their own."""
    attending = [layer for layer, _ in layers if layer.key_width]
    is_fused = model.head_width in FUSED_HEAD_WIDTHS and model.latent is None and not run.is_quantised
    if is_fused or not attending:
        return 0
    n_keys = 0
    for layer in attending:
        window = run.window_of(layer)
        reach = run.n_prompt_tokens if window is None else window + run.n_pass_tokens
        n_keys = max(n_keys, min(run.n_prompt_tokens, reach))
    return run.n_sequences * run.n_pass_tokens * n_keys * (2 * model.n_heads + 1)


def _convolution_inputs(model: Model, layers: Sequence[tuple[Layer, int]], run: MlxRun) -> int:
    """The whole chunk's input of every convolution: its last tokens are kept as a view of it.

    mlx_lm/models/qwen3_5.py, ``cache[0] = mx.contiguous(conv_input[:, -n_keep:, :])``. Qwen3.6 27B holds 18.4 kB a
    layer and token (20.5 by this rule), 35B-A3B 15.8 (16.4), Qwen3.5 4B 16.4 at 15,000 tokens (16.4), 10.5 at 1,500.
    """
    kernel = _kernel_tokens(model)
    if kernel < 2:
        return 0
    widths = sum(n * (layer.conv_state_width // (kernel - 1)) for layer, n in layers)
    return 2 * run.n_sequences * run.n_pass_tokens * widths


def _scanned(model: Model, layers: Sequence[tuple[Layer, int]], run: MlxRun) -> int:
    """Matrices of decays of Mamba 2, which MLX computes step by step but evaluates together."""
    if model.architecture in ("qwen3next", "qwen35", "qwen35moe") or not any(
        layer.recurrent_state_width for layer, _ in layers
    ):
        return 0
    n_heads = _inner_width(model) // SCAN_HEAD_WIDTH
    n_tokens = run.n_sequences * run.n_pass_tokens
    return 4 * n_tokens * min(run.n_pass_tokens, SCAN_STEP_TOKENS) * n_heads * SCAN_MATRICES


@of_model
def _kernel_tokens(model: Model) -> int:
    """How many tokens a convolution of a recurrent layer sees; 0 without one."""
    ends = ("ssm_conv1d.weight", "shortconv.conv.weight")
    return next((tensor.shape[0] for tensor in model.tensors if tensor.name.endswith(ends)), 0)


@of_model
def _inner_width(model: Model) -> int:
    """Of recurrent layers."""
    return max((tensor.shape[0] for tensor in model.tensors if tensor.name.endswith("ssm_out.weight")), default=0)
