"""What the quicker frozen dataclasses have in common with the standard library's."""

import copy
import dataclasses
import inspect
import pickle
from collections.abc import Callable
from typing import Any

import pytest

from estimator import records
from estimator.ledger import Place


def made_by(module: object) -> type:
    @module.dataclass(frozen=True, slots=True, kw_only=True)  # type: ignore[attr-defined, untyped-decorator, unused-ignore]
    class Sample:
        n_bytes: int
        name: str = "weights"
        parts: tuple[int, ...] = dataclasses.field(default=(), repr=False)
        note: str = dataclasses.field(default="", compare=False)

    return Sample


OURS, STANDARD = made_by(records), made_by(dataclasses)


def test_it_has_the_same_constructor() -> None:
    assert inspect.signature(OURS) == inspect.signature(STANDARD)


def test_it_reads_the_same() -> None:
    assert repr(OURS(n_bytes=3, parts=(1,))) == repr(STANDARD(n_bytes=3, parts=(1,)))


def test_equal_values_are_equal_and_hash_alike() -> None:
    assert OURS(n_bytes=3, note="a") == OURS(n_bytes=3, note="b")
    assert hash(OURS(n_bytes=3, note="a")) == hash(OURS(n_bytes=3, note="b"))


def test_other_values_or_classes_are_not_equal() -> None:
    assert OURS(n_bytes=3) != OURS(n_bytes=4)
    assert OURS(n_bytes=3) != STANDARD(n_bytes=3)


def test_it_refuses_every_change() -> None:
    one = OURS(n_bytes=3)
    with pytest.raises(dataclasses.FrozenInstanceError, match="n_bytes"):
        one.n_bytes = 4
    with pytest.raises(dataclasses.FrozenInstanceError, match="n_bytes"):
        del one.n_bytes
    assert one.n_bytes == 3


def test_it_can_be_replaced_and_has_fields() -> None:
    assert dataclasses.replace(OURS(n_bytes=3), name="logits") == OURS(n_bytes=3, name="logits")
    assert [field.name for field in dataclasses.fields(OURS)] == ["n_bytes", "name", "parts", "note"]


def test_a_field_of_no_such_name_is_refused() -> None:
    with pytest.raises(TypeError, match="n_gigabytes"):
        OURS(n_bytes=3, n_gigabytes=4)


def test_fields_may_be_given_by_place_where_they_are_not_for_names_only() -> None:
    @records.dataclass(frozen=True, slots=True)
    class Pair:
        first: int
        second: int = 2

    assert (Pair(1).first, Pair(1).second, Pair(1, 3).second) == (1, 2, 3)


def test_without_slots_it_is_frozen_too() -> None:
    @records.dataclass(frozen=True, kw_only=True)
    class Loose:
        n_bytes: int = 1

    assert Loose(n_bytes=2).n_bytes == 2
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(Loose(), "n_bytes", 3)  # noqa: B010


def test_identity_compares_where_comparison_was_declined() -> None:
    @records.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
    class Held:
        n_bytes: int

    one = Held(n_bytes=1)
    assert one == one  # noqa: PLR0124
    assert one != Held(n_bytes=1)


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda one: pickle.loads(pickle.dumps(one))])
def test_it_can_be_copied(copied: Callable[[Any], Any]) -> None:
    place = Place(name="GPU 0", kind="cuda", total_bytes=2, free_bytes=1)

    assert copied(place) == place
