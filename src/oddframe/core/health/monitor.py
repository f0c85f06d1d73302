"""Follow the health of a camera: no signal, black or covered, frozen, moved, out of focus.

`HealthMonitor` is a state machine over frames and their times. It has no clock of its own: who
watches a stream calls `tick` with the time when no frame comes. It compares the picture with a
`HealthReference`, which is learned from normal footage (`learning`) and stored in a bundle.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from oddframe._types import Pixels
from oddframe.core.health.measures import Average, Measures, SceneModel, grey
from oddframe.core.health.stillness import StillRun, change
from oddframe.core.records import Event, Frame, HealthChange, HealthState, event_id
from oddframe.errors import InputError, SettingsError

CHECK_S = 1.0
"""Seconds from one check of the picture to the next."""
NO_DETAIL = 0.35
"""Contrast below which lost tiles show nothing (covered) rather than something else (moved)."""
SETTLES_S = 1.0
"""Seconds after a change of the whole picture in which nothing is scored.

Light that is switched, and infrared that comes on, are states of the camera: no clip has both.
A camera takes about so long to adapt its exposure.
"""
EASED = 0.85
"""How far below its limit a measure must fall to count as good again (hysteresis)."""


@dataclass(frozen=True, kw_only=True, eq=False)
class HealthReference:
    """What is usual for a camera.

    Attributes:
        scene: The empty scene in grey, uint8 H x W, at most 65,536 pixels.
        still_change: Most `change` between a frame and its repeat, in grey levels.
        frozen_after_s: Seconds of repeats from which the picture is frozen.
        least_brightness: Below this, and below the least contrast, a picture is black where the
            scene has no structure that could be missed; 0 switches that off.
        least_contrast: As above.
        most_lost: Share of the scene's tiles that may be lost; 1 switches cover and loss of view
            off.
        least_sharpness: Below it the picture is out of focus; 0 switches that off.
        most_shift_px: From it on the view has moved; infinite switches that off.
        jump: Mean change in grey levels at which the picture has changed as a whole.
    """

    scene: Pixels
    still_change: float
    frozen_after_s: float
    least_brightness: float
    least_contrast: float
    most_lost: float
    least_sharpness: float
    most_shift_px: float
    jump: float

    def __post_init__(self) -> None:
        if self.scene.dtype != np.uint8 or self.scene.ndim != 2 or not self.scene.size:
            raise InputError(
                "health scene must be uint8 of shape H x W, "
                f"got {self.scene.dtype} of shape {self.scene.shape}"
            )
        for name, value in self._limits().items():
            if not value >= 0:
                raise InputError(f"health {name} must be 0 or more, got {value}")

    def _limits(self) -> dict[str, float]:
        """All fields but the scene."""
        return {
            item.name: getattr(self, item.name) for item in fields(self) if item.name != "scene"
        }

    def as_arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Give arrays by name: the scene, and a float64 without dimensions for each limit."""
        return {
            "scene": self.scene,
            **{name: np.array(value) for name, value in self._limits().items()},
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray[Any]]) -> "HealthReference":
        """Make the reference again whose `as_arrays` this is.

        Raises:
            InputError: If an array is missing, not known or not what it should be.
        """
        names = {item.name for item in fields(cls)}
        if set(arrays) != names:
            raise InputError(
                f"a health reference must have {', '.join(sorted(names))}, "
                f"got {', '.join(sorted(arrays))}"
            )
        # Sorted, so that of several wrong arrays the same one is named in every process.
        for name in sorted(names - {"scene"}):
            if arrays[name].size != 1:
                raise InputError(f"health {name} must be one number, got {arrays[name].size}")
        return cls(
            scene=arrays["scene"],
            **{name: float(arrays[name].item()) for name in names - {"scene"}},
        )


@dataclass(frozen=True, kw_only=True)
class HealthTimes:
    """How long a fault must last to become the state, and how long it must be gone to end it.

    How long frames repeat before they are frozen is learned from the footage:
    `HealthReference.frozen_after_s`.

    Attributes:
        no_signal_s: Seconds without a frame until there is no signal.
        covered_s: Seconds that the picture is black or covered.
        moved_s: Seconds that another view is seen.
        blurred_s: Seconds that the picture is out of focus.
        leave_s: Seconds that the picture must be good again to end any of these.
    """

    no_signal_s: float = 10.0
    covered_s: float = 3.0
    moved_s: float = 5.0
    blurred_s: float = 5.0
    leave_s: float = 2.0

    def __post_init__(self) -> None:
        for name in ("no_signal_s", "covered_s", "moved_s", "blurred_s", "leave_s"):
            if not 0.0 <= getattr(self, name) < math.inf:
                raise SettingsError(
                    f"health {name} must be 0 or more and finite, got {getattr(self, name)}"
                )


