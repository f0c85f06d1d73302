import pytest

from oddframe.errors import SettingsError
from oddframe.launched import Launch

TOLD = {"RANK": "1", "WORLD_SIZE": "4", "LOCAL_RANK": "0", "MASTER_ADDR": "10.0.0.1", "MASTER_PORT": "29500"}


def test_torchrun_tells_each_process_which_it_is():
    assert Launch.of(TOLD) == Launch(rank=1, size=4, local_rank=0)
    assert not Launch.of(TOLD).is_first
    assert Launch.of(TOLD | {"RANK": "0"}).is_first


@pytest.mark.parametrize("missing", ["RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"])
def test_what_is_not_told_all_of_it_is_a_process_of_its_own(missing):
    # Schedulers set some of these for jobs that have nothing to do with training.
    told = {name: text for name, text in TOLD.items() if name != missing}
    assert Launch.of(told) == Launch()
    assert Launch().is_first


@pytest.mark.parametrize("odd", [{"RANK": "one"}, {"RANK": "4"}, {"WORLD_SIZE": "-1"}, {"WORLD_SIZE": ""}])
def test_what_cannot_be_is_refused(odd):
    with pytest.raises(SettingsError, match="let torchrun set"):
        Launch.of(TOLD | odd)
