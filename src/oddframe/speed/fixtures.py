"""What `oddframe bench` measures on: a drawn recording, and bundles of untrained networks.

An untrained network is as fast as a trained one.
"""

from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from itertools import cycle, islice
from pathlib import Path
from typing import cast

import torch

from oddframe.bundle.bundle import ONNX, Bundle, write_bundle
from oddframe.core.calibration import placeholder_calibration
from oddframe.core.clips import clip_span
from oddframe.core.records import Frame
from oddframe.errors import MissingExtraError
from oddframe.inference.backends import installed
from oddframe.inference.onnx_export import LEAST_CLIPS, int8_graph, onnx_graph
from oddframe.inference.parity import clips_of, drawn_frames
from oddframe.media.recording import Recording
from oddframe.media.source import FrameFormat
from oddframe.media.video_writer import VideoWriter
from oddframe.model.config import NetworkConfig
from oddframe.model.network import Network
from oddframe.synthetic.scene import SceneSettings, draw

DRAWN, FRAMES = 200, 1_000
"""Pictures that are drawn, and frames that they give, shown forwards and backwards in turn."""
SCENE = SceneSettings(width=360, height=240, rate_fps=25.0)


def draw_recording(path: Path, drawn: int = DRAWN, frames: int = FRAMES) -> None:
    """Draw a recording of people on a plaza, with a camera's noise.

    Args:
        path: The file.
        drawn: How many pictures are drawn.
        frames: How many frames it gets: the pictures forwards, backwards and so on.

    Raises:
        OutputError: If it cannot be written.
    """
    with VideoWriter(path, SCENE.rate_fps, (SCENE.width, SCENE.height)) as video:
        pictures = [frame.pixels for frame in draw(1, drawn, SCENE)]
        # Backwards after forwards, so that no jump costs the encoder more than a film would.
        for picture in islice(cycle([*pictures, *reversed(pictures)]), frames):
            video.write(picture)


class Beginning(Recording):
    """The first frames of a recording, so that a slow row ends in time.

    Args:
        path: The recording.
        most: Frames that it has at most.
    """

    def __init__(self, path: Path, most: int) -> None:
        super().__init__(path)
        self._most = most

    def frames(self, wanted: FrameFormat) -> Iterator[Frame]:
        """Decode the first frames, from the beginning at each call."""
        # Closed at once, since the decoder has threads of its own.
        with closing(cast(Generator[Frame], super().frames(wanted))) as every:
            yield from islice(every, self._most)


def write_untrained(
    folder: Path, config: NetworkConfig, graphs: Sequence[str] = ("onnx", "int8")
) -> str | None:
    """Write the bundle of a randomly initialised network.

    Args:
        folder: The folder of the bundle.
        config: The network's settings.
        graphs: The graphs that it gets: "onnx", and with it "int8".

    Returns:
        Why the bundle lacks the int8 graph, a sentence; None where it lacks nothing.

    Raises:
        MissingExtraError: If a graph is wanted and its exporter is not installed.
        OutputError: If the bundle cannot be written.
    """
    # The same weights each time, so that two machines measure the same network.
    torch.manual_seed(0)
    trained = Network(config).trained()
    made: dict[str, bytes] = {}
    lacking = None
    if graphs:
        made[ONNX] = onnx_graph(trained)
    if "int8" in graphs and installed("openvino"):
        frames = drawn_frames(trained, clip_span(config.interval) - 1 + LEAST_CLIPS)
        try:
            made |= int8_graph(made[ONNX], clips_of(frames, config.interval))
        except MissingExtraError as error:
            lacking = str(error)
    bundle = Bundle(
        network=trained,
        rate_fps=SCENE.rate_fps,
        calibration=placeholder_calibration(),
        card=(
            "A randomly initialised network of `oddframe bench`: "
            "it scores nothing that means anything.\n"
        ),
        graphs=made,
    )
    write_bundle(folder, bundle)
    return lacking
