"""The clips of a sequence of frames, for tests that have all the frames at hand."""

from oddframe.core.clips import ClipWindow


def clips(frames, interval, gap_s):
    """Push frames into a `ClipWindow` as they are asked for; yields the clips."""
    window = ClipWindow(interval, gap_s)
    return (clip for clip in map(window.push, frames) if clip is not None)
