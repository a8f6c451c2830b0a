"""What a terminal shows of what an app has written: characters in cells, without their colours. Standard library only.

As much of a terminal as a Textual app needs: it places the cursor, writes, and clears.
"""

import re
import unicodedata

UPDATES = re.compile(rb"\x1b\[\?2026h(.*?)\x1b\[\?2026l", re.DOTALL)
"""What a Textual app writes at a time (synchronized output), and in it where it begins to write."""
_PARTS = re.compile(
    r"\x1b\[(?P<arguments>[0-?]*)[ -/]*(?P<final>[@-~])"
    r"|\x1b[\]PX^_].*?(?:\x07|\x1b\\)|\x1b[()*+#]?[0-~]|(?P<control>[\x00-\x1f])|(?P<text>[^\x00-\x1f\x1b]+)",
    re.DOTALL,
)


class Picture:
    """So many columns and rows."""

    def __init__(self, n_columns: int, n_rows: int) -> None:
        self._n_columns, self._n_rows = n_columns, n_rows
        self._rows = [[" "] * n_columns for _ in range(n_rows)]
        self._x = self._y = 0

    def take(self, data: bytes) -> None:
        """What was written, in whole updates."""
        for part in _PARTS.finditer(data.decode(errors="replace")):
            if text := part["text"]:
                self._write(text)
            elif final := part["final"]:
                self._obey(part["arguments"], final)
            elif part["control"] == "\r":
                self._x = 0
            elif part["control"] == "\n":
                self._y = min(self._n_rows - 1, self._y + 1)

    def _obey(self, arguments: str, final: str) -> None:
        numbers = [int(number) if number.isdigit() else 0 for number in arguments.split(";")]
        if final in "Hf":
            row, column = (*numbers, 0)[:2]
            self._y, self._x = max(1, row) - 1, max(1, column) - 1
        elif final == "J" and numbers[0] == 2:
            self._rows = [[" "] * self._n_columns for _ in range(self._n_rows)]

    def _write(self, text: str) -> None:
        if self._y >= self._n_rows:
            return
        row = self._rows[self._y]
        for char in text:
            if unicodedata.combining(char):
                continue
            wide = 2 if unicodedata.east_asian_width(char) in "WF" else 1
            for n, cell in enumerate((char, "")[:wide]):
                if self._x + n < self._n_columns:
                    row[self._x + n] = cell
            self._x += wide

    @property
    def lines(self) -> list[str]:
        """From the top."""
        return ["".join(row) for row in self._rows]
