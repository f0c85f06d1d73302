"""The drawn scene: footage with known anomalies for the demo, for tests and for benchmarks.

From the pixels up: `raster` paints shapes, `actors` and `objects` build bodies of them, `places` is
where they stand, `crowd` and `script` decide who comes when, and `scene` draws the frames with
their truth.
"""
