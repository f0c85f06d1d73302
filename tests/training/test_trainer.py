"""The course of a training, step by step, against the method and against itself.

It has over 450 lines, since the course of a training is one source file and every rule of it has
its own test.
"""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from oddframe.datasets.clip_dataset import Batch
from oddframe.errors import SettingsError
from oddframe.model.config import NetworkConfig
from oddframe.model.fusion import AnomalyScorer
from oddframe.model.network import Network
from oddframe.training.losses import appearance_loss, motion_loss
from oddframe.training.settings import PRESETS, TrainingConfig
from oddframe.training.trainer import Trainer

NETWORK = NetworkConfig(height=32, width=32, channels=2, clusters=3)
TRAINING = TrainingConfig(
    pretrain_steps=2,
    joint_steps=3,
    learning_rate=1e-3,
    cluster_learning_rate=1e-4,
    precision="float32",
)
CPU = torch.device("cpu")


@pytest.fixture
def batch(draw_clips):
    """Draws a batch of clips as filmed."""

    def make(seed=0, count=4, rebuilt=0, **shape):
        clips = draw_clips(count, seed=seed, **shape)
        abnormal = np.zeros((count, *clips.shape[2:4]), dtype=np.bool_)
        first, last, target = (clips[:, number].copy() for number in (0, 4, rebuilt))
        return Batch(clips, first, last, target, abnormal)

    return make


def start(network=NETWORK, training=TRAINING, seed=0):
    torch.manual_seed(seed)
    return Trainer(Network(network), training, CPU)


def run(trainer, batches):
    """Train as the verb does, centres included; returns the losses of every step."""
    history = []
    for batch in batches:
        if trainer.needs_centres:
            trainer.place_centres(trainer.codes(batch.clips))
        history.append({name: loss.item() for name, loss in trainer.train_step(batch).items()})
    return history


def state(trainer):
    return {name: value.clone() for name, value in trainer.network.state_dict().items()}


def at_joint(batch, **changes):
    """A trainer whose next step is the first joint one."""
    trainer = start(training=replace(TRAINING, **changes))
    run(trainer, [batch(seed) for seed in range(2)])
    trainer.place_centres(trainer.codes(batch().clips))
    return trainer


def test_paper_preset_trains_as_the_research_code_does():
    training = PRESETS["paper"].training
    assert (training.pretrain_steps, training.joint_steps, training.batch_size) == (
        5_000,
        100_000,
        4,
    )
    assert (training.learning_rate, training.cluster_learning_rate) == (1e-5, 1e-6)
    assert (training.cluster_weight, training.gradient_weight) == (0.1, 0.01)
    assert (training.schedule, training.centre_codes, training.repulsion) == (
        "constant",
        200_000,
        0.0,
    )
    assert PRESETS["paper"].data.counter_examples.share == 0.0


def test_three_phases_in_their_order(batch):
    trainer = start()
    asked = []
    for number in range(5):
        asked.append((trainer.phase, trainer.needs_centres))
        if trainer.needs_centres:
            trainer.place_centres(trainer.codes(batch().clips))
            assert not trainer.needs_centres
        losses = trainer.train_step(batch(number))
        assert ("cluster" in losses) == (number >= 2)
    assert asked == [("pretrain", False)] * 2 + [("joint", True)] + [("joint", False)] * 2


@pytest.mark.parametrize(("pretrain", "joint", "at"), [(0, 3, 0), (3, 0, 3)])
def test_centres_are_placed_even_where_a_phase_has_no_steps(pretrain, joint, at, batch):
    trainer = start(training=replace(TRAINING, pretrain_steps=pretrain, joint_steps=joint))
    for number in range(at):
        assert not trainer.needs_centres
        trainer.train_step(batch(number))
    assert trainer.needs_centres


def test_without_clusters_nothing_asks_for_centres(batch):
    trainer = start(replace(NETWORK, clusters=0, fusion="error"))
    history = run(trainer, [batch(seed) for seed in range(4)])
    assert trainer.centred
    assert all(set(losses) == {"appearance", "motion"} for losses in history)
    assert [name for name, _ in trainer.optimisers()] == ["streams"]


