"""Where scores and events end up: one file a kind of output, each a context manager with ``write``."""
