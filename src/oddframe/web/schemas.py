"""What goes over the wire: the requests of the API, checked, and the records of its answers.

The names of the classes and their fields are part of the API: they stand in `openapi.json`.
"""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from oddframe.web.people import Role

MOST_US = 2**62
"""The largest time and row that is let through: SQLite holds integers of 64 bits."""


def _plain(text: str) -> str:
    """Refuse text that a file or a database cannot hold."""
    for letter in text:
        # JSON can carry half of a surrogate pair, which UTF-8 cannot write.
        is_surrogate = 0xD800 <= ord(letter) <= 0xDFFF
        is_control = ord(letter) < 32 and letter not in "\n\t"
        if is_surrogate or is_control:
            raise ValueError("must be text without control characters")
    return text


Text = Annotated[str, AfterValidator(_plain)]
Name = Annotated[Text, StringConstraints(min_length=1, max_length=100)]
SourceText = Annotated[Text, StringConstraints(min_length=1, max_length=2_000)]
HoursText = Annotated[Text, StringConstraints(min_length=1, max_length=60)]
BudgetText = Annotated[Text, StringConstraints(min_length=3, max_length=40)]
Verdict = Literal["normal", "important", "unsure"]


class Schema(BaseModel):
    """A record that refuses unknown fields: a typing error must not be ignored."""

    model_config = ConfigDict(extra="forbid")


class SignIn(Schema):
    """A request to sign in, with the token."""

    # Longer than any token may be: `Access` refuses what is too long, and counts the attempt.
    token: Annotated[str, StringConstraints(max_length=2_000)]


class Source(Schema):
    """An address to test; no answer ever contains it."""

    source: SourceText


class CameraChanged(Schema):
    """Settings of a camera to change; what is left out stays as it is."""

    # Another name; all that is kept of the camera goes along.
    name: Name | None = None
    source: SourceText | None = None
    model: Name | None = None
    false_alarms: BudgetText | None = None
    zones: dict[str, Any] | None = None
    health: bool | None = None
    fps: Annotated[float, Field(gt=0, le=240)] | None = None
    loop: bool | None = None
    # Take a model although the camera shows another view than the one that it has learnt.
    other_view: bool = False


class CameraAdded(CameraChanged):
    """A camera to add, with what it cannot be without."""

    name: Name
    source: SourceText
    model: Name | None = None


class ReviewGiven(Schema):
    """A review of an event; with both fields empty, the review is taken back."""

    verdict: Verdict | None = None
    note: Annotated[Text, StringConstraints(max_length=2_000)] = ""


class ReviewOfEvent(Schema):
    """A review of one of several events; a note of null leaves the note as it is."""

    row: Annotated[int, Field(ge=0, le=MOST_US)]
    verdict: Verdict | None = None
    note: Annotated[Text, StringConstraints(max_length=2_000)] | None = None


class ReviewsGiven(Schema):
    """Reviews of several events, which are written together."""

    reviews: Annotated[list[ReviewOfEvent], Field(min_length=1, max_length=500)]


class LooksGiven(Schema):
    """Events that somebody looks at."""

    rows: Annotated[list[Annotated[int, Field(ge=0, le=MOST_US)]], Field(max_length=500)]


class ApartGiven(Schema):
    """Whether an event stands apart from others that are like it."""

    apart: bool


# The records of answers. A field without a value is null and never missing.


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
    # (x_min, y_min, x_max, y_max), 0 to 1 of width and height.
    box: tuple[float, float, float, float] | None
    snapshot: str | None
    clip: str | None
    clip_start_us: int | None
    # Why there is no clip; null where there is one, or it is not due yet.
    clip_error: str | None
    cut: bool
    verdict: Verdict | None
    note: str
    reviewed_us: int | None
    # Name of the token of who reviewed it; empty where it had none.
    reviewed_by: str = ""
    # What a model says of its picture; null where none was asked, or has not answered yet.
    description: str | None = None
    # When somebody looked at it first; null where nobody did.
    looked_us: int | None = None


class EventList(Schema):
    """A page of events, the newest first."""

    events: list[EventRecord]
    more: bool


class StackRecord(Schema):
    """Events that are alike: same camera, kind, reason, verdict and place, with short pauses."""

    # Rows of all events, the latest first.
    rows: list[int]
    # The event with the highest score.
    event: EventRecord
    # Some of the events in order of time, to show them; all, where there are few.
    pictured: list[EventRecord]
    # Starts of the first and the last event.
    first_us: int
    last_us: int
    score: float
    # -log10 of the share of normal frames that reach as far.
    rarity: float


class StackList(Schema):
    """A page of stacks, and how many stacks and events there are in all."""

    stacks: list[StackRecord]
    stack_count: int
    event_count: int
    # Whether older events were left out, since there are too many.
    cut: bool


class ReviewsWritten(Schema):
    """Events as they are after their reviews, and the reviews that bring back what was before."""

    events: list[EventRecord]
    before: list[ReviewOfEvent]


