"""Replays of figures that real runs printed, one module per kind of file, and the table made of them."""
