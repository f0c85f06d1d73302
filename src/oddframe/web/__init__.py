"""The web app of `oddframe serve`: the watcher behind an HTTP API and a front end.

Nothing that comes from outside reaches the file system or the network before a file of this room
has checked it.
"""

from oddframe.errors import MissingExtraError

# Tried here, once: whoever lacks the extra reads how to install it, and not which import failed.
try:
    import argon2 as _argon2  # noqa: F401
    import fastapi as _fastapi  # noqa: F401
    import sqlalchemy as _sqlalchemy  # noqa: F401
    import sse_starlette as _sse_starlette  # noqa: F401
    import tomlkit as _tomlkit  # noqa: F401
    import uvicorn as _uvicorn  # noqa: F401
except ImportError as error:
    raise MissingExtraError("the web app", "serve") from error
