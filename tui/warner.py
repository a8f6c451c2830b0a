"""When to warn: once, when what did fit does not any more, and when something else is the matter."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tui.alarms import Alarms

if TYPE_CHECKING:
    from collections.abc import Sequence

    from estimator.ledger import Place
    from probes.snapshot import Snapshot
    from tui.alarm import Alarm
    from tui.recognised import Recognised
    from tui.settings import Alerts

_BAD = 2
"""``Level.SPILLS``, without importing the estimator for it."""


class Warner:
    """Knows what was said and what was read."""

    def __init__(self) -> None:
        self.is_verdict_warned = False
        """The verdict has turned bad, and nobody has read that."""
        self._alarms = Alarms()
        self._unread: tuple[tuple[str, str], ...] = ()
        self._was_bad: bool | None = None
        """Whether the last verdict was; None before there was one, or after the plan was changed."""
        self._is_held_back = False
        """The warning of the verdict was shown, and is hidden only because nothing can be judged for now."""

    @property
    def unread(self) -> tuple[Alarm, ...]:
        """What still is the matter, and was not read."""
        return tuple(alarm for alarm in self._alarms.standing if (alarm.kind, alarm.key) in self._unread)

    def judge(self, level: int | None) -> bool:
        """Whether the verdict of this level is news; what was last known holds while nothing can be judged (None)."""
        if level is None:
            self._is_held_back = self._is_held_back or self.is_verdict_warned
            self.is_verdict_warned = False
            return False
        is_bad = level >= _BAD
        is_news = is_bad and self._was_bad is False
        if is_news or (is_bad and self._was_bad and self._is_held_back):
            self.is_verdict_warned = True
        elif not is_bad or self._was_bad is None:
            self.is_verdict_warned = False
        self._is_held_back = False
        self._was_bad = is_bad
        return is_news

    def look(
        self,
        snapshot: Snapshot,
        alerts: Alerts,
        engines: Sequence[Recognised] = (),
        places: Sequence[Place] = (),
    ) -> tuple[Alarm, ...]:
        """What is news beside the verdict."""
        news = self._alarms.news(snapshot, alerts, engines, places)
        self._unread += tuple((alarm.kind, alarm.key) for alarm in news)
        standing = {(alarm.kind, alarm.key) for alarm in self._alarms.standing}
        self._unread = tuple(key for key in self._unread if key in standing)
        return news

    def read(self) -> None:
        """All of it has been read."""
        self.is_verdict_warned = self._is_held_back = False
        self._unread = ()

    def forget_plan(self) -> None:
        """Another load is planned: its first verdict is no news."""
        self._was_bad = None
