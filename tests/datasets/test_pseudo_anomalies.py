import itertools

import numpy as np
import pytest

from oddframe.datasets.clip_dataset import ClipDataset, DataConfig
from oddframe.datasets.frame_cache import FrameRun
from oddframe.datasets.pseudo_anomalies import PseudoAnomalyConfig, PseudoAnomalyGenerator
from oddframe.errors import SettingsError
from oddframe.media.enlarge import WHOLE

HEIGHT, WIDTH, FRAMES = 48, 64, 80
KINDS = ("foreign", "misplaced", "speed", "reverse", "carried")


def footage(colours=1):
    """A ramp of grey on which a bright square crosses the upper half again and again."""
    scene = np.linspace(60, 120, WIDTH)[None, :, None] * np.ones((HEIGHT, 1, colours))
    frames = np.repeat(scene[None], FRAMES, axis=0)
    for number in range(FRAMES):
        left = 2 * number % (WIDTH - 8)
        frames[number, 8:18, left : left + 8] = 220
    return frames.astype(np.uint8)


class Frames:
    """Stands in for the cache on disk."""

    def __init__(self, frames):
        self.frames = frames

    def take(self, positions, part=WHOLE):
        return self.frames[positions][..., part[0], part[1], :]

    def release(self):
        pass


def training_clips(rebuilt_index=0, colours=1):
    return ClipDataset(
        Frames(footage(colours)),
        [FrameRun("a", 0, FRAMES)],
        interval=1,
        rebuilt_index=rebuilt_index,
    )


def examples(kind, count=40, colours=1):
    """Make pseudo-anomalies of a kind: a clip, what was made of it, and where it was changed."""
    clips = training_clips(colours=colours)
    found = []
    for step in range(count):
        filmed = clips.batch(step, 1, 0, PseudoAnomalyConfig(share=0.0))
        made = clips.batch(step, 1, 0, PseudoAnomalyConfig(share=0.999, kinds=(kind,)))
        if made.abnormal.any():
            found.append((filmed.clips[0], made.clips[0], made.abnormal[0]))
    return found


@pytest.mark.parametrize("colours", [1, 3])
@pytest.mark.parametrize("kind", KINDS)
def test_something_is_there_that_was_not_filmed(kind, colours):
    found = examples(kind, colours=colours)
    assert len(found) > 10
    for filmed, made, abnormal in found:
        assert made.dtype == np.uint8
        assert made.shape == filmed.shape
        changed = (made != filmed).any(axis=(0, 3))
        assert changed[abnormal].all()
        assert abnormal.dtype == np.bool_


@pytest.mark.parametrize("kind", KINDS)
def test_the_mask_covers_all_that_was_clearly_changed_and_nothing_else(kind):
    for filmed, made, abnormal in examples(kind):
        far = np.abs(made.astype(int) - filmed).max(axis=(0, 3))
        assert abnormal[far > 11].all()
        assert not abnormal[far < 9].any()


@pytest.mark.parametrize("kind", KINDS)
def test_changes_stay_in_one_piece_of_the_picture(kind):
    for filmed, made, _ in examples(kind):
        rows = np.flatnonzero((made != filmed).any(axis=(0, 2, 3)))
        columns = np.flatnonzero((made != filmed).any(axis=(0, 1, 3)))
        assert rows[-1] - rows[0] < HEIGHT * 0.75
        assert columns[-1] - columns[0] < WIDTH * 0.75


@pytest.mark.parametrize("rebuilt_index", [0, 4])
@pytest.mark.parametrize("kind", KINDS)
def test_targets_stay_those_of_the_clip_as_filmed(kind, rebuilt_index):
    clips = training_clips(rebuilt_index)
    for step in range(10):
        filmed = clips.batch(step, 4, 0, PseudoAnomalyConfig(share=0.0))
        made = clips.batch(step, 4, 0, PseudoAnomalyConfig(share=0.9, kinds=(kind,)))
        assert np.array_equal(made.first, filmed.clips[:, 0])
        assert np.array_equal(made.last, filmed.clips[:, 4])
        assert np.array_equal(made.rebuilt, filmed.clips[:, rebuilt_index])


def test_the_published_training_has_none():
    assert PseudoAnomalyConfig().share == 0.0
    batch = training_clips().batch(0, 8, 0, PseudoAnomalyConfig())
    assert not batch.abnormal.any()
    assert np.array_equal(batch.clips[:, 0], batch.first)


