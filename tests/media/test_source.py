"""The form of frames."""

import pytest

from oddframe.errors import SettingsError
from oddframe.media.source import FrameFormat


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ((0, 4, "rgb"), "at least 1 x 1, got 0 x 4"),
        ((4, 4, "bgr"), "got 'bgr'"),
        ((4, 4, "rgb", 1), "at least 2"),
    ],
)
def test_a_form_that_cannot_be_is_refused(values, reason):
    with pytest.raises(SettingsError, match=reason):
        FrameFormat(*values)
