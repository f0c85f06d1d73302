"""Which extra of the package brings what is not part of the base install.

The edge install has no torch, no SciPy and no web server. What needs one of them says which extra
to install, instead of failing with the name of a package that a user has never heard of.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from oddframe.errors import MissingExtraError

EXTRA_OF = {
    "PIL": "pictures",
    "apprise": "chat",
    "argon2": "serve",
    "cryptography": "push",
    "fastapi": "serve",
    "filelock": "watch",
    "jinja2": "pictures",
    "matplotlib": "pictures",
    "nncf": "train",
    "onnx": "train",
    "onnxscript": "train",
    "openvino": "openvino",
    "paho": "watch",
    "prometheus_client": "watch",
    "pyarrow": "parquet",
    "ray": "ray",
    "scipy": "eval",
    "sklearn": "eval",
    "setproctitle": "watch",
    "sqlalchemy": "watch",
    "sse_starlette": "serve",
    "threadpoolctl": "train",
    "tomlkit": "serve",
    "uvicorn": "serve",
    "torch": "train",
}
"""The extra that brings a package, by the name under which it is imported."""

EXTRA_OF_VERB = {
    "data": "eval",
    "demo": "train",
    "eval": "eval",
    "export": "train",
    "train": "train",
}
"""The extra that brings all that a verb of the command line needs."""


@contextmanager
def require_extra(what: str, extra: str | None = None) -> Iterator[None]:
    """Turn an import that fails inside the block into an error that names the extra to install.

    Args:
        what: What needs it, as the sentence begins: "training".
        extra: The extra that brings all that is needed; that of the missing package when None.

    Raises:
        MissingExtraError: In place of the ImportError.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        # A module of ours that is missing is a bug and no missing extra: it passes through.
        package = (error.name or "").partition(".")[0]
        if package not in EXTRA_OF:
            raise
        raise MissingExtraError(what, extra or EXTRA_OF[package]) from error
