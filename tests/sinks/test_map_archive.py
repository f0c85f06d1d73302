import numpy as np
import pytest
from dying import full_at

from oddframe.core.records import Score
from oddframe.errors import OutputError
from oddframe.sinks.map_archive import map_archive


def scored(frame, value):
    return Score(frame, frame / 10, map=np.full((3, 4), value, np.float32))


def test_numpy_reads_the_logarithm_of_each_map(tmp_path):
    values = {4: 1.0, 5: 1e-9, 6: 3e4, 70: 0.0}
    with map_archive(tmp_path / "a.maps.npz") as sink:
        sink.write(Score(0, 0.0))
        for frame, value in values.items():
            sink.write(scored(frame, value))
    with np.load(tmp_path / "a.maps.npz", allow_pickle=False) as maps:
        assert maps.files == ["4", "5", "6", "70"]
        for frame, value in values.items():
            assert maps[str(frame)].shape == (3, 4)
            assert maps[str(frame)].dtype == np.float16
            np.testing.assert_allclose(maps[str(frame)], np.log(max(value, 1e-30)), rtol=1e-3)


def test_order_is_kept_although_half_precision_is_coarse(tmp_path):
    steps = np.geomspace(1e-8, 1e2, 50).astype(np.float32)
    with map_archive(tmp_path / "a.npz") as sink:
        sink.write(Score(0, 0.0, map=steps[None]))
    with np.load(tmp_path / "a.npz") as maps:
        assert (np.diff(maps["0"][0].astype(np.float64)) > 0).all()


def test_the_archive_appears_whole_or_not_at_all(tmp_path):
    path = tmp_path / "a.npz"

    def fail():
        with map_archive(path) as sink:
            sink.write(scored(4, 1.0))
            raise KeyError("stop")

    with pytest.raises(KeyError):
        fail()
    with full_at(0, tmp_path), pytest.raises(OutputError, match="the disk is full"), map_archive(path):
        pass
    assert list(tmp_path.iterdir()) == []
