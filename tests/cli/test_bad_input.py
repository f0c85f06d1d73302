"""Mistakes in the input of the command line: one clear line or a named skip, and nothing lost."""

import re
import shutil
import subprocess

import pytest

from tests.support.tiny import bytes_of, walk


@pytest.fixture
def make(tmp_path, video, images, audio, truncated_video):
    """Makes a thing that cannot be used, by its kind; gives its path."""

    def empty_folder():
        (tmp_path / "empty").mkdir()
        return tmp_path / "empty"

    def text_file():
        (tmp_path / "notes.mp4").write_text("Monday: nothing happened.\n" * 50)
        return tmp_path / "notes.mp4"

    def empty_file():
        (tmp_path / "nothing.mp4").touch()
        return tmp_path / "nothing.mp4"

    def empty_images():
        folder = images("blank", range(0))
        for number in range(60):
            (folder / f"{number:03d}.jpg").touch()
        return folder

    makers = {
        "empty folder": empty_folder,
        "text": text_file,
        "empty file": empty_file,
        "cut off": lambda: truncated_video("cut.mp4", header_first=False),
        "audio": lambda: audio("sound.mp4"),
        "one frame": lambda: video("one.mp4", frames=1),
        "three frames": lambda: video("three.mp4", frames=3),
        "empty images": empty_images,
    }
    return lambda kind: makers[kind]()


KINDS = ["text", "empty file", "cut off", "audio", "one frame", "three frames", "empty images"]


def each_kind(*by_default):
    """Every kind as a parameter; those that `make test` leaves out are slow."""
    return [
        pytest.param(kind, marks=[pytest.mark.slow] * (kind not in by_default))
        for kind in ("empty folder", *KINDS)
    ]


@pytest.fixture
def good(video):
    return video("good/good.mp4", frames=60, draw=walk)


@pytest.mark.parametrize("kind", each_kind("empty folder", "empty file", "audio", "one frame"))
def test_nothing_usable_to_train_on(kind, make, oddframe_command, tiny_config, tmp_path):
    thing = make(kind)
    left = oddframe_command("train", thing, "-o", tmp_path / "run", "-c", tiny_config)
    assert left.code == 2
    assert thing.name in left.error or "clip" in left.error
    assert left.out == ""
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("kind", each_kind("text", "cut off", "three frames", "empty images"))
def test_nothing_usable_to_score(kind, make, oddframe_command, tiny_run, tmp_path):
    thing = make(kind)
    left = oddframe_command(
        "score", thing, "--model", tiny_run, "-o", tmp_path / "out", "--overlay"
    )
    assert left.code == 2
    assert thing.name in left.error
    assert left.out == ""
    assert not (tmp_path / "out").exists() or list((tmp_path / "out").iterdir()) == []


def test_bad_things_among_good_ones_are_named_and_skipped(
    make, good, oddframe_command, tiny_config, tmp_path
):
    things, run, out = [make(kind) for kind in KINDS], tmp_path / "run", tmp_path / "out"
    trained = oddframe_command("train", *things, good, "-o", run, "-c", tiny_config, "--json")
    scored = oddframe_command("score", *things, good, "--model", run, "-o", out, "--json")
    for left in (trained, scored):
        assert left.code == 0, left.err
        assert len(left.json["skipped"]) == len(things)
        for thing in things:
            assert any(thing.stem in sentence for sentence in left.json["skipped"]), thing
    assert {path.name.split(".")[0] for path in out.iterdir()} == {"good"}
    told = oddframe_command("score", *things, good, "--model", run, "-o", out)
    assert told.err.count("note: ") == len(things)


def test_a_whole_folder_of_bad_things_is_told_in_one_line(
    make, oddframe_command, tiny_config, tmp_path
):
    for kind in KINDS:
        make(kind)
    left = oddframe_command("train", tmp_path, "-o", tmp_path / "run", "-c", tiny_config, "--json")
    assert left.code == 2
    assert left.json == {"error": left.error}