def test_losses_of_a_step_are_those_of_the_method_before_it(batch):
    trainer = at_joint(batch)
    filmed = batch(7)
    with torch.no_grad():
        outputs = trainer.network.train()(torch.from_numpy(filmed.clips))
        frames = outputs.frames
        expected = {
            "appearance": appearance_loss(outputs.rebuilt, frames[:, 0]).item(),
            "motion": motion_loss(
                outputs.difference, frames[:, 0], frames[:, 4], TRAINING.gradient_weight
            ).item(),
            # L_c sums over the centres where w takes their mean.
            "cluster": 3 * trainer.network.cluster_map(outputs.codes).mean().item(),
        }
    found = {name: loss.item() for name, loss in trainer.train_step(filmed).items()}
    assert found == pytest.approx(expected, rel=1e-5)


def test_gradient_of_the_cluster_loss_reaches_centres_and_last_convolutions_only(batch):
    with_clusters, without = at_joint(batch), at_joint(batch)
    # Its next step leaves the cluster loss out.
    without.config = replace(without.config, pretrain_steps=99)
    filmed = batch(7)
    with_clusters.train_step(filmed)
    without.train_step(filmed)
    found, expected = state(with_clusters), state(without)
    moved = {name for name in found if not torch.equal(found[name], expected[name])}
    assert moved == {"clusters.centres", "appearance.to_code.weight", "motion.to_code.weight"}


def test_cluster_optimiser_gets_the_weighted_gradient_of_the_cluster_loss(batch):
    trainer = at_joint(batch)
    filmed = batch(7)
    network = trainer.network.train()
    codes = network(torch.from_numpy(filmed.clips)).codes
    loss = 3 * network.cluster_map(codes).mean()
    expected = torch.autograd.grad(
        0.1 * loss, [network.clusters.centres, *network.last_convolutions()]
    )
    trainer.train_step(filmed)
    assert len(trainer.pulled) == 3
    for parameter, gradient in zip(trainer.pulled, expected, strict=True):
        torch.testing.assert_close(parameter.grad, gradient, rtol=1e-4, atol=1e-7)


def test_streams_optimiser_never_sees_the_cluster_loss(batch):
    with_clusters, without = at_joint(batch), at_joint(batch)
    without.config = replace(without.config, pretrain_steps=99)
    for trainer in (with_clusters, without):
        trainer.train_step(batch(7))
    states = (trainer.streams.state.values() for trainer in (with_clusters, without))
    for found, expected in zip(*states, strict=True):
        assert torch.equal(found["exp_avg"], expected["exp_avg"])


def test_cluster_loss_is_taken_where_clips_are_as_filmed(batch):
    whole = at_joint(batch)
    marked = at_joint(batch)
    filmed = batch(7)
    changed = batch(7)
    changed.abnormal[1:] = True  # of four clips the first is as filmed ...
    changed.abnormal[0, 0, 0] = True  # ... but for one pixel, which costs the place that it lies in
    with torch.no_grad():
        codes = marked.network.train()(torch.from_numpy(filmed.clips)).codes
        first = marked.network.cluster_map(codes)[0].flatten()[1:]
    loss = marked.train_step(changed)["cluster"].item()
    assert loss == pytest.approx(3 * first.mean().item(), rel=1e-5)
    assert loss != whole.train_step(filmed)["cluster"].item()


def test_a_batch_without_normal_places_leaves_the_centres_alone(batch):
    trainer = at_joint(batch)
    before = trainer.network.clusters.centres.detach().clone()
    filmed = batch(7)
    filmed.abnormal[:] = True
    assert "cluster" not in trainer.train_step(filmed)
    assert torch.equal(trainer.network.clusters.centres, before)


def test_repulsion_pushes_the_codes_of_abnormal_places_up_to_the_margin(batch):
    trainer = at_joint(batch, repulsion=0.5, margin=2.0)
    filmed = batch(7)
    filmed.abnormal[:2] = True
    with torch.no_grad():
        codes = trainer.network.train()(torch.from_numpy(filmed.clips)).codes
        distance = 3 * trainer.network.cluster_map(codes)
    losses = trainer.train_step(filmed)
    missing = [max(0.0, 2.0 - value) ** 2 for value in distance[:2].flatten().tolist()]
    assert losses["repulsion"].item() == pytest.approx(sum(missing) / len(missing), rel=1e-5)
    near = distance[2:].flatten().tolist()
    assert losses["cluster"].item() == pytest.approx(sum(near) / len(near), rel=1e-5)


