"""What exports cost: the parity gate with labels, on UCSD Ped2 and on the demo's drawn scene.

    oddframe demo -o demo
    python benchmarks/export_parity.py --ped2 $ODDFRAME_PED2 --demo demo

Every model is copied, exported to ONNX and to OpenVINO in float32 (with this processor's half
precisions) and in int8. In int8 its AUCs on the labelled set are taken before and after; the others
must give the same scores anyway. A JSON object a line: the model and the gate's numbers, or why it
refused.
"""

import argparse
import json
import shutil
import tempfile
from pathlib import Path
from typing import Literal

from oddframe.bundle.bundle import find_bundle
from oddframe.errors import ParityError
from oddframe.tasks.export import export


def main() -> None:
    """Read the command line and print the lines."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--ped2", type=Path, help="the benchmark's folder")
    parser.add_argument("--model", default="ped2", help="a model of that benchmark")
    parser.add_argument("--demo", type=Path, help="what oddframe demo has made")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if args.ped2 is not None:
            show("ped2", args.model, args.ped2 / "training" / "frames", args.ped2, Path(folder))
        if args.demo is not None:
            labelled = drawn_set(args.demo, Path(folder) / "drawn")
            show(
                "drawn scene", str(args.demo / "run"), args.demo / "normal", labelled, Path(folder)
            )


def drawn_set(demo: Path, place: Path) -> Path:
    """The demo's test recordings as a labelled set."""
    shutil.copytree(demo / "test", place / "testing")
    (place / "frame_labels").mkdir()
    for path in (demo / "truth").glob("*.npy"):
        shutil.copy(path, place / "frame_labels")
    return place


def show(name: str, model: str, normal: Path, labelled: Path, place: Path) -> None:
    """Export a copy of a model to everything and print what the gate says."""
    bundle = place / name
    shutil.copytree(find_bundle(model), bundle)
    targets: tuple[tuple[Literal["onnx", "openvino"], bool], ...] = (
        ("onnx", False),
        ("openvino", False),
        ("openvino", True),
    )
    for to, int8 in targets:
        try:
            judged = labelled if int8 else None
            found = export(bundle, to, int8=int8, normal=normal, labelled=judged)
        except ParityError as error:
            print(
                json.dumps(
                    {"model": name, "backend": f"{to}{' int8' * int8}", "refused": str(error)}
                ),
                flush=True,
            )
            continue
        for backend, entry in found.parity.items():
            print(json.dumps({"model": name, "backend": backend, **entry}), flush=True)


if __name__ == "__main__":
    main()
