"""What goes over the wire: the requests of the API, checked, and the records it answers with."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

MOST_US = 2**62
"""Times beyond have no place in the database."""


def _plain(text: str) -> str:
    """Text without what has no place in a file or a database."""
    if any(
        0xD800 <= ord(letter) <= 0xDFFF or (ord(letter) < 32 and letter not in "\n\t")
        for letter in text
    ):
        raise ValueError("must be text without control characters")
    return text


Text = Annotated[str, AfterValidator(_plain)]
Name = Annotated[Text, StringConstraints(min_length=1, max_length=100)]
SourceText = Annotated[Text, StringConstraints(min_length=1, max_length=2_000)]
BudgetText = Annotated[Text, StringConstraints(min_length=3, max_length=40)]
Verdict = Literal["normal", "important", "unsure"]


class Schema(BaseModel):
    """Takes nothing that it does not know."""

    model_config = ConfigDict(extra="forbid")


class SignIn(Schema):
    """Somebody wants to come in."""

    token: Annotated[str, StringConstraints(max_length=2_000)]


class SourceAddress(Schema):
    """An address to try; it is never given back."""

    source: SourceText


class CameraChanged(Schema):
    """What is to be different about a camera; what is left out stays."""

    source: SourceText | None = None
    model: Name | None = None
    false_alarms: BudgetText | None = None
    zones: dict[str, Any] | None = None
    health: bool | None = None
    fps: Annotated[float, Field(gt=0, le=240)] | None = None
    loop: bool | None = None


class CameraAdded(CameraChanged):
    """A new camera."""

    name: Name
    source: SourceText
    model: Name | None = None


class ReviewGiven(Schema):
    """What somebody says of an event; both empty takes it back."""

    verdict: Verdict | None = None
    note: Annotated[Text, StringConstraints(max_length=2_000)] = ""


class EventRecord(Schema):
    """An event; times are microseconds since 1970-01-01 UTC."""

    row: int
    id: str
    camera: str
    kind: str
    phase: str
    start_us: int
    peak_us: int
    end_us: int | None
    score: float
    reason: str
    parts: dict[str, float]
    box: tuple[float, float, float, float] | None
    snapshot: str | None
    clip: str | None
    clip_start_us: int | None
    cut: bool
    verdict: Verdict | None
    note: str
    reviewed_us: int | None


class EventList(Schema):
    """A page of events, the newest first."""

    events: list[EventRecord]
    more: bool


class StoredState(Schema):
    """How a camera's stream is doing."""

    phase: str
    error: str | None
    rate_fps: float
    size: tuple[int, int] | None
    frames: int
    dropped: int
    damaged: int
    reconnects: int
    silent_s: float | None
    retry_s: float | None


class CameraRecord(Schema):
    """A camera: its settings but for what is secret, and how it is doing."""

    name: str
    source: str
    kind: Literal["rtsp", "http", "camera", "file"]
    loop: bool
    model: str
    false_alarms: str | None
    zones: dict[str, Any] | None
    health: bool
    fps: float | None
    state: StoredState
    score: float | None
    recent: list[float | None]
    inference_ms: float | None
    events: int
    open_event: bool
    last_event: EventRecord | None
    threshold: float
    budget: str
    calibrated_at_us: int | None


class CameraList(Schema):
    """All cameras, in the file's order."""

    cameras: list[CameraRecord]


class SourceTested(Schema):
    """What came of trying an address."""

    ok: bool
    error: str | None = None
    size: tuple[int, int] | None = None
    rate_fps: float | None = None
    picture: str | None = None


class SpanList(Schema):
    """Scores: start in microseconds, peak, mean; spans without a score are left out."""

    spans: list[tuple[int, float, float]]
    span_us: int


class Appearing(Schema):
    """An alarm that there would have been."""

    start_us: int
    end_us: int
    peak: float


class BudgetPreview(Schema):
    """What a budget would have done."""

    false_alarms: str
    threshold: float
    threshold_now: float
    hours: float
    alarms_now: int
    alarms_then: int
    vanish: list[EventRecord]
    appear: list[Appearing]
    notice: str | None


class RecalibrationPreview(Schema):
    """What a recalibration would do."""

    threshold_before: float
    threshold_after: float
    false_alarms: str
    feedback: int
    vanish: list[EventRecord]
    stay: list[EventRecord]
    hours: float
    notice: str | None


class RevisionDone(Schema):
    """The change that was made, or taken back."""

    revision: int


class RevisionRecord(Schema):
    """A change to a camera."""

    number: int
    at_us: int
    what: str
    text: str
    current: bool
    undone: bool


class RevisionList(Schema):
    """Changes, the newest first."""

    revisions: list[RevisionRecord]


class Info(Schema):
    """The server; where it keeps its data is for those who have signed in."""

    version: str
    auth_required: bool
    signed_in: bool
    now_us: int
    data_dir: str | None
    time_zone: str
    demo: bool
