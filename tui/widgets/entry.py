"""The line to type in: as wide as its screen, whatever is typed."""

from textual.geometry import Size
from textual.reactive import Reactive
from textual.widgets import Input


class Entry(Input):
    """Lays out nothing: the library's own has the whole screen laid out for each letter, twice, which takes 2 ms."""

    virtual_size: Reactive[Size] = Reactive(Size(0, 0))
