"""Wrong use of the command line, and what holds where nothing is typed. Light: the app's start imports it."""

DEFAULT_INTERVAL_SECONDS = 1.0


class UsageError(Exception):
    """The message is one sentence: what is the matter, and what to type."""
