"""The whole network: its size and cost, what reaches which stream, and its weights as arrays."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from oddframe.errors import SettingsError
from oddframe.model.config import NetworkConfig
from oddframe.model.fusion import AnomalyScorer
from oddframe.model.network import Network
from oddframe.training.settings import PRESETS

SMALL = NetworkConfig(height=32, width=32, channels=2, clusters=3)


def build(**changes):
    torch.manual_seed(0)
    return Network(replace(SMALL, **changes)).eval()


def cost(config):
    """Count parameters, and the operations of scoring one frame: 2 for each multiply-add."""
    with torch.device("meta"):
        scorer = AnomalyScorer(Network(config)).eval()
        clip = torch.zeros(1, 5, config.height, config.width, config.colours, dtype=torch.uint8)
        with FlopCounterMode(display=False) as counter:
            scorer(clip)
    return sum(weight.numel() for weight in scorer.parameters()), counter.get_total_flops()


def test_paper_preset_has_the_published_size_and_cost():
    parameters, flops = cost(PRESETS["paper"].network)
    assert f"{parameters / 1e6:.2f}" == "6.12"
    assert f"{flops / 1e9:.1f}" == "60.6"


def test_decoders_take_70_percent_of_the_paper_preset():
    network = PRESETS["paper"].network
    with torch.device("meta"):
        built = Network(network).eval()
        with FlopCounterMode(display=False) as counter:
            built(torch.zeros(1, 5, 256, 256, 3, dtype=torch.uint8))
    counts = {name: sum(kinds.values()) for name, kinds in counter.get_flop_counts().items()}
    decoders = ("appearance.decoder", "motion.up3", "motion.up2", "motion.up1", "motion.head")
    share = sum(counts[f"Network.{name}"] for name in decoders) / counts["Global"]
    assert 0.69 < share < 0.71


def test_fast_preset_takes_at_most_3_gflops():
    _, flops = cost(PRESETS["fast"].network)
    assert 0 < flops <= 3e9


def test_network_equals_loops_from_pixels_to_codes(literal, draw_clips):
    network = build().double()
    clips = draw_clips(1)
    outputs = network(torch.from_numpy(clips))
    frames = clips[0].astype(np.float64).transpose(0, 3, 1, 2) / 255
    rebuilt, z_a = literal.appearance(frames[0], literal.appearance_weights(network.appearance))
    # x0..x3 one after the other, each with its three colours.
    difference, z_m = literal.motion(
        np.concatenate(list(frames[:4])), literal.motion_weights(network.motion)
    )
    np.testing.assert_allclose(literal.array(outputs.rebuilt[0]), rebuilt, atol=1e-10)
    np.testing.assert_allclose(literal.array(outputs.difference[0]), difference, atol=1e-10)
    centres = literal.array(network.clusters.centres)
    w = network.cluster_map(outputs.codes)
    assert w.shape == (1, 4, 4)
    for place in np.ndindex(4, 4):
        weighted = literal.soft_distances(literal.joint([z_a, z_m], place), centres)
        assert w[0][place].item() == pytest.approx(sum(weighted) / len(weighted))


def test_pixels_are_scaled_once(draw_clips):
    clips = draw_clips()
    clips[0, 0, 0, 0] = (0, 51, 255)
    network = build()
    outputs = network(torch.from_numpy(clips))
    np.testing.assert_allclose(outputs.frames[0, 0, :, 0, 0].numpy(), (0.0, 0.2, 1.0))
    rebuilt, _ = network.appearance(
        torch.from_numpy(clips[:, 0].transpose(0, 3, 1, 2) / 255.0).float()
    )
    torch.testing.assert_close(outputs.rebuilt, rebuilt)


@pytest.mark.parametrize(("frame", "reaches_rebuilt"), [("first", {0}), ("last", {4})])
def test_each_stream_sees_its_own_frames(frame, reaches_rebuilt, draw_clips):
    network = build(rebuilt_frame=frame)
    clips = draw_clips(1)
    before = network(torch.from_numpy(clips))
    for number in range(5):
        changed = clips.copy()
        changed[:, number] = 255 - changed[:, number]
        after = network(torch.from_numpy(changed))
        assert torch.equal(before.rebuilt, after.rebuilt) != (number in reaches_rebuilt)
        assert torch.equal(before.difference, after.difference) == (number == 4)


@pytest.mark.parametrize("stream", ["appearance", "motion"])
def test_a_stream_that_is_off_gives_nothing(stream, draw_clips):
    network = build(**{stream: False})
    outputs = network(torch.from_numpy(draw_clips()))
    assert (outputs.rebuilt is None) == (stream == "appearance")
    assert (outputs.difference is None) == (stream == "motion")
    assert len(outputs.codes) == 1
    assert network.clusters.centres.shape == (3, 16)
    assert network.cluster_map(outputs.codes).shape == (2, 4, 4)


def test_without_clusters_there_is_no_cluster_map(draw_clips):
    network = build(clusters=0, fusion="error")
    assert network.cluster_map(network(torch.from_numpy(draw_clips())).codes) is None
    with pytest.raises(SettingsError, match=r"network\.clusters"):
        network.place_centres(torch.zeros(3, 32))


def test_centres_can_be_placed():
    network = build()
    centres = torch.randn(3, 32)
    network.place_centres(centres)
    assert torch.equal(network.clusters.centres, centres)
    assert network.clusters.centres.requires_grad


def test_picture_of_the_empty_scene_starts_where_it_is_placed():
    network = build(empty_scene=True)
    assert not network.appearance.empty.any()
    network.place_empty_scene(torch.full((32, 32, 3), 51.0))
    np.testing.assert_allclose(network.appearance.empty.detach().numpy(), 0.2)


@pytest.mark.parametrize("skips", [True, False])
def test_decoders_may_be_narrower_than_encoders(skips, draw_clips):
    network, published = (
        build(channels=4, decoder_channels=2, skips=skips),
        build(channels=4, skips=skips),
    )
    outputs = network(torch.from_numpy(draw_clips()))
    assert outputs.rebuilt.shape == outputs.difference.shape == (2, 3, 32, 32)
    assert [code.shape for code in outputs.codes] == [(2, 32, 4, 4)] * 2
    for narrow, wide in (
        (network.appearance.decoder[2], published.appearance.decoder[2]),
        (network.motion.up1, published.motion.up1),
    ):
        assert narrow.second.out_channels == wide.second.out_channels / 2


def test_the_same_seed_builds_the_same_network():
    for first, second in zip(build().parameters(), build().parameters(), strict=True):
        assert torch.equal(first, second)


def test_halved_weights_are_float16_and_counts_stay_whole():
    trained = build().trained()
    halved = trained.halved()
    assert halved.parameters == trained.parameters
    for name, value in halved.weights.items():
        whole = trained.weights[name]
        assert value.dtype == (np.float16 if whole.dtype == np.float32 else whole.dtype)
        np.testing.assert_allclose(value, whole, atol=1e-3)


def test_only_what_was_learned_counts_as_a_parameter():
    network = build()
    assert network.trained().parameters == sum(p.numel() for p in network.parameters())
