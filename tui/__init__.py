"""What is, and what would be, side by side: the command line and the full-screen app."""

__version__ = "0.1.0"
