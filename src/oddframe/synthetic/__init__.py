"""The drawn scene: footage with known anomalies for the demo, for tests and for benchmarks."""
