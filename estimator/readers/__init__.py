"""One format, one file: ``recognises(source)`` and ``read(source)``."""