def test_a_cut_off_recording_is_used_as_far_as_it_goes(
    truncated_video, oddframe_command, tiny_config, tmp_path
):
    cut = truncated_video("cut.mp4", draw=walk)
    run, out = tmp_path / "run", tmp_path / "out"
    left = oddframe_command("train", cut, "-o", run, "-c", tiny_config, "--json")
    assert left.code == 0, left.err
    assert any("cut" in sentence and "ended early" in sentence for sentence in left.json["skipped"])
    left = oddframe_command("score", cut, "--model", run, "-o", out)
    assert left.code == 0
    assert "ended early" in left.err
    assert 30 < len((out / "cut.scores.csv").read_text().splitlines()) < 90


def test_clips_do_not_span_a_change_of_size(
    resized_video, good, oddframe_command, tiny_config, tmp_path
):
    changing = resized_video("resized.ts", frames=30)
    run, out = tmp_path / "run", tmp_path / "out"
    left = oddframe_command(
        "train", changing, "-o", run, "-c", tiny_config, "--hold-out", 0, "--json"
    )
    assert left.code == 0, left.err
    assert left.json["clips"] == 2 * (30 - 4)
    assert any("64 x 48 to 96 x 80" in sentence for sentence in left.json["skipped"])
    left = oddframe_command(
        "score", changing, "--model", run, "-o", out, "--overlay", "--maps", "--json"
    )
    assert left.code == 0, left.err
    (report,) = left.json["recordings"]
    assert (report["frames"], report["scored"]) == (60, 52)
    assert any("64 x 48 to 96 x 80" in sentence for sentence in report["notices"])


def test_holes_in_a_folder_of_images_are_named_and_not_spanned(
    images, oddframe_command, tiny_config, tmp_path
):
    folder = images("frames", [number for number in range(80) if number not in (30, 31)])
    (folder / "060.jpg").write_bytes(b"")
    run, out = tmp_path / "run", tmp_path / "out"
    left = oddframe_command(
        "train", folder, "-o", run, "-c", tiny_config, "--hold-out", 0, "--json"
    )
    assert left.code == 0, left.err
    assert left.json["clips"] == (30 - 4) + (28 - 4) + (19 - 4)
    told = "\n".join(left.json["skipped"])
    assert "30 to 31" in told
    assert "060.jpg was skipped: the file is empty" in told
    left = oddframe_command("score", folder, "--model", run, "-o", out)
    assert left.code == 0
    assert "30 to 31" in left.err
    assert "060.jpg" in left.err
    rows = (out / "frames.scores.csv").read_text().splitlines()[1:]
    empty = [int(row.split(",")[0]) for row in rows if row.endswith(",,,,,")]
    assert empty == [0, 1, 2, 3, 32, 33, 34, 35, 61, 62, 63, 64]


@pytest.mark.parametrize("alone", [True, False])
def test_an_unreadable_recording(
    alone, good, video, oddframe_command, tiny_config, tiny_run, tmp_path
):
    secret = video("secret.mp4", frames=60, draw=walk)
    given = [secret] if alone else [secret, good]
    trained = oddframe_command(
        "train", *given, "-o", tmp_path / "run", "-c", tiny_config, unreadable=secret
    )
    scored = oddframe_command(
        "score", *given, "-m", tiny_run, "-o", tmp_path / "out", unreadable=secret
    )
    for left in (trained, scored):
        assert left.code == (2 if alone else 0)
        assert "secret.mp4 cannot be read: permission denied" in " ".join(left.err.split())
        assert "Traceback" not in left.err


def test_an_unreadable_image(images, oddframe_command, tiny_run, tmp_path):
    folder = images("frames", range(20))
    left = oddframe_command(
        "score",
        folder,
        "--no-health",
        "-m",
        tiny_run,
        "-o",
        tmp_path / "out",
        unreadable=folder / "010.jpg",
    )
    assert left.code == 0
    assert "010.jpg was skipped: Permission denied" in " ".join(left.err.split())


def test_nothing_there(oddframe_command, tiny_run, tmp_path):
    for arguments in (
        ("train", tmp_path / "none", "-o", tmp_path / "run"),
        ("train", tmp_path / "*.mp4", "-o", tmp_path / "run"),
        ("score", tmp_path / "none.mp4", "-m", tiny_run, "-o", tmp_path / "out"),
        ("score", tmp_path, "-m", tmp_path / "none", "-o", tmp_path / "out"),
        ("eval", tmp_path / "none", "-m", tiny_run),
    ):
        left = oddframe_command(*arguments)
        assert left.code == 2
        assert str(tmp_path) in left.error
    assert list(tmp_path.iterdir()) == []


