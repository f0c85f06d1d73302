"""Every error that Oddframe raises on purpose.

The tree; each error is also the builtin that fits, so callers need not know ours:

    OddframeError
    ├── InputError (ValueError)               unusable input
    │   ├── SourceError                       a recording, folder or stream that cannot be read
    │   │   └── LoginRefusedError             a camera that wants another password
    │   ├── LayoutError                       a benchmark folder or label file of another layout
    │   └── SettingsError                     a setting that is unknown or out of range
    ├── SourceNotFoundError (FileNotFoundError)   nothing at that path
    ├── BundleError (ValueError)              a model bundle that is truncated or altered
    ├── ParityError (ValueError)              an export that differs from the trained model
    ├── RunError (ValueError)                 a run folder that cannot be started in or resumed
    ├── StoreError (ValueError)               a store that is damaged, newer or in use
    ├── DeliveryError (OSError)               an alert that was not delivered now; sent again
    ├── DeliveryRefusedError (ValueError)     an alert that will never be taken; put aside
    ├── ReadOnlyError (AttributeError)        an attribute that cannot be set
    ├── OutputError (OSError)                 a file that could not be written
    └── MissingExtraError (ImportError)       an optional package that is not installed

The command line prints the one line and leaves with exit code 2. A sentence says what must hold,
what was found and what to do.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


_WALKWAY = "--preset fast --config benchmarks/walkway.toml"
"""What trains as the preset of version 0.1.0 did that is none any more."""


def did_you_mean(name: object, known: "Iterable[str]") -> str:
    """Return the end of a sentence that names the known word which `name` was mistyped from.

    Args:
        name: What was given.
        known: The words that there are.

    Returns:
        "; did you mean train?", or an empty text where nothing is near.
    """
    if name == "walkway" and "fast" in known:
        return f"; what was that preset is a file now: {_WALKWAY}"
    # Imported here: only mistakes need it, and every start of the program comes by.
    import difflib

    near = difflib.get_close_matches(str(name), known, n=1)
    return f"; did you mean {near[0]}?" if near else ""


class OddframeError(Exception):
    """Base of all errors that Oddframe raises on purpose; catch this to catch them all.

    Example:
        >>> try:
        ...     oddframe.load("nowhere")
        ... except oddframe.OddframeError as error:
        ...     type(error).__name__
        'SourceNotFoundError'
    """


class InputError(OddframeError, ValueError):
    """The input cannot be used: a value, a file or a folder that was given."""


class SourceError(InputError):
    """A recording, a folder of images or a stream cannot be read."""


class LoginRefusedError(SourceError):
    """A camera wants another user name or password; trying again soon would lock the account."""


class LayoutError(InputError):
    """A benchmark folder or a label file does not have the layout that it should have."""


class SettingsError(InputError):
    """A setting is unknown, of the wrong kind or out of range."""


class SourceNotFoundError(OddframeError, FileNotFoundError):
    """Nothing was found at a path, or a pattern matches nothing."""


class BundleError(OddframeError, ValueError):
    """A model bundle is missing a file, truncated, altered or of an unknown format."""


class ParityError(OddframeError, ValueError):
    """An exported model gives other scores or events than the trained one."""


class RunError(OddframeError, ValueError):
    """A run folder cannot be started in, resumed or read."""


class StoreError(OddframeError, ValueError):
    """A store of events is damaged, newer than this program, or in use by another one."""


class DeliveryError(OddframeError, OSError):
    """An alert could not be delivered now; it is kept and sent again.

    Attributes:
        wait_s: How long the receiver asked to be left alone, in seconds; None where it did not ask.
    """

    def __init__(self, message: str, wait_s: float | None = None) -> None:
        super().__init__(message)
        self.wait_s = wait_s


class DeliveryRefusedError(OddframeError, ValueError):
    """The receiver will never take this alert, however often it is sent."""


class ReadOnlyError(OddframeError, AttributeError):
    """An attribute is set that is not there: it would have no effect."""


class OutputError(OddframeError, OSError):
    """A file could not be written; what was there before is untouched."""


class MissingExtraError(OddframeError, ImportError):
    """An optional package is needed and not installed.

    Args:
        what: What needs it, as the sentence begins.
        extra: The extra of Oddframe that brings it.
    """

    def __init__(self, what: str, extra: str) -> None:
        super().__init__(f'{what} needs an optional package: pip install "oddframe[{extra}]"')
        self._parts = (what, extra)

    def __reduce__(self) -> tuple[type["MissingExtraError"], tuple[str, str]]:
        # A worker's process sends it to the one that started it.
        return type(self), self._parts
