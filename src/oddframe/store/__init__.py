"""What was seen while watching: events, scores and states in SQLite, and files beside it."""

from oddframe.errors import MissingExtraError

# Asked for at the room's door, so that one sentence names the extra whatever file comes first.
try:
    import filelock as _lock  # noqa: F401
    import sqlalchemy as _database  # noqa: F401
except ImportError as error:
    raise MissingExtraError("keeping what is watched", "watch") from error