class _Fault:
    """One fault, which is on when it has been seen for long enough, and off likewise.

    Attributes:
        state: The camera's state while the fault is on.
        on: Whether it is.
        seen: Whether the last check saw it.
        since_s: When it was seen first; NaN where it is not.
        reason: A sentence about it, from the moment at which it went on.
    """

    def __init__(self, state: HealthState, enter_s: float, leave_s: float) -> None:
        self.state: HealthState = state
        self.on = False
        self.seen = False
        self.since_s = math.nan
        self.reason = ""
        self._enter_s, self._leave_s = enter_s, leave_s
        self._good_since_s = math.nan

    def see(self, time_s: float, bad: bool, reason: Callable[[], str]) -> None:
        """Take the result of a check; ``reason`` is called when the fault goes on."""
        self.seen = bad
        if bad:
            self._good_since_s = math.nan
            if math.isnan(self.since_s):
                self.since_s = time_s
            if not self.on and time_s - self.since_s >= self._enter_s:
                self.on, self.reason = True, reason()
        elif self.on:
            if math.isnan(self._good_since_s):
                self._good_since_s = time_s
            if time_s - self._good_since_s >= self._leave_s:
                self.clear()
        else:
            self.since_s = math.nan

    def clear(self) -> None:
        """Take the fault off at once."""
        self.on = self.seen = False
        self.since_s = self._good_since_s = math.nan


class HealthMonitor:
    """Follows the health of one camera frame by frame, without looking ahead.

    Args:
        reference: What is usual for the camera.
        times: How long faults last before they are states.

    Attributes:
        state: The state that holds.
        gap_s: The longest time between two frames that is usual for the source, in seconds: a
            shorter silence is no lost signal.
    """

    def __init__(self, reference: HealthReference, times: HealthTimes | None = None) -> None:
        self.state: HealthState = "ok"
        self.gap_s = 0.0
        self._reference, self._times = reference, times or HealthTimes()
        self._scene = SceneModel(reference.scene)
        leave_s = self._times.leave_s
        self._covered = _Fault("covered", self._times.covered_s, leave_s)
        # Its time is in the reference, and it ends with the first frames that change.
        self._frozen = _Fault("frozen", 0.0, 0.0)
        self._moved = _Fault("moved", self._times.moved_s, leave_s)
        self._blurred = _Fault("out of focus", self._times.blurred_s, leave_s)
        # The first that is on is the state: what is covered says nothing of focus.
        self._faults = (self._covered, self._frozen, self._moved, self._blurred)
        self._last_s = math.nan
        self._begin()

    @property
    def usable(self) -> bool:
        """Whether the last frame can be scored.

        The state is ok, no fault is suspected, and the picture has not just changed as a whole.
        """
        return self.suspected == "ok" and not self._last_s < self._settled_s

    @property
    def suspected(self) -> HealthState:
        """The state, or where that is ok the fault of the last frame that is not certain yet."""
        if self.state != "ok":
            return self.state
        # Repeats of a good picture do no harm before they are certain.
        for fault in (self._covered, self._moved, self._blurred):
            if fault.seen:
                return fault.state
        return "ok"

    def push(self, frame: Frame) -> tuple[HealthChange, ...]:
        """Take the next frame; returns changes of state, oldest first.

        Raises:
            InputError: If the frame has another size than the footage that the reference was
                learned from.
        """
        picture = grey(frame.pixels)
        if picture.shape != self._reference.scene.shape:
            raise InputError(
                "health needs frames of the size that it was learned from, "
                f"{self._reference.scene.shape} after shrinking, got {picture.shape}"
            )
        time_s = frame.time_s
        changes = list(self.tick(time_s))
        step_s = time_s - self._last_s
        # After a silence, or when time goes back, the pictures before tell nothing any more.
        if self.state == "no signal" or not 0 < step_s < self._no_signal_s:
            for fault in self._faults:
                fault.clear()
            self._begin()
            step_s = 0.0
        self._last_s = time_s
        self._check(time_s, step_s, picture)
        return (*changes, *self._change_state(time_s))

    def tick(self, time_s: float) -> tuple[HealthChange, ...]:
        """Let time pass without a frame.

        Args:
            time_s: The time now, on the frames' own scale.

        Returns:
            The change to "no signal", once, when the silence has lasted long enough.
        """
        silent_from_s = self._last_s + self._no_signal_s
        if self.state == "no signal" or not time_s >= silent_from_s:
            return ()
        before, self.state = self.state, "no signal"
        reason = f"no signal: no frame for {round(self._no_signal_s, 1):g} s"
        return (HealthChange(silent_from_s, "no signal", before, self._last_s, reason),)

    @property
    def _no_signal_s(self) -> float:
        return max(self._times.no_signal_s, self.gap_s)

    def _begin(self) -> None:
        """Forget the pictures so far."""
        self._average = Average(self._reference.jump)
        self._still = StillRun(self._reference.still_change)
        self._before: Pixels | None = None
        self._checked_s = self._settled_s = math.nan

    def _check(self, time_s: float, step_s: float, picture: Pixels) -> None:
        """Compare a picture with the one before, and every `CHECK_S` with the scene."""
        if self._before is not None:
            still_s = self._still.push(time_s, change(self._before, picture))
            frozen = still_s >= self._reference.frozen_after_s
            self._frozen.see(
                time_s, frozen, lambda: f"frozen: the same picture for {still_s:.0f} s"
            )
            # The freeze began with the first repeat, not when it became certain.
            if frozen and self._frozen.on:
                self._frozen.since_s = min(self._frozen.since_s, time_s - still_s)
        self._before = picture
        self._average.add(picture, step_s)
        if self._average.switched:
            self._settled_s = time_s + SETTLES_S
        if math.isnan(self._checked_s):
            self._checked_s = time_s
        # A jump is checked at once: until the next check the frames would be scored.
        is_due = self._average.jumped or time_s - self._checked_s >= CHECK_S
        if self._average.picture is not None and is_due:
            self._checked_s = time_s
            self._judge(time_s, self._scene.measure(self._average.picture))

    def _judge(self, time_s: float, found: Measures) -> None:
        """Set the measures against the limits, and tell each fault whether it is seen."""
        usual = self._reference
        # A state that holds is left by a margin, so that a measure on the fence does not flutter.
        lost = found.lost > usual.most_lost * (EASED if self._covered.on or self._moved.on else 1.0)
        dark = 1.0 if not self._covered.on else 1.0 / EASED
        black = (
            found.brightness < dark * usual.least_brightness
            and found.contrast < dark * usual.least_contrast
        )
        # A night in which the scene is still to be made out is dark, not black.
        covered = lost and found.detail < NO_DETAIL if self._scene.has_structure else black
        shifted = found.shift_px >= usual.most_shift_px * (EASED if self._moved.on else 1.0)
        moved = not covered and (shifted or lost)
        soft = found.sharpness < usual.least_sharpness / (EASED if self._blurred.on else 1.0)
        self._covered.see(
            time_s,
            covered,
            lambda: "black" if black else f"covered: {found.lost:.0%} of the scene shows nothing",
        )
        self._moved.see(
            time_s,
            moved,
            lambda: f"moved: {_view_text(found, usual, shifted=shifted)}",
        )
        self._blurred.see(
            time_s,
            soft and not covered and not moved,
            lambda: f"out of focus: {found.sharpness:.0%} of the usual sharpness",
        )

    def _change_state(self, time_s: float) -> Iterator[HealthChange]:
        """Make the first fault that is on the state; yields the change, if it is one."""
        fault = next((fault for fault in self._faults if fault.on), None)
        state: HealthState = "ok" if fault is None else fault.state
        if state == self.state:
            return
        before, self.state = self.state, state
        if fault is None:
            yield HealthChange(time_s, "ok", before, time_s, "")
        else:
            yield HealthChange(time_s, state, before, fault.since_s, fault.reason)


