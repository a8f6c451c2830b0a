"""Where each panel goes at each size: arithmetic on the terminal's cells, and nothing else."""

from typing import NamedTuple

from textual.geometry import NULL_OFFSET, NULL_SPACING, Region, Size
from textual.layout import ArrangeResult, Layout, WidgetPlacement
from textual.widget import Widget

SMALLEST = Size(60, 16)
"""Narrower or lower, panels have no frames and everything is one line."""
_FRAME = 2
_VERDICT_LINES = 5
_BELOW_LINES = 5
"""The least that is worth a panel at the bottom: frame, head and two rows."""
_GOOD_LINES = 7
"""With four rows, it says more than temperatures, and than what the verdict has to add."""
_LONG_LIST = 18
"""Rows that are a list to scroll in: sixteen devices, their sum and the RAM."""
_LEAST_PROCESSES = 45
"""Cells, frame and padding among them, in which a process and what runs there are told."""
_THIRD = 56
"""Of processes and history, each, where all three stand side by side."""
_MOST_LINES = 10_000
_WIDE, _WIDER, _WIDEST = 100, 118, 190


class Wants(NamedTuple):
    """How many lines there would be to show."""

    n_rows: int = 1
    """Bodies of memory."""
    n_details: int = 0
    n_notices: int = 0
    has_plan: bool = False
    has_processes: bool = False
    n_quants: int = 7
    n_matrix_cells: int = 0
    """In which all columns of the matrix have room."""
    n_legend: int = 0
    """Of the matrix, below its rows."""
    has_many_processes: bool = False
    """More than lie beside the rows of a matrix."""
    has_charts: bool = True
    n_banner: int = 0
    """Lines of a warning, its frame counted: below all panels."""
    is_banner_above: bool = False
    """There is no room for it below: it takes the place of the headline, and of what comes under that."""


def is_tiny(size: Size) -> bool:
    """Whether there is only room for lines without frames."""
    return size.width < SMALLEST.width or size.height < SMALLEST.height


