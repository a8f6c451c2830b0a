"""What PyTorch takes beside tensors."""

from dataclasses import replace

from estimator.ledger import Basis, Kind, Place, Term
from estimator.torch_process import ACTIVATIONS, slack_term, workspace_term

GIB, MIB = 1 << 30, 1 << 20
CARD = Place(name="GPU 0", kind="cuda", total_bytes=24 * GIB, free_bytes=24 * GIB)
WEIGHTS = Term(
    kind=Kind.WEIGHTS,
    label="weights",
    place="GPU 0",
    n_bytes=23 * GIB,
    low_bytes=23 * GIB,
    high_bytes=23 * GIB,
    basis=Basis.EXACT,
    source="a test",
)


def test_slack_never_takes_more_than_is_free() -> None:
    term = slack_term(CARD, 5 * GIB, [WEIGHTS])
    assert term is not None
    assert term.n_bytes == term.high_bytes == 1 * GIB


def test_slack_does_not_cross_the_load_line() -> None:
    term = slack_term(replace(CARD, reserve_bytes=1 * GIB), 5 * GIB, [WEIGHTS])
    assert term is not None
    assert term.high_bytes == 0


def test_activations_leave_blocks_that_nothing_asks_for_again() -> None:
    passing = replace(WEIGHTS, label=ACTIVATIONS, kind=Kind.COMPUTE, n_bytes=GIB, low_bytes=GIB, high_bytes=GIB)
    term = slack_term(CARD, 0, [passing])
    assert term is not None
    assert 0.5 * GIB < term.n_bytes < term.high_bytes
    assert slack_term(CARD, 0, [WEIGHTS]) is None


def test_hopper_has_the_larger_workspace() -> None:
    small, large = (workspace_term(replace(CARD, compute_capability=capability)) for capability in ((8, 9), (9, 0)))
    assert small is not None
    assert large is not None
    assert small.n_bytes < 9 * MIB < large.n_bytes == 32 * MIB


def test_a_host_has_neither() -> None:
    host = replace(CARD, kind="host")
    assert workspace_term(host) is None
    assert slack_term(host, GIB, []) is None
