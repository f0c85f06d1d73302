"""A labelled validation set of UCSD Ped2's *training* recordings, to choose settings on.

    ODDFRAME_PED2=... python benchmarks/synthetic_validation.py -o runs/ped2-validation

Four of the sixteen training recordings are kept from training and become the test recordings of a
benchmark in the frame-folder layout that `oddframe train` and `oddframe eval` read: each as it was
filmed, and several times with something added that the training's counter-examples do not contain:
a drawn cyclist, a drawn cart, and a real pedestrian cut out of another recording who glides at
twice to four times a walker's pace without moving a leg, as on a skateboard. As a control some
recordings get a cut-out pedestrian who walks as filmed; they count as normal. Pixel masks say
where.
"""

import argparse
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from oddframe.synthetic.actors import Spot, random_look
from oddframe.synthetic.objects import BRIGHT, cart, cyclist
from oddframe.synthetic.raster import Patch, rasterise

HELD_OUT = ("03", "07", "11", "14")
FOREGROUND = 26.0
PEOPLE_PX = (60, 700)
"""Area of what counts as one person, in pixels at 360 x 240."""
PIXELS_A_METRE = (11.0, 19.0)
"""At the top and at the bottom of the picture."""
FPS = 10.0

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Cutout:
    """Somebody on the way, frame by frame.

    Attributes:
        patches: (top, left, alpha h x w, grey h x w), one for each frame.
    """

    patches: list[tuple[int, int, Floats, Floats]]


def frames_of(folder: Path) -> Floats:
    """All frames of a folder, float32 N x H x W in 0..255."""
    return np.stack(
        [
            np.asarray(Image.open(path).convert("L"), np.float32)
            for path in sorted(folder.glob("*.jpg"))
        ]
    )


def people(frames: Floats, empty: Floats) -> list[Cutout]:
    """Those who can be followed alone for twenty frames or more."""
    from scipy import ndimage

    running: list[Cutout] = []
    done: list[Cutout] = []
    for frame in frames:
        distance = ndimage.gaussian_filter(np.abs(frame - empty), 0.8)
        labels, _ = ndimage.label(ndimage.binary_closing(distance > FOREGROUND, iterations=1))
        found = []
        for number, place in enumerate(ndimage.find_objects(labels), start=1):
            alone = labels[place] == number
            height, width = alone.shape
            if (
                PEOPLE_PX[0] <= alone.sum() <= PEOPLE_PX[1]
                and 1.3 < height / width < 4.0
                and height > 14
            ):
                wide = (
                    slice(max(0, place[0].start - 2), place[0].stop + 2),
                    slice(max(0, place[1].start - 2), place[1].stop + 2),
                )
                soft = np.clip(
                    ndimage.gaussian_filter((labels[wide] == number).astype(np.float32), 0.7) * 1.6
                    - 0.2,
                    0.0,
                    1.0,
                )
                found.append((wide[0].start, wide[1].start, soft.astype(np.float32), frame[wide]))
        following = []
        for one in running:
            top, left, alpha, _ = one.patches[-1]
            near = [
                f
                for f in found
                if abs(f[0] - top) < 4
                and abs(f[1] - left) < 5
                and abs(f[2].shape[1] - alpha.shape[1]) < 5
            ]
            if len(near) == 1:
                one.patches.append(near[0])
                found = [f for f in found if f is not near[0]]
                following.append(one)
            else:
                done.append(one)
        running = following + [Cutout([f]) for f in found]
    return [one for one in done + running if len(one.patches) >= 20]


def add(
    frame: Floats, mask: npt.NDArray[np.bool_], top: int, left: int, alpha: Floats, grey: Floats
) -> None:
    """Blend something in, clipped to the picture."""
    height, width = frame.shape
    rows = slice(max(0, -top), min(alpha.shape[0], height - top))
    columns = slice(max(0, -left), min(alpha.shape[1], width - left))
    if rows.start >= rows.stop or columns.start >= columns.stop:
        return
    place = (
        slice(top + rows.start, top + rows.stop),
        slice(left + columns.start, left + columns.stop),
    )
    a, g = alpha[rows, columns], grey[rows, columns]
    frame[place] = a * g + (1.0 - a) * frame[place]
    mask[place] |= a > 0.4


def glider(
    who: Cutout, random: np.random.Generator, walk: bool
) -> Iterator[tuple[int, int, Floats, Floats]]:
    """Somebody cut out, as filmed or standing on something that rolls."""
    if walk:
        yield from who.patches
        return
    top, _, alpha, grey = who.patches[int(random.integers(len(who.patches)))]
    pace, ahead = random.uniform(3.0, 6.5), random.choice([-1, 1])
    x = -alpha.shape[1] if ahead > 0 else 360.0
    while -60 < x < 380:
        yield top, round(x), alpha, grey
        x += pace * ahead


