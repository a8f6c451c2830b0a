"""What a hostile text makes a reader do again and again: the work is counted, never timed."""

from launches.compose_text import plain_text
from launches.splitter import commands_of
from launches.variables import Variables


class Word(str):  # noqa: SLOT000  # counts on the class
    """Counts how often anybody asks how long it is."""

    n_asked = 0

    def __len__(self) -> int:
        Word.n_asked += 1
        return super().__len__()


def test_an_array_is_added_to_without_being_counted_anew() -> None:
    variables, Word.n_asked = Variables(), 0
    for _ in range(500):
        variables.add("A", [Word("b")], is_more=True)

    assert len(variables.words("A") or ()) == 500
    assert Word.n_asked <= 1500  # once where it is added, once where it is asked for; 125 000 where anew each time


def test_an_array_that_was_set_to_one_word_is_counted_from_there() -> None:
    variables = Variables()
    variables.add("A", ["b" * 60_000], is_more=False)
    variables.set("A", "c")
    variables.add("A", ["d" * 60_000], is_more=True)

    assert variables.words("A") == ("c", "d" * 60_000)


def test_a_large_array_is_told_only_so_often() -> None:
    variables, Word.n_asked = Variables(), 0
    variables.add("A", [Word("b")] * 10_000, is_more=False)
    told = [variables.words("A") for _ in range(100)]

    assert told[0] is not None
    assert told[-1] is None
    assert Word.n_asked < 100_000  # 1 010 000 where it is counted each time


def test_each_document_ends_at_the_next_line_that_says_so() -> None:
    variables = Variables()
    text = "cat <<E\none\nE\ncat <<F <<E\ntwo\n\tF \nthree\n E\r\ncat <<E\nfour\n"
    commands = [[piece.word for piece in pieces] for pieces in commands_of(text, variables)]

    assert variables.documents == ["one\n", "two\n", "\nthree\n"]
    assert commands[-1] == ["four"]


def test_values_over_several_lines_are_joined_where_they_are_open() -> None:
    text = "a:\n  [\n  b,\n  [c, d]\n  ]\ne: 'f\n  g'\nh: i\n  j\nk: {l: [m,\n n]}\no: p\n"

    assert plain_text(text) == "a: [ b, [c, d] ]\ne: 'f g'\nh: i j\nk: {l: [m, n]}\no: p\n"
