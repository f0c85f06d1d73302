"""Callers who own the loop get the scores that a recording of the same frames gets."""

import asyncio
from dataclasses import replace

import numpy as np
import pytest

from oddframe.errors import InputError, SettingsError
from oddframe.inference.loading import load
from oddframe.inference.model import Model
from tests.support.captures import FakeCapture
from tests.support.scorers import FakeScorer
from tests.support.tiny import walk

FRAMES = np.stack([walk(number) for number in range(40)])


@pytest.fixture(scope="module")
def model(tiny_run):
    return load(tiny_run, device="cpu")


@pytest.fixture
def lossless(video):
    """A recording of FRAMES that keeps every value of them."""
    return video("a.mov", frames=len(FRAMES), codec="png", pixel_format="rgb24", draw=walk)


def generator(delay=None):
    yield from FRAMES


async def async_generator():
    for number, frame in enumerate(FRAMES):
        await asyncio.sleep(0)
        yield number / 10, frame


def push_all(model, frames, **how):
    found = []
    with model.stream(fps=10, **how) as stream:
        for frame in frames:
            found += stream.push(frame)
        found += stream.flush()
    return found


def middle(model, batch_size):
    """One whose scores come two frames late, as those of the presets do."""
    network = replace(
        model.bundle.network, config=replace(model.bundle.network.config, scored_frame="middle")
    )
    bundle = replace(model.bundle, network=network, health=None)
    return Model(bundle, FakeScorer(batch_size=batch_size))


def test_a_recording_and_its_frames_have_the_same_scores(model, lossless):
    """To the bit, however the frames come."""
    theirs = list(model.scores(lossless))
    assert sum(score.score is not None for score in theirs) == len(FRAMES) - 4
    assert list(model.scores(FRAMES, fps=10)) == theirs
    assert list(model.scores(FRAMES[..., ::-1], fps=10, colour="bgr")) == theirs
    assert list(model.scores(generator(), fps=10)) == theirs
    assert list(model.scores((n / 10, frame) for n, frame in enumerate(FRAMES))) == theirs
    assert list(model.scores(FakeCapture(FRAMES, 10))) == theirs
    assert list(model.scores(lossless.read_bytes())) == theirs


def test_a_coded_recording_and_its_decoded_frames_have_the_same_scores(model, video):
    """Also where the coding loses something: what is decoded is what is scored."""
    av = pytest.importorskip("av")
    path = video(frames=20, draw=walk)
    with av.open(str(path)) as container:
        frames = [(frame.time, frame) for frame in container.decode(video=0)]
    assert list(model.scores(frames)) == list(model.scores(path))


def test_a_faster_source_is_thinned_alike(model, video):
    path = video("a.mov", frames=40, rate_fps=25, codec="png", pixel_format="rgb24", draw=walk)
    pairs = ((number / 25, frame) for number, frame in enumerate(FRAMES))
    theirs = list(model.scores(path))
    assert sum(score.score is None for score in theirs) > len(FRAMES) / 2
    assert list(model.scores(pairs)) == theirs


def test_frames_that_are_pushed_have_the_same_scores(tiny_run, lossless):
    one = load(tiny_run, device="cpu", batch_size=1)
    assert push_all(one, FRAMES, maps=False) == list(one.scores(lossless))
    (last,) = push_all(one, FRAMES[:5], maps=True, picture_width=32)[-1:]
    assert last.map.shape == (32, 32)
    assert last.picture.shape == (24, 32, 3)


def test_scores_come_as_soon_as_they_can(model):
    late = middle(model, batch_size=8)
    with late.stream(fps=10) as stream:
        known = [[score.frame for score in stream.push(frame)] for frame in FRAMES[:8]]
        assert known == [[0], [1], [], [], [2], [3], [4], [5]]
        assert [score.frame for score in stream.flush()] == [6, 7]
        # What comes after a flush is a stretch of its own.
        assert [score.score for score in stream.push(FRAMES[8])] == [None]


def test_times_of_ones_own_count(model):
    with model.stream() as stream:
        found = [s for n in range(12) for s in stream.push(FRAMES[n], 100 + n / 10)]
        found += stream.push(FRAMES[12], 200.0) + stream.flush()
    assert [score.time_s for score in found[:2]] == [100.0, 100.1]
    # No clip spans a gap.
    assert found[11].score is not None
    assert found[12].score is None


def test_what_cannot_be_pushed_is_told(model):
    with model.stream() as stream:
        with pytest.raises(SettingsError, match="a frame needs its time"):
            stream.push(FRAMES[0])
        with pytest.raises(InputError, match="finite number of seconds, got nan"):
            stream.push(FRAMES[0], float("nan"))
        with pytest.raises(InputError, match="H x W x C"):
            stream.push(FRAMES, 1.0)
    for call in (stream.flush, lambda: stream.push(FRAMES[0], 1.0)):
        with pytest.raises(InputError, match="the block has been left"):
            call()
    with pytest.raises(SettingsError, match="fps must be above 0"):
        model.stream(fps=0)


def test_a_caller_s_frames_are_taken_as_they_are_needed_and_on_his_thread(model):
    import threading

    taken = []

    def frames():
        for frame in FRAMES:
            taken.append(threading.current_thread())
            yield frame

    for score in model.scores(frames(), fps=10):
        assert len(taken) <= score.frame + model.scorer.batch_size + 4
    assert set(taken) == {threading.current_thread()}


def test_what_cannot_be_opened_is_an_error_at_the_call(model, tmp_path):
    with pytest.raises(FileNotFoundError):
        model.scores(tmp_path / "none.mp4")
    with pytest.raises(SettingsError, match="give fps="):
        model.events(FRAMES)


def gather(items):
    async def run():
        return [item async for item in items()]

    return asyncio.run(run())


def test_the_async_twins_give_the_same(model, lossless):
    theirs = list(model.scores(lossless))
    assert gather(lambda: model.scores_async(lossless)) == theirs
    assert gather(lambda: model.scores_async(FRAMES, fps=10)) == theirs
    assert gather(lambda: model.scores_async(async_generator())) == theirs
    low = model.with_threshold(raw=1e-12)
    found = list(low.events(lossless))
    assert found
    assert gather(lambda: low.events_async(lossless)) == found


def test_the_event_loop_goes_on_while_frames_are_scored(model):
    """Two sources side by side, of which each waits for the other's frames."""
    turn = asyncio.Queue(1), asyncio.Queue(1)

    async def frames(mine, other):
        for number in range(8):
            await turn[other].put(number)
            await turn[mine].get()
            yield number / 10, FRAMES[number]

    async def both():
        async def run(*queues):
            return [score async for score in model.scores_async(frames(*queues))]

        return await asyncio.gather(run(0, 1), run(1, 0))

    first, second = asyncio.run(both())
    assert first == second == list(model.scores(FRAMES[:8], fps=10))


def test_a_task_that_waits_for_a_frame_can_be_cancelled(model):
    closed = []

    async def frames():
        try:
            yield 0.0, FRAMES[0]
            await asyncio.Event().wait()
        finally:
            closed.append(True)

    async def run():
        came = asyncio.Event()

        async def score():
            stream = model.scores_async(frames(), fps=10)
            async for _ in stream:
                came.set()

        task = asyncio.create_task(score())
        await came.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(run())
    assert closed == [True]


def test_an_error_of_the_frames_comes_where_their_scores_would(model):
    async def frames():
        yield 0.0, FRAMES[0]
        raise OSError("the robot is gone")

    with pytest.raises(OSError, match="the robot is gone"):
        gather(lambda: model.scores_async(frames(), fps=10))