def arrange_panels(size: Size, wants: Wants) -> dict[str, Region]:
    """A region for each panel that has room, by its id."""
    width, height = size
    if width <= 0 or height <= 0:
        return {}
    if is_tiny(size):
        return _tiny(width, height, wants)
    places = {"headline": Region(0, 0, width, 1), "keybar": Region(0, height - 1, width, 1)}
    top = max(1, wants.n_banner) if wants.is_banner_above else 1
    n_left = height - top - 1
    is_wide = width >= _WIDE
    n_verdict = _FRAME + (_VERDICT_LINES if is_wide else 4)
    n_load = 0 if is_wide else _FRAME + 2
    n_rows = min(wants.n_rows, max(8, n_left // 2 - 4)) if wants.n_rows > _LONG_LIST else wants.n_rows
    n_memory = _FRAME + n_rows + wants.n_notices
    if n_memory + n_verdict + n_load > n_left:
        n_verdict = _FRAME + 4
    if n_memory + n_verdict + n_load > n_left:
        n_load = 0
    n_spare = max(0, _FRAME + 2 - n_memory)
    n_memory = max(_FRAME + 2, min(n_memory, n_left - n_verdict - n_load))
    n_verdict = min(n_verdict, n_left - n_memory - n_load)
    n_left -= n_memory + n_verdict + n_load
    n_more = max(0, min(wants.n_details - n_spare, n_left))
    if n_left >= _GOOD_LINES > n_left - n_more and (wants.has_plan or wants.has_processes):
        n_more = 0
    n_memory, n_left = n_memory + n_more, n_left - n_more
    n_more = min(n_left if n_left < _BELOW_LINES else max(0, n_left - _GOOD_LINES), 1 if is_wide else 2)
    n_verdict, n_left = n_verdict + n_more, n_left - n_more
    if not wants.is_banner_above:
        n_left = max(0, n_left - wants.n_banner)
    if n_left < _BELOW_LINES:  # too little for another panel: the verdict gets it, or a list that is longer
        n_more = min(n_left, 3) if n_rows < wants.n_rows else n_left
        n_verdict, n_memory, n_left = n_verdict + n_more, n_memory + n_left - n_more, 0
    y = top
    places["memory"] = Region(0, y, width, n_memory)
    y += n_memory
    if is_wide:
        n_left_width = min(56, max(37, width * 11 // 30))
        places["load"] = Region(0, y, n_left_width, n_verdict)
        places["verdict"] = Region(n_left_width, y, width - n_left_width, n_verdict)
    else:
        if n_load:
            places["load"] = Region(0, y, width, n_load)
            y += n_load
        places["verdict"] = Region(0, y, width, n_verdict)
    y += n_verdict
    return places | _below(Region(0, y, width, n_left), wants)


def _below(region: Region, wants: Wants) -> dict[str, Region]:
    """The bottom: matrix, processes and history, as far as they have room."""
    x, y, width, height = region
    if height < _BELOW_LINES:
        return {}
    n_matrix = _FRAME + 1 + wants.n_quants
    if width >= _WIDEST and height < n_matrix + _BELOW_LINES + 2:
        if not wants.has_charts:
            return _columns(region, ("matrix", "processes"), (_matrix_width(width, wants) if wants.has_plan else 0,))
        n_matrix = max(88, min(wants.n_matrix_cells + _FRAME + 2, width - 2 * _THIRD))
        thirds = (n_matrix, _THIRD) if wants.has_plan else (0, width // 2)
        return _columns(region, ("matrix", "processes", "history"), thirds)
    places: dict[str, Region] = {}
    if height >= n_matrix + _BELOW_LINES and wants.has_charts:
        n_upper = max(n_matrix, min((height + 1) // 2, _upper_lines(n_matrix, wants)))
        places["history"] = Region(x, y + n_upper, width, height - n_upper)
        region = Region(x, y, width, n_upper)
    if not wants.has_plan:
        return places | {"processes": region}
    if width >= _WIDER:
        return places | _columns(region, ("matrix", "processes"), (_matrix_width(width, wants),))
    return places | {"matrix": region}


def _matrix_width(width: int, wants: Wants) -> int:
    """As far as the processes beside it have room as well."""
    usual = min(max(75, width * 9 // 20), 94)
    return max(usual, min(wants.n_matrix_cells + _FRAME + 2, width - _LEAST_PROCESSES))


def _upper_lines(n_matrix: int, wants: Wants) -> int:
    """What matrix and processes have something to show in; all that is beyond goes to the history."""
    if wants.has_many_processes:
        return _MOST_LINES
    return n_matrix + (1 + wants.n_legend if wants.n_legend else 0)


def _columns(region: Region, names: tuple[str, ...], widths: tuple[int, ...]) -> dict[str, Region]:
    x, y, width, height = region
    places: dict[str, Region] = {}
    for name, part in zip(names, (*widths, width - sum(widths)), strict=True):
        if part > 0:
            places[name] = Region(x, y, part, height)
            x += part
    return places


def _tiny(width: int, height: int, wants: Wants) -> dict[str, Region]:
    """Bars, and what the verdict says first."""
    places: dict[str, Region] = {}
    y = 0
    if height >= 5:
        places["headline"] = Region(0, 0, width, 1)
        y = 1
    n_keys = 1 if height >= 6 else 0
    n_verdict = 1 if height >= 2 else 0
    n_memory = max(1, min(wants.n_rows + wants.n_notices, height - y - n_keys - n_verdict))
    places["memory"] = Region(0, y, width, n_memory)
    y += n_memory
    if n_verdict:
        places["verdict"] = Region(0, y, width, height - y - n_keys)
    if n_keys:
        places["keybar"] = Region(0, height - 1, width, 1)
    return places


class DashboardLayout(Layout):
    """Places children by their id; those without a region are not shown."""

    name = "dashboard"

    def __init__(self) -> None:
        self.wants = Wants()
        super().__init__()

    def arrange(self, parent: Widget, children: list[Widget], size: Size, greedy: bool = True) -> ArrangeResult:  # noqa: ARG002, FBT001, FBT002  # Textual's signature
        parent.pre_layout(self)
        places = arrange_panels(size, self.wants)
        return [
            WidgetPlacement(places[child.id], NULL_OFFSET, NULL_SPACING, child)
            for child in children
            if child.id is not None and child.id in places
        ]