def drawn(kind: str, random: np.random.Generator) -> Iterator[tuple[int, int, Floats, Floats]]:
    """A drawn cyclist or cart that crosses the picture."""
    look = random_look(random)
    colour = BRIGHT[int(random.integers(len(BRIGHT)))]
    red, green, blue = random.uniform(20, 90, 3).tolist()
    dark = (red, green, blue)
    body = cyclist(look, dark) if kind == "cyclist" else cart(look, colour, (220.0, 220.0, 220.0))
    y = float(random.uniform(110, 215))
    scale = float(np.interp(y, (60, 240), PIXELS_A_METRE))
    pace, ahead = random.uniform(3.0, 6.0), float(random.choice([-1, 1]))
    x, phase = (-30.0 if ahead > 0 else 390.0), 0.0
    while -60 < x < 420:
        stack = body(Spot(x + 100, y, scale, 0.35, (ahead, 0.0)), phase, 1.0)
        patch: Patch | None = rasterise(stack, 240, 560)
        if patch is not None:
            grey = patch.colour @ np.array([0.299, 0.587, 0.114], np.float32)
            solid = np.divide(grey, patch.alpha, out=np.zeros_like(grey), where=patch.alpha > 1e-3)
            yield patch.top, patch.left - 100, patch.alpha, solid
        x += pace * ahead
        phase += pace / scale * 2.0


def main() -> None:
    """Write the benchmark."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("-o", "--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--ped2", type=Path, default=os.environ.get("ODDFRAME_PED2"))
    arguments = parser.parse_args()
    if arguments.ped2 is None:
        parser.error("the recordings are those of UCSD Ped2: give --ped2 or set ODDFRAME_PED2")
    training = Path(arguments.ped2) / "training" / "frames"
    folders = sorted(path for path in training.iterdir() if path.is_dir())
    all_frames = {folder.name: frames_of(folder) for folder in folders}
    empty = np.median(np.concatenate([frames[::8] for frames in all_frames.values()]), axis=0)
    walkers = [
        one
        for name, frames in all_frames.items()
        if name in HELD_OUT
        for one in people(frames, empty)
    ]
    print(f"{len(walkers)} people could be cut out")
    random = np.random.default_rng(arguments.seed)
    for folder in folders:
        if folder.name not in HELD_OUT:
            shutil.copytree(
                folder, arguments.out / "training" / "frames" / folder.name, dirs_exist_ok=True
            )
    number = 0
    for name in HELD_OUT:
        for kind in ("as filmed", "company", "cyclist", "cart", "glider"):
            number += 1
            frames = all_frames[name].copy()
            masks = np.zeros(frames.shape, bool)
            begin = int(random.integers(20, 40))
            while kind != "as filmed" and begin < len(frames):
                things = (
                    drawn(kind, random)
                    if kind in ("cyclist", "cart")
                    else glider(
                        walkers[int(random.integers(len(walkers)))], random, kind == "company"
                    )
                )
                at = begin
                for thing in things:
                    if at < len(frames):
                        add(frames[at], masks[at], *thing)
                    at += 1
                begin = at + int(random.integers(10, 40))
            if kind == "company":
                masks[:] = False
            noisy = np.clip(frames.round(), 0, 255).astype(np.uint8)
            video = f"{number:02d}"
            for part in ("frames", "pixel_masks"):
                (arguments.out / "testing" / part / video).mkdir(parents=True, exist_ok=True)
            for at, (frame, mask) in enumerate(zip(noisy, masks, strict=True)):
                Image.fromarray(frame).save(
                    arguments.out / "testing" / "frames" / video / f"{at:03d}.jpg", quality=92
                )
                Image.fromarray(mask.astype(np.uint8) * 255).save(
                    arguments.out / "testing" / "pixel_masks" / video / f"{at:03d}.png"
                )
            (arguments.out / "testing" / "frame_labels").mkdir(exist_ok=True)
            abnormal = masks.sum(axis=(1, 2)) > 30
            np.save(
                arguments.out / "testing" / "frame_labels" / f"{video}.npy",
                abnormal.astype(np.uint8),
            )
            print(
                f"{video}: recording {name}, {kind}: "
                f"{abnormal.sum()} of {len(frames)} frames abnormal"
            )


if __name__ == "__main__":
    main()