def find_other_view(reference: HealthReference, pixels: Pixels) -> str | None:
    """Say in what a picture is of another view than a reference; None where it is not.

    One picture is judged, with whoever stands in it. One that shows nothing where the scene has
    structure is of another view too, as far as one picture can tell.

    Args:
        reference: What is usual for the view.
        pixels: A frame of the size that the reference was learned from, uint8 H x W x C.
    """
    scene = SceneModel(reference.scene)
    found = scene.measure(grey(pixels).astype(np.float32))
    lost, shifted = found.lost > reference.most_lost, found.shift_px >= reference.most_shift_px
    return _view_text(found, reference, shifted=shifted) if lost or shifted else None


def _view_text(found: Measures, usual: HealthReference, *, shifted: bool) -> str:
    """Say in what the view differs: it is shifted, or shows something else."""
    if shifted:
        return f"the view is shifted by {found.shift_px:.0f} pixels of {usual.scene.shape[1]}"
    return f"{found.lost:.0%} of the scene is not where it was"


class HealthEvents:
    """Turns changes of state into events: a start when a state is entered, an end when it is left.

    Args:
        source: Name of the source.
        identity: The source's identity; see `event_id`.
    """

    def __init__(self, source: str, identity: str) -> None:
        self._source, self._identity = source, identity
        self._lasting: HealthChange | None = None
        self._last_s = 0.0

    def push(self, time_s: float, changes: Iterable[HealthChange]) -> list[Event]:
        """Take the changes that came with the frame at a time in seconds.

        Returns:
            The messages that are known now, oldest first.
        """
        self._last_s = time_s
        found = []
        for new in changes:
            found += self._end_lasting(new.time_s)
            if new.state != "ok":
                self._lasting = new
                found.append(self._event(new, "start", new.time_s))
        return found

    def finish(self) -> list[Event]:
        """Close the event that still lasts: the source has ended."""
        return self._end_lasting(self._last_s)

    def _end_lasting(self, time_s: float) -> list[Event]:
        """End the event that lasts, if there is one."""
        lasting, self._lasting = self._lasting, None
        return [] if lasting is None else [self._event(lasting, "end", max(time_s, lasting.time_s))]

    def _event(self, lasting: HealthChange, phase: Literal["start", "end"], end_s: float) -> Event:
        start_s = round(lasting.since_s, 6)
        return Event(
            id=event_id(self._identity, start_s, lasting.state),
            kind="health",
            phase=phase,
            source=self._source,
            start_s=start_s,
            end_s=round(end_s, 6),
            peak_s=start_s,
            score=1.0,
            box=None,
            reason=lasting.reason,
            parts={},
        )
