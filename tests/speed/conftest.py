import pytest


@pytest.fixture
def float32():
    """The process's kinds of float32 are put back."""
    torch = pytest.importorskip("torch")
    places = (torch.backends.cuda.matmul, torch.backends.cudnn.conv)
    before = [place.fp32_precision for place in places]
    yield places
    for place, kind in zip(places, before, strict=True):
        place.fp32_precision = kind
