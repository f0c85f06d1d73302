r"""Make the model `ped2` that comes with the package of a training on UCSD Ped2.

    export ODDFRAME_PED2=...
    python benchmarks/accuracy.py seeds -o runs/accuracy --preset fast --seeds 0 -- \
        -c benchmarks/walkway.toml --false-alarms 60/hour
    python benchmarks/shipped_model.py runs/accuracy/fast-0 -o src/oddframe/models/ped2

Weights are rounded to float16, for half the size; the graph is exported again, through the parity
gate; the card says where the footage comes from.
"""

import argparse
import os
from dataclasses import replace
from pathlib import Path

from oddframe.bundle.bundle import find_bundle, read_bundle, write_bundle
from oddframe.tasks.export import export

TITLE = "# Oddframe model\n"
PURPOSE = """
**A demonstration, not a model for your camera.** It knows one camera, over a path of UCSD Ped2,
from four minutes of 2010, and shows what Oddframe finds there. For a camera of yours, train a
model on its own footage: `oddframe train`.
"""
ORIGIN = """
## UCSD Ped2

Trained on fourteen of the 16 training recordings of the UCSD Anomaly Detection Dataset, scene
Ped2 (Mahadevan, Li, Bhalodia and Vasconcelos, "Anomaly detection in crowded scenes", CVPR
2010); the other two set the threshold. The settings are those of `benchmarks/walkway.toml`, seed 0,
the first of three that were trained; docs/benchmarks.md has all of them. The recordings are
the Statistical Visual Computing Laboratory's at UC San Diego, offered for research; ask them
before any other use of what comes from them. No frame of them is in this bundle but the median
of the empty scene. Cite the paper above where you use this model. It knows that one camera:
elsewhere it shows how the program works, not what is unusual.
"""


def main() -> None:
    """Read the command line and write the bundle."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", type=Path, help="the training's run folder")
    parser.add_argument("-o", "--out", type=Path, required=True)
    parser.add_argument("--ped2", type=Path, default=os.environ.get("ODDFRAME_PED2"))
    args = parser.parse_args()
    if args.ped2 is None:
        parser.error("the gate needs normal footage: give --ped2 or set ODDFRAME_PED2")
    trained = read_bundle(find_bundle(args.run))
    card = trained.card.replace(TITLE, TITLE + PURPOSE, 1) + ORIGIN
    half = replace(trained, network=trained.network.halved(), card=card, graphs={}, parity={})
    write_bundle(args.out, half)
    print(export(args.out, "onnx", normal=args.ped2 / "training" / "frames").parity)
    print(f"{sum(path.stat().st_size for path in args.out.iterdir()):,} bytes")


if __name__ == "__main__":
    main()
