"""Programs that have another process load what they name: it holds the memory, and runs on when they have ended."""

CLIENTS = frozenset({"ollama run", "lms load"})
"""As ``Launch.program`` has them."""
