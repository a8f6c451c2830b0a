"""What a command line asks of an engine, read as the engine reads it."""