def test_the_share_is_kept_on_average():
    clips = training_clips()
    wanted = PseudoAnomalyConfig(share=0.3, kinds=("foreign",))
    made = np.concatenate(
        [clips.batch(step, 10, 0, wanted).abnormal.any(axis=(1, 2)) for step in range(60)]
    )
    assert made.mean() == pytest.approx(0.3, abs=0.06)


def test_what_is_not_marked_is_as_filmed():
    clips = training_clips()
    wanted = PseudoAnomalyConfig(share=0.5, kinds=("foreign",))
    for step in range(5):
        filmed, made = (
            clips.batch(step, 8, 0, PseudoAnomalyConfig()),
            clips.batch(step, 8, 0, wanted),
        )
        untouched = ~made.abnormal.any(axis=(1, 2))
        assert 0 < untouched.sum() < 8
        far = np.abs(made.clips.astype(int) - filmed.clips)[untouched]
        assert far.max(initial=0) <= 10


def test_a_batch_depends_on_seed_and_step_alone():
    wanted = PseudoAnomalyConfig(share=0.5, kinds=KINDS)
    one, other = training_clips(), training_clips()
    other.batch(3, 6, 0, wanted)  # what came before does not matter
    for first, second in zip(one.batch(7, 6, 0, wanted), other.batch(7, 6, 0, wanted), strict=True):
        assert np.array_equal(first, second)
    assert not np.array_equal(one.batch(7, 6, 0, wanted).clips, one.batch(7, 6, 1, wanted).clips)


def test_misplaced_things_lie_where_nothing_ever_is():
    middles = [np.argwhere(abnormal).mean(axis=0)[0] for _, _, abnormal in examples("misplaced")]
    # What is cut out need not lie in the middle of its window, so a few touch the busy rows.
    assert np.mean([8 <= middle < 18 for middle in middles]) < 0.2
    assert np.mean([middle >= 18 for middle in middles]) > 0.5


def test_reversed_and_sped_up_things_lie_where_such_things_are():
    for kind in ("speed", "reverse"):
        for _, _, abnormal in examples(kind):
            assert not abnormal[24:].any()


@pytest.mark.parametrize(
    "pace",
    [(1, 2), *(pytest.param(one, marks=pytest.mark.slow) for one in [(0, 2), (0, -3), (-2, 0)])],
)
def test_what_is_carried_goes_where_its_bearer_goes(pace):
    scene = np.full((96, 128, 1), 90, dtype=np.uint8)
    clip = np.repeat(scene[None], 5, axis=0)
    for number in range(5):
        top, left = 40 + pace[0] * number, 60 + pace[1] * number
        clip[number, top : top + 20, left : left + 8] = 230
        clip[number, top + 5 : top + 9, left + 2 : left + 6] = 20
    generator = PseudoAnomalyGenerator(scene[None])
    seen = 0
    for seed in range(200):
        made, abnormal = generator.carried(clip, np.random.default_rng(seed))
        changed = [np.abs(made[n].astype(int) - clip[n])[:, :, 0] > 0 for n in (0, 4)]
        on_the_body = any(
            (one & (clip[n, :, :, 0] != 90)).any() for one, n in zip(changed, (0, 4), strict=True)
        )
        at_the_edge = any(one[[0, -1]].any() or one[:, [0, -1]].any() for one in changed)
        if on_the_body or at_the_edge or min(one.sum() for one in changed) < 20:
            continue  # Not wholly seen, so that its middle is not known.
        seen += 1
        assert abnormal[np.abs(made.astype(int) - clip).max(axis=(0, 3)) > 10].all()
        middles = [np.argwhere(one).mean(axis=0) for one in changed]
        assert np.allclose(middles[1] - middles[0], np.array(pace) * 4, atol=0.7)
    assert seen > 20


def test_where_nothing_moves_nothing_is_carried():
    scene = footage()[:1].repeat(10, axis=0)
    assert PseudoAnomalyGenerator(scene).carried(scene[:5], np.random.default_rng(0)) is None


def test_where_nothing_moves_there_is_nobody_to_borrow():
    scene = footage()[:1].repeat(10, axis=0)
    generator = PseudoAnomalyGenerator(scene)
    random = np.random.default_rng(0)
    assert generator.paste_person(scene[:5], scene[5:], random, misplaced=True) is None
    made, abnormal = generator.foreign(scene[:5], scene[5:], random)
    assert abnormal.any()
    assert not np.array_equal(made, scene[:5])


