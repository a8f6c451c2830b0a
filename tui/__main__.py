"""``python -m tui`` is ``plimsoll``."""

from tui.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
