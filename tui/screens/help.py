"""All keys, grouped by what they are for; those of the screen it was opened from come first."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType

from tui.screens.browser import Browser
from tui.widgets.hints import Hints
from tui.widgets.line import wrap

if TYPE_CHECKING:
    from tui.widgets.line import Line

_KEY_WIDTH = 14
"""Two columns before the longest keys, and one after."""
_ENDING = "; del in there ends one, after a question"
"""Not where nothing is ended."""
_GROUPS = (
    (
        "What shall be loaded",
        (
            ("m", "choose a model: by name, or a .gguf file"),
            ("e", "engine: what each would need, and the verdict"),
            ("o", "all options of the engine"),
            ("c", "compare: keep this plan, and show it beside those kept before"),
            ("w", "what if: the same load on other hardware, known or typed"),
            ("y", "copy the command that starts it"),
        ),
    ),
    (
        "On the dashboard",
        (
            ("[ ]", "smaller or larger quant; also ↓ and ↑"),
            ("- +", "shorter or longer context; also ← and →"),
            ("k", "type of the KV cache: the next one worth trying"),
            ("d", "devices: chosen by itself, all, each alone, the CPU alone"),
            ("1 - 4", "apply a change that the verdict offers"),
            ("PgUp PgDn", "move in a long list of devices"),
            ("enter", "the warning has been read"),
        ),
    ),
    (
        "What there is to see",
        (
            ("x", "explain: every byte of the estimate, with its source"),
            ("g", "GPUs: clocks, links, errors; plan for one of them, or for hidden ones; wake one that sleeps"),
            ("p", f"processes on the GPUs{_ENDING}"),
            ("h", "history of each pool"),
            ("f", "what could not be read, and what to do about it"),
        ),
    ),
    (
        "Everywhere",
        (
            ("m e o c w y", "these and all that there is to see: also from one screen to another"),
            ("space", "pause, and go on"),
            (",", "settings: look, pace and warnings"),
            ("/", "filter a list"),
            (
                "F2 - F8",
                "in the list of models: sort; only what fits, a kind, a licence, on disk, long contexts; turn round",
            ),
            ("enter", "choose"),
            ("esc", "back to where you came from"),
            ("? F1", "this help; F1 also where text is typed"),
            ("ctrl+p", "all actions by name, and the theme"),
            ("q", "quit"),
            ("ctrl+z", "to the shell; fg leads back"),
            ("shift+drag", "select text to copy, as the terminal does without an app; on a Mac alt+drag, or fn+drag"),
        ),
    ),
    (
        "How to read the bars",
        (
            ("▸", "where the cursor stands"),
            ("█", "used now"),
            ("▒ ▓ ▞", "what the load would add: weights, KV cache, everything else"),
            ("╌", "how far it may go at the high end of its band"),
            ("▚", "what would land here because it has no room on a device"),
            ("░", "free"),
            ("┃", "the load line: beyond it, too little stays free for everything else"),
            ("»", "more than there is"),
            ("● ▲ ◆ ✗", "fits, tight, spills into slower memory, fails"),
            ("▸ ▪ ◂", "below a history: a load began, came to rest, ended"),
            ("▪", "in a list: chosen now, or on this machine's disk"),
            ("–", "not known here, or not reported"),
        ),
    ),
)


class Help(Browser):
    TITLE_TEXT = "Help"
    HAS_CURSOR = False
    HINTS: ClassVar = (("/", "filter"), ("esc", "back"), ("q", "quit"))
    BINDINGS: ClassVar[list[BindingType]] = [Binding("question_mark,f1", "go_back", show=False)]

    def fill(self) -> None:
        wanted, is_ending_none = self.text.casefold(), bool(self.view.read_only_reason)
        rows: list[Line] = []
        for title, keys in (*self._here(), *_GROUPS):
            said = ((key, text.removesuffix(_ENDING if is_ending_none else "")) for key, text in keys)
            found = [(key, text) for key, text in said if wanted in f"{key} {text}".casefold()]
            if found:
                rows.append(((title, "strong"),))
                for key, text in found:
                    for number, line in enumerate(wrap(text, max(16, self.size.width - 4 - _KEY_WIDTH))):
                        rows.append(((f"  {key if number == 0 else '':<{_KEY_WIDTH - 2}}", "key"), (line, "text")))
                rows.append(())
        self.listing.show(rows[:-1], empty=(("no key does that", "dim"),))

    def _here(self) -> tuple[tuple[str, tuple[tuple[str, str], ...]], ...]:
        """The group of the screen below; the dashboard's keys are in the other groups."""
        hints = self.app.screen_stack[-2].query(Hints) if len(self.app.screen_stack) > 1 else ()
        return tuple(("Where you are", shown.hints) for shown in hints)


def open_screen() -> Help:
    return Help()
