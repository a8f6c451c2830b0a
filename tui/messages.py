"""Every message that crosses from one thread or widget to another. Past tense: they say what happened."""

from typing import TYPE_CHECKING

from textual.message import Message

from probes.snapshot import Snapshot

if TYPE_CHECKING:
    from collections.abc import Callable

    from tui.comparison import Pin
    from tui.model_choice import Choice
    from tui.plan import Plan
    from tui.recognised import Recognised
    from tui.settings import Settings


class SnapshotTaken(Message, bubble=False):
    """A new snapshot, posted from the sampler's thread before the first picture. Only the newest one matters."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot
        super().__init__()

    def can_replace(self, message: Message) -> bool:
        """Whether this one makes the one that waits superfluous."""
        return isinstance(message, SnapshotTaken)


class EnginesSeen(Message, bubble=False):
    """The engines that run now, posted from the thread that watches for them. Only the newest matter."""

    def __init__(self, engines: "tuple[Recognised, ...]") -> None:
        self.engines = engines
        super().__init__()

    def can_replace(self, message: Message) -> bool:
        """Whether this one makes the one that waits superfluous."""
        return isinstance(message, EnginesSeen)


class PlanChanged(Message):
    """Another load shall be judged. ``is_model_new`` where the model is another file, not another quant of it."""

    def __init__(self, plan: "Plan", *, is_model_new: bool = False) -> None:
        self.plan = plan
        self.is_model_new = is_model_new
        super().__init__()


class SettingsChanged(Message):
    """The person has set something for good."""

    def __init__(self, settings: "Settings") -> None:
        self.settings = settings
        super().__init__()


class PinsChanged(Message):
    """Other plans are kept in sight."""

    def __init__(self, pins: "tuple[Pin, ...]") -> None:
        self.pins = pins
        super().__init__()


class ModelsListed(Message):
    """The list of models is filtered and sorted otherwise."""

    def __init__(self, choice: "Choice") -> None:
        self.choice = choice
        super().__init__()


class HardwarePinned(Message):
    """The load shall be compared with itself on a machine of this description."""

    def __init__(self, hardware: str) -> None:
        self.hardware = hardware
        super().__init__()


class ActionChosen(Message):
    """Something was clicked that a key does as well; ``action`` is the binding's."""

    def __init__(self, action: str) -> None:
        self.action = action
        super().__init__()


class KeyClicked(Message):
    """The name of a key was clicked where a screen lists its own; ``key`` is the library's name of it."""

    def __init__(self, key: str) -> None:
        self.key = key
        super().__init__()


class HeadClicked(Message):
    """The line over the rows of a list was clicked, at this cell of it."""

    def __init__(self, x: int) -> None:
        self.x = x
        super().__init__()


class RowChosen(Message):
    """A row of a list was picked, with enter or the mouse."""

    def __init__(self, index: int) -> None:
        self.index = index
        super().__init__()


class AsideDone(Message, bubble=False):
    """Work on a thread aside is done, and what is to be done with it on the screen's thread."""

    def __init__(self, take: "Callable[[], None]") -> None:
        self.take = take
        super().__init__()


class RowsSeen(Message):
    """A list has another size: other rows of it are in sight."""


class RowMoved(Message):
    """The cursor of a list stands on another row."""

    def __init__(self, index: int) -> None:
        self.index = index
        super().__init__()