class CameraState(Schema):
    """The state of a camera's stream."""

    phase: str
    error: str | None
    rate_fps: float
    size: tuple[int, int] | None
    frames: int
    dropped: int
    damaged: int
    reconnects: int
    # Seconds since the last frame, and until the next attempt to connect.
    silent_s: float | None
    retry_s: float | None
    # What is worth knowing of its frames as they come now; goes on behind its name.
    notice: str | None = None


class CameraRecord(Schema):
    """A camera: its settings without secrets, and its state."""

    name: str
    source: str
    kind: Literal["rtsp", "http", "camera", "file"]
    loop: bool
    model: str
    false_alarms: str | None
    zones: dict[str, Any] | None
    health: bool
    fps: float | None
    state: CameraState
    score: float | None
    recent: list[float | None]
    inference_ms: float | None
    events: int
    open_event: bool
    # Whether that is an anomaly, and what is wrong with the picture: a fault is nothing unusual.
    unusual: bool = False
    fault: str | None = None
    last_event: EventRecord | None
    threshold: float
    budget: str
    # When the last recalibration was made that has not been undone.
    calibrated_at_us: int | None
    # How a learning of it is that is not over: "recording", "training", "paused", "ready".
    learning: str | None = None


class CameraList(Schema):
    """All cameras, in the file's order."""

    cameras: list[CameraRecord]


class SourceTested(Schema):
    """The result of testing an address."""

    ok: bool
    error: str | None = None
    size: tuple[int, int] | None = None
    rate_fps: float | None = None
    picture: str | None = None


class SpanList(Schema):
    """Spans of scores: (start in microseconds, peak, mean); those without a score are left out."""

    spans: list[tuple[int, float, float]]
    span_us: int


class Appearing(Schema):
    """An alarm that another threshold would have raised."""

    start_us: int
    end_us: int
    peak: float


class BudgetPreview(Schema):
    """What a budget of false alarms would have done over the last day."""

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
    """What a recalibration would have done over the last week."""

    threshold_before: float
    threshold_after: float
    false_alarms: str
    feedback: int
    vanish: list[EventRecord]
    stay: list[EventRecord]
    hours: float
    notice: str | None


class Lesson(Schema):
    """What the verdict on an event changes for alarms like it."""

    # The newest alarms like it, and how many of them would not be raised.
    like: int
    silenced: int
    # When the camera was recalibrated with it; null where it was not yet.
    applied_us: int | None
    sentence: str


class RevisionDone(Schema):
    """The number of the change that was made, or undone."""

    revision: int
    # What the camera is called now: a roll back may bring back its earlier name.
    name: str | None = None


class RevisionRecord(Schema):
    """A change to a camera or to the site, such as another model, budget or name."""

    number: int
    at_us: int
    what: str
    text: str
    current: bool
    undone: bool


class RevisionList(Schema):
    """The changes to a camera, the newest first."""

    revisions: list[RevisionRecord]


class Info(Schema):
    """The server; version and data folder are for those who have signed in."""

    version: str
    auth_required: bool
    signed_in: bool
    now_us: int
    data_dir: str | None
    time_zone: str
    demo: bool
    # Whose token it is, and what may be done with it.
    name: str = ""
    role: Role = "viewer"
    # Names of the cameras that are seen; null for all.
    cameras: list[str] | None = None


class ModelRecord(Schema):
    """A model that cameras can have."""

    name: str
    path: str
    sha256: str
    created: str
    # Always null: bundles keep no preset. Clients of version 0.1.0 read the key, so it stays.
    preset: str | None
    size: tuple[int, int]
    rate_fps: float
    threshold: float
    false_alarms: str
    # The same with what it rests on, such as "1/day (extrapolated)".
    allowance: str
    own_budgets: bool
    # Whether it came with Oddframe, to look at: no model for a camera.
    demonstration: bool
    card: str
    report: str | None
    used_by: list[str]


class ModelList(Schema):
    """All models that cameras can have."""

    models: list[ModelRecord]


class DayRecord(Schema):
    """The normal scores of a day, in shares of the threshold."""

    day: str
    median: float
    p95: float
    hours: float


class Drift(Schema):
    """Whether normal scores have moved over the days."""

    days: list[DayRecord]
    sentence: str
    # Whether the camera should be learnt again from newer video.
    learn_again: bool = False


class CameraHealth(Schema):
    """The state of a camera now and over the last day."""

    name: str
    state: str
    error: str | None
    rate_fps: float
    dropped: int
    damaged: int
    reconnects: int
    # 0 to 1; null where nothing of the last day is known.
    online_share_24h: float | None
    drift: Drift


class Disk(Schema):
    """The disk of the data folder."""

    free_gb: float
    used_by_pictures_gb: float
    database_mb: float


class SinkHealth(Schema):
    """A sink: how many alerts wait to be delivered, and its last error."""

    waiting: int
    error: str | None
    # Whether a test can be sent to it.
    testable: bool = False


class ProcessHealth(Schema):
    """The server's process: its memory, its age, who listens, whether it watches."""

    rss_mb: float
    uptime_s: float
    listeners: int
    watching: bool


class Health(Schema):
    """The state of the whole server."""

    cameras: list[CameraHealth]
    disk: Disk
    sinks: dict[str, SinkHealth]
    process: ProcessHealth
