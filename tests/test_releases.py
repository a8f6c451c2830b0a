"""vLLM's releases: which rules hold since when."""

import pytest

from estimator.errors import Unjudgeable
from estimator.releases import RELEASES, release


@pytest.mark.parametrize(
    ("version", "since"),
    [
        ("0.2.6", (0, 0)),
        ("0.7.3", (0, 6)),
        ("v0.8.4", (0, 8)),
        ("0.10.2", (0, 9)),
        ("0.19.1", (0, 17)),
        ("0.21.0", (0, 21)),
        ("0.26.1rc1.dev608", (0, 26)),
        ("0.33.0", (0, 30)),
        ("1.0", (0, 30)),
    ],
)
def test_a_version_has_the_rules_of_the_last_change_before_it(version: str, since: tuple[int, int]) -> None:
    assert release(version).since == since


def test_changes_are_in_order() -> None:
    assert [rules.since for rules in RELEASES] == sorted({rules.since for rules in RELEASES})


def test_the_share_grew_with_0_21() -> None:
    assert (release("0.19.1").utilization_ratio, release("0.21.0").utilization_ratio) == (0.9, 0.92)


def test_graphs_count_into_the_share_since_0_21() -> None:
    assert not release("0.19.1").has_graphs_in_budget
    assert release("0.21.0").has_graphs_in_budget


@pytest.mark.parametrize(("version", "is_compiled"), [("0.9", True), ("0.9 V0", False), ("0.12 V0", True)])
def test_the_old_engine_is_there_up_to_0_10(version: str, *, is_compiled: bool) -> None:
    assert release(version).is_compiled is is_compiled


def test_a_card_before_ampere_falls_back_to_the_old_engine() -> None:
    assert not release("0.9.1", is_old_card=True).is_compiled


@pytest.mark.parametrize("text", ["", "newest", "V1 (2026)", "2026-09", "0", "0." + "9" * 100])
def test_what_is_no_version_is_refused(text: str) -> None:
    with pytest.raises(Unjudgeable, match="no version of vLLM"):
        release(text)
