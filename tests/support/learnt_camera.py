"""A camera that was learnt, whose model waits to go live, with two outliers to judge."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

from oddframe.training.run_folder import RunFolder
from oddframe.web.learning_order import Learning, order_folder, write_order

SOURCE = "rtsp://127.0.0.1:9/live"


def put_learnt_camera(data: Path, run: Path) -> list[tuple[str, float, float]]:
    """Put the learning of a camera "gate" into a data folder; its model is called gate-1.

    Args:
        data: The data folder.
        run: The run folder of a training.

    Returns:
        Recording, start and end of the outliers, the least like the rest first.
    """
    copied = data / "models" / "gate-1"
    shutil.copytree(run, copied)
    found = json.loads((copied / "footage.json").read_text())
    source = found["stretches"][0]["source"]
    found["odd"] = [
        {"source": source, "start_s": 1.0, "end_s": 1.5, "score": 0.6, "begin": 8, "end": 20},
        {"source": source, "start_s": 3.0, "end_s": 3.2, "score": 0.8, "begin": 28, "end": 36},
    ]
    (copied / "footage.json").write_text(json.dumps(found))
    _, record = RunFolder(copied).read_settings()
    learning = Learning(name="gate", source=SOURCE, file=record.normal[0], run="gate-1")
    order_folder(data, "gate").mkdir(parents=True)
    write_order(data, replace(learning, stage="ready"))
    return [(one["source"], one["start_s"], one["end_s"]) for one in reversed(found["odd"])]