def test_with_repulsion_the_cluster_losses_reach_the_encoders(batch):
    pulled, not_pulled = (at_joint(batch, repulsion=0.5) for _ in range(2))
    not_pulled.config = replace(not_pulled.config, pretrain_steps=99)
    filmed = batch(7)
    filmed.abnormal[:2] = True
    for trainer in (pulled, not_pulled):
        trainer.train_step(filmed)
    found, expected = state(pulled), state(not_pulled)
    for name in ("appearance.stem.0.weight", "motion.stem.0.weight", "clusters.centres"):
        assert not torch.equal(found[name], expected[name])
    assert torch.equal(
        found["appearance.decoder.3.0.weight"], expected["appearance.decoder.3.0.weight"]
    )


def test_the_same_seed_gives_the_same_losses_and_weights_to_the_bit(batch):
    first, second = start(), start()
    batches = [batch(seed) for seed in range(5)]
    assert run(first, batches) == run(second, batches)
    found, expected = state(first), state(second)
    assert all(torch.equal(found[name], expected[name]) for name in expected)
    assert run(start(seed=1), batches)[0] != run(start(), batches)[0]


def test_training_lowers_the_losses(batch):
    trainer = start(
        training=replace(TRAINING, pretrain_steps=30, joint_steps=1, learning_rate=1e-2)
    )
    history = run(trainer, [batch()] * 30)
    assert history[-1]["appearance"] < history[0]["appearance"] / 2
    assert history[-1]["motion"] < history[0]["motion"]


def test_looking_at_losses_changes_nothing(batch):
    trainer = at_joint(batch)
    before = state(trainer)
    first = trainer.losses(batch(3))
    assert trainer.losses(batch(3)) == first
    assert set(first) == {"appearance", "motion", "cluster"}
    after = state(trainer)
    assert trainer.step == 2
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_there_is_no_cluster_loss_to_look_at_before_the_centres_are_placed(batch):
    trainer = start()
    assert "cluster" not in trainer.losses(batch())
    run(trainer, [batch(seed) for seed in range(2)])
    assert trainer.needs_centres
    assert "cluster" not in trainer.losses(batch())
    trainer.place_centres(trainer.codes(batch().clips))
    assert "cluster" in trainer.losses(batch())


def test_a_training_ends_with_the_average_of_its_weights(batch):
    trainer = start(training=replace(TRAINING, averaging=0.9))
    plain = start()
    run(trainer, [batch(seed) for seed in range(5)])
    run(plain, [batch(seed) for seed in range(5)])
    last, average = (
        state(trainer),
        {name: value.clone() for name, value in trainer.average.state.items()},
    )
    for name, value in state(plain).items():
        assert torch.equal(last[name], value), "taking the average must not disturb the training"
    assert any(not torch.equal(last[name], average[name]) for name in last)
    trainer.adopt_average()
    for name, value in state(trainer).items():
        assert torch.equal(value, average[name])


def test_without_averaging_the_last_weights_stay(batch):
    trainer = start()
    run(trainer, [batch()])
    before = state(trainer)
    trainer.adopt_average()
    assert trainer.average is None
    for name, value in state(trainer).items():
        assert torch.equal(value, before[name])


def test_centres_are_averaged_from_where_they_were_placed(batch):
    trainer = start(training=replace(TRAINING, averaging=0.999))
    run(trainer, [batch(seed) for seed in range(2)])
    trainer.place_centres(trainer.codes(batch().clips))
    assert torch.equal(trainer.average.state["clusters.centres"], trainer.network.clusters.centres)


def made_abnormal(batch, seed):
    """A batch whose clips are white in the upper half, and known to be."""
    filmed = batch(seed)
    filmed.clips[:, :, :16] = 255
    filmed.abnormal[:, :16] = True
    return filmed


def test_codes_learn_to_tell_what_was_made_abnormal(batch):
    trainer = start(
        training=replace(TRAINING, pretrain_steps=40, joint_steps=3, discrimination=1.0)
    )
    history = run(trainer, [made_abnormal(batch, seed) for seed in range(40)])
    assert history[0]["discrimination"] == pytest.approx(
        2 * math.log(2), rel=1e-5
    )  # it reads nothing at first
    assert history[-1]["discrimination"] < 0.5 * history[0]["discrimination"]
    logits = trainer.discriminator(
        torch.nn.functional.normalize(
            torch.from_numpy(trainer.codes(made_abnormal(batch, 99).clips)), dim=1
        )[None]
    ).reshape(4, 4, 4)
    assert logits[:, :2].mean() > 0 > logits[:, 2:].mean()
    assert "discrimination" in run(trainer, [made_abnormal(batch, 41)])[0], (
        "the joint phase has it as well"
    )


