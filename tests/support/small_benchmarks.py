"""Small benchmarks in their official structure: three test and two training videos, all drawn."""

from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
import scipy.io
from av.video.stream import VideoStream
from PIL import Image

from tests.support.tiny import walk

SIZE = (64, 48)
"""Width and height of every picture in pixels."""
TRUTH = ([0] * 5 + [1] * 4 + [0] * 3, [1] * 10, [0, 1, 0, 0, 0, 1, 1, 1, 0])
"""Labels of the three test videos."""
TRAINING = (12, 10)
"""Frames of the two training videos."""
RATE_FPS = 10
"""Frames a second of every recording."""


def masks_of(labels: Sequence[int]) -> npt.NDArray[np.bool_]:
    """Draw the masks of a video, bool T x H x W: a box in every abnormal frame."""
    masks = np.zeros((len(labels), SIZE[1], SIZE[0]), np.bool_)
    masks[np.flatnonzero(labels), 10:20, 30:44] = True
    return masks


def ucsd(root: Path, with_masks: Sequence[int] = (1, 3)) -> Path:
    """Draw `UCSDped2` with what a Mac leaves behind; some videos have masks, as in Ped1."""
    home = root / "UCSDped2"
    for number, count in enumerate(TRAINING, start=1):
        _images(home / "Train" / f"Train{number:03d}", count, ".tif", first=1)
    lines = ["TestVideoFile = {};"]
    for number, labels in enumerate(TRUTH, start=1):
        _images(home / "Test" / f"Test{number:03d}", len(labels), ".tif", first=1)
        ranges = ", ".join(f"{start}:{end}" for start, end in stretches(labels))
        lines.append(f"TestVideoFile{{end+1}}.gt_frame = [{ranges}];")
        if number in with_masks:
            save_masks(home / "Test" / f"Test{number:03d}_gt", masks_of(labels), ".bmp", first=1)
    (home / "Test" / "UCSDped2.m").write_text("\n".join(lines) + "\n")
    for junk in (
        "Train/.DS_Store",
        "Train/Train001/._001.tif",
        "Test/._UCSDped2.m",
        "Test/Test001/._001.tif",
    ):
        (home / junk).write_bytes(b"\0\5\x16\7 junk")
    return home


def avenue(root: Path) -> Path:
    """Draw Avenue, with the masks where the second archive puts them."""
    home = root / "Avenue Dataset"
    for number, count in enumerate(TRAINING, start=1):
        draw_recording(home / "training_videos" / f"{number:02d}.avi", count)
    place = home / "ground_truth_demo" / "testing_label_mask"
    place.mkdir(parents=True)
    for number, labels in enumerate(TRUTH, start=1):
        draw_recording(home / "testing_videos" / f"{number:02d}.avi", len(labels))
        save_volume(place / f"{number}_label.mat", masks_of(labels))
    return home


def shanghaitech(root: Path) -> Path:
    """Draw ShanghaiTech, with training videos and test frames."""
    home = root / "shanghaitech"
    for number, count in enumerate(TRAINING, start=1):
        draw_recording(home / "training" / "videos" / f"01_{number:03d}.avi", count)
    for kind in ("test_frame_mask", "test_pixel_mask"):
        (home / "testing" / kind).mkdir(parents=True)
    for number, labels in enumerate(TRUTH, start=14):
        name = f"01_{number:04d}"
        _images(home / "testing" / "frames" / name, len(labels), ".jpg")
        np.save(home / "testing" / "test_frame_mask" / f"{name}.npy", np.array(labels, np.uint8))
        np.save(
            home / "testing" / "test_pixel_mask" / f"{name}.npy", masks_of(labels).astype(np.uint8)
        )
    return home


def frame_folders(root: Path) -> Path:
    """Draw the layout of most research code, with every kind of label and masks."""
    home = root / "mini"
    for number, count in enumerate(TRAINING, start=1):
        _images(home / "training" / "frames" / f"{number:02d}", count, ".jpg")
    (home / "testing" / "frame_labels").mkdir(parents=True)
    for number, labels in enumerate(TRUTH, start=1):
        _images(home / "testing" / "frames" / f"{number:02d}", len(labels), ".jpg")
        np.save(home / "testing" / "frame_labels" / f"{number:02d}.npy", np.array(labels, np.uint8))
        save_masks(home / "testing" / "pixel_masks" / f"{number:02d}", masks_of(labels), ".png")
    np.save(home / "frame_labels_mini.npy", np.concatenate(TRUTH)[np.newaxis])
    return home


def custom(root: Path) -> Path:
    """Draw one's own recordings with times, with masks, and with tracks of the first one."""
    home = root / "mine"
    for number, count in enumerate(TRAINING, start=1):
        draw_recording(home / "training" / f"day{number}.mp4", count)
    lines = ["video,start_s,end_s"]
    for number, labels in enumerate(TRUTH, start=1):
        draw_recording(home / "testing" / f"door{number}.mp4", len(labels))
        lines += [
            f"door{number}.mp4,{(start - 1) / RATE_FPS},{(end - 1) / RATE_FPS}"
            for start, end in stretches(labels)
        ]
        masks = masks_of(labels)
        for frame in np.flatnonzero(labels):
            save_masks(
                home / "masks" / f"door{number}", masks[frame][np.newaxis], ".png", first=int(frame)
            )
    (home / "labels.csv").write_text("\n".join(lines) + "\n")
    (home / "tracks").mkdir()
    (home / "tracks" / "door1.txt").write_text("1,5,30,10,44,20\n")
    return home


SMALL_BENCHMARKS: dict[str, Callable[[Path], Path]] = {
    "ucsd": ucsd,
    "avenue": avenue,
    "shanghaitech": shanghaitech,
    "frame folders": frame_folders,
    "custom": custom,
}


def stretches(labels: Sequence[int]) -> list[tuple[int, int]]:
    """Find the first and last frame of each abnormal stretch, counted from 1."""
    padded = np.diff([0, *labels, 0])
    starts, ends = np.flatnonzero(padded == 1) + 1, np.flatnonzero(padded == -1)
    return list(zip(starts.tolist(), ends.tolist(), strict=True))


def draw_recording(path: Path, frames: int, first_s: float = 0.0) -> Path:
    """Draw a recording of 10 frames a second, in the format of its suffix."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=RATE_FPS)
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = *SIZE, "yuv420p"
        for number in range(frames):
            frame = av.VideoFrame.from_ndarray(walk(number), format="rgb24")
            frame.pts, frame.time_base = number + round(first_s * RATE_FPS), Fraction(1, RATE_FPS)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def save_masks(folder: Path, masks: npt.NDArray[np.bool_], suffix: str, first: int = 0) -> None:
    """Write one 8-bit image a mask, black and white."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, mask in enumerate(masks, start=first):
        Image.fromarray(mask.astype(np.uint8) * 255).save(folder / f"{number:03d}{suffix}")


def save_volume(path: Path, masks: npt.NDArray[np.bool_], dtype: type = np.uint8) -> None:
    """Write masks as Avenue has them: a packed cell array, one matrix a frame."""
    cells = np.empty((1, len(masks)), dtype=object)
    for number, mask in enumerate(masks):
        cells[0, number] = mask.astype(dtype)
    scipy.io.savemat(path, {"volLabel": cells}, do_compression=True)


def _images(folder: Path, count: int, suffix: str, first: int = 0) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        # UCSD's are grey, 8 bits.
        Image.fromarray(walk(number)[..., 0]).save(folder / f"{number + first:03d}{suffix}")
