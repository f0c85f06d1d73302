"""Which pictures repeat the one before: freezes under a clock, and what only looks like one."""

import functools
import io

import av
import numpy as np
import pytest
from PIL import Image, ImageDraw

from oddframe.core.health.stillness import BRIDGED, BRIDGING, Change, StillRun, TileBox, change
from oddframe.synthetic.camera_faults import darken
from tests.support.health_scene import RATE_FPS, drawn, watched

FREEZES, COUNT = 60, 260
"""The frame from which a picture is frozen, and the frames of a recording: 6 s and 26 s."""


def clock(
    number, *, xy, height, format_="2031-07-09 {:02d}:{:02d}:{:02d}", rate=RATE_FPS, colour=250
):
    """Give the texts of a clock at a frame: where it stands, how high it is, and what it shows."""
    second = int(number / rate)
    return [(xy, height, format_.format(8 + second // 3600, 59, second % 60), colour)]


def written(picture, texts, dot=None):
    """Write texts over a picture, and a filled dot (x, y, radius)."""
    image = Image.fromarray(picture[..., 0])
    draw = ImageDraw.Draw(image)
    for xy, height, text, colour in texts:
        draw.text(xy, text, fill=colour, font_size=height)
    if dot is not None:
        x, y, radius = dot
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=255)
    return np.asarray(image)[..., None]


def encoded(pictures, codec="libx264", **options):
    """Encode pictures and decode them again, as a recorder and its player do."""
    file = io.BytesIO()
    with av.open(file, "w", format="matroska") as container:
        stream = container.add_stream(codec, rate=round(RATE_FPS), options=options)
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        for picture in pictures:
            rgb = np.ascontiguousarray(np.repeat(picture, 3, axis=2))
            container.mux(stream.encode(av.VideoFrame.from_ndarray(rgb, format="rgb24")))
        container.mux(stream.encode(None))
    file.seek(0)
    with av.open(file) as container:
        return [frame.to_ndarray(format="gray")[..., None] for frame in container.decode(video=0)]


WRITING = {
    "small, top left": lambda n: (clock(n, xy=(3, 2), height=8), None),
    "small, bottom right": lambda n: (clock(n, xy=(92, 116), height=9), None),
    "large, bottom left": lambda n: (
        clock(n, xy=(6, 104), height=20, format_="{:02d}:{:02d}:{:02d}"),
        None,
    ),
    "two lines, top right": lambda n: (
        [((120, 2), 9, "Gate 3 West", 255), *clock(n, xy=(76, 13), height=10)],
        None,
    ),
    "dark digits": lambda n: (clock(n, xy=(60, 2), height=9, colour=5), None),
    "tenths of a second": lambda n: (
        [((4, 3), 10, f"00:00:{n // 10:02d}.{n % 10}", 250)],
        None,
    ),
    "a blinking dot": lambda n: ([((24, 5), 10, "REC", 255)], (14, 12, 4) if n % 10 < 5 else None),
    "a clock and a dot elsewhere": lambda n: (
        clock(n, xy=(80, 2), height=10),
        (12, 118, 4) if n // 10 % 2 else None,
    ),
}


@functools.cache
def frozen_under(what):
    """A recording that freezes under writing that goes on."""
    pictures = drawn(1001, 110)
    return [
        written(pictures[min(number, FREEZES)], *WRITING[what](number)) for number in range(COUNT)
    ]


@pytest.mark.parametrize("what", WRITING)
def test_a_freeze_under_writing_that_goes_on_is_a_freeze(what):
    changes, _ = watched(frozen_under(what))
    assert [one.state for one in changes] == ["frozen"]
    assert changes[0].since_s == pytest.approx(FREEZES / RATE_FPS, abs=0.5)


ENCODINGS = {
    "x264": ("libx264", {"crf": "20", "g": "250"}),
    "many key frames": ("libx264", {"crf": "30", "g": "20", "bf": "2", "preset": "veryfast"}),
    "jpeg": ("mjpeg", {"qmin": "1", "qmax": "2"}),
}
ENCODED = ["small, top left", "large, bottom left", "a blinking dot"]


@pytest.mark.parametrize(
    ("what", "encoding"),
    # Each writing and each encoding once in `make test`, all pairs of them in `make test-all`.
    [
        pytest.param(what, encoding, marks=[pytest.mark.slow] * (number != place))
        for number, what in enumerate(ENCODED)
        for place, encoding in enumerate(ENCODINGS)
    ],
)
def test_a_freeze_that_is_encoded_with_its_clock_is_a_freeze(what, encoding):
    codec, options = ENCODINGS[encoding]
    changes, _ = watched(encoded(frozen_under(what), codec, **options))
    assert [one.state for one in changes] == ["frozen"]
    assert changes[0].since_s < FREEZES / RATE_FPS + 3.0


def test_a_freeze_under_a_clock_ends_when_the_picture_moves_on():
    pictures = [*frozen_under("small, top left")]
    moving = drawn(1002, 90)
    pictures += [
        written(moving[number], *WRITING["small, top left"](COUNT + number)) for number in range(90)
    ]
    changes, _ = watched(pictures)
    assert [one.state for one in changes] == ["frozen", "ok"]
    assert changes[1].time_s == pytest.approx(COUNT / RATE_FPS, abs=0.5)


def walker(number, *, y, speed, size=(3, 2), x=20.0):
    """An empty scene without noise in which somebody walks far away."""
    picture = drawn(1, 200)[0].copy()
    left = round(x + speed * number)
    picture[y : y + size[0], left : left + size[1]] = 240
    return picture


HARMLESS = {
    "noise": lambda n: darken(drawn(1, 200)[0], 0.8, 1.5, np.random.default_rng(n)),
    "noise at night": lambda n: darken(drawn(1, 200)[0], 0.12, 0.8, np.random.default_rng(n)),
    "a walker far away": lambda n: walker(n, y=60, speed=0.3),
    "a slow one": lambda n: walker(n, y=45, speed=0.1),
    "one at the upper edge": lambda n: walker(n, y=6, speed=0.5),
    "one at the lower edge": lambda n: walker(n, y=118, speed=-0.5, x=170.0),
    "a walker under a clock": lambda n: written(
        walker(n, y=70, speed=0.2), *WRITING["small, top left"](n)
    ),
}


@pytest.mark.parametrize("what", HARMLESS)
def test_a_still_scene_is_not_frozen(what):
    changes, _ = watched(HARMLESS[what](number) for number in range(COUNT))
    assert "frozen" not in [one.state for one in changes]


def test_a_walker_that_is_encoded_is_no_freeze():
    pictures = [HARMLESS["a walker far away"](number) for number in range(COUNT)]
    changes, _ = watched(encoded(pictures, crf="20"))
    assert "frozen" not in [one.state for one in changes]


def test_a_change_counts_in_both_directions():
    before, after = np.full((8, 8), 10, np.uint8), np.full((8, 8), 250, np.uint8)
    assert change(before, after) == change(after, before) == Change(240.0, 240.0)
    assert change(before, before) == Change(0.0, 0.0)


@pytest.mark.parametrize(
    ("top", "box", "at_edge"),
    [
        (0, TileBox(0, 2, 1, 4), True),
        (120, TileBox(15, 2, 16, 4), True),
        (64, TileBox(8, 2, 9, 4), False),
    ],
    ids=["top", "bottom", "middle"],
)
def test_a_local_change_is_told_apart_from_the_rest(top, box, at_edge):
    before = np.full((128, 190), 100, np.uint8)
    after = before.copy()
    after[top : top + 8, 16:32] = 105
    # One grey level in every pixel of a column elsewhere is the rest of the change.
    after[20:60, 100] += 1
    found = change(before, after)
    assert (found.local, found.at_edge) == (box, at_edge)
    assert found.whole == pytest.approx((5 * 128 + 40) / before.size)
    beside = 4 * 8 * (24 if top in (64,) else 16)
    assert found.rest == pytest.approx(40 / (before.size - beside))
    # The last column of tiles, which is narrower, counts too.
    after[top : top + 8, 184:] = 90
    assert change(before, after).local == TileBox(box.top, box.left, box.bottom, 24)


@pytest.mark.parametrize("step", [2, 10])
def test_a_change_all_over_the_picture_is_none_of_a_place(step):
    before = np.full((128, 192), 100, np.uint8)
    assert change(before, before + np.uint8(step)) == Change(step, step)
    after = before.copy()
    after[:32, 16:140] += np.uint8(step)
    assert change(before, after).local is None


REPEAT, DISTURBED, MOVED = (
    Change(0.0, 0.0),
    Change(9.0, 9.0),
    Change(2.0, 0.1, TileBox(9, 9, 10, 10)),
)


@pytest.mark.parametrize(
    ("changed", "count", "survives"),
    [(DISTURBED, BRIDGED, True), (DISTURBED, BRIDGED + 1, False), (MOVED, 1, False)],
)
def test_a_run_of_repeats_survives_a_key_frame_but_no_movement(changed, count, survives):
    run = StillRun(still_change=0.5)
    for second in range(BRIDGING + 1):
        run.push(float(second), REPEAT)
    for second in range(BRIDGING + 1, BRIDGING + 1 + count):
        length_s = run.push(float(second), changed)
    assert (length_s > 0.0) == survives


def pushed(boxes, step_s=1.0):
    """Push a change by writing at each of some boxes; gives the length of the longest run."""
    run = StillRun(0.5)
    return max(
        run.push(number * step_s, Change(2.0, 0.1, box, True)) for number, box in enumerate(boxes)
    )


def test_places_of_writing_are_found_in_the_first_seconds_and_stay():
    first, second = TileBox(0, 2, 1, 4), TileBox(15, 20, 16, 22)
    assert pushed([first, second, first, second] * 8) == 31.0
    # A place that is new after these seconds is movement.
    assert pushed([first] * 10 + [second] + [first] * 5) == 9.0
    # And so are more than three places.
    many = [TileBox(0, 8 * place, 1, 8 * place + 1) for place in range(5)]
    assert pushed(many * 3, step_s=0.1) < 1.0


@pytest.mark.parametrize("speed", [0.3, 1.0, 2.0])
def test_a_place_that_moves_along_ends_the_run(speed):
    lefts = [round(speed * number) for number in range(60)]
    assert pushed([TileBox(0, left, 1, left + 2) for left in lefts]) <= 3 + 7 / speed
