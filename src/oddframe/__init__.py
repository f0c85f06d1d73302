"""Oddframe finds what is abnormal in video after learning only from normal video.

    >>> import oddframe
    >>> oddframe.train("normal/", "runs/door")            # doctest: +SKIP
    >>> model = oddframe.load("runs/door")                # doctest: +SKIP
    >>> for score in model.scores("monday.mp4"):          # doctest: +SKIP
    ...     if score.score is not None and score.score > 0.5:
    ...         print(f"{score.time_s:.1f} s: {score.score:.2f}")

Names are imported when they are first used, so that ``import oddframe`` is quick.
"""

from typing import Any

import lazy_loader

from oddframe._version import __version__ as __version__
from oddframe.extras import require_extra

# The public names stand in `__init__.pyi`, where type checkers read them too.
_import_name, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    # A function whose file needs an optional package names the extra that brings it.
    with require_extra(f"{__name__}.{name}"):
        return _import_name(name)
