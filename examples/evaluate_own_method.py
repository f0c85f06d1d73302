"""Judge a method of your own by the same figures: python evaluate_own_method.py.

No model and no torch are needed: frame scores and frame labels are enough.
"""

import numpy as np

import oddframe

draw = np.random.default_rng(0)
labels = {"01": np.repeat([0, 1, 0], 40), "02": np.repeat([0, 1], 60)}


def own_method(truth: np.ndarray) -> np.ndarray:
    """Give frame scores, higher is more anomalous; yours would look at the video."""
    return truth + draw.normal(0, 0.6, len(truth))


scores = {name: own_method(truth) for name, truth in labels.items()}
report = oddframe.evaluate_scores(scores, labels, fps=10)

# One threshold for all videos: what a user gets. The papers' figures are there as well.
figures = report.as_dict()
print(f"AUC over all frames: {figures['auc']['micro']['raw']:.3f}")
for name, value in figures["auc"]["micro"].items():
    if value is not None:  # a figure that these scores cannot have is None
        print(f"  {name}: {value:.3f}")
