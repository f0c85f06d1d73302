"""The accuracy on a benchmark, UCSD Ped2 by default: several seeds of a preset, or ablations.

    ODDFRAME_PED2=... python benchmarks/accuracy.py seeds -o runs/accuracy --seeds 0 1 2 [-- flags]
    python benchmarks/accuracy.py seeds -o runs/avenue --dataset "Avenue Dataset" --seeds 0
    ODDFRAME_PED2=... python benchmarks/accuracy.py ablations -o runs/ablations --steps 600

`seeds` runs `oddframe train` and `oddframe eval` as a user would, with the time and the peak memory
of the training; a run folder that is there is resumed, and a seed with figures is done. With
`--parts` each part of the map is scored too, with each statistic. `ablations` trains each variant
of `benchmarks/walkway.toml` for the same few steps, at half the size and seen whole as by `oddframe
demo`, and takes many scores off each of the trained networks. Calls with other seeds may run beside
each other, since each seed has a file of its own; one with all of them then prints the tables in
Markdown, with mean and spread. The test labels give the figures, nothing is chosen here.
"""

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

AS_IT_IS = "as it is"
WALKWAY = Path(__file__).with_name("walkway.toml")
PRESET_MAP = "map of the preset"
WINDOWS = "top 2 % of windows of 1/16"
"""The statistic of the table of trainings: windows as the preset has them."""

VARIANTS: Mapping[str, dict[str, Any]] = {
    AS_IT_IS: {},
    "appearance stream only": {"network": {"motion": False}},
    "motion stream only": {"network": {"appearance": False, "empty_scene": False}},
    "without clusters": {"network": {"clusters": 0, "fusion": "error"}},
    "without attention": {"network": {"attention": "none"}},
    "k-means in the other space": {"network": {"kmeans_space": "raw"}},
    "every frame": {"network": {"interval": 1}},
    "half the size": {"scale": 0.5},
    "without counter-examples": {
        "data": {"counter_examples": {"share": 0.0, "company": 0.0}},
        "training": {"discrimination": 0.0},
    },
    "only sped-up passers-by": {"data": {"counter_examples": {"kinds": ["speed"]}}},
    "without things carried": {
        "data": {"counter_examples": {"kinds": ["foreign", "misplaced", "speed"]}}
    },
    "codes not repelled": {"training": {"repulsion": 0.0}},
    "codes not told apart": {"training": {"discrimination": 0.0}},
    "gradients not clipped": {"training": {"gradient_clip": 0.0}},
    "twice the size, in crops": {"scale": 2.0, "data": {"crop": [128, 192]}},
    "attention as in the text (variance)": {"network": {"attention": "variance"}},
    "codes normalised by L1": {"network": {"code_norm": "l1"}},
    "rebuilds the last frame": {"network": {"rebuilt_frame": "last"}},
    "weights not averaged": {"training": {"averaging": 0.0}},
    "without skips": {"network": {"skips": False}},
    "without the empty scene": {"network": {"empty_scene": False}},
}
"""Ablations by name, each with what it changes in the preset.

"scale" is the scale of the picture and of the score's windows.
"""


