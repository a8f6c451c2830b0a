"""One file for each engine whose command line is read."""
