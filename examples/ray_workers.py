"""Score with one model on a Ray cluster: python ray_workers.py MODEL RECORDING...

The model must lie at the same place on every machine, such as a shared disk. For archives
`oddframe.score_archive(..., engine="ray")` also resumes and names broken recordings.
"""

import sys

import ray

import oddframe

model_path, *recordings = sys.argv[1:]
model = oddframe.load(model_path, threads=1)


@ray.remote(num_cpus=1)
def highest_of(model: oddframe.Model, path: str) -> float:
    """Score one recording; each worker loads the model once."""
    return max((score.score or 0 for score in model.scores(path)), default=0)


ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
for path, highest in zip(
    recordings, ray.get([highest_of.remote(model, path) for path in recordings]), strict=True
):
    print(f"{path}: {highest:.2f}")
ray.shutdown()
