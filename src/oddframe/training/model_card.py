"""The model card: the page about a model that its bundle carries.

It says from what footage and how the model was trained, what its threshold is for, what in the
footage looked unusual, and what must not be done with its scores. A new calibration changes one
line of it.
"""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from oddframe._version import __version__
from oddframe.core.calibration import Calibration
from oddframe.datasets.frame_cache import FrameCache
from oddframe.model.config import NetworkConfig
from oddframe.training.settings import Settings

# A calibration replaces a line of the card on machines without torch, which a trainer imports.
if TYPE_CHECKING:
    from oddframe.training.trainer import Trainer

_THRESHOLD = "| threshold |"
"""Begin of the line about the threshold, by which `with_threshold` finds it."""


def model_card(
    settings: Settings,
    cache: FrameCache,
    calibration: Calibration,
    clips: int,
    trainer: "Trainer",
    odd: Sequence[str] = (),
) -> str:
    """Write the card of a trained model, as Markdown.

    Args:
        settings: Settings of the training.
        cache: The frames that it was trained on.
        calibration: Its threshold.
        clips: Number of clips trained on.
        trainer: The trainer after its last step.
        odd: A sentence for each span of the footage that is unlike the rest.
    """
    # Not the settings': the training has measured the perspective.
    network = trainer.network.config
    sources = len({stretch.source for stretch in cache.stretches})
    footage_s = len(cache) / cache.rate_fps
    parameters = sum(parameter.numel() for parameter in trainer.network.parameters())
    # The table's rows are long as text but short on the page: they are put together here.
    footage = (
        f"{sources} recordings, {footage_s / 60:.1f} minutes used ({cache.share:.0%}), "
        f"{cache.rate_fps:g} frames/s"
    )
    training = (
        f"{clips} clips, {trainer.step} steps of {settings.training.batch_size}, "
        f"seed {settings.training.seed}"
    )
    return f"""# Oddframe model

Scores how unusual video is; learned from normal video alone, with the method of "Video anomaly \
detection with
spatio-temporal dissociation" (Pattern Recognition, 2022).

| | |
|---|---|
| footage | {footage} |
| training | {training} |
| frames | {network.width} x {network.height}, {network.colour}, interval {network.interval} |
| score | of the clip's {network.scored_frame} frame{_means(network, cache.rate_fps)} |
| perspective | {_perspective(network)} |
| network | {parameters / 1e6:.2f} M parameters, {network.clusters} clusters |
{_threshold(calibration)}
| made with | oddframe {__version__} |

What is normal is what that footage shows: another camera, season or light needs its own model. \
A high score means
"not seen in training", not "dangerous". Do not decide about people by it alone.
{_listed(odd)}"""


def _means(network: NetworkConfig, rate_fps: float) -> str:
    """Say over how many clips a score is a mean, and how long it is waited for."""
    mean = f", mean of {network.score_clips} clips" if network.score_clips > 1 else ""
    return mean + (
        f", known {network.known_after / rate_fps:.2g} s later" if network.known_after else ""
    )


def _perspective(network: NetworkConfig) -> str:
    """Say how the map is levelled over the height of the picture."""
    if not network.perspective:
        return "all heights of the picture count alike"
    return (
        f"the error of what moves is {math.exp(network.perspective):.2g} times as large at the "
        "bottom of the picture as at its top; the map is levelled"
    )


def _listed(odd: Sequence[str]) -> str:
    """List what is unlike the rest, under a heading; nothing if there is nothing."""
    if not odd:
        return ""
    return "\n## Odd in the footage\n\n" + "".join(f"- {sentence}\n" for sentence in odd)


def with_threshold(card: str, calibration: Calibration) -> str:
    """Replace the line of a card about its threshold by that of another calibration.

    The rest stays, what people have added to it included.
    """
    lines = card.splitlines(keepends=True)
    return "".join(
        f"{_threshold(calibration)}\n" if line.startswith(_THRESHOLD) else line for line in lines
    )


def _threshold(calibration: Calibration) -> str:
    """Write the line about the threshold, a row of the card's table."""
    origin = (
        "clips that it was trained on (in-sample: too low)"
        if calibration.in_sample
        else "held-out normal clips"
    )
    between = f"{calibration.threshold_low:.4g} to {calibration.threshold_high:.4g}"
    return (
        f"{_THRESHOLD} raw {calibration.threshold:.4g} ({between}) for {calibration.allowance} "
        f"false alarms, from {calibration.clips} of {origin} |"
    )
