"""Every error that Oddframe raises on purpose.

The tree; each error is also the builtin that fits, so callers need not know ours:

    OddframeError
    ├── InputError (ValueError)              unusable input: what was given cannot be worked with
    │   ├── SourceError                      a recording, folder or stream that cannot be read
    │   ├── LayoutError                      a benchmark folder or label file that is not what it
    says │   └── SettingsError                    a setting that is unknown, of the wrong kind or
    out of range ├── SourceNotFoundError (FileNotFoundError)   nothing at that path
    ├── BundleError (ValueError)             a model bundle that is truncated, altered or of another
    format ├── ParityError (ValueError)             an exported model that does not say what the
    trained one says ├── RunError (ValueError)                a run folder that cannot be started in
    or resumed ├── StoreError (ValueError)              a store that is damaged, newer than this
    program, or in use ├── DeliveryError (OSError)              an alert that its receiver did not
    take now; it is sent again ├── LoginRefusedError (ValueError)            an alert that its
    receiver will never take; it is put aside ├── OutputError (OSError)                something
    could not be written; what was there is untouched └── MissingExtraError (ImportError)      an
    optional package is not installed

The command line prints the one line and leaves with exit code 2. A sentence says what must hold,
what was found and what to do.
"""


class OddframeError(Exception):
    """Anything that Oddframe itself reports; catch this to catch all of it."""


class InputError(OddframeError, ValueError):
    """What was given cannot be worked with."""


class SourceError(InputError):
    """A recording, a folder of images or a stream cannot be read."""


class LayoutError(InputError):
    """A benchmark folder or a label file is not what its layout says."""


class SettingsError(InputError):
    """A setting is unknown, of the wrong kind or out of range."""


class SourceNotFoundError(OddframeError, FileNotFoundError):
    """Nothing was found at a path, or a pattern matches nothing."""


class BundleError(OddframeError, ValueError):
    """A model bundle is missing a file, truncated, altered or of an unknown format."""


class ParityError(OddframeError, ValueError):
    """An exported model does not say what the trained one says."""


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


class OutputError(OddframeError, OSError):
    """Something could not be written; what was there before is untouched."""


class MissingExtraError(OddframeError, ImportError):
    """An optional package is needed and not installed."""

    def __init__(self, what: str, extra: str) -> None:
        super().__init__(f'{what} needs an optional package: pip install "oddframe[{extra}]"')
