"""Records behave as the frozen dataclasses that they stand for."""

import copy
import pickle
from dataclasses import FrozenInstanceError, asdict, dataclass, field, fields, replace

import pytest

from records.record import record


@record(frozen=True, slots=True, kw_only=True)
class Card:
    """One."""

    name: str
    n_bytes: int | None = None
    tags: list[str] = field(default_factory=list)


@record(frozen=True, slots=True, kw_only=True)
class Single:
    """With one field."""

    name: str = ""


@record(frozen=True, slots=True, kw_only=True, eq=False)
class Moment:
    """Compared by identity."""

    name: str = ""


def test_it_is_printed_as_the_library_prints_it() -> None:
    @dataclass(frozen=True, slots=True, kw_only=True)
    class Plain:
        name: str
        n_bytes: int | None = None
        tags: list[str] = field(default_factory=list)

    assert repr(Card(name="a", n_bytes=3)) == repr(Plain(name="a", n_bytes=3)).rpartition(".")[2].replace(
        "Plain", "Card"
    )


def test_same_fields_are_equal_and_others_are_not() -> None:
    assert Card(name="a") == Card(name="a")
    assert Card(name="a") != Card(name="a", n_bytes=0)


def test_another_class_with_the_same_fields_is_not_equal() -> None:
    assert Single(name="a") != ("a",)
    assert Moment(name="a") != Single(name="a")


def test_equal_ones_have_one_hash() -> None:
    assert len({Single(name="a"), Single(name="a"), Single(name="b")}) == 2


def test_one_without_comparison_equals_only_itself() -> None:
    assert Moment(name="a") != Moment(name="a")
    assert len({Moment(name="a"), Moment(name="a")}) == 2


def test_no_field_can_be_assigned_or_deleted() -> None:
    card = Card(name="a")
    with pytest.raises(FrozenInstanceError, match="name"):
        card.name = "b"  # type: ignore[misc]
    with pytest.raises(FrozenInstanceError, match="name"):
        del card.name


def test_it_has_no_room_for_other_attributes() -> None:
    assert not hasattr(Card(name="a"), "__dict__")


def test_each_one_gets_a_default_of_its_own_from_a_factory() -> None:
    assert Card(name="a").tags is not Card(name="a").tags


def test_a_field_without_a_default_must_be_given() -> None:
    with pytest.raises(TypeError, match="name"):
        Card()  # type: ignore[call-arg]


def test_fields_are_taken_by_name_alone() -> None:
    with pytest.raises(TypeError):
        Card("a")  # type: ignore[misc]


def test_the_library_replaces_and_unfolds_its_fields() -> None:
    card = replace(Card(name="a"), n_bytes=3)
    assert asdict(card) == {"name": "a", "n_bytes": 3, "tags": []}
    assert [each.name for each in fields(Card)] == ["name", "n_bytes", "tags"]


@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy, lambda card: pickle.loads(pickle.dumps(card))])
def test_a_copy_is_equal(again: object) -> None:
    assert again(Card(name="a", tags=["x"])) == Card(name="a", tags=["x"])  # type: ignore[operator]


def test_what_is_not_frozen_is_refused() -> None:
    with pytest.raises(TypeError, match="frozen"):
        record(frozen=False, slots=True, kw_only=True)


@pytest.mark.parametrize("option", [{"compare": False}, {"init": False, "default": 1}])
def test_what_a_record_takes_no_note_of_is_refused(option: dict[str, object]) -> None:
    with pytest.raises(TypeError, match="Picky wants more"):

        @record(frozen=True, slots=True, kw_only=True)
        class Picky:
            n: int = field(**option)  # type: ignore[call-overload]


def test_a_record_checks_nothing_when_it_is_made() -> None:
    with pytest.raises(TypeError, match="Checked wants more"):

        @record(frozen=True, slots=True, kw_only=True)
        class Checked:
            n: int

            def __post_init__(self) -> None:
                assert self.n
