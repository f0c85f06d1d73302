"""From outputs of the streams to maps and scores, against slow loops."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from oddframe.errors import SettingsError
from oddframe.model.config import NetworkConfig
from oddframe.model.fusion import AnomalyScorer, frame_score, fuse, prediction_error, squared_error
from oddframe.model.network import Network, Outputs

SMALL = NetworkConfig(height=32, width=48, channels=2, clusters=3)


def build(**changes):
    torch.manual_seed(0)
    return AnomalyScorer(Network(replace(SMALL, **changes))).double().eval()


def outputs_of(draw, rebuilt=True, difference=True):
    frames = draw(2, 5, 3, 4, 6, seed=1)
    return Outputs(
        frames,
        draw(2, 3, 4, 6, seed=2) if rebuilt else None,
        draw(2, 3, 4, 6, seed=3) if difference else None,
        [],
    )


def literal_error(estimate, truth):
    """Mean over channels of the squared difference, B x H x W."""
    out = np.zeros((estimate.shape[0], *estimate.shape[2:]))
    for b, y, x in np.ndindex(out.shape):
        colours = range(estimate.shape[1])
        out[b, y, x] = sum((estimate[b, c, y, x] - truth[b, c, y, x]) ** 2 for c in colours) / len(
            colours
        )
    return out


def test_prediction_error_is_that_of_the_predicted_last_frame(draw):
    outputs = outputs_of(draw)
    predicted = (outputs.rebuilt + outputs.difference).numpy()
    expected = literal_error(predicted, outputs.frames[:, 4].numpy())
    np.testing.assert_allclose(prediction_error(outputs, "first").numpy(), expected)


def test_when_the_last_frame_is_rebuilt_the_streams_errors_are_averaged(draw):
    outputs = outputs_of(draw)
    first, last = outputs.frames[:, 0].numpy(), outputs.frames[:, 4].numpy()
    expected = literal_error(outputs.rebuilt.numpy(), last) / 2
    expected += literal_error(first + outputs.difference.numpy(), last) / 2
    np.testing.assert_allclose(prediction_error(outputs, "last").numpy(), expected)


@pytest.mark.parametrize(("frame", "index"), [("first", 0), ("last", 4)])
def test_the_spatial_stream_alone_is_held_against_the_frame_that_it_rebuilds(frame, index, draw):
    outputs = outputs_of(draw, difference=False)
    expected = literal_error(outputs.rebuilt.numpy(), outputs.frames[:, index].numpy())
    np.testing.assert_allclose(prediction_error(outputs, frame).numpy(), expected)


@pytest.mark.parametrize("frame", ["first", "last"])
def test_the_motion_stream_alone_is_held_against_the_true_difference(frame, draw):
    outputs = outputs_of(draw, rebuilt=False)
    true_difference = (outputs.frames[:, 4] - outputs.frames[:, 0]).numpy()
    expected = literal_error(outputs.difference.numpy(), true_difference)
    np.testing.assert_allclose(prediction_error(outputs, frame).numpy(), expected)


def test_no_stream_no_error(draw):
    with pytest.raises(SettingsError, match="at least one stream"):
        prediction_error(outputs_of(draw, rebuilt=False, difference=False), "first")


def test_fusions_equal_loops(draw):
    error, distance = draw(2, 3, 4, seed=1).abs(), draw(2, 3, 4, seed=2).abs()
    product, by_frame = fuse(error, distance, "product"), fuse(error, distance, "frame")
    for b, y, x in np.ndindex(2, 3, 4):
        assert product[b, y, x] == error[b, y, x] * distance[b, y, x]
        mean = sum(float(value) for value in distance[b].flatten()) / 12
        assert by_frame[b, y, x].item() == pytest.approx(float(error[b, y, x]) * mean)
    assert torch.equal(fuse(error, distance, "error"), error)
    assert torch.equal(fuse(error, None, "product"), error)


def literal_frame_score(map_, windows, share):
    height, width = map_.shape
    scores = []
    for side in windows:
        step = max(1, side // 2)
        means = [
            sum(map_[y + i, x + j] for i in range(side) for j in range(side)) / side**2
            for y in range(0, height - side + 1, step)
            for x in range(0, width - side + 1, step)
        ]
        highest = sorted(means, reverse=True)[: max(1, round(len(means) * share))]
        scores.append(sum(highest) / len(highest))
    return sum(scores) / len(scores)


@given(
    windows=st.lists(st.integers(1, 6), min_size=1, max_size=3),
    share=st.floats(0.01, 1.0),
    seed=st.integers(0, 100),
)
def test_frame_score_equals_loops(windows, share, seed):
    maps = np.random.default_rng(seed).random((2, 6, 8))
    found = frame_score(torch.from_numpy(maps), tuple(windows), share)
    expected = [literal_frame_score(map_, windows, share) for map_ in maps]
    np.testing.assert_allclose(found.numpy(), expected)


@given(
    windows=st.lists(st.integers(1, 9), min_size=1, max_size=2),
    share=st.floats(0.01, 1.0),
    stride=st.integers(1, 5),
)
def test_the_score_of_a_coarse_map_is_that_of_its_squares(windows, share, stride):
    coarse = np.random.default_rng(0).random((2, 3, 4))
    maps = coarse.repeat(stride, axis=1).repeat(stride, axis=2)
    windows = [min(side, 3 * stride) for side in windows]
    found = frame_score(torch.from_numpy(coarse), tuple(windows), share, stride)
    expected = [literal_frame_score(map_, windows, share) for map_ in maps]
    np.testing.assert_allclose(found.numpy(), expected)


def test_a_coarse_distance_weighs_the_square_that_it_covers(draw):
    error, distance = draw(2, 6, 8, seed=1).abs(), draw(2, 3, 4, seed=2).abs()
    repeated = distance.repeat_interleave(2, dim=1).repeat_interleave(2, dim=2)
    assert torch.equal(fuse(error, distance, "product"), error * repeated)


def test_published_frame_score_is_the_mean(draw):
    maps = draw(3, 8, 8).abs()
    np.testing.assert_allclose(frame_score(maps, (1,), 1.0).numpy(), maps.mean(dim=(1, 2)).numpy())


@pytest.mark.parametrize(("error_power", "cluster_power"), [(0.5, 1.0), (0.25, 1.5), (1.0, 3.0)])
def test_powers_of_error_and_distance_in_the_map(error_power, cluster_power, draw_clips):
    clips = torch.from_numpy(draw_clips(2, 32, 48))
    published = build()
    error, distance = build(clusters=3, fusion="error")(clips).map, published(clips).map
    weight = 3 * distance / error
    found = build(error_power=error_power, cluster_power=cluster_power)(clips).map
    torch.testing.assert_close(found, error**error_power * weight**cluster_power / 3)


@pytest.mark.parametrize("power", [0.5, 2.0])
def test_the_means_are_of_the_map_to_a_power(power, draw_clips):
    clips = torch.from_numpy(draw_clips(2, 32, 48))
    plain, powered = build()(clips), build(mean_power=power)(clips)
    torch.testing.assert_close(powered.raw, (plain.map**power).mean(dim=(1, 2)))
    for name in ("appearance", "motion", "cluster", "map"):
        assert torch.equal(getattr(powered, name), getattr(plain, name))


def test_the_map_is_levelled_over_the_height_of_the_picture(draw_clips):
    clips = torch.from_numpy(draw_clips(2, 32, 48))
    plain = build(error_power=0.5)(clips)
    levelled = build(error_power=0.5, perspective=4.0)(clips)
    # Four rows of codes, of eight rows of pixels each; the root of the error has the root of it.
    levels = np.exp(-2.0 * np.array([-0.375, -0.125, 0.125, 0.375])).repeat(8)
    torch.testing.assert_close(levelled.map, plain.map * torch.from_numpy(levels)[:, None])
    torch.testing.assert_close(levelled.raw, levelled.map.mean(dim=(1, 2)))
    for name in ("appearance", "motion", "cluster"):
        assert torch.equal(getattr(levelled, name), getattr(plain, name))


@pytest.mark.parametrize("power", [0.5, 2.0, 3.0])
def test_the_raw_score_to_a_power(power, draw_clips):
    clips = torch.from_numpy(draw_clips(2, 32, 48))
    plain, raised = build()(clips), build(score_power=power)(clips)
    torch.testing.assert_close(raised.raw, plain.raw**power)
    for name in ("appearance", "motion", "cluster", "map"):
        assert torch.equal(getattr(raised, name), getattr(plain, name))


@pytest.mark.parametrize(("windows", "share"), [((1,), 1.0), ((4, 16), 0.1)])
def test_scorer_equals_the_method_step_by_step(windows, share, literal, draw_clips):
    scorer = build(score_windows=windows, score_share=share)
    clips = torch.from_numpy(draw_clips(2, 32, 48))
    found = scorer(clips)
    outputs = scorer.network(clips)
    frames = outputs.frames.numpy()
    rebuilt, difference = outputs.rebuilt.detach().numpy(), outputs.difference.detach().numpy()
    appearance = literal_error(rebuilt, frames[:, 0])
    motion = literal_error(difference, frames[:, 4] - frames[:, 0])
    error = literal_error(rebuilt + difference, frames[:, 4])
    centres = literal.array(scorer.network.clusters.centres)
    for row in range(2):
        w = np.zeros((32, 48))
        for y, x in np.ndindex(32, 48):
            codes = [code[row].detach().numpy() for code in outputs.codes]
            if y % 8 == 0 and x % 8 == 0:
                weighted = literal.soft_distances(literal.joint(codes, (y // 8, x // 8)), centres)
                w[y : y + 8, x : x + 8] = sum(weighted) / len(weighted)
        np.testing.assert_allclose(literal.array(found.map[row]), error[row] * w, rtol=1e-6)
        for part, map_ in (
            (found.raw, error[row] * w),
            (found.appearance, appearance[row]),
            (found.motion, motion[row]),
            (found.cluster, w),
        ):
            assert part[row].item() == pytest.approx(literal_frame_score(map_, windows, share))


def test_parts_of_what_is_left_out_are_zero(draw_clips):
    clips = torch.from_numpy(draw_clips(2, 32, 48))
    assert not build(appearance=False)(clips).appearance.any()
    assert not build(motion=False)(clips).motion.any()
    assert not build(clusters=0, fusion="error")(clips).cluster.any()


def test_a_perfect_prediction_still_scores_above_zero(draw_clips):
    scorer = build(appearance=False)
    with torch.no_grad():
        for weight in scorer.network.motion.head.parameters():
            weight.zero_()
    still = np.repeat(draw_clips(2, 32, 48)[:, :1], 5, axis=1)  # Δ is 0, and so is Δ̂
    found = scorer(torch.from_numpy(still))
    assert not found.motion.any()
    assert (found.raw > 0).all()


def test_squared_error_is_a_mean_over_colours(draw):
    one, other = draw(2, 3, 4, 5, seed=1), draw(2, 3, 4, 5, seed=2)
    np.testing.assert_allclose(
        squared_error(one, other).numpy(), literal_error(one.numpy(), other.numpy())
    )


@pytest.mark.parametrize(
    "changes", [{}, {"channels": 8, "stem_stride": 2, "height": 64, "width": 64}]
)
def test_score_of_a_clip_is_the_same_to_the_bit_whatever_comes_with_it(changes, draw_clips):
    scorer = build(**changes).float()
    config = scorer.network.config
    clips = torch.from_numpy(draw_clips(5, config.height, config.width))
    with torch.inference_mode():
        alone = scorer(
            clips[:1].expand(4, *clips.shape[1:]).contiguous()
        )  # padded with itself, as `Model` does
        for slot in range(4):
            batch = clips[1:].clone()
            batch[slot] = clips[0]
            among_others = scorer(batch)
            for there, here in zip(among_others, alone, strict=True):
                assert torch.equal(there[slot], here[0])


@pytest.mark.parametrize(("frame", "index"), [("first", 0), ("last", 4)])
def test_with_a_weight_the_streams_errors_are_added(frame, index, draw):
    outputs = outputs_of(draw)
    first, last = outputs.frames[:, 0].numpy(), outputs.frames[:, 4].numpy()
    expected = literal_error(first + outputs.difference.numpy(), last)
    expected += 0.3 * literal_error(outputs.rebuilt.numpy(), outputs.frames[:, index].numpy())
    np.testing.assert_allclose(prediction_error(outputs, frame, 0.3).numpy(), expected)
    alone = outputs_of(draw, rebuilt=False)
    np.testing.assert_array_equal(
        prediction_error(alone, frame, 0.3), prediction_error(alone, frame)
    )
