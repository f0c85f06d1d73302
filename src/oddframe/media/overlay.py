"""The overlay: a frame as people look at it, with its heat map and the curve of its scores.

`Overlay` draws whole frames and `overlay_video` writes them; `overlay` draws one frame of a caller;
`blend_heat` and `heat_layer` draw the heat map alone.
"""

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from oddframe._types import AnomalyMap, Float32, Pixels
from oddframe.core.events import THRESHOLD
from oddframe.core.records import Score
from oddframe.errors import InputError, OutputError, SettingsError
from oddframe.media.arrays import ColourOrder, check_colour, picture_of
from oddframe.media.video_writer import VideoWriter

_SMALL_WIDTH = 480
"""Pictures narrower than this are shown at twice their size, so that the text can be read."""

_HEAT_SHOWS, _HEAT_FULL, _HEAT_OPACITY = 0.3, 0.75, 0.65
"""Below the first heat the picture stays as it is; from the second on it is covered by the last.

All three are shares from 0 to 1; heat of 0.5 is that of a map at its scale.
"""

_STRIP_HEIGHT, _TEXT_WIDTH, _MARGIN, _BORDER = 84, 132, 10, 4
_SUPERSAMPLING = 2
"""The strip is drawn this many times larger and then reduced, for smooth lines."""

_BACKGROUND, _FAINT, _TEXT = (17, 19, 26), (112, 119, 138), (232, 234, 240)
_NORMAL, _ALARM = (92, 184, 255), (255, 72, 66)

_Place = tuple[float, float]


class _Moment(NamedTuple):
    """One point of the curve; None where a frame has no score, which interrupts it."""

    time_s: float
    score: float | None