def test_a_file_in_the_place_of_the_output_folder(
    good, oddframe_command, tiny_config, tiny_run, tmp_path
):
    (tmp_path / "taken").write_text("mine")
    for arguments in (
        ("train", good, "-o", tmp_path / "taken", "-c", tiny_config),
        ("train", good, "-o", tmp_path / "taken" / "run", "-c", tiny_config),
        ("score", good, "-m", tiny_run, "-o", tmp_path / "taken"),
        ("watch", good, "-m", tiny_run, "-o", tmp_path / "taken", "--fast"),
        ("demo", "-o", tmp_path / "taken"),
    ):
        left = oddframe_command(*arguments)
        assert left.code == 2
        assert "taken" in left.error
        assert re.search("choose another (name|place)|run folder", left.error), left.error
    assert (tmp_path / "taken").read_text() == "mine"


@pytest.mark.parametrize(
    ("flags", "named"),
    [
        (("--cache-gb", 0), "cache_gb"),
        (("--cache-gb", "inf"), "cache_gb"),
        (("--cache-gb", 1e-6), "--cache-gb"),
        (("--epochs", -1), "epochs"),
        (("--epochs", "nan"), "epochs"),
        (("--rate", 0), "rate_fps"),
        (("--batch-size", 0), "batch_size"),
        (("--hold-out", 0.9), "hold_out"),
        (("--seed", -1), "seed"),
        (("--device", "tpu"), "device"),
    ],
)
def test_impossible_settings(flags, named, good, oddframe_command, tmp_path):
    left = oddframe_command("train", good, "-o", tmp_path / "run", *flags)
    assert left.code == 2
    assert named in left.error
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("flags", "remedy"),
    [
        (("--model", "pedtwo"), "shipped are: ped2"),
        (("--device", "cuda"), "it finds no GPU here; choose cpu or auto, or run oddframe doctor"),
        (("--device", "cpo"), "auto, cpu or a GPU such as cuda:0, got 'cpo'; did you mean cpu?"),
        (("--backend", "torch", "--precision", "int8"), "oddframe export MODEL --to openvino"),
        (("--backend", "onnx", "--precision", "int8"), "--backend openvino"),
        (
            ("--backend", "torch", "--precision", "float32", "--device", "cpu", "--compile"),
            "add --backend torch --device cuda, or leave out --compile",
        ),
        (
            ("--zones", "zones.toml"),
            "zones.toml must be a readable TOML or JSON file, but nothing is there",
        ),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_a_wrong_choice_names_the_remedy(
    flags, remedy, good, oddframe_command, tiny_run, monkeypatch, tmp_path
):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    left = oddframe_command("score", good, "-m", tiny_run, "-o", tmp_path / "out", *flags)
    assert left.code == 2
    assert remedy in left.error


def test_the_address_of_a_camera_names_the_verb_that_takes_it(oddframe_command, tmp_path):
    address = "rtsp://bob:secret@10.0.0.7/door"
    left = oddframe_command("score", address, "-m", "ped2", "-o", tmp_path / "out")
    assert left.code == 2
    assert "use oddframe watch" in left.error
    assert "secret" not in left.error


@pytest.mark.parametrize(
    ("budget", "remedy"),
    [
        ("1/minute", "per hour, day, week or month, got 'minute'; write it like 6/hour"),
        ("1/dya", "write it like 6/hour; did you mean day?"),
        ("0/day", "must be above 0, got 0"),
    ],
)
def test_an_impossible_budget_names_the_remedy(budget, remedy, good, oddframe_command, tmp_path):
    left = oddframe_command("train", good, "-o", tmp_path / "run", "--false-alarms", budget)
    assert left.code == 2
    assert remedy in left.error


@pytest.mark.parametrize(
    "operation",
    [
        pytest.param(0, marks=pytest.mark.slow),
        2,
        pytest.param(5, marks=pytest.mark.slow),
        pytest.param(8, marks=pytest.mark.slow),
    ],
)
def test_no_room_for_the_frames(operation, good, oddframe_command, tiny_config, tmp_path):
    run = tmp_path / "run"
    left = oddframe_command("train", good, "-o", run, "-c", tiny_config, full=operation, folder=run)
    assert left.code == 2
    assert "the disk is full" in left.error
    assert not run.exists()
    assert oddframe_command("train", good, "-o", run, "-c", tiny_config).code == 0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("part", "operation"), [("checkpoint", 0), ("checkpoint", 3), ("bundle", 1), ("log.jsonl", 5)]
)
def test_no_room_for_the_training(
    part, operation, footage, oddframe_command, tiny_config, tiny_run, tmp_path
):
    """What is there stays, and the same training goes on when there is room again."""
    run = tmp_path / "run"
    shutil.copytree(tiny_run, run)
    before = bytes_of(run / "bundle")
    command = ("train", footage, "-o", run, "-c", tiny_config)
    left = oddframe_command(*command, "--overwrite", full=operation, folder=run / part)
    assert left.code == 2
    assert "the disk is full" in left.error
    assert part in left.error
    assert bytes_of(run / "bundle") == before
    assert [path.name for path in run.rglob(".*")] == []
    assert oddframe_command(*command, "--resume").code == 0
    assert bytes_of(run / "bundle") == before