def test_the_empty_scene_is_free_of_passers_by():
    frames = footage()
    ramp = np.linspace(60, 120, WIDTH).astype(np.uint8)
    assert np.array_equal(
        PseudoAnomalyGenerator(frames).empty[:, :, 0], np.broadcast_to(ramp, (HEIGHT, WIDTH))
    )


def test_clips_that_are_changed_stay_as_they_were_given():
    frames = footage()
    clip, other = frames[:5].copy(), frames[20:25].copy()
    generator = PseudoAnomalyGenerator(frames)
    generator.foreign(clip, other, np.random.default_rng(0))
    generator.paste_person(clip, other, np.random.default_rng(0), misplaced=False)
    generator.carried(clip, np.random.default_rng(0))
    assert np.array_equal(clip, frames[:5])
    assert np.array_equal(other, frames[20:25])


@pytest.mark.parametrize("share", [-0.1, 1.0, float("nan")])
def test_shares_out_of_range_are_refused(share):
    with pytest.raises(SettingsError, match="share must be from 0 to below 1"):
        PseudoAnomalyConfig(share=share)


@pytest.mark.parametrize(
    ("kinds", "named"),
    [
        ((), r"data\.counter_examples\.kinds must not be empty"),
        (
            ("foreign", "invisible"),
            r"kinds\[1\] must be 'foreign', .* or 'carried', got 'invisible'",
        ),
    ],
)
def test_unknown_kinds_are_refused(kinds, named):
    with pytest.raises(SettingsError, match=named):
        PseudoAnomalyConfig(share=0.1, kinds=kinds)


def test_a_crop_shows_one_part_of_every_frame():
    clips = training_clips()
    wanted = PseudoAnomalyConfig(share=0.5, company=0.5, fast_forward=0.2)
    corners = []
    for step in range(60):
        whole, part = (
            clips.batch(step, 4, 0, PseudoAnomalyConfig(), crop) for crop in ((), (32, 32))
        )
        top, left = part.part
        window = (slice(None), slice(None), slice(top, top + 32), slice(left, left + 32))
        np.testing.assert_array_equal(part.clips, whole.clips[window])
        made = clips.batch(step, 4, 0, wanted, (32, 32))
        assert made.clips.shape[2:4] == made.abnormal.shape[1:] == (32, 32)
        corners.append(part.part)
    assert set(corners) == {(0, 0), (0, 32)}


def test_what_moves_in_a_fast_forwarded_clip_is_abnormal_and_should_have_stayed():
    clips = training_clips()
    seen = 0
    for step in range(40):
        batch = clips.batch(step, 4, 0, PseudoAnomalyConfig(fast_forward=0.9))
        for clip, first, last, abnormal in zip(
            batch.clips, batch.first, batch.last, batch.abnormal, strict=True
        ):
            if not abnormal.any():
                continue
            seen += 1
            np.testing.assert_array_equal(last[abnormal], first[abnormal])
            np.testing.assert_array_equal(last[~abnormal], clip[4][~abnormal])
            bright = np.argwhere(clip[:, 12, :, 0] == 220)
            lefts = [bright[bright[:, 0] == frame, 1].min() for frame in range(5)]
            assert any(
                abs(b - a) >= 4 for a, b in itertools.pairwise(lefts)
            )  # as filmed it moves by 2
            assert not abnormal[24:].any()
    assert seen > 60


@pytest.mark.parametrize("crop", [(32,), (33, 32), (0, 32), (32, 32, 32)])
def test_a_crop_has_two_sides_in_steps(crop):
    with pytest.raises(
        SettingsError, match=r"data\.crop must be a height and a width, multiples of 32"
    ):
        DataConfig(crop=crop)


def test_a_frame_smaller_than_the_crop_is_seen_whole():
    batch = training_clips().batch(0, 2, 0, PseudoAnomalyConfig(), (96, 32))
    assert batch.clips.shape == (2, 5, HEIGHT, 32, 1)
    assert batch.part.top == 0


def test_most_crops_lie_where_somebody_passes():
    frames = np.concatenate(
        [footage(), footage()[:, ::-1] * 0 + 90], axis=1
    )  # as much again below, where nobody is
    clips = ClipDataset(
        Frames(frames.astype(np.uint8)), [FrameRun("a", 0, FRAMES)], interval=1, rebuilt_index=0
    )
    tops = [
        clips.batch(step, 1, 0, PseudoAnomalyConfig(), (32, 32)).part.top for step in range(200)
    ]
    assert 120 < tops.count(0) < 200
    assert max(tops) >= 32
