"""Rows measured in the tests' own process: the figures must be there, whatever their size."""

from pathlib import Path

import pytest

from oddframe.media.recording import Recording
from oddframe.media.source import FrameFormat
from oddframe.speed.fixtures import Beginning, draw_recording
from oddframe.speed.measure import measure_bounds, measure_row
from oddframe.speed.plan import Setup

torch = pytest.importorskip("torch")


@pytest.fixture(scope="module")
def recording(tmp_path_factory):
    path = tmp_path_factory.mktemp("drawn") / "drawn.mp4"
    draw_recording(path, drawn=4, frames=40)
    return path


@pytest.mark.usefixtures("float32")
@pytest.mark.parametrize(
    ("backend", "precision"), [("torch", "float32"), ("onnx", "float32"), ("openvino", "float32")]
)
def test_a_row_has_every_figure(backend, precision, exported_run, recording):
    row = measure_row(
        _setup(exported_run, backend, precision=precision, batch_size=4), recording, 0.1
    )
    assert (row.preset, row.backend, row.precision, row.batch_size) == (
        "tiny",
        backend,
        precision,
        4,
    )
    assert 0 < row.ms_median <= row.ms_p95
    assert 0 < row.latency_ms_median <= row.latency_ms_p95
    assert row.fps_inference == pytest.approx(1e3 / row.ms_median)
    assert row.fps_end_to_end > 0
    assert row.cameras["10"] == int(row.fps_end_to_end // 10)
    assert row.rss_mb > 20
    assert row.gpu_mb is None
    assert row.ready_s > 0


def test_bounds_have_every_figure_and_operations_where_they_are_counted(exported_run, recording):
    bundle = exported_run / "bundle"
    bounds = measure_bounds("tiny", bundle, recording, 0.2, True)
    assert bounds.preset == "tiny"
    assert bounds.fps_decode > 0
    assert bounds.fps_decode_convert > 0
    assert bounds.gflop_per_frame > 0
    assert measure_bounds("tiny", bundle, recording, 0.01, False).gflop_per_frame is None


@pytest.mark.parametrize(("precision", "kind"), [("float32", "ieee"), ("tf32", "tf32")])
def test_float32_is_whole_unless_it_is_asked_to_be_short(
    precision, kind, float32, exported_run, recording
):
    measure_row(_setup(exported_run, "torch", precision=precision, batch_size=1), recording, 0.01)
    assert [place.fp32_precision for place in float32] == [kind, kind]


@pytest.mark.slow
@pytest.mark.usefixtures("float32")
# PyTorch's compiler uses what PyTorch deprecates.
@pytest.mark.filterwarnings("ignore:`torch.jit.script_method` is deprecated:DeprecationWarning")
def test_a_compiled_network_is_a_row(exported_run, recording):
    row = measure_row(_setup(exported_run, "torch", compiled=True), recording, 0.1)
    assert row.compiled
    assert row.fps_end_to_end > 0


def test_the_recording_is_h264_and_goes_back_and_forth(recording):
    import av

    with av.open(str(recording)) as file:
        video = file.streams.video[0]
        assert (video.codec_context.name, video.width, video.height) == ("h264", 360, 240)
    frames = [
        frame.pixels.astype(float)
        for frame in Recording(recording).frames(FrameFormat(36, 24, "grey"))
    ]
    assert len(frames) == 40 == Recording(recording).decode()
    # Four pictures: 0 1 2 3 3 2 1 0 0 1 ...
    near, far = (abs(frames[first] - frames[second]).mean() for first, second in ((1, 6), (0, 3)))
    assert near < far


def test_the_beginning_of_a_recording_has_its_first_frames(recording):
    wanted = FrameFormat(32, 32, "grey")
    every = list(Recording(recording).frames(wanted))
    some = list(Beginning(recording, 7).frames(wanted))
    assert [frame.time_s for frame in some] == [frame.time_s for frame in every[:7]]
    assert len(list(Beginning(recording, 1_000).frames(wanted))) == 40


def _setup(run: Path, backend: str, **more: object) -> Setup:
    return Setup(preset="tiny", bundle=run / "bundle", backend=backend, **more)  # type: ignore[arg-type]
