"""Everything that an evaluation finds, as `oddframe eval` prints it; docs/evaluation.md describes the JSON."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from oddframe._types import Float64
from oddframe.metrics.events import EventMetrics
from oddframe.metrics.frame import SMOOTHING_SIGMA, FrameMetrics
from oddframe.metrics.pixel import PixelResult
from oddframe.metrics.region import RegionResult


@dataclass(frozen=True, kw_only=True)
class EvalReport:
    """How well scores agree with labels.

    Attributes:
        dataset: The benchmark's name.
        metrics: Frame-level figures.
        events: False alarms and delays, of the raw scores.
        pixel: Pixel-level figures; None without maps or masks.
        region: RBDC and TBDC; None without maps, or without masks and tracks.
        scores: Per video, raw scores, float64, NaN where no clip scores the frame.
        notices: What is not as it should be, a sentence each.
        seconds: Wall-clock time.
    """

    dataset: str
    metrics: FrameMetrics
    events: EventMetrics
    pixel: PixelResult | None = None
    region: RegionResult | None = None
    scores: Mapping[str, Float64] = field(repr=False)
    notices: tuple[str, ...]
    seconds: float

    def as_dict(self) -> dict[str, Any]:
        """Figures as plain values; the frame-level ones stand at the top, see `FrameMetrics.as_dict`."""
        return {
            **self.metrics.as_dict(),
            "smoothing_sigma_frames": SMOOTHING_SIGMA,
            "events": self.events.as_dict(),
            "pixel": None if self.pixel is None else self.pixel.as_dict(),
            "region": None if self.region is None else self.region.as_dict(),
            "dataset": self.dataset,
            "notices": list(self.notices),
            "seconds": round(self.seconds, 3),
        }
