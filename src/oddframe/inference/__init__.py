"""Running a trained network on clips: one interface, `Scorer`, and one file for each backend."""

from typing import Literal

# Here and not beside `Scorer`, so that the command line can name them without NumPy.
BackendName = Literal["torch", "onnx", "openvino"]
"""The programs that can run a network."""

Precision = Literal["float32", "bfloat16", "float16", "int8"]
"""The numbers that a network computes in."""
