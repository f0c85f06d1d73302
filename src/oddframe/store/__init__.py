"""What was seen while watching, on disk: events, scores, states in SQLite, and pictures and clips beside it."""

from oddframe.errors import MissingExtraError

try:
    import filelock as _lock  # noqa: F401
    import sqlalchemy as _database  # noqa: F401
except ImportError as error:
    raise MissingExtraError("keeping what is watched", "watch") from error
