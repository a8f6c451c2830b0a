"""Hands snapshots from the sampler's thread to an app that need not be there yet.

So the hardware is read while the screen's libraries are being imported (130 ms), and the first picture has numbers.
"""

from collections.abc import Callable
from threading import Condition

from probes.snapshot import Snapshot


class SnapshotFeed:
    """What a sampler is given as ``on_snapshot``."""

    def __init__(self) -> None:
        self._changed = Condition()
        self._newest: Snapshot | None = None
        self._listener: Callable[[Snapshot], object] | None = None

    def __call__(self, snapshot: Snapshot) -> None:
        """A new one, on the sampler's thread."""
        with self._changed:
            self._newest = snapshot
            listener = self._listener
            self._changed.notify_all()
        if listener is not None:
            listener(snapshot)

    def wait(self, timeout_seconds: float) -> Snapshot | None:
        """The newest, once every probe has answered for the first time; after the timeout, whatever there is."""
        with self._changed:
            self._changed.wait_for(lambda: self._newest is not None and not self._newest.pending, timeout_seconds)
            return self._newest

    def listen(self, listener: Callable[[Snapshot], object]) -> None:
        """Whom to tell from now on; one that has come already is told at once."""
        with self._changed:
            self._listener = listener
            newest = self._newest
        if newest is not None:
            listener(newest)

    def close(self) -> None:
        """Nobody listens any more."""
        with self._changed:
            self._listener = None