def main() -> None:
    """Read the command line and run what it asks for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=("seeds", "ablations"))
    parser.add_argument(
        "-o", "--out", type=Path, required=True, help="folder of run folders and results"
    )
    parser.add_argument("--preset", default="fast")
    parser.add_argument(
        "--dataset",
        type=Path,
        default=os.environ.get("ODDFRAME_PED2"),
        help="in any of its layouts",
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--device", default="auto", help="where seeds are trained and scored")
    parser.add_argument("--parts", action="store_true", help="score the parts of the map as well")
    parser.add_argument("--steps", type=int, default=1_000, help="steps of each ablation")
    parser.add_argument("--only", nargs="*", help="these ablations only")
    # argparse gives a "*" at the end nothing once another positional has been read.
    own, more = divided(sys.argv[1:])
    args = parser.parse_args(own)
    args.out.mkdir(parents=True, exist_ok=True)
    print(f"{platform.machine()}, {os.cpu_count()} cores; {versions()}; seeds {args.seeds}")
    if args.what == "seeds":
        seeds(args.dataset, args.out, args.preset, args.seeds, args.device, args.parts, more)
    else:
        ablations(args.out, args.seeds, args.steps, args.only)


def divided(arguments: list[str]) -> tuple[list[str], list[str]]:
    """What stands before a "--", for this script, and what after it, for `oddframe train`."""
    at = arguments.index("--") if "--" in arguments else len(arguments)
    return arguments[:at], arguments[at + 1 :]


def versions() -> str:
    """The versions of the packages that decide the figures."""
    return ", ".join(f"{name} {version(name)}" for name in ("oddframe", "torch", "numpy", "av"))


def seeds(
    dataset: Path,
    out: Path,
    preset: str,
    numbers: list[int],
    device: str,
    parts: bool,
    more: list[str],
) -> None:
    """Train and evaluate a preset with several seeds."""
    from oddframe.datasets.layouts import open_benchmark

    benchmark = open_benchmark(dataset)
    results = [
        one_seed(benchmark, out / f"{preset}-{seed}", preset, seed, device, parts, more)
        for seed in numbers
    ]
    for pool in ("micro", "macro"):
        ways = results[0]["evaluated"]["auc"][pool]
        print(f"\n| AUC {pool} | {' | '.join(ways)} |\n|---|{'---|' * len(ways)}")
        print(
            f"| {benchmark.name}, {preset} | "
            + " | ".join(
                spread([r["evaluated"]["auc"][pool][way] for r in results]) for way in ways
            )
            + " |"
        )
    for level, names in (("pixel", ("auc", "criterion_auc")), ("region", ("rbdc", "tbdc"))):
        for name in names:
            known = [found[name] for r in results if (found := r["evaluated"].get(level))]
            print(f"{level} {name}: {spread(known)}")
    if all("parts" in result for result in results):
        print("\n| scored by | raw | per video | raw smoothed | per video smoothed |")
        print("|---|---|---|---|---|")
        for key in results[0]["parts"]:
            columns = zip(*(result["parts"][key] for result in results), strict=True)
            print(f"| {key} | {' | '.join(spread(list(column)) for column in columns)} |")


def one_seed(
    benchmark: Any, run: Path, preset: str, seed: int, device: str, parts: bool, more: list[str]
) -> dict[str, Any]:
    """Train with a seed and evaluate, or take the figures that are there."""
    path = run.with_suffix(".json")
    if not path.exists():
        flags = ["--preset", preset, "--seed", str(seed), "--device", device]
        # What is given has to agree with the training that is resumed.
        flags += ["--resume"] if (run / "settings.json").exists() else []
        trained = oddframe("train", *map(str, benchmark.training), "-o", str(run), *flags, *more)
        peak_mb = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
        evaluated = oddframe("eval", str(benchmark.root), "--model", str(run), "--device", device)
        figures = {
            "seed": seed,
            "train_peak_mb": round(peak_mb),
            "trained": trained,
            "evaluated": evaluated,
        }
        if parts:
            figures["parts"] = part_aucs(benchmark, run, device)
        path.write_text(json.dumps(figures, indent=2))
    found: dict[str, Any] = json.loads(path.read_text())
    trained, evaluated = found["trained"], found["evaluated"]
    print(
        f"seed {seed}: {trained['steps']} steps in {trained['seconds']:.0f} s, "
        f"peak {found['train_peak_mb']} MB; {evaluated['frames_scored']} of "
        f"{evaluated['frames_total']} frames scored in {evaluated['seconds']:.0f} s"
    )
    return found


def part_aucs(benchmark: Any, run: Path, device: str) -> dict[str, list[float]]:
    """AUC, as `aucs` has them, of each part of a trained network's map with each statistic."""
    from oddframe.bundle.bundle import find_bundle, read_bundle
    from oddframe.inference.torch_backend import pick_device
    from oddframe.model.network import Network

    trained = read_bundle(find_bundle(run)).network
    network = Network.of(trained).to(pick_device(device))
    # A clip scores its last frame here, wherever the model says that it does.
    reach = 4 * trained.config.interval
    scored = [
        dict(scores(network, pictures(video.path, trained.config))) for video in benchmark.testing
    ]
    labels = [video.labels[reach:] for video in benchmark.testing]
    return {key: aucs([one[key] for one in scored], labels) for key in scored[0]}