class Overlay:
    """Draws the frames of one source, in order.

    Above is the picture with the heat map on its unusual places, and with a red border while the
    score is above 0.5. Below it is a strip with the time, the score and the curve of the scores of
    the last seconds, which the overlay remembers.

    Args:
        picture_size: (width, height) of the pictures in pixels.
        map_scale: Level of the anomaly map that is shown half hot: the one expected at the
            threshold, so that colours mean the same in all frames and recordings. Above 0.
        window_s: Seconds of score that the curve shows.
        gap_s: After a longer time between two frames the curve is interrupted.
    """

    def __init__(
        self,
        picture_size: tuple[int, int],
        map_scale: float,
        window_s: float = 20.0,
        gap_s: float = 1.0,
    ) -> None:
        if not map_scale > 0 or not window_s > 0:
            raise SettingsError(
                f"map_scale and window_s must be above 0, got {map_scale} and {window_s}"
            )
        factor = 2 if picture_size[0] < _SMALL_WIDTH else 1
        self._picture_size = picture_size
        self._shown = (
            max(2, picture_size[0] * factor // 2 * 2),
            max(2, picture_size[1] * factor // 2 * 2),
        )
        self._map_scale = map_scale
        self._window_s = window_s
        self._gap_s = gap_s
        self._moments: deque[_Moment] = deque()

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) of the frames that come out, both even."""
        return self._shown[0], self._shown[1] + _STRIP_HEIGHT

    def draw(
        self, picture: Pixels, heat_map: AnomalyMap | None, score: float | None, time_s: float
    ) -> Pixels:
        """Draw the next frame.

        Args:
            picture: uint8 h x w x 3 of the size given at the start.
            heat_map: The anomaly map, float32 of any size; None where there is none.
            score: The frame's score in (0, 1); None where there is none.
            time_s: The frame's time in seconds.

        Returns:
            uint8 H x W x 3 of `size`.
        """
        width, height = self._picture_size
        if picture.shape != (height, width, 3):
            raise SettingsError(
                f"a picture for this overlay must have the shape {height} x {width} x 3, "
                f"got {picture.shape}"
            )
        self._remember(_Moment(time_s, score))
        if heat_map is not None:
            picture = blend_heat(picture, heat_map, self._map_scale)
        shown = Image.fromarray(picture)
        if shown.size != self._shown:
            # Only ever enlarged, where bicubic shows no steps.
            shown = shown.resize(self._shown, Image.Resampling.BICUBIC)
        if score is not None and score > THRESHOLD:
            _draw_alarm(shown)
        whole = Image.new("RGB", self.size, _BACKGROUND)
        whole.paste(shown, (0, 0))
        whole.paste(self._draw_strip(score, time_s), (0, self._shown[1]))
        return np.asarray(whole)

    def _remember(self, moment: _Moment) -> None:
        # Time that goes back is another pass or recording: its curve begins anew.
        if self._moments and moment.time_s <= self._moments[-1].time_s:
            self._moments.clear()
        self._moments.append(moment)
        while moment.time_s - self._moments[0].time_s > self._window_s:
            self._moments.popleft()

    def _draw_strip(self, score: float | None, time_s: float) -> Image.Image:
        width = self._shown[0]
        large = Image.new(
            "RGB", (width * _SUPERSAMPLING, _STRIP_HEIGHT * _SUPERSAMPLING), _BACKGROUND
        )
        draw = ImageDraw.Draw(large)
        self._draw_text(draw, score, time_s)
        # A narrow picture has room for the text alone.
        left, right = (_TEXT_WIDTH + 22) * _SUPERSAMPLING, (width - _MARGIN) * _SUPERSAMPLING
        if right > left:
            self._draw_curve(draw, left, right)
        return large.resize((width, _STRIP_HEIGHT), Image.Resampling.BOX)

    def _draw_text(self, draw: ImageDraw.ImageDraw, score: float | None, time_s: float) -> None:
        x = _MARGIN * _SUPERSAMPLING
        draw.text(
            (x, 12 * _SUPERSAMPLING),
            clock_text(time_s),
            fill=_TEXT,
            font=_font(15 * _SUPERSAMPLING),
        )
        above = score is not None and score > THRESHOLD
        text = "no score" if score is None else f"{score:.2f}"
        size = 18 if score is None else 32
        colour = _FAINT if score is None else _ALARM if above else _NORMAL
        draw.text(
            (x, (_STRIP_HEIGHT - 12) * _SUPERSAMPLING),
            text,
            fill=colour,
            font=_font(size * _SUPERSAMPLING),
            anchor="ls",
        )

    def _draw_curve(self, draw: ImageDraw.ImageDraw, left: float, right: float) -> None:
        top, bottom = _MARGIN * _SUPERSAMPLING, (_STRIP_HEIGHT - _MARGIN) * _SUPERSAMPLING
        middle = bottom + (top - bottom) * THRESHOLD
        draw.line([(left, bottom), (right, bottom)], fill=_FAINT, width=_SUPERSAMPLING)
        _draw_dashes(draw, left, right, middle)
        draw.text(
            (left - 5 * _SUPERSAMPLING, middle),
            "0.5",
            fill=_FAINT,
            font=_font(11 * _SUPERSAMPLING),
            anchor="rm",
        )
        # The newest moment is at the right once the window is full; before that the curve grows
        # from the left.
        start_s = max(self._moments[0].time_s, self._moments[-1].time_s - self._window_s)

        def place(moment: _Moment) -> _Place:
            score = moment.score or 0.0
            across = (moment.time_s - start_s) / self._window_s
            return left + (right - left) * across, bottom + (top - bottom) * score

        for before, moment in pairwise(self._moments):
            if (
                before.score is None
                or moment.score is None
                or moment.time_s - before.time_s > self._gap_s
            ):
                continue
            colour = _ALARM if max(before.score, moment.score) > THRESHOLD else _NORMAL
            draw.line(
                [place(before), place(moment)], fill=colour, width=2 * _SUPERSAMPLING, joint="curve"
            )
        last = self._moments[-1]
        if last.score is not None:
            (x, y), radius = place(last), 3.5 * _SUPERSAMPLING
            colour = _ALARM if last.score > THRESHOLD else _NORMAL
            draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=colour)


def overlay(frame: Any, score: Score, *, colour: ColourOrder = "rgb") -> Pixels:
    """Draw what a score says over the frame that it is of, as an overlay video does.

    Hot places glow, the others stay as they are; while the score is above 0.5 there is a red border
    and a word for those who cannot see red.

    Example:
        >>> frames = numpy.zeros((20, 48, 64, 3), numpy.uint8)
        >>> for score in model.scores(frames, fps=10, maps=True):
        ...     drawn = oddframe.overlay(frames[score.frame], score)
        >>> drawn.shape
        (48, 64, 3)

    Args:
        frame: uint8 H x W or H x W x C of any size, C = 1, 3 or 4.
        score: The score of that frame, with its map: ``model.scores(..., maps=True)``. A frame that
            no clip scores has neither, and is returned as it is.
        colour: The order of the colours in the frame, and in what is returned.

    Returns:
        A new picture, uint8 H x W x 3 of the frame's own size.

    Raises:
        InputError: If the frame is no picture, or the score comes without its map.
        MissingExtraError: If Matplotlib is not installed.
    """
    pixels = picture_of(frame)
    picture = np.repeat(pixels, 3, axis=2) if pixels.shape[2] == 1 else pixels[:, :, :3]
    if check_colour(colour) == "bgr":
        picture = picture[:, :, ::-1]
    if score.score is not None and score.map is None:
        raise InputError(
            "a score must carry its map to be drawn, but has none; ask for it with maps=True"
        )
    if score.map is not None and score.map_level is not None:
        picture = blend_heat(picture, score.map, score.map_level)
    shown = Image.fromarray(np.ascontiguousarray(picture))
    if score.score is not None and score.score > THRESHOLD:
        _draw_alarm(shown)
    drawn: Pixels = np.array(shown)
    return np.ascontiguousarray(drawn[:, :, ::-1]) if colour == "bgr" else drawn


def blend_heat(picture: Pixels, heat_map: AnomalyMap, map_scale: float) -> Pixels:
    """Lay an anomaly map over a picture: hot places glow, the others stay as they are.

    Args:
        picture: uint8 H x W x 3.
        heat_map: float32 of any size, at least 0; resized bilinearly to the picture.
        map_scale: Level that is half hot; heat = level / (level + map_scale), in 0 to 1.

    Returns:
        A new picture of the same size.
    """
    heat = _heat(heat_map, (picture.shape[1], picture.shape[0]), map_scale)
    glow, cover = _heat_colours()
    hot = cover[heat] > 0  # only these are mixed: few pixels as a rule
    opacity = cover[heat[hot]][:, np.newaxis]
    mixed: Pixels = picture.copy()
    mixed[hot] = np.rint(picture[hot] * (1 - opacity) + glow[heat[hot]] * opacity).astype(np.uint8)
    return mixed


def heat_layer(heat_map: AnomalyMap, size: tuple[int, int], map_scale: float) -> Pixels:
    """Draw the layer that `blend_heat` lays over a picture, by itself.

    Args:
        heat_map: float32 of any size, at least 0; resized bilinearly.
        size: (width, height) of the layer in pixels.
        map_scale: As in `blend_heat`.

    Returns:
        uint8 H x W x 4: red, green, blue and opacity.
    """
    heat = _heat(heat_map, size, map_scale)
    glow, cover = _heat_colours()
    layer: Pixels = np.rint(np.dstack([glow[heat], cover[heat] * 255])).astype(np.uint8)
    return layer


def _heat(heat_map: AnomalyMap, size: tuple[int, int], map_scale: float) -> Pixels:
    """Return the heat of each pixel, uint8 H x W; it is 128 where the map is at its scale."""
    level = Image.fromarray(np.ascontiguousarray(heat_map, dtype=np.float32))
    spread = np.asarray(level.resize(size, Image.Resampling.BILINEAR))
    spread = np.maximum(np.nan_to_num(spread, nan=0.0), 0.0)
    heat: Pixels = np.rint(spread / (spread + np.float32(map_scale)) * 255).astype(np.uint8)
    return heat


def clock_text(time_s: float) -> str:
    """Format a time as people read it: 0:07.3, 12:40.0, 1:02:03.4."""
    # Rounded first, so that 59.96 s is 1:00.0 and not 0:60.0.
    tenths = round(abs(time_s) * 10)
    minutes, rest = divmod(tenths, 600)
    hours, minutes = divmod(minutes, 60)
    sign = "-" if time_s < 0 and tenths else ""
    head = f"{hours}:{minutes:02d}" if hours else f"{minutes}"
    return f"{sign}{head}:{rest // 10:02d}.{rest % 10}"


def _draw_alarm(picture: Image.Image) -> None:
    """Draw a red border, and a word for those who cannot see red."""
    draw = ImageDraw.Draw(picture)
    draw.rectangle((0, 0, picture.width - 1, picture.height - 1), outline=_ALARM, width=_BORDER)
    font = _font(14)
    box = draw.textbbox((_BORDER + 8, _BORDER + 5), "UNUSUAL", font=font)
    draw.rectangle((_BORDER, _BORDER, box[2] + 8, box[3] + 5), fill=_ALARM)
    draw.text((_BORDER + 8, _BORDER + 5), "UNUSUAL", fill=(255, 255, 255), font=font)


def _draw_dashes(draw: ImageDraw.ImageDraw, left: float, right: float, y: float) -> None:
    dash = 6 * _SUPERSAMPLING
    x = left
    while x < right:
        draw.line([(x, y), (min(x + dash, right), y)], fill=_FAINT, width=_SUPERSAMPLING)
        x += 2 * dash


@cache
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)


@cache
def _heat_colours() -> tuple[Float32, Float32]:
    """Return colours (256 x 3, 0 to 255) and opacity (256, 0 to 1) by heat.

    The colours are Matplotlib's inferno, whose steps look even.
    """
    # The import takes half a second, which only a program that draws heat should wait for.
    from matplotlib import colormaps

    # Tables of 256 entries: the heat of each pixel is their index.
    heat = np.linspace(0, 1, 256, dtype=np.float32)
    colours = np.asarray(colormaps["inferno"](heat)[:, :3] * 255, dtype=np.float32)
    cover = np.clip((heat - _HEAT_SHOWS) / (_HEAT_FULL - _HEAT_SHOWS), 0, 1) * np.float32(
        _HEAT_OPACITY
    )
    return colours, cover.astype(np.float32)


class OverlayVideo:
    """Draws scores into a video, which is opened with the first picture: it decides the size.

    Where the encoder does not take such pictures there is no video, and a notice says so.
    """

    def __init__(
        self,
        path: Path,
        rate_fps: float,
        map_scale: float,
        closing: ExitStack,
        on_refusal: Callable[[str], None],
    ) -> None:
        self._path, self._rate_fps = path, rate_fps
        self._map_scale, self._closing, self._on_refusal = map_scale, closing, on_refusal
        self._overlay: Overlay | None = None
        self._video: VideoWriter | None = None
        self._is_refused = False
        self._size = (0, 0)
        self._start_s = 0.0

    def write(self, score: Score) -> None:
        """Add the frame of a score that carries its picture."""
        if score.picture is None or self._is_refused:
            return
        size = (score.picture.shape[1], score.picture.shape[0])
        if self._overlay is None:
            self._overlay = Overlay(size, self._map_scale)
            self._size, self._start_s = size, score.time_s
        # A video has one size of picture from its beginning to its end.
        if size != self._size:
            return
        drawn = self._overlay.draw(score.picture, score.map, score.score, score.time_s)
        try:
            if self._video is None:
                self._video = self._closing.enter_context(
                    VideoWriter(self._path, self._rate_fps, self._overlay.size)
                )
            self._video.write(drawn, score.time_s - self._start_s)
        except OutputError as error:
            # What the system says, such as that the disk is full, concerns all that is written.
            if isinstance(error.__cause__, OSError):
                raise
            if self._video is not None:
                self._video.abandon()
            self._is_refused = True
            width, height = self._overlay.size
            self._on_refusal(
                f"no overlay was written: the encoder takes no pictures of {width} x {height}"
            )


@contextmanager
def overlay_video(
    path: Path,
    rate_fps: float,
    map_scale: float,
    on_refusal: Callable[[str], None] = lambda notice: None,
) -> Iterator[OverlayVideo]:
    """Open a video, which appears whole when the block ends; scores must carry pictures and maps.

    Where a source changes its size midway, pictures of another size than the first are left out.

    Args:
        path: The file, ``.mp4``.
        rate_fps: Frames per second of the source.
        map_scale: Level of the anomaly map at the threshold.
        on_refusal: Called with a sentence where the encoder does not take such pictures; there is
            no video then.

    Raises:
        OutputError: If it cannot be written.
    """
    with ExitStack() as closing:
        yield OverlayVideo(path, rate_fps, map_scale, closing, on_refusal)