@pytest.mark.parametrize(
    "operation",
    [pytest.param(0, marks=pytest.mark.slow), 4, pytest.param(10, marks=pytest.mark.slow)],
)
def test_no_room_for_the_scores(operation, good, oddframe_command, tiny_run, tmp_path):
    out = tmp_path / "out"
    flags = ("--maps", "--parquet")
    command = ("score", good, "-m", tiny_run, "-o", out, *flags)
    assert oddframe_command(*command).code == 0
    before = bytes_of(out)
    left = oddframe_command(*command, full=operation, folder=out)
    assert left.code == 2
    assert "the disk is full" in left.error
    assert str(out) in left.error
    assert bytes_of(out) == before
    assert len(before) == len(list(out.iterdir())) == 6


@pytest.fixture
def small_disk(tmp_path):
    """A folder on a disk of its own, and a function that leaves only so many bytes free on it."""
    place = tmp_path / "disk"
    place.mkdir()
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", place], capture_output=True
    ).returncode:
        pytest.skip("mounting a disk in memory is not permitted here")

    def leave(free):
        (place / "ballast").unlink(missing_ok=True)
        (place / "ballast").write_bytes(bytes(max(0, shutil.disk_usage(place).free - free)))

    yield place, leave
    subprocess.run(["umount", "--lazy", place], check=True)


@pytest.mark.slow
def test_a_disk_that_is_really_full(small_disk, footage, good, oddframe_command, tiny_config):
    """With more room each time, one thing after another does not fit, and nothing is lost."""
    disk, leave = small_disk
    run, out = disk / "run", disk / "out"
    train = ("train", footage, "-c", tiny_config, "--overwrite", "-o")
    score = ("score", good, "-m", run, "-o", out, "--maps", "--overlay", "--parquet")
    assert oddframe_command(*train, run).code == 0
    assert oddframe_command(*score).code == 0
    before = bytes_of(run / "bundle"), bytes_of(out)
    for free, command, named in (
        (0, (*train, run), "settings"),
        (80_000, (*train, disk / "new"), "frames.u8"),
        (60_000, (*train, run), "checkpoint"),
        (200_000, (*train, run), "checkpoint"),
        (0, score, "good"),
        # Lines of events take the last page where the maps have filled all before it.
        (20_000, score, r"good\.(maps\.npz|events\.jsonl)"),
        (120_000, score, "good.overlay.mp4"),
    ):
        leave(free)
        left = oddframe_command(*command)
        assert left.code == 2
        assert re.search(rf"{named}.* could not be written: the disk is full", left.error), (
            left.error
        )
        assert (bytes_of(run / "bundle"), bytes_of(out)) == before
        assert [path.name for path in disk.rglob(".*")] == []
        assert not (disk / "new").exists()
    leave(2_000_000)
    assert oddframe_command(*train, run).code == 0
    assert oddframe_command(*score).code == 0
    assert (bytes_of(run / "bundle"), bytes_of(out)) == before
