"""What was seen while watching, on disk: events, scores, states in SQLite, and pictures and clips beside it."""

from oddframe.errors import MissingExtraError

try:
    import sqlalchemy as _needed  # noqa: F401
except ImportError as error:
    raise MissingExtraError("keeping what is watched", "watch") from error
