"""A fixed scale for values of any range: float32 numbers cut to their first bits, in order.

Thresholds for one global sweep have to be known before the first frame of a single pass. The first bits of a
float (sign, exponent, the head of the mantissa) are such thresholds for every model: each step is the same share
of the value, whatever the values are.
"""

import numpy as np
import numpy.typing as npt

__all__ = ["level_numbers"]

_SIGN = np.uint32(1 << 31)


def level_numbers(values: npt.NDArray[np.float32], bits: int) -> npt.NDArray[np.int32]:
    """The level of each value, from 0 to 2^bits - 1; a larger value is never on a lower level.

    Args:
        values: Finite, float32, any shape.
        bits: How many of the first bits count, 9 to 31; 9 + m give 2^m levels per factor of two.
    """
    # Adding 0 turns -0.0, which equals 0.0 but has other bits, into 0.0.
    pattern = np.ascontiguousarray(values + np.float32(0.0)).view(np.uint32)
    # A float's bits grow with it once those of negative numbers are turned around.
    ordered = np.where(pattern & _SIGN, ~pattern, pattern | _SIGN)
    numbers: npt.NDArray[np.int32] = (ordered >> np.uint32(32 - bits)).astype(np.int32)
    return numbers
