"""One engine, one file: ``NAME``, ``Options``, ``estimate()`` and ``fallback()``."""