def oddframe(*arguments: str) -> dict[str, Any]:
    """The JSON of an oddframe command."""
    done = subprocess.run(
        [sys.executable, "-m", "oddframe", *arguments, "--json"], stdout=subprocess.PIPE, check=True
    )
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def spread(values: list[float | None]) -> str:
    """Mean and standard deviation over seeds."""
    known = [value for value in values if value is not None]
    if not known:
        return "-"
    mean = f"{np.mean(known):.3f}"
    return mean if len(known) == 1 else f"{mean} ± {np.std(known, ddof=1):.3f}"


def ablations(out: Path, numbers: list[int], steps: int, only: list[str] | None) -> None:
    """Train every variant with every seed; print what each way of scoring makes of it."""
    results: dict[str, dict[int, Any]] = {name: {} for name in VARIANTS}
    for seed in numbers:
        path = out / f"ablations-{seed}.json"
        found: dict[str, dict[str, dict[str, list[float]]]] = (
            json.loads(path.read_text()) if path.exists() else {}
        )
        for name, change in VARIANTS.items():
            if name not in found and (not only or name in only):
                began = time.monotonic()
                found[name] = one_ablation(change, out / f"run-{seed}", steps, seed)
                path.write_text(json.dumps(found, indent=2))
                print(f"{name}, seed {seed}: {time.monotonic() - began:.0f} s", file=sys.stderr)
            if name in found:
                results[name][seed] = found[name]
    print_ablations(results)


def ablated(change: Mapping[str, Any], steps: int, seed: int) -> Any:
    """The settings of one ablation."""
    from oddframe.settings import from_mapping
    from oddframe.tasks.demo import demo_settings
    from oddframe.training.settings import PRESETS, read_settings

    start = demo_settings(steps, read_settings(WALKWAY, PRESETS["fast"]))
    scale, network = change.get("scale", 1.0), start.network
    size = {
        "height": round(network.height * scale),
        "width": round(network.width * scale),
        "score_windows": [max(1, round(side * scale)) for side in network.score_windows],
    }
    start = from_mapping({"network": size, "training": {"seed": seed}}, start)
    return from_mapping(
        {table: values for table, values in change.items() if table != "scale"}, start
    )


