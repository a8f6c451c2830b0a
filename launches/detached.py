"""Commands that come back at once, while what they start goes on."""

import re
from collections.abc import Sequence

from launches.commands import started

_DETACHING = frozenset(
    "bash sh zsh dash ash ksh su script runuser eval tmux screen env sudo docker podman nerdctl docker-compose "
    "podman-compose apptainer singularity".split()
)
_DETACHED = frozenset({"-d", "--detach", "-dm", "-dmS", "-itd", "-dit", "-td", "-dt", "-di", "-id"})
"""They come back at once (docker run -d, tmux new -d, screen -dmS)."""
_SENDING = frozenset({"send-keys", "send", "new-window", "neww", "split-window", "splitw"})
"""Commands of tmux that come back at once."""
_KEEPING = re.compile(
    r"(?:.*[/\\])?(?:lms load|pm2 start|systemd-run(?! .*--(?:scope|wait|pty|pipe)\b)|instance start)\b"
)
"""Others that do: lmstudio.ai/docs/cli, pm2.keymetrics.io, systemd-run(1), apptainer.org."""


def is_detached(words: Sequence[str]) -> bool:
    """Whether this command does."""
    name = started(words)
    if name == "tmux" and not _SENDING.isdisjoint(words):
        return True
    if name in _DETACHING and not _DETACHED.isdisjoint(words):
        return True
    return _KEEPING.match(" ".join(words[:12])) is not None
