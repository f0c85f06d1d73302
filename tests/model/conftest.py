"""Tests of this room compare numbers to the bit."""

import pytest


@pytest.fixture(autouse=True)
def _one_thread(one_thread):
    """Have torch compute every test of this room on one thread."""
