"""What every screen shares: the view that is handed down to its panels."""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, ClassVar, TypeVar

from textual import events
from textual._styles_cache import StylesCache
from textual.binding import Binding, BindingType
from textual.geometry import Region, Size, Spacing
from textual.reactive import var
from textual.screen import Screen
from textual.strip import Strip

from tui.courtesy import Courtesy
from tui.messages import KeyClicked
from tui.widgets.arrange import is_tiny
from tui.widgets.panel import Panel
from tui.widgets.thrift import ThriftyCompositor
from tui.widgets.view import View

if TYPE_CHECKING:
    from typing import Self

T = TypeVar("T", bound=Panel)
_NO_GUTTER = Spacing()


class Frame(Screen[None]):
    """A whole screen of panels."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "go_back", "back", show=False)]
    ALLOW_SELECT = False
    IS_QUESTION: ClassVar[bool] = False
    """Whether it waits for an answer: then no key leads elsewhere."""
    WANTS_DETAILS: ClassVar[bool] = False
    """Whether clocks, links and error counters are read while this is the screen that is seen."""

    def __init__(self) -> None:
        super().__init__()
        self._compositor: ThriftyCompositor = ThriftyCompositor()
        self._is_fresh = True
        """Its styles were read a moment ago, when it was mounted."""
        self.courtesy = Courtesy()
        """The app's, which hands it down: what this screen has computed aside is to wait for keys."""
        self._is_seen_late = False
        """Another view has come while another screen was seen."""
        self._is_resuming = False
        """All of it is about to be painted."""
        self._is_all_painted = False
        """A moment ago, with its first layout."""
        self._handed: list[Panel] = []
        """All of this screen: to look for them at each view takes as long as to draw some of them."""

    view: var[View] = var(View, init=False)
    """What is shown now."""

    @property
    def size(self) -> Size:
        """Known before it is laid out for the first time, so that what is made for it then is right at once."""
        return super().size or self.app.size

    def _refresh_layout(self, size: Size | None = None, scroll: bool = False) -> None:  # noqa: FBT001, FBT002  # the library's
        """Lay out, and paint; what was to be painted before that has been, the first time."""
        is_first = not self._size
        super()._refresh_layout(size, scroll)
        if is_first and self._size and self.app.screen is self and not self.app._batch_count:
            self._forget_changes()
            self._is_all_painted = True

    def _screen_resized(self, size: Size) -> None:
        """Not to the size that it has: each screen that is opened is told, and so are those below."""
        if size != self._size:
            super()._screen_resized(size)

    def _forget_changes(self) -> None:
        """All has been painted: each widget would have it done once more, of 200x50 all together 20 to 50 KB."""
        for widget in (self, *self._compositor.visible_widgets):
            widget._exchange_repaint_regions()
            widget._repaint_required = False

    def refresh(self, *regions: Region, repaint: bool = True, layout: bool = False, recompose: bool = False) -> "Self":
        """Not once more right after all was painted, as the library does when a screen is seen for the first time."""
        if self._is_all_painted and not (regions or layout or recompose):
            self._is_all_painted = False
            return self
        return super().refresh(*regions, repaint=repaint, layout=layout, recompose=recompose)

    def render_lines(self, crop: Region) -> list[Strip]:
        """One line for all, which are the background alone: each of 50 takes 30 µs, and panels lie over most."""
        if not crop.height or self.styles.gutter != _NO_GUTTER:
            return super().render_lines(crop)
        return super().render_lines(Region(crop.x, 0, crop.width, 1)) * crop.height

    def offers(self, action: str) -> bool:  # noqa: ARG002  # most of what keys do here is done at all times
        """Whether an action of this screen would be done now; where not, nothing names its key."""
        return True

    def hand_down(self, panels: Iterable[T]) -> Iterator[T]:
        """Panels that are being mounted, with the view that there is already."""
        self.set_class(self.view.is_ascii, "-ascii")
        for panel in panels:
            panel.set_reactive(Panel.view, self.view)
            self._handed.append(panel)
            yield panel

    def take_view(self, view: View, *, is_seen: bool) -> None:
        """Draw it, or once this is the screen that is seen: of 64 GPUs a view is 5 ms of drawing."""
        if is_seen:
            self.view = view
        else:
            self.set_reactive(Frame.view, view)
            self._is_seen_late = True

    def watch_view(self, view: View) -> None:
        """Hand it down."""
        self.set_class(view.is_ascii, "-ascii")
        changes: list[tuple[Panel, list[Region]]] = []
        for panel in self._handed:
            panel.gathered = changes
            panel.take_view(view)
            panel.gathered = None
        if changes and not self._paint(changes):
            for panel, changed in changes:
                panel.refresh(*changed)

    def _paint(self, changes: list[tuple[Panel, list[Region]]]) -> bool:
        """At once, where nothing else is to be laid out or drawn first: the library's way there takes as long again."""
        is_busy = (
            self._is_resuming
            or self._layout_required
            or self._scroll_required
            or self._repaint_required
            or self._recompose_required
        )
        if is_busy or self._dirty_widgets or self.app.screen is not self or self.app._batch_count:
            return False
        compositor = self._compositor
        update = None if compositor._dirty_regions else compositor.update_of(changes)
        if update is None:
            return False
        for panel, changed in changes:
            panel.note_painted(changed)
        self.app._display(self, update)
        return True

    async def _on_idle(self, event: events.Idle) -> None:  # noqa: ARG002  # the library's own follows
        """Draw what answers a key at once: the library draws 60 times a second, so what comes a step later waits 16 ms.

        What a letter does, say, is drawn in two steps: in the line where it is typed, and in the list that it filters.
        """
        self._is_all_painted = False
        if self.courtesy.left_seconds:
            self._on_timer_update()

    def on_screen_resume(self, event: events.ScreenResume) -> None:
        """Spare a fresh screen the second reading of all its styles: 11 ms of the first picture, with a scroll bar."""
        event.refresh_styles = event.refresh_styles and not self._is_fresh
        self._is_fresh = False
        if self._is_seen_late:
            self._is_seen_late, self._is_resuming = False, True
            self.watch_view(self.view)
            self._is_resuming = False

    def on_unmount(self) -> None:
        """Let go of the lines that were drawn.

        Textual 8.2 remembers a method's results by the object, and so holds what the last 1024 widgets have drawn
        (``_styles_cache.StylesCache.get_inner_outer``): 0.3 MiB for each screen that was opened.
        """
        StylesCache.get_inner_outer.cache_clear()

    def on_resize(self, event: events.Resize) -> None:
        """Without frames where there is hardly room for lines."""
        self.set_class(is_tiny(event.size), "-tiny")

    def on_key_clicked(self, message: KeyClicked) -> None:
        """Do what the key does here, whoever has the focus."""
        message.stop()
        self.app.call_later(self.app.simulate_key, message.key)  # sent by a screen, a key would not bubble up to it

    def action_go_back(self) -> None:
        """To where the person came from."""
        self.dismiss()
