"""The page about itself that a model carries."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from oddframe._version import __version__
from oddframe.core.calibration import Calibration
from oddframe.datasets.frame_cache import FrameCache
from oddframe.model.config import NetworkConfig
from oddframe.training.settings import Settings

if TYPE_CHECKING:
    from oddframe.training.trainer import Trainer


_THRESHOLD = "| threshold |"


def model_card(
    settings: Settings,
    cache: FrameCache,
    calibration: Calibration,
    clips: int,
    trainer: "Trainer",
    odd: Sequence[str] = (),
) -> str:
    """The card as Markdown: footage, training, network, threshold, what was odd, and what not to do with it."""
    network = settings.network
    sources = len({stretch.source for stretch in cache.stretches})
    footage_s = len(cache) / cache.rate_fps
    parameters = sum(parameter.numel() for parameter in trainer.network.parameters())
    return f"""# Oddframe model

Scores how unusual video is; learned from normal video alone, with the method of "Video anomaly detection with
spatio-temporal dissociation" (Pattern Recognition, 2022).

| | |
|---|---|
| footage | {sources} recordings, {footage_s / 60:.1f} minutes used ({cache.share:.0%}), {cache.rate_fps:g} frames/s |
| training | {clips} clips, {trainer.step} steps of {settings.training.batch_size}, seed {settings.training.seed} |
| frames | {network.width} x {network.height}, {network.colour}, interval {network.interval} |
| score | of the clip's {network.scored_frame} frame{_means(network, cache.rate_fps)} |
| network | {parameters / 1e6:.2f} M parameters, {network.clusters} clusters |
{_threshold(calibration)}
| made with | oddframe {__version__} |

What is normal is what that footage shows: another camera, season or light needs its own model. A high score means
"not seen in training", not "dangerous". Do not decide about people by it alone.
{_listed(odd)}"""


def _means(network: NetworkConfig, rate_fps: float) -> str:
    mean = f", mean of {network.score_clips} clips" if network.score_clips > 1 else ""
    return mean + (
        f", known {network.known_after / rate_fps:.2g} s later" if network.known_after else ""
    )


def _listed(odd: Sequence[str]) -> str:
    if not odd:
        return ""
    return "\n## Odd in the footage\n\n" + "".join(f"- {sentence}\n" for sentence in odd)


def with_threshold(card: str, calibration: Calibration) -> str:
    """A card whose line about the threshold is that of another calibration."""
    lines = card.splitlines(keepends=True)
    return "".join(
        f"{_threshold(calibration)}\n" if line.startswith(_THRESHOLD) else line for line in lines
    )


def _threshold(calibration: Calibration) -> str:
    origin = (
        "clips that it was trained on (in-sample: too low)"
        if calibration.in_sample
        else "held-out normal clips"
    )
    between = f"{calibration.threshold_low:.4g} to {calibration.threshold_high:.4g}"
    return (
        f"{_THRESHOLD} raw {calibration.threshold:.4g} ({between}) for {calibration.budget} false alarms, "
        f"from {calibration.clips} of {origin} |"
    )
