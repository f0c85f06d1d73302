"""The page of a training: its footage, its losses, and what the network makes of the footage."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from oddframe._types import AnomalyMap, Pixels
from oddframe.bundle.bundle import Bundle, read_bundle
from oddframe.core.clips import clip_span
from oddframe.core.recalibration import raw_score_text
from oddframe.datasets.frame_cache import FrameCache
from oddframe.errors import RunError
from oddframe.files import write_text
from oddframe.inference.torch_backend import TorchScorer, pick_device
from oddframe.media.overlay import blend_heat, heat_layer
from oddframe.model.network import Network
from oddframe.report.charts import histogram
from oddframe.report.nearest_normal import training_clips
from oddframe.report.page import data_uri, length_text, plural, render, resize
from oddframe.report.training_samples import PATCHES, Centre, NetworkSamples, Sample, sample_network
from oddframe.training.run_folder import RunFolder, RunRecord
from oddframe.training.settings import Settings

LOSSES = {
    "appearance": "Rebuilding the first frame",
    "motion": "Predicting the change",
    "cluster": "Distance from the centres",
    "repulsion": "Pseudo-anomalies kept away",
    "discrimination": "Pseudo-anomalies told apart",
}
CAPTIONS = {
    "x0": "x0: first frame",
    "x̂0": "x̂0: rebuilt",
    "x̂4": "x̂4: rebuilt",
    "Δ": "Δ: what changed",
    "Δ̂": "Δ̂: change predicted",
    "x4": "x4: last frame",
    "predicted": "predicted x4",
    "error": "error",
    "attention": "attention",
    "cluster": "distance from clusters",
}
"""Captions of the steps of a clip, in the order in which they are shown."""

_MAPS = ("error", "attention", "cluster")

_LEVEL_QUANTILE = 0.995
"""The quantile of all values shown at which a map is half hot: one bright pixel sets no scale."""

_WIDTH, _PATCH, _GAP = 240, 56, 4
"""Width of a picture, side of an example and the gap between two, in pixels."""

_MOST_OUTLIERS = 12
"""Most outliers that are shown with a picture; the page counts the others."""

_MOST_POINTS = 4_000
"""Most points of a loss in the page; a longer log is thinned evenly."""


def write_training_page(path: Path, *, device: str = "auto") -> Path:
    """Write ``report.html`` into a run folder; returns its path.

    Args:
        path: The run folder.
        device: "auto", "cpu" or a GPU such as "cuda:0".

    Raises:
        RunError: If the run cannot be read.
        BundleError: If its model cannot be.
        OutputError: If the page cannot be written.
    """
    run = RunFolder(path)
    settings, record = run.read_settings()
    bundle = read_bundle(run.bundle)
    # The network's frames do not keep the aspect ratio: people get it back, where it is known.
    aspect = bundle.picture_aspect or settings.network.width / settings.network.height
    notices: list[str] = []
    samples = NetworkSamples((), (), 0)
    outliers: list[dict[str, Any]] = []
    used = run.read_footage()
    cache = None
    # Without its frames a run still has its losses and its calibration to show.
    try:
        network = Network.of(bundle.network).to(pick_device(device))
        clips = training_clips(run, network)
    except RunError as error:
        notices.append(f"No clips and no atlas: {error}.")
    else:
        cache, samples = clips.cache, sample_network(network, clips)
        scorer = TorchScorer(network, pick_device(device), 1)
        outliers = _outliers(used, cache, scorer, bundle, aspect)
    if used is None:
        notices.append(
            "Outliers in the footage are not known: this training was made by an earlier version."
        )
    losses, scales = _losses(run.entries()), _scales(samples.samples)
    content = render(
        "training.html",
        name=path.resolve().name,
        verdict=_verdict(settings, bundle, used),
        tiles=_tiles(settings, bundle, cache),
        notices=[*notices, *bundle.calibration.notices],
        losses=[_still(name, losses[name]) for name in LOSSES if name in losses],
        histogram=None
        if bundle.normal is None
        else histogram(bundle.normal.raw, bundle.calibration),
        calibration=bundle.calibration,
        samples=[_sample_facts(sample, scales, aspect) for sample in samples.samples],
        atlas=[_centre_facts(centre, aspect) for centre in samples.centres],
        clips=samples.clips,
        odd=outliers[:_MOST_OUTLIERS],
        odd_more=max(0, len(outliers) - _MOST_OUTLIERS),
        odd_known=used is not None,
        dropped=bool(used and used["dropped"]),
        settings=_settings(settings, record, bundle),
        data={"charts": losses},
    )
    write_text(run.report, content)
    return run.report


def _verdict(settings: Settings, bundle: Bundle, used: Mapping[str, Any] | None) -> str:
    """Say how long the training was, what its threshold is based on, and name outliers."""
    calibration = bundle.calibration
    sentence = (
        f"{settings.training.steps:,} steps; the threshold is for {calibration.budget} false "
        f"alarms, set on {length_text(3600 * calibration.hours)} of normal footage."
    )
    if used is None:
        return sentence
    count = len(used["odd"])
    stretches = plural(count, "stretch", "stretches")
    # `plural` writes "no stretches", which begins a sentence here.
    stretches = stretches[0].upper() + stretches[1:]
    outliers = "is an outlier" if count == 1 else "are outliers"
    return f"{sentence} {stretches} of the footage {outliers}."


def _tiles(
    settings: Settings, bundle: Bundle, cache: FrameCache | None
) -> list[tuple[str, str, str]]:
    calibration, network = bundle.calibration, settings.network
    tiles = [("Steps", f"{settings.training.steps:,}", f"of {settings.training.batch_size} clips")]
    if cache is not None:
        sources = len({stretch.source for stretch in cache.stretches})
        tiles.append(
            ("Footage", length_text(len(cache) / cache.rate_fps), plural(sources, "recording"))
        )
    low, high = (
        raw_score_text(calibration.threshold_low),
        raw_score_text(calibration.threshold_high),
    )
    threshold = raw_score_text(calibration.threshold)
    tiles.append(("Threshold", threshold, f"raw score, 95 %: {low} to {high}"))
    beside = {"watched": "allowed"}.get(calibration.standing, calibration.standing)
    tiles.append(("False alarms", calibration.budget, beside))
    size = f"{bundle.network.parameters / 1e6:.2f} M"
    tiles.append(
        ("Network", size, f"parameters; {network.width} x {network.height}, {network.colour}")
    )
    return tiles


def _losses(entries: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return the chart of each loss in the log, as the script reads it."""
    trained = [
        entry for entry in entries if "held_out" not in entry and entry["phase"] != "centres"
    ]
    held_out = [entry for entry in entries if "held_out" in entry]
    marks = [entry["step"] for entry in entries if entry["phase"] == "centres"]
    every = max(1, -(-len(trained) // _MOST_POINTS))
    charts = {}
    for name in LOSSES:
        # The axis is logarithmic, where 0 has no place.
        points = [
            (entry["step"], entry[name]) for entry in trained[::every] if entry.get(name, 0) > 0
        ]
        dots = [
            (entry["step"], entry["held_out"][name])
            for entry in held_out
            if entry["held_out"].get(name, 0) > 0
        ]
        if not points:
            continue
        charts[name] = {
            "log": True,
            "group": "losses",
            "from": 0,
            "to": trained[-1]["step"],
            "marks": marks,
            "x": [step for step, _ in points],
            "y": [float(f"{value:.5g}") for _, value in points],
            "dots": {
                "x": [step for step, _ in dots],
                "y": [float(f"{value:.5g}") for _, value in dots],
            },
        }
    return charts


def _still(name: str, chart: Mapping[str, Any]) -> dict[str, Any]:
    """Return a loss as SVG in a box of 1000 x 200, for paper and where there is no script."""
    x, level = np.array(chart["x"], dtype=np.float64), np.log10(chart["y"])
    low, high = float(level.min()), float(level.max())
    chosen = np.unique(np.linspace(0, len(x) - 1, min(len(x), 600)).astype(int))
    across, down = x / max(chart["to"], 1) * 1000, 195 - (level - low) / max(high - low, 1e-9) * 190
    path = "".join(
        f"{'L' if number else 'M'}{across[at]:.1f} {down[at]:.1f}"
        for number, at in enumerate(chosen)
    )
    ends = {"low": f"{10**low:.2g}", "high": f"{10**high:.2g}", "end": chart["to"]}
    return {"name": name, "title": LOSSES[name], "path": path, **ends}


def _scales(samples: Sequence[Sample]) -> dict[str, float]:
    """Return the value of each kind of map, and of changes, that sets its scale in all clips."""
    scales = {}
    for name in (*_MAPS, "Δ"):
        values = [np.abs(sample.steps[name]).ravel() for sample in samples if name in sample.steps]
        if values:
            scales[name] = max(float(np.quantile(np.concatenate(values), _LEVEL_QUANTILE)), 1e-12)
    return scales


def _sample_facts(sample: Sample, scales: Mapping[str, float], aspect: float) -> dict[str, Any]:
    """Return a clip's steps as pictures."""
    size = (_WIDTH, max(1, round(_WIDTH / aspect)))
    pictures = []
    for name, caption in CAPTIONS.items():
        if name not in sample.steps:
            continue
        values = sample.steps[name]
        if name in _MAPS:
            picture = heat_layer(values[..., 0], size, scales[name])[..., :3]
        elif name in ("Δ", "Δ̂"):
            # No change is grey; both on one scale.
            picture = resize(_grey(0.5 + values / (2 * scales["Δ"])), *size)
        else:
            picture = resize(_grey(values), *size)
        pictures.append({"caption": caption, "src": data_uri(np.ascontiguousarray(picture), 62)})
    return {
        "what": sample.what,
        "source": sample.source,
        "time_s": sample.time_s,
        "raw": raw_score_text(sample.raw),
        "pictures": pictures,
        "size": size,
    }


def _grey(values: AnomalyMap) -> Pixels:
    picture: Pixels = np.rint(np.clip(values, 0.0, 1.0) * 255).astype(np.uint8)
    return picture


def _centre_facts(centre: Centre, aspect: float) -> dict[str, Any]:
    """Return a cluster centre as pictures: where in the frame it is, and a row of examples."""
    size = (90, max(1, round(90 / aspect)))
    where = heat_layer(centre.where, size, max(float(centre.where.max()) / 3, 1e-6))[..., :3]
    # With opacity: where examples are missing, the page shows through.
    row = np.zeros((_PATCH, PATCHES * (_PATCH + _GAP) - _GAP, 4), np.uint8)
    for number, patch in enumerate(centre.patches):
        place = slice(number * (_PATCH + _GAP), number * (_PATCH + _GAP) + _PATCH)
        row[:, place, :3], row[:, place, 3] = resize(patch, _PATCH, _PATCH), 255
    return {
        "number": centre.number + 1,
        "share": centre.share,
        "where": data_uri(np.ascontiguousarray(where), 50),
        "size": size,
        "row": data_uri(row, 62) if len(centre.patches) else None,
        "row_size": (row.shape[1], _PATCH),
        "examples": len(centre.patches),
    }


def _outliers(
    used: Mapping[str, Any] | None,
    cache: FrameCache,
    scorer: TorchScorer,
    bundle: Bundle,
    aspect: float,
) -> list[dict[str, Any]]:
    """Return the outliers of the footage, the highest score first, each with its middle clip."""
    if used is None:
        return []
    interval = bundle.network.config.interval
    outliers: list[dict[str, Any]] = []
    for stretch in sorted(used["odd"], key=lambda stretch: -stretch["score"]):
        facts = {name: stretch[name] for name in ("source", "start_s", "end_s", "score")}
        # Further ones are only counted: each picture costs a pass through the network.
        if len(outliers) < _MOST_OUTLIERS:
            middle = (stretch["begin"] + stretch["end"] - clip_span(interval)) // 2
            # A stretch may be shorter than a clip and lie at the end of the footage.
            first = int(np.clip(middle, 0, len(cache) - clip_span(interval)))
            clip = cache.take(first + np.arange(5) * interval)
            picture = clip[bundle.network.config.mapped_index]
            picture = np.repeat(picture, 3, axis=2) if picture.shape[2] == 1 else picture
            heat_map = scorer.score(clip[None]).maps[0]
            blended = blend_heat(picture, heat_map, bundle.calibration.map_level)
            size = (320, max(1, round(320 / aspect)))
            facts |= {"src": data_uri(resize(blended, *size), 62), "size": size}
        outliers.append(facts)
    return outliers


def _settings(settings: Settings, record: RunRecord, bundle: Bundle) -> list[tuple[str, str]]:
    """Return the settings that decided the training, as names and values."""
    network, training, data = settings.network, settings.training, settings.data
    return [
        ("Recordings", ", ".join(Path(path).name for path in record.normal)),
        ("Frame rate", f"{bundle.rate_fps:.4g} per second"),
        ("Held out", f"{data.hold_out:.0%}"),
        (
            "Streams",
            " and ".join(name for name in ("appearance", "motion") if getattr(network, name)),
        ),
        (
            "Channels",
            f"{network.channels}, decoders {network.decoder_channels or network.channels}",
        ),
        ("Clusters", str(network.clusters)),
        ("Fusion", network.fusion),
        (
            "Steps",
            f"{training.pretrain_steps:,} before clustering, {training.joint_steps:,} with it",
        ),
        ("Learning rate", f"{training.learning_rate:g}, {training.schedule}"),
        ("Seed", str(training.seed)),
        ("Trained with", f"Oddframe {record.oddframe}"),
    ]
