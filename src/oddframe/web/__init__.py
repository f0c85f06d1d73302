"""The verb `oddframe serve`: the watcher behind a web app and an API, for people who look at what was found.

Nothing that comes from outside reaches the file system or the network before a file of this room
has checked it.
"""

from oddframe.errors import MissingExtraError

try:
    import argon2 as _passwords  # noqa: F401
    import fastapi as _api  # noqa: F401
    import sqlalchemy as _store  # noqa: F401
    import sse_starlette as _stream  # noqa: F401
    import tomlkit as _files  # noqa: F401
    import uvicorn as _server  # noqa: F401
except ImportError as error:
    raise MissingExtraError("the web app", "serve") from error