def test_discrimination_reaches_the_encoders(batch):
    plain, discriminated = start(), start(training=replace(TRAINING, discrimination=1.0))
    for trainer in (plain, discriminated):
        run(trainer, [made_abnormal(batch, seed) for seed in range(2)])
    found, expected = state(discriminated), state(plain)
    changed = {name for name, value in expected.items() if not torch.equal(value, found[name])}
    assert any("motion.encoder" in name for name in changed)
    assert any("appearance.encoder" in name for name in changed)
    assert plain.discriminator is None


def test_a_batch_as_filmed_is_discriminated_from_nothing(batch):
    trainer = start(training=replace(TRAINING, discrimination=1.0))
    assert run(trainer, [batch()])[0]["discrimination"] == pytest.approx(math.log(2), rel=1e-5)


def test_a_large_gradient_is_cut_down_and_a_small_one_is_not(batch):
    norms = {}
    for clip in (0.0, 1e-3, 1e3):
        trainer = at_joint(batch, gradient_clip=clip, repulsion=0.01)
        trainer.train_step(made_abnormal(batch, 7))
        gradients = [p.grad for p in trainer.network.parameters() if p.grad is not None]
        norms[clip] = torch.stack([gradient.norm() for gradient in gradients]).norm().item()
    assert norms[1e-3] == pytest.approx(1e-3, rel=1e-3)
    assert norms[0.0] > 1e-2
    assert norms[1e3] == pytest.approx(norms[0.0], rel=0.5)


def test_rates_are_constant_by_default():
    assert {TRAINING.rate_at(step) for step in range(5)} == {1.0}


def test_cosine_rises_over_2_percent_and_falls_to_1_percent():
    training = replace(TRAINING, pretrain_steps=400, joint_steps=600, schedule="cosine")
    for step in range(1000):
        expected = 0.01 + 0.99 * (1 + math.cos(math.pi * step / 1000)) / 2
        if step < 20:
            expected *= (step + 1) / 20
        assert training.rate_at(step) == pytest.approx(expected)
    assert training.rate_at(999) == pytest.approx(0.01, abs=1e-4)


def test_both_optimisers_follow_the_schedule(batch):
    trainer = start(training=replace(TRAINING, schedule="cosine"))
    run(trainer, [batch(seed) for seed in range(4)])
    factor = trainer.config.rate_at(3)
    assert 0 < factor < 1
    rates = {name: optimiser.param_groups[0]["lr"] for name, optimiser in trainer.optimisers()}
    assert rates == pytest.approx({"streams": 1e-3 * factor, "cluster": 1e-4 * factor})


@pytest.mark.parametrize(
    "changes",
    [
        {"appearance": False},
        {"motion": False},
        {"skips": False},
        {"attention": "none"},
        {"clusters": 0, "fusion": "error"},
        {"fusion": "frame"},
        {"rebuilt_frame": "last"},
        {"stem_stride": 2},
        {"height": 16, "width": 48},
        {"empty_scene": True},
        *(
            pytest.param(one, marks=pytest.mark.slow)
            for one in (
                {"attention": "variance"},
                {"clusters": 1},
                {"fusion": "error"},
                {"kmeans_space": "raw"},
                {"interval": 2},
                {"colour": "grey"},
                {"code_norm": "l2"},
                {"channels": 1},
                {"channels": 3},
                {"score_windows": (4, 16), "score_share": 0.1},
            )
        ),
    ],
    ids=lambda changes: ",".join(f"{name}={value}" for name, value in changes.items()),
)
def test_every_switch_trains_and_scores(changes, batch):
    config = replace(NETWORK, **changes)
    shape = {"height": config.height, "width": config.width, "colours": config.colours}
    trainer = start(config)
    rebuilt = trainer.network.rebuilt_index
    before = state(trainer)
    history = run(trainer, [batch(seed, rebuilt=rebuilt, **shape) for seed in range(4)])
    assert all(math.isfinite(loss) for losses in history for loss in losses.values())
    after = state(trainer)
    assert not any(
        torch.equal(before[name], after[name]) for name in before if name.endswith("to_code.weight")
    )
    found = AnomalyScorer(trainer.network.eval())(torch.from_numpy(batch(9, **shape).clips))
    assert found.map.shape == (4, config.height, config.width)
    assert all(part.isfinite().all() for part in found)
    assert (found.raw > 0).all()


