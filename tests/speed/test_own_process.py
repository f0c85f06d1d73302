import os

import pytest
from in_own_process import fill, modules_of_measuring, refuse

from oddframe.errors import InputError, SettingsError
from oddframe.speed.own_process import apart


def test_the_answer_comes_from_another_process():
    assert apart(os.getpid) != os.getpid()


def test_memory_is_its_own():
    ballast = fill(300)
    assert ballast[1] > 300
    # This process had more, which a fork or the system's own account of it would have handed on.
    _, small = apart(fill, 1)
    assert small < 200
    _, large = apart(fill, 300)
    assert large - small > 250


@pytest.mark.parametrize(
    ("error", "said"), [(SettingsError("it must be so"), "it must be so"), (RuntimeError("no"), "RuntimeError: no")]
)
def test_what_fails_there_is_an_error_here(error, said):
    with pytest.raises(InputError, match=f"^{said}$"):
        apart(refuse, error)


def test_a_process_that_dies_is_an_error():
    with pytest.raises(InputError, match="died with exit code 7"):
        apart(os._exit, 7)


def test_torch_stays_out_of_it():
    """Else rows of ONNX Runtime had torch's memory, and a base install no rows."""
    loaded = apart(modules_of_measuring)
    assert "oddframe.speed.measuring" in loaded
    assert "torch" not in loaded
