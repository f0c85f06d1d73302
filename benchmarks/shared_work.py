"""Where a clip's operations are spent, and what of them the next clip could take over.

    python benchmarks/shared_work.py [--presets fast paper]

Counted by torch on the presets: products of convolutions and matrices, a multiplication and an
addition apart. Elementwise work is not among them. Each frame is in five clips, but in another
place each time, and what is linear in a place has weights of its own for it: the last column says
what a part sees, and so why no product of it comes up again.
"""

import argparse

import torch
from torch.utils.flop_counter import FlopCounterMode

from oddframe.model.config import NetworkConfig
from oddframe.model.fusion import AnomalyScorer
from oddframe.model.network import Network
from oddframe.training.settings import PRESETS

PARTS = {
    "appearance, encoder": (
        ("appearance.stem", "appearance.encoder", "appearance.to_code"),
        "x0: a frame is x0 once",
    ),
    "appearance, decoder": (("appearance.decoder",), "the code of x0"),
    "motion, stem": (("motion.stem",), "x0 to x3, each with weights of its own"),
    "motion, encoder": (("motion.encoder", "motion.to_code"), "the stem's sum, behind a ReLU"),
    "motion, attention": (("motion.attention",), "the encoder"),
    "motion, decoder": (
        ("motion.up3", "motion.up2", "motion.up1", "motion.head"),
        "the code and the encoder",
    ),
    "clusters": (("clusters",), "both codes"),
}


def main() -> None:
    """Count the operations of each part and print them."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--presets", nargs="+", choices=list(PRESETS), default=["fast", "paper"])
    for preset in parser.parse_args().presets:
        counts = gflops(PRESETS[preset].network)
        total = counts.pop("all")
        print(f"{preset}: {total:.2f} GFLOP a clip")
        for part, (modules, why) in PARTS.items():
            found = sum(within(counts, module) for module in modules)
            print(f"  {part:<20} {found:6.2f}  {found / total:5.1%}  sees {why}")


def within(counts: dict[str, float], module: str) -> float:
    """Operations of a module; of a list of modules, which is never called, those of its parts."""
    if module in counts:
        return counts[module]
    depth = module.count(".") + 1
    return sum(
        count
        for name, count in counts.items()
        if name.startswith(f"{module}.") and name.count(".") == depth
    )


def gflops(config: NetworkConfig) -> dict[str, float]:
    """Operations of each module for one clip, in 10^9, by its name; "all" is their sum."""
    clip = torch.zeros((1, 5, config.height, config.width, config.colours), dtype=torch.uint8)
    scorer = AnomalyScorer(Network(config)).eval()
    with torch.inference_mode(), FlopCounterMode(display=False, depth=8) as counter:
        scorer(clip)
    found = {"all": counter.get_total_flops() / 1e9}
    for name, counts in counter.get_flop_counts().items():
        found[name.removeprefix("AnomalyScorer.network.")] = sum(counts.values()) / 1e9
    return found


if __name__ == "__main__":
    main()
