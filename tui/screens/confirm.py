"""One question before something that cannot be taken back."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType

from tui.screens.frame import Frame
from tui.widgets.headline import Headline
from tui.widgets.hints import Hints
from tui.widgets.line import wrap
from tui.widgets.panel import Panel

if TYPE_CHECKING:
    from collections.abc import Callable

    from textual.app import ComposeResult

    from tui.widgets.line import Line
    from tui.widgets.view import View


class Question(Panel):
    TITLE = "Sure?"

    def __init__(self, question: str, about: str) -> None:
        super().__init__(id="question")
        self._question, self._about = question, about

    def lines(self, view: View, width: int, height: int) -> list[Line]:  # noqa: ARG002  # a panel is asked so
        asked: list[Line] = [((text, "strong"),) for text in wrap(self._question, width)]
        return [*asked, (), *(((text, "dim"),) for text in wrap(self._about, width))]


class Confirm(Frame):
    """Answers by calling back with the key that was chosen; escape calls nothing."""

    IS_QUESTION = True
    BINDINGS: ClassVar[list[BindingType]] = [Binding("enter", "answer(False)"), Binding("k", "answer(True)")]

    def __init__(self, question: str, about: str, hints: tuple[tuple[str, str], ...], then: Callable[[bool], None]):
        super().__init__()
        self._asked = Question(question, about)
        self._hints = hints
        self._then = then

    def compose(self) -> ComposeResult:
        yield from self.hand_down((Headline(id="headline"), self._asked, Hints(*self._hints)))

    def action_answer(self, is_forced: bool) -> None:  # noqa: FBT001  # Textual hands it on by position
        """It is meant; ``is_forced`` by the second key."""
        self.dismiss()
        self._then(is_forced)