def one_ablation(
    change: Mapping[str, Any], run: Path, steps: int, seed: int
) -> dict[str, dict[str, list[float]]]:
    """AUC (raw, per video) of each part and statistic of a network trained for a few steps."""
    from oddframe.datasets.layouts import open_benchmark
    from oddframe.inference.loading import load
    from oddframe.model.network import Network
    from oddframe.tasks.train import train

    short = ablated(change, steps, seed)
    benchmark = open_benchmark(os.environ["ODDFRAME_PED2"])
    train(benchmark.training, run, settings=short, overwrite=True, export=False)
    network = Network.of(load(run).bundle.network)
    scored = [
        dict(scores(network, pictures(video.path, short.network))) for video in benchmark.testing
    ]
    reach = 4 * short.network.interval
    labels = [video.labels[reach:] for video in benchmark.testing]
    middle = [
        video.labels[reach // 2 : len(video.labels) - reach // 2] for video in benchmark.testing
    ]
    # The research code gives the clip that ends at frame t the label of t + 1, and drops the last
    # clip.
    shifted = [one[1:] for one in labels]
    found = {}
    for key in scored[0]:
        values = [one[key] for one in scored]
        found[key] = {"aligned": aucs(values, labels)}
        if key == "map published (error x distance), frame mean":
            found[key]["labels as in the research code"] = aucs(
                [one[:-1] for one in values], shifted
            )
        if key == f"{PRESET_MAP}, {WINDOWS}":
            found[key]["labels of the middle frame"] = aucs(values, middle)
            power = short.network.score_power
            found[key][f"the same to the power of {power:g} (the preset's score)"] = aucs(
                [v**power for v in values], middle
            )
    return found


def pictures(path: Path, network: Any) -> npt.NDArray[np.uint8]:
    """Frames of a recording or a folder at the network's size."""
    from oddframe.media.discovery import open_source
    from oddframe.media.source import FrameFormat

    wanted = FrameFormat(network.width, network.height, network.colour)
    return np.stack([frame.pixels for frame in open_source(path, 10.0).frames(wanted)])


def scores(network: Any, frames: npt.NDArray[np.uint8]) -> Iterator[tuple[str, Floats]]:
    """Each part of the map with each statistic, by name, one value for every clip of a video."""
    import torch

    from oddframe.model.fusion import frame_score, prediction_error, squared_error

    config = network.config
    clips = np.arange(len(frames) - 4 * config.interval)[:, None] + np.arange(5) * config.interval
    device = next(network.parameters()).device
    found: dict[str, list[Floats]] = {}
    for begin in range(0, len(clips), 8):
        with torch.no_grad():
            outputs = network(torch.from_numpy(frames[clips[begin : begin + 8]]).to(device))
        maps = {"prediction error": prediction_error(outputs, config.rebuilt_frame)}
        if outputs.rebuilt is not None:
            maps["appearance error"] = squared_error(
                outputs.rebuilt, outputs.frames[:, network.rebuilt_index]
            )
        if outputs.difference is not None:
            maps["motion error"] = squared_error(
                outputs.frames[:, 0] + outputs.difference, outputs.frames[:, 4]
            )
        with torch.no_grad():
            coarse = network.cluster_map(outputs.codes)
        if coarse is not None:
            side = config.code_stride
            distance = (
                (coarse * config.clusters).repeat_interleave(side, 1).repeat_interleave(side, 2)
            )
            maps["cluster distance"] = distance
            overall = distance.mean(dim=(1, 2), keepdim=True)
            maps["map per frame (conference paper)"] = maps["prediction error"] * overall
            maps["map published (error x distance)"] = maps["prediction error"] * distance
            if "motion error" in maps:
                maps["motion error x distance"] = maps["motion error"] * distance
            weighed = prediction_error(outputs, config.rebuilt_frame, config.appearance_weight)
            maps[PRESET_MAP] = weighed**config.error_power * distance**config.cluster_power
        for name, one in maps.items():
            small, middle, large = (max(1, config.height // part) for part in (32, 16, 8))
            for statistic, windows, share in (
                ("frame mean", (1,), 1.0),
                ("top 2 % of windows of 1/32 of the height", (small,), 0.02),
                (WINDOWS, (middle,), 0.02),
                ("top 0.5 % of windows of 1/8", (large,), 0.005),
                ("windows of all three sides", (small, middle, large), 0.02),
            ):
                found.setdefault(f"{name}, {statistic}", []).append(
                    frame_score(one, windows, share).double().cpu().numpy()
                )
    for name, values in found.items():
        yield name, np.concatenate(values)


def aucs(values: list[Floats], labels: list[npt.NDArray[np.uint8]]) -> list[float]:
    """Micro AUC raw and per video, and both smoothed."""
    from oddframe.metrics.frame import frame_metrics

    names = [str(number) for number in range(len(values))]
    figures = frame_metrics(
        dict(zip(names, values, strict=True)),
        dict(zip(names, [np.asarray(one) for one in labels], strict=True)),
    ).as_dict()["auc"]["micro"]
    return [figures[way] for way in ("raw", "per_video", "raw_smoothed", "per_video_smoothed")]


def print_ablations(results: Mapping[str, Mapping[int, Any]]) -> None:
    """Two tables: what is trained, and how the trained preset is scored."""
    columns = (
        *("prediction error", "appearance error", "motion error", "cluster distance"),
        *("motion error x distance", PRESET_MAP),
    )
    print(f"\nAUC raw / per video; {WINDOWS} of the height\n")
    print("| trained | seeds | " + " | ".join(columns) + " |\n|---|---|" + "---|" * len(columns))
    for name, by_seed in results.items():
        if by_seed:
            runs = list(by_seed.values())
            cells = (cell(runs, f"{column}, {WINDOWS}") for column in columns)
            print(f"| {name} | {', '.join(map(str, by_seed))} | " + " | ".join(cells) + " |")
    runs = list(results[AS_IT_IS].values())
    print("\n| as it is, scored by | raw / per video | smoothed |\n|---|---|---|")
    for key, ways in (runs[0] if runs else {}).items():
        for way in ways:
            name = key if way == "aligned" else f"{key}, {way}"
            print(f"| {name} | {cell(runs, key, way)} | {cell(runs, key, way, 2)} |")


def cell(runs: list[Any], key: str, way: str = "aligned", first: int = 0) -> str:
    """Raw and per-video AUC over the seeds."""
    found = [run[key][way] for run in runs if key in run]
    return " / ".join(spread([one[first + at] for one in found]) for at in (0, 1)) if found else "-"


if __name__ == "__main__":
    main()
