"""How often the network need not run: repeated clips in real H.264 of a still scene.

    python benchmarks/still_scenes.py [--seconds 40] [--ped2 FOLDER]

A drawn square without anybody, 360 x 240 at 25 frames per second, gets a sensor's noise, is encoded
by x264 as a camera would (no B-frames, a key frame every two seconds), and is read as the preset
`fast` reads it, thinned to 10 frames per second. With a shutter of a second, as in the dark, the
camera sends each picture 25 times. A frame repeats where its pixels are those of the frame before,
byte for byte; a clip where all five of its frames do.

With UCSD Ped2 it also says why clips that are nearly the same do not count as the same: what the
shipped model says of test clips, and of the same ones when every pixel is one grey level off, up or
down by chance; and how much of the map changes, if only in the last bits, when one corner of x3
does.
"""

import argparse
import tempfile
import timeit
from collections.abc import Iterator
from itertools import islice, pairwise, product
from pathlib import Path

import av
import numpy as np
from av.video.stream import VideoStream

from oddframe._types import Pixels
from oddframe.core.clips import ClipWindow, Sampler, sampled_gap_s
from oddframe.inference.loading import load
from oddframe.media.discovery import open_source
from oddframe.media.recording import Recording
from oddframe.media.source import FrameFormat
from oddframe.synthetic.scene import SceneSettings, draw
from oddframe.training.settings import PRESETS

RATE_FPS, MODEL_FPS = 25, 10.0
SCENE = SceneSettings(
    width=360, height=240, rate_fps=float(RATE_FPS), noise=0.0, density=0.0, light=0.0
)
NOISES = (0.0, 1.0, 3.0)
"""Spread of the noise, in grey levels."""
ENCODERS = {
    "constant quality, crf 28": {"crf": "28"},
    "constant quality, crf 36": {"crf": "36"},
    "200 kbit/s": {"b": "200k", "maxrate": "200k", "bufsize": "200k"},
    "1000 kbit/s": {"b": "1000k", "maxrate": "1000k", "bufsize": "1000k"},
}


def main() -> None:
    """Encode every case, count what repeats, and print it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=int, default=40)
    parser.add_argument("--ped2", type=Path, help="the data set, as in $ODDFRAME_PED2")
    args = parser.parse_args()
    scene = next(iter(draw(1, 1, SCENE))).pixels
    print(f"finding two frames of 256 x 384 equal takes {compared_us():.0f} microseconds")
    print(
        f"{'noise':>5}  {'each picture':>12}  {'encoder':<25}  "
        "frames that repeat  clips that repeat"
    )
    with tempfile.TemporaryDirectory() as folder:
        for (name, options), noise, shown in product(ENCODERS.items(), NOISES, (1, RATE_FPS)):
            path = Path(folder) / "still.mp4"
            write(path, noisy(scene, noise, shown, args.seconds * RATE_FPS), options)
            frames, clips = repeats(path)
            print(
                f"{noise:5.1f}  {shown:6d} times  {name:<25}  {frames:18.1%}  {clips:17.1%}",
                flush=True,
            )

    if args.ped2 is not None:
        print(off_by_one(args.ped2))


def off_by_one(ped2: Path) -> str:
    """What a grey level does to the shipped model, a sentence."""
    model = load("ped2", backend="onnx", batch_size=3)
    random = np.random.default_rng(0)
    changes, touched = [], []
    for folder in sorted((ped2 / "testing" / "frames").iterdir()):
        frames = list(islice(open_source(folder, 10.0).frames(model.wanted()), 60))
        for start in (10, 50):
            clip = np.stack([frame.pixels for frame in frames[start : start + 5]])
            off = np.clip(
                clip.astype(np.int16) + random.choice([-1, 1], clip.shape), 0, 255
            ).astype(np.uint8)
            corner = clip.copy()
            corner[3, :16, :16] ^= 1
            found = model.scorer.score(np.stack([clip, off, corner]))
            changes.append(abs(found.raw[1] / found.raw[0] - 1))
            touched.append((found.maps[2] != found.maps[0]).mean())
    return (
        f"one grey level of noise changes the raw scores of {len(changes)} clips by "
        f"{np.median(changes):.1%} in the median, {max(changes):.0%} at most; a corner of "
        f"16 x 16 pixels in x3 changes {np.mean(touched):.0%} of the map"
    )


def noisy(scene: Pixels, noise: float, shown: int, count: int) -> Iterator[Pixels]:
    """The scene again and again, with other noise whenever it was shown so many times."""
    random = np.random.default_rng(0)
    for number in range(count):
        if number % shown == 0:
            drawn = scene + random.normal(0.0, noise, scene.shape).astype(np.float32)
            picture = np.clip(np.rint(drawn), 0, 255).astype(np.uint8)
        yield picture


def write(path: Path, pictures: Iterator[Pixels], options: dict[str, str]) -> None:
    """Encode as a camera does."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=RATE_FPS)
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = SCENE.width, SCENE.height, "yuv420p"
        usual = {
            "preset": "veryfast",
            "tune": "zerolatency",
            "g": str(2 * RATE_FPS),
            "sc_threshold": "0",
        }
        stream.options = {**usual, **options}
        for picture in pictures:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))


def repeats(path: Path) -> tuple[float, float]:
    """Shares of the frames, as the network gets them, and of the clips that repeat those before."""
    network = PRESETS["fast"].network
    source = Recording(path)
    sampler = Sampler(MODEL_FPS, source.timing)
    slider = ClipWindow(network.interval, sampled_gap_s(source.timing, MODEL_FPS))
    frames = source.frames(FrameFormat(network.width, network.height, network.colour))
    kept = [frame for frame in frames if sampler.keeps(frame)]
    same = [np.array_equal(one.pixels, other.pixels) for one, other in pairwise(kept)]
    clips = [clip.repeats for clip in map(slider.push, kept) if clip is not None]
    return float(np.mean(same)), float(np.mean(clips))


def compared_us() -> float:
    """Microseconds to find two frames equal, the best of many; a difference costs no more."""
    one = np.random.default_rng(0).integers(0, 256, (256, 384, 1), dtype=np.uint8)
    other = one.copy()
    return min(timeit.repeat(lambda: np.array_equal(one, other), number=100, repeat=9)) * 1e4


if __name__ == "__main__":
    main()
