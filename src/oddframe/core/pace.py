"""How far work in stages is, how fast it goes, and how long it will take."""

from collections import deque

_MARK_S = 5.0
"""Least seconds from one mark, between which a rate is measured, to the next."""
_MARKS = 25
"""So many marks are kept, which makes two minutes where reports come often."""
_LEAST_S = 1.0
"""In less time than this a rate would say more about the start than about the work."""


class StagePace:
    """Follows the stage that a piece of work is in.

    The rate is that of the last two minutes or so: another program on the machine that begins or
    ends can change it several times over, and a resumed training begins in the middle of a stage.

    Attributes:
        stage: Name of the stage; empty before the first report.
        done: Units of it that are done.
        total: Units that it has.
    """

    def __init__(self) -> None:
        self.stage = ""
        self.done = self.total = 0
        self._marks: deque[tuple[float, int]] = deque(maxlen=_MARKS)
        self._reported_s = 0.0

    def report(self, stage: str, done: int, total: int, now_s: float) -> bool:
        """Take how far a stage is.

        Args:
            stage: Its name.
            done: Units that are done.
            total: Units that it has.
            now_s: The time, in seconds, on a clock that never goes back.

        Returns:
            Whether the stage begins with this report: it is another one, or starts over.
        """
        begins = stage != self.stage or done < self.done
        if begins:
            self._marks.clear()
        self.stage, self.done, self.total, self._reported_s = stage, done, total, now_s
        if not self._marks or now_s - self._marks[-1][0] >= _MARK_S:
            self._marks.append((now_s, done))
        return begins

    @property
    def share(self) -> float:
        """The share of the stage that is done, from 0 to 1."""
        return min(1.0, self.done / self.total) if self.total else 0.0

    @property
    def rate(self) -> float | None:
        """Units per second; None where that cannot be said yet."""
        if not self._marks:
            return None
        marked_s, marked = self._marks[0]
        passed_s = self._reported_s - marked_s
        return (self.done - marked) / passed_s if passed_s >= _LEAST_S else None

    def seconds_left(self, now_s: float) -> float | None:
        """Estimate how long the rest of the stage takes from now on, in seconds.

        Args:
            now_s: The time on the clock of the reports; a stage that is silent comes nearer to its
                end all the same.

        Returns:
            The seconds; None where that cannot be said.
        """
        rate = self.rate
        if not rate:
            return None
        return max(0.0, (self.total - self.done) / rate - (now_s - self._reported_s))
