"""How long to wait before the next try: longer each time, never equally long, with a limit."""

from collections.abc import Callable

from oddframe.errors import SettingsError


class Backoff:
    """Gives waits that double from `first_s` to `longest_s`; chance takes up to half off each.

    The random part keeps cameras that went away together (a switch that restarts) from coming back
    in one rush.

    Args:
        first_s: The first wait in seconds, above 0.
        longest_s: No wait is longer, in seconds; at least `first_s`.
        draw: Gives random numbers from 0 up to 1, as `random.random` does.

    Raises:
        SettingsError: If the first wait is not above 0, or longer than the longest.
    """

    def __init__(self, first_s: float, longest_s: float, draw: Callable[[], float]) -> None:
        if not 0 < first_s <= longest_s:
            raise SettingsError(
                "waits must be above 0 and the longest at least as long as the first, "
                f"got {first_s} and {longest_s} s"
            )
        self._first_s = self._full_s = first_s
        self._longest_s = longest_s
        self._draw = draw

    def next_s(
        self,
        lasted_s: float = 0.0,
        *,
        hopeless: bool = False,
        asked_s: float | None = None,
    ) -> float:
        """Give the next wait in seconds.

        Args:
            lasted_s: How long the last try went well. Where that is longer than the wait that would
                follow, the waits start over: what fails at once again and again gets rare tries,
                what ran for hours a quick one.
            hopeless: Whether trying soon cannot help (a refused password: cameras lock out who
                insists); then the wait is the longest there is.
            asked_s: The shortest wait that the other side asked for; it may not ask for more than
                the longest wait.
        """
        # The doubling goes by the full wait, not by the shortened one that was given out, so that
        # bad luck with the random numbers does not slow it down.
        if hopeless:
            self._full_s = self._longest_s
        elif lasted_s > self._full_s:
            self._full_s = self._first_s
        wait_s = self._full_s * (1 - self._draw() / 2)
        self._full_s = min(2 * self._full_s, self._longest_s)
        return wait_s if asked_s is None else max(wait_s, min(asked_s, self._longest_s))

    def start_over(self) -> None:
        """Go back to the first wait, after something went well."""
        self._full_s = self._first_s
