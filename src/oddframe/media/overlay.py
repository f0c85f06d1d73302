"""The overlay: a frame as people look at it, with its heat map and the score so far."""

from collections import deque
from functools import cache
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from oddframe._types import Pixels
from oddframe.errors import SettingsError

_SMALL_WIDTH = 480
"""Pictures narrower than this are shown at twice their size, so that the text stays legible."""

_THRESHOLD = 0.5
_HEAT_SHOWS, _HEAT_FULL, _HEAT_OPACITY = 0.3, 0.75, 0.65
"""Heat below the first leaves the picture as it is; from the second on it covers it with the last."""

_STRIP_HEIGHT, _TEXT_WIDTH, _MARGIN, _BORDER = 84, 132, 10, 4
_FINE = 2
"""The strip is drawn this many times larger and reduced, for smooth lines."""

_BACKGROUND, _FAINT, _TEXT = (17, 19, 26), (112, 119, 138), (232, 234, 240)
_CALM, _ALARM = (92, 184, 255), (255, 72, 66)

_Place = tuple[float, float]
_Map = npt.NDArray[np.float32]


class _Moment(NamedTuple):
    time_s: float
    score: float | None


class Overlay:
    """Draws the frames of one source in order; remembers the scores of the last seconds for the curve.

    Above is the picture with the heat map on its unusual places (red border while the score is
    above 0.5), below it a strip with time, score and the curve of the last seconds.

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
        self, picture: Pixels, heat_map: _Map | None, score: float | None, time_s: float
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
                f"a picture for this overlay must have the shape {height} x {width} x 3, got {picture.shape}"
            )
        self._remember(_Moment(time_s, score))
        if heat_map is not None:
            picture = blend_heat(picture, heat_map, self._map_scale)
        shown = Image.fromarray(picture)
        if shown.size != self._shown:
            shown = shown.resize(self._shown, Image.Resampling.BICUBIC)
        if score is not None and score > _THRESHOLD:
            _mark(shown)
        whole = Image.new("RGB", self.size, _BACKGROUND)
        whole.paste(shown, (0, 0))
        whole.paste(self._strip(score, time_s), (0, self._shown[1]))
        return np.asarray(whole)

    def _remember(self, moment: _Moment) -> None:
        if self._moments and moment.time_s <= self._moments[-1].time_s:
            self._moments.clear()
        self._moments.append(moment)
        while moment.time_s - self._moments[0].time_s > self._window_s:
            self._moments.popleft()

    def _strip(self, score: float | None, time_s: float) -> Image.Image:
        width = self._shown[0]
        large = Image.new("RGB", (width * _FINE, _STRIP_HEIGHT * _FINE), _BACKGROUND)
        draw = ImageDraw.Draw(large)
        self._write(draw, score, time_s)
        left, right = (_TEXT_WIDTH + 22) * _FINE, (width - _MARGIN) * _FINE
        if right > left:
            self._plot(draw, left, right)
        return large.resize((width, _STRIP_HEIGHT), Image.Resampling.BOX)

    def _write(self, draw: ImageDraw.ImageDraw, score: float | None, time_s: float) -> None:
        x = _MARGIN * _FINE
        draw.text((x, 12 * _FINE), clock_text(time_s), fill=_TEXT, font=_font(15 * _FINE))
        above = score is not None and score > _THRESHOLD
        text = "no score" if score is None else f"{score:.2f}"
        size = 18 if score is None else 32
        colour = _FAINT if score is None else _ALARM if above else _CALM
        draw.text(
            (x, (_STRIP_HEIGHT - 12) * _FINE),
            text,
            fill=colour,
            font=_font(size * _FINE),
            anchor="ls",
        )

    def _plot(self, draw: ImageDraw.ImageDraw, left: float, right: float) -> None:
        top, bottom = _MARGIN * _FINE, (_STRIP_HEIGHT - _MARGIN) * _FINE
        middle = bottom + (top - bottom) * _THRESHOLD
        draw.line([(left, bottom), (right, bottom)], fill=_FAINT, width=_FINE)
        _dashes(draw, left, right, middle)
        draw.text(
            (left - 5 * _FINE, middle), "0.5", fill=_FAINT, font=_font(11 * _FINE), anchor="rm"
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
            colour = _ALARM if max(before.score, moment.score) > _THRESHOLD else _CALM
            draw.line([place(before), place(moment)], fill=colour, width=2 * _FINE, joint="curve")
        last = self._moments[-1]
        if last.score is not None:
            (x, y), radius = place(last), 3.5 * _FINE
            colour = _ALARM if last.score > _THRESHOLD else _CALM
            draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=colour)


def blend_heat(picture: Pixels, heat_map: _Map, map_scale: float) -> Pixels:
    """Lay an anomaly map over a picture: hot places glow, the others show the picture as it is.

    Args:
        picture: uint8 H x W x 3.
        heat_map: float32 of any size, at least 0; resized bilinearly to the picture.
        map_scale: Level that is half hot; heat = level / (level + map_scale), in 0 to 1.
    """
    heat = _heat(heat_map, (picture.shape[1], picture.shape[0]), map_scale)
    glow, cover = _glow()
    hot = cover[heat] > 0  # few pixels as a rule: only they are mixed
    opacity = cover[heat[hot]][:, np.newaxis]
    mixed: Pixels = picture.copy()
    mixed[hot] = np.rint(picture[hot] * (1 - opacity) + glow[heat[hot]] * opacity).astype(np.uint8)
    return mixed


def heat_layer(heat_map: _Map, size: tuple[int, int], map_scale: float) -> Pixels:
    """What `blend_heat` lays over a picture, by itself: uint8 H x W x 4, RGB and opacity.

    Args:
        heat_map: float32 of any size, at least 0; resized bilinearly.
        size: (width, height) of the layer in pixels.
        map_scale: As in `blend_heat`.
    """
    heat = _heat(heat_map, size, map_scale)
    glow, cover = _glow()
    layer: Pixels = np.rint(np.dstack([glow[heat], cover[heat] * 255])).astype(np.uint8)
    return layer


def _heat(heat_map: _Map, size: tuple[int, int], map_scale: float) -> Pixels:
    """Heat of each pixel, uint8 H x W: 128 where the map is at its scale."""
    level = Image.fromarray(np.ascontiguousarray(heat_map, dtype=np.float32))
    spread = np.asarray(level.resize(size, Image.Resampling.BILINEAR))
    spread = np.maximum(np.nan_to_num(spread, nan=0.0), 0.0)
    heat: Pixels = np.rint(spread / (spread + np.float32(map_scale)) * 255).astype(np.uint8)
    return heat


def clock_text(time_s: float) -> str:
    """A time as people read it: 0:07.3, 12:40.0, 1:02:03.4."""
    tenths = round(abs(time_s) * 10)
    minutes, rest = divmod(tenths, 600)
    hours, minutes = divmod(minutes, 60)
    sign = "-" if time_s < 0 and tenths else ""
    head = f"{hours}:{minutes:02d}" if hours else f"{minutes}"
    return f"{sign}{head}:{rest // 10:02d}.{rest % 10}"


def _mark(picture: Image.Image) -> None:
    """A red border, and a word for those who cannot tell red."""
    draw = ImageDraw.Draw(picture)
    draw.rectangle((0, 0, picture.width - 1, picture.height - 1), outline=_ALARM, width=_BORDER)
    font = _font(14)
    box = draw.textbbox((_BORDER + 8, _BORDER + 5), "UNUSUAL", font=font)
    draw.rectangle((_BORDER, _BORDER, box[2] + 8, box[3] + 5), fill=_ALARM)
    draw.text((_BORDER + 8, _BORDER + 5), "UNUSUAL", fill=(255, 255, 255), font=font)


def _dashes(draw: ImageDraw.ImageDraw, left: float, right: float, y: float) -> None:
    dash = 6 * _FINE
    x = left
    while x < right:
        draw.line([(x, y), (min(x + dash, right), y)], fill=_FAINT, width=_FINE)
        x += 2 * dash


@cache
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)


@cache
def _glow() -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Colour (256 x 3, 0 to 255) and opacity (256, 0 to 1) by heat; inferno, whose steps look even."""
    from matplotlib import colormaps  # half a second; only who draws pays for it

    heat = np.linspace(0, 1, 256, dtype=np.float32)
    colours = np.asarray(colormaps["inferno"](heat)[:, :3] * 255, dtype=np.float32)
    cover = np.clip((heat - _HEAT_SHOWS) / (_HEAT_FULL - _HEAT_SHOWS), 0, 1) * np.float32(
        _HEAT_OPACITY
    )
    return colours, cover.astype(np.float32)