def test_mixed_precision_trains(batch):
    trainer = start(training=replace(TRAINING, precision="bfloat16"))
    history = run(trainer, [batch(seed) for seed in range(4)])
    exact = run(start(), [batch(seed) for seed in range(4)])
    for losses, exact_losses in zip(history, exact, strict=True):
        assert losses == pytest.approx(exact_losses, rel=0.1)
    assert history != exact
    assert all(weight.dtype == torch.float32 for weight in trainer.network.parameters())


def spread(trainer, clips):
    """Relative spread of w over places, and the mean norm of the centres, after k-means."""
    trainer.place_centres(trainer.codes(clips))
    with torch.no_grad():
        w = trainer.network.cluster_map(trainer.network.eval()(torch.from_numpy(clips)).codes)
    return (w.std() / w.mean()).item(), trainer.network.clusters.centres.norm(dim=1).mean().item()


def test_kmeans_in_the_space_of_the_distances_and_the_trap_of_another(draw_clips):
    clips = draw_clips(8, 64, 64)
    config = NetworkConfig(height=64, width=64, channels=16, clusters=8)
    same, norm = spread(start(config), clips)
    raw, raw_norm = spread(start(replace(config, kmeans_space="raw")), clips)
    # Means of unit vectors lie just inside the unit sphere; L1-normalised codes are far shorter.
    assert 0.8 < norm <= 1.0
    assert raw_norm < 0.25
    assert same > 0.1
    assert raw < 0.02
    assert raw < same / 8


def test_centres_are_the_kmeans_of_the_codes_that_distances_are_taken_of(batch):
    trainer = start()
    clips = batch().clips
    codes = trainer.codes(clips)
    assert codes.shape == (4 * 4 * 4, 32)
    np.testing.assert_allclose(np.linalg.norm(codes, axis=1), 1.0, rtol=1e-5)
    sizes = trainer.place_centres(codes)
    centres = trainer.network.clusters.centres.detach().numpy()
    nearest = np.array(
        [[np.linalg.norm(code - centre) for centre in centres] for code in codes]
    ).argmin(axis=1)
    assert np.bincount(nearest, minlength=3).tolist() == sizes
    for number in range(3):
        np.testing.assert_allclose(
            centres[number], codes[nearest == number].mean(axis=0), atol=1e-4
        )


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"pretrain_steps": -1}, "pretrain_steps"),
        ({"pretrain_steps": 0, "joint_steps": 0}, "must not both be 0"),
        ({"batch_size": 0}, "batch_size"),
        ({"learning_rate": 0.0}, "learning_rate"),
        ({"learning_rate": float("nan")}, "learning_rate"),
        ({"gradient_weight": float("nan")}, "gradient_weight"),
        ({"cluster_weight": -0.1}, "cluster_weight"),
        ({"discrimination": -0.1}, "discrimination"),
        ({"gradient_clip": -1.0}, "gradient_clip"),
        ({"averaging": 1.0}, "averaging must be from 0 to below 1"),
        ({"seed": -1}, "seed"),
        ({"schedule": "linear"}, "'constant' or 'cosine', got 'linear'"),
        ({"precision": "float16"}, "precision"),
    ],
)
def test_what_cannot_be_trained_with_is_refused_by_name(changes, named):
    with pytest.raises(SettingsError, match=named):
        replace(TRAINING, **changes)


@pytest.mark.parametrize("norm", ["batch", "frozen"])
def test_frozen_statistics_stay_what_they_are(norm, batch):
    trainer = start(replace(NETWORK, channels=4), replace(TRAINING, batch_norm=norm))
    before = state(trainer)
    trainer.train_step(batch())
    after = state(trainer)
    moved = {
        name.rpartition(".")[2]
        for name in after
        if "encoder" in name and not torch.equal(before[name], after[name])
    }
    assert ({"running_mean", "running_var", "num_batches_tracked"} <= moved) == (norm == "batch")
    assert {"running_mean", "running_var", "num_batches_tracked"}.isdisjoint(moved) == (
        norm == "frozen"
    )
    assert "weight" in moved
