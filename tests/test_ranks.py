"""A server's devices: which are alike, and what each of them is said to hold."""

from dataclasses import replace

import pytest

from estimator.ledger import Basis, Kind, Place, Term
from estimator.ranks import Rank, alike, shares_memory, terms_of_all
from estimator.sharding import Stage

GIB = 1 << 30


def rank(number: int, gib: int = 24, product: str = "") -> Rank:
    place = Place(name=f"GPU {number}", kind="cuda", total_bytes=gib * GIB, free_bytes=gib * GIB - 1, product=product)
    return Rank(place=place, stage=Stage(layers=range(2), n_bytes=8, read_bytes=8), element_bytes=2, rope_bytes=0)


def term_of(one: Rank) -> list[Term]:
    return [
        Term(
            kind=Kind.WEIGHTS,
            label="weights",
            place=one.place.name,
            n_bytes=one.place.total_bytes,
            low_bytes=0,
            high_bytes=one.place.total_bytes,
            basis=Basis.DERIVED,
            source="here",
        )
    ]


def test_ranks_that_differ_in_their_names_only_are_alike() -> None:
    assert alike(rank(0)) == alike(rank(1))


def test_a_smaller_card_is_not_alike() -> None:
    assert alike(rank(0)) != alike(rank(1, gib=16))


def test_ranks_that_are_alike_are_reckoned_once_and_named_apart() -> None:
    asked = []

    def terms_of(one: Rank) -> list[Term]:
        asked.append(one.place.name)
        return term_of(one)

    found = terms_of_all([rank(0), rank(1), rank(2, gib=16)], terms_of)
    assert asked == ["GPU 0", "GPU 2"]
    assert [term.place for term in found] == ["GPU 0", "GPU 1", "GPU 2"]
    assert found[1] == replace(found[0], place="GPU 1")


@pytest.mark.parametrize(
    ("product", "is_so"), [("NVIDIA GB10", True), ("Orin (nvgpu)", True), ("NVIDIA GB200", False), ("", False)]
)
def test_a_spark_and_a_jetson_work_in_the_hosts_memory(product: str, *, is_so: bool) -> None:
    assert shares_memory(rank(0, product=product).place) is is_so
