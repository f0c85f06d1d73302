"""The order of images by their names: a number, a date, a time of day, or a moment since 1970.

A name is read as a time only where every name of the folder can be read so, and where the times
differ. What may be a number as well, such as 120030, is a time only where times come more evenly
than numbers do.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from itertools import groupby, pairwise
from pathlib import Path
from typing import NamedTuple

from oddframe.errors import SourceError

LAST_NUMBER = re.compile(r"(\d+)\D*$")
"""The number by which images are ordered whose names hold no times."""

_SECOND, _DAY = 1_000_000, 86_400_000_000
"""Microseconds in a second and in a day."""

_MOST_A_SECOND = 60
"""More pictures of one second than this are frames of a recording that is named after its start."""

_FAR = 100
"""A way to read dates is out of the question where another one makes so many times fewer days."""

_NEAR = 10
"""Times on both sides of midnight are neighbours within so many of the usual steps."""

_YEAR = r"(?P<y>(?:19[7-9]|20\d)\d)"
_HOURS = r"(?P<H>[01]\d|2[0-3])"
_CLOCK = (
    r"(?P<H>[01]\d|2[0-3]|\d(?=[-.:]))"
    r"(?P<c>[-_.: ]?)(?P<M>[0-5]\d)(?:(?P=c)(?P<S>[0-5]\d))?"
)
_SPLIT_CLOCK = _HOURS + r"(?P<c>[-_.: ])(?P<M>[0-5]\d)(?P=c)(?P<S>[0-5]\d)"
_BARE_CLOCK = _HOURS + r"(?P<c>)(?P<M>[0-5]\d)(?P<S>[0-5]\d)"
_CLOCK_FIRST = _HOURS + r"(?P<c>[-_.: ]?)(?P<M>[0-5]\d)(?P=c)(?P<S>[0-5]\d)[-_., T]{1,3}"
_BETWEEN = r"[-_., T]{0,3}(?:at[ _])?"
_DATE = _YEAR + r"(?P<p>[-_. ]?)(?P<m>\d\d)(?P=p)(?P<d>\d\d)"
_DATE_YEAR_LAST = r"(?P<m>\d\d)(?P<p>[-_. ]?)(?P<d>\d\d)(?P=p)" + _YEAR
_TAIL = (
    r"(?: ?(?P<half>[AaPp])\.?[Mm](?![A-Za-z]))?"
    r"(?:[.,](?P<fraction>\d{1,9})|(?P<joined>\d{3}(?:\d{3})?)|[-_ ](?P<tail>\d{1,9}))?(?!\d)"
)

_FORMS = {
    "date and time": _DATE + _BETWEEN + _CLOCK,
    "time and date": _CLOCK_FIRST + _DATE,
    "time and date with the year last": _CLOCK_FIRST + _DATE_YEAR_LAST,
    "date with the year last": _DATE_YEAR_LAST + _BETWEEN + _CLOCK,
    "date with a short year": (
        r"(?P<y>\d\d)(?P<p>[-_.])(?P<m>\d\d)(?P=p)(?P<d>\d\d)[-_ T]{1,2}" + _SPLIT_CLOCK
    ),
    "date of six digits": r"(?P<y>\d\d)(?P<m>\d\d)(?P<d>\d\d)[-_ T]?" + _BARE_CLOCK,
    "date and hour": _YEAR + r"(?P<p>)(?P<m>\d\d)(?P<d>\d\d)(?P<c>)" + _HOURS,
    "seconds since 1970": r"(?P<since>[1-3]\d{9})",
    "part seconds since 1970": r"(?P<since>[1-3]\d{9})(?P<joined>(?:\d{3}){1,3})(?!\d)",
    "time": _SPLIT_CLOCK,
    "time of six digits": _BARE_CLOCK,
    "date": _DATE,
}
_PATTERNS = {
    name: re.compile(r"(?<!\d)" + form + ("" if form.endswith(r"(?!\d)") else _TAIL))
    for name, form in _FORMS.items()
}
_UNITS = re.compile(r"(\d\d)h(\d\d)m(\d\d)s?")

_ORDERS = {"year first": "ymd", "day first": "dmy", "month first": "mdy"}
"""Ways to read the three numbers of a date, of which ``_FORMS`` names any the y, m and d."""


@dataclass(frozen=True, slots=True)
class ImageOrder:
    """Images in their order.

    Attributes:
        paths: Their files.
        indices: Index of each as a frame, from 0; a missing number leaves one out.
        times_s: When each was taken, in seconds from the first; None where the names do not say.
    """

    paths: tuple[Path, ...]
    indices: tuple[int, ...]
    times_s: tuple[float, ...] | None = None


class _NamedMoment(NamedTuple):
    """What the name of an image says.

    Attributes:
        second_us: The second, in microseconds since 1970, or since midnight where no date is known.
        part_us: What is added to it, in microseconds.
        tail: The digits that follow it, which count or are a fraction; empty where there are none.
        before: What the name has before it.
        path: The file.
        sure: Whether it cannot well be anything but a time.
    """

    second_us: int
    part_us: int
    tail: str
    before: str
    path: Path
    sure: bool


def order_images(folder: Path, files: Sequence[Path]) -> ImageOrder:
    """Put images in the order in which their names say that they were taken.

    Args:
        folder: Their folder, for errors.
        files: At least one image, each with a number in its name.

    Raises:
        SourceError: If the names do not tell which of two images comes first; it says why.
    """
    for name in _PATTERNS:
        moments = _read_moments(folder, files, name)
        # Of one moment, as where the start of the recording is in every name, there is no order.
        if len({moment.second_us + moment.part_us for moment in moments}) < 2:
            continue
        if name == "date" and len({moment.second_us for moment in moments}) < len(moments):
            return _order_of_days(folder, moments)
        if not all(moment.sure for moment in moments) and not _is_more_even(moments):
            continue
        if name in ("time", "time of six digits"):
            _check_one_day(folder, moments)
        return _order_by_time(folder, moments)
    _check_all_or_none(folder, files)
    return _order_by_number(folder, files)


def _check_all_or_none(folder: Path, files: Sequence[Path]) -> None:
    """Refuse a folder where most names have a whole date and time, but not all."""
    for name in ("date and time", "part seconds since 1970"):
        without = [path for path in files if _PATTERNS[name].search(path.stem) is None]
        dated = [path for path in files if path not in set(without)]
        if not 0 < len(without) < len(dated):
            continue
        moments = _read_moments(folder, dated, name)
        if len({moment.second_us for moment in moments}) > 1 and moments[0].sure:
            raise SourceError(
                f"the images of {folder} must all have a time in their names, or none: "
                f"{dated[0].name} has one, {without[0].name} has none; put {len(without)} of the "
                f"{len(files)} images into a folder of their own"
            )


def _order_by_number(folder: Path, files: Sequence[Path]) -> ImageOrder:
    """Order images by the last number in their names, in which each must differ."""
    numbered = sorted((_number_of(path), path) for path in files)
    numbers = {number for number, _ in numbered}
    missing = numbered[-1][0] + 1 - numbered[0][0] - len(numbers)
    # Names such as 3f2a9c.jpg hold numbers by chance: they count nothing, and the rest differs too.
    forms = {re.sub(r"\d+", "#", path.stem) for path in files}
    if len(forms) > max(2, len(files) // 2) and missing > len(files) // 2:
        raise SourceError(
            f"the names of {folder}, such as {numbered[0][1].name} and {numbered[-1][1].name}, "
            "must tell the order of the images, by a number or a time in the same place of each, "
            "but differ in more than that; number them, such as 000.jpg"
        )
    for (number, before), (next_number, path) in pairwise(numbered):
        if number == next_number:
            raise SourceError(
                f"the images of {folder} must have different numbers, but {before.name} and "
                f"{path.name} share one; put them into folders of their own"
            )
    first = numbered[0][0]
    return ImageOrder(
        tuple(path for _, path in numbered), tuple(number - first for number, _ in numbered)
    )


def _number_of(path: Path) -> int:
    found = LAST_NUMBER.search(path.stem)
    if found is None:
        raise SourceError(f"{path} must have a number in its name, such as 000.jpg")
    return int(found[1])


def _read_moments(folder: Path, files: Sequence[Path], name: str) -> list[_NamedMoment]:
    """Read all names in one form; an empty list where one of them cannot be read so."""
    found = []
    for path in files:
        match = _PATTERNS[name].search(_UNITS.sub(r"\1-\2-\3", path.stem))
        if match is None:
            return []
        found.append((match, path))
    if "m" not in found[0][0].groupdict():
        return [_moment(match, path, 0) for match, path in found]
    orders: tuple[str, ...] = ("year first",)
    if name.endswith("year last"):
        orders = ("day first", "month first")
    elif name == "date with a short year":
        orders = tuple(_ORDERS)
    ways = {order: _read_dates(found, name, order) for order in orders}
    ways = {order: moments for order, moments in ways.items() if moments}
    if not ways:
        return []
    steps = {order: _steps_us(moments) for order, moments in ways.items()}
    shortest_us = min(map(sum, steps.values()))
    likely = [order for order in ways if sum(steps[order]) <= _FAR * shortest_us]
    if any(steps[order] != steps[likely[0]] for order in likely):
        raise SourceError(
            f"the names of {folder}, such as {files[0].name}, can be read as dates in several ways "
            f"({', '.join(likely)}), and so do not tell the order of the images; "
            "name them with the year first, such as 2024-05-01_12-00-30.jpg"
        )
    return ways[likely[0]]


def _read_dates(
    found: Sequence[tuple[re.Match[str], Path]], name: str, order: str
) -> list[_NamedMoment]:
    """Read dates whose numbers are in an order; an empty list where one of them cannot be so."""
    moments = []
    for match, path in found:
        given = [match["y"], match["m"], match["d"]]
        if name.endswith("year last"):
            given = [match["m"], match["d"], match["y"]]
        named = dict(zip(_ORDERS[order], map(int, given), strict=True))
        year = named["y"] + (2000 if named["y"] < 100 else 0)
        try:
            days = date(year, named["m"], named["d"]).toordinal() - date(1970, 1, 1).toordinal()
        except ValueError:
            return []
        moments.append(_moment(match, path, days * _DAY))
    return moments


def _moment(match: re.Match[str], path: Path, day_us: int) -> _NamedMoment:
    """Put together what a name says of a moment."""
    parts = match.groupdict()
    second_us = day_us
    sure = True
    if "since" in parts:
        second_us = int(parts["since"]) * _SECOND
    elif "H" in parts:
        hour = int(parts["H"])
        if parts.get("half"):
            hour = hour % 12 + 12 * (parts["half"] in "pP")
        minute, second = int(parts.get("M") or 0), int(parts.get("S") or 0)
        second_us += (hour * 3600 + minute * 60 + second) * _SECOND
        # 120030 and 12_00_30 may be counts as well, and so may 0001 behind a date.
        whole = len(parts.get("y", "")) == 4 and (
            parts.get("S") is not None or match.string[match.start("H") - 1].isdigit()
        )
        sure = whole or parts["c"] not in ("", "_")
    fraction = parts.get("fraction") or parts.get("joined") or ""
    part_us = int(f"{fraction:0<6}"[:6])
    return _NamedMoment(
        second_us, part_us, parts.get("tail") or "", match.string[: match.start()], path, sure
    )


def _is_more_even(moments: Sequence[_NamedMoment]) -> bool:
    """Tell whether names make more even steps as times than as numbers."""
    numbers = sorted(_number_of(moment.path) for moment in moments)
    steps = {after - before for before, after in pairwise(numbers)}
    return 0 in steps or len(set(_steps_us(moments))) < len(steps)


def _steps_us(moments: Sequence[_NamedMoment]) -> list[int]:
    """List the steps between moments in the order of time, in microseconds."""
    times_us = sorted({moment.second_us + moment.part_us for moment in moments})
    return [after - before for before, after in pairwise(times_us)]


def _check_one_day(folder: Path, moments: Sequence[_NamedMoment]) -> None:
    """Refuse times of day that are of several days, since what comes first is not known then."""
    times_us = [moment.second_us for moment in moments]
    # What is before the times may be a date of an unknown form: times must rise in its order too.
    by_name = sorted(moments, key=lambda moment: (natural_order(moment.before), moment.second_us))
    if [moment.second_us for moment in by_name] != sorted(times_us):
        raise SourceError(
            f"the names of {folder} hold times of day, but what is before them differs "
            f"({by_name[0].path.name}, {by_name[-1].path.name}), so they are of several days or "
            "cameras; put each of these into a folder of its own, or a date before the time, such "
            "as 2024-05-01_12-00-30.jpg"
        )
    steps_us = sorted(_steps_us(moments))
    over_midnight_us = _DAY - max(times_us) + min(times_us)
    usual_us = steps_us[len(steps_us) // 2]
    if steps_us[-1] > _DAY // 2 and over_midnight_us <= _NEAR * usual_us:
        raise SourceError(
            f"the names of {folder} are times of day, such as {moments[0].path.name}, that seem to "
            "go on over midnight, and so do not tell which image comes first; put the date before "
            "the time, such as 2024-05-01_12-00-30.jpg, or each day into a folder of its own"
        )


def _order_of_days(folder: Path, moments: Sequence[_NamedMoment]) -> ImageOrder:
    """Order images of which several have the same date, by the number behind it."""
    keyed = sorted((moment.second_us, _number_of(moment.path), moment.path) for moment in moments)
    for before, after in pairwise(keyed):
        if before[:2] == after[:2]:
            raise _shared(folder, before[2], after[2])
    return ImageOrder(tuple(path for *_, path in keyed), tuple(range(len(keyed))))


def _order_by_time(folder: Path, moments: Sequence[_NamedMoment]) -> ImageOrder:
    """Order images by their moments, and tell the times from them."""
    fractions = _are_fractions(moments)
    if fractions:
        moments = [
            moment._replace(part_us=int(f"{moment.tail:0<6}"[:6]), tail="") for moment in moments
        ]
    ordered = sorted(moments, key=_when)
    for before, after in pairwise(ordered):
        if _when(before) == _when(after):
            raise _shared(folder, before.path, after.path)
    paths, indices = tuple(moment.path for moment in ordered), tuple(range(len(ordered)))
    times_us = _spread(ordered)
    if times_us is None:
        return ImageOrder(paths, indices)
    return ImageOrder(paths, indices, tuple((time - times_us[0]) / _SECOND for time in times_us))


def _when(moment: _NamedMoment) -> tuple[int, int]:
    """Give a sort key: the moment, and the number of the image in it."""
    return moment.second_us + moment.part_us, int(moment.tail or 0)


def _are_fractions(moments: Sequence[_NamedMoment]) -> bool:
    """Tell whether digits behind the times are parts of a second, and not counts from 0 or 1."""
    tails = {len(moment.tail) for moment in moments}
    if tails not in ({3}, {6}, {9}):
        return False
    seconds = groupby(sorted(moments, key=_when), key=lambda moment: moment.second_us)
    for place, (_, same) in enumerate(seconds):
        first, *others = (int(moment.tail) for moment in same)
        # The pictures of the first second may have begun before those that are there.
        if (place and first > 1) or others != list(range(first + 1, first + 1 + len(others))):
            return True
    return False


def _spread(ordered: Sequence[_NamedMoment]) -> list[float] | None:
    """Give each image a time; those that share a moment are spread evenly over its second, or less.

    Returns:
        Times in microseconds; None where so many share one that it is not the time of each.
    """
    together = Counter(moment.second_us + moment.part_us for moment in ordered)
    most, length_us = max(together.values()), min(_SECOND, *_steps_us(ordered))
    if most > _MOST_A_SECOND:
        return None
    times_us: list[float] = []
    for place, (moment_us, count) in enumerate(sorted(together.items())):
        # The first second is cut off at its front, the others at their end.
        skipped = most - count if place == 0 else 0
        times_us += [moment_us + (skipped + k) * length_us / most for k in range(count)]
    return times_us


def _shared(folder: Path, before: Path, after: Path) -> SourceError:
    return SourceError(
        f"the images of {folder} must have different times in their names, but {before.name} and "
        f"{after.name} share one; put the images of each camera into a folder of its own"
    )


def natural_order(text: str) -> list[tuple[int, str]]:
    """Return a sort key for names in which 2 comes before 10."""
    # A split by a group has text at even places and numbers at odd ones: like meets like.
    return [
        (int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", text)
    ]
