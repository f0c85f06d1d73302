"""The page about itself that a model carries."""

from oddframe import __version__
from oddframe.config import Settings
from oddframe.core.calibration import QUANTILE, Calibration
from oddframe.data.cache import FrameCache
from oddframe.model.trainer import Trainer

__all__ = ["model_card"]


def model_card(settings: Settings, cache: FrameCache, calibration: Calibration, clips: int, trainer: Trainer) -> str:
    """The card as Markdown: footage, training, network, threshold, and what not to do with it."""
    network = settings.network
    sources = len({stretch.source for stretch in cache.stretches})
    footage_s = len(cache) / cache.rate_fps
    origin = "clips that it was trained on (in-sample: too low)" if calibration.in_sample else "held-out normal clips"
    parameters = sum(parameter.numel() for parameter in trainer.network.parameters())
    return f"""# Oddframe model

Scores how unusual video is; learned from normal video alone, with the method of "Video anomaly detection with
spatio-temporal dissociation" (Pattern Recognition, 2022).

| | |
|---|---|
| footage | {sources} recordings, {footage_s / 60:.1f} minutes used ({cache.share:.0%}), {cache.rate_fps:g} frames/s |
| training | {clips} clips, {trainer.step} steps of {settings.training.batch_size}, seed {settings.training.seed} |
| frames | {network.width} x {network.height}, {network.colour}, interval {network.interval} |
| network | {parameters / 1e6:.2f} M parameters, {network.clusters} clusters |
| threshold | raw {calibration.threshold:.4g}, the {QUANTILE:.1%} quantile of {calibration.clips} of {origin} |
| made with | oddframe {__version__} |

What is normal is what that footage shows: another camera, season or light needs its own model. A high score means
"not seen in training", not "dangerous". Do not decide about people by it alone.
"""
