"""Daylight and sensor noise of the drawn scene."""

import math

import numpy as np

from oddframe.data.scene_paint import Floats

__all__ = ["Light", "Noise"]


class Light:
    """Daylight: slow drift of strength and colour, a little flicker, and now and then a cloud."""

    def __init__(self, height: int, width: int, rng: np.random.Generator, strength: float) -> None:
        self.rng = rng
        self.strength = strength
        self.phases = rng.uniform(0.0, math.tau, 4)
        self.flicker = 0.0
        angle = float(rng.uniform(-0.6, 0.6))
        x, y = np.linspace(0.0, 1.0, width)[None, :], np.linspace(0.0, 1.0, height)[:, None]
        self.across: Floats = (x * math.cos(angle) + y * math.sin(angle)).astype(np.float32)
        self.cloud = self._next_cloud(-20.0)

    def _next_cloud(self, after_s: float) -> tuple[float, float, float, float]:
        """When the next cloud comes and goes, seconds its edge takes to cross, and how much light it takes."""
        rng = self.rng
        comes = after_s + float(rng.uniform(4.0, 22.0))
        return (
            comes,
            comes + float(rng.uniform(5.0, 14.0)),
            float(rng.uniform(5.0, 10.0)),
            float(rng.uniform(0.08, 0.18)),
        )

    def at(self, time_s: float) -> tuple[Floats, Floats | None, float]:
        """Gain of red, green and blue; a field of gains when a cloud is overhead; strength of shadows, 0 to 1."""
        p = self.phases
        drift = 0.045 * math.sin(math.tau * time_s / 41.0 + p[0]) + 0.02 * math.sin(math.tau * time_s / 13.0 + p[1])
        self.flicker = 0.85 * self.flicker + float(self.rng.normal(0.0, 0.0018))
        warm = self.strength * 0.012 * math.sin(math.tau * time_s / 67.0 + p[2])
        level = 1.0 + self.strength * (drift + self.flicker)
        gain = np.array([level + warm, level, level - warm], np.float32)
        while time_s > self.cloud[1] + self.cloud[2]:
            self.cloud = self._next_cloud(self.cloud[1] + self.cloud[2])
        comes, goes, crossing, depth = self.cloud
        if time_s < comes:
            return gain, None, 1.0
        # The edge sweeps over the picture from -0.8 to 1.8 of its width, twice: as it comes and as it goes.
        front, back = (np.float32(-0.8 + 2.6 * (time_s - when) / crossing) for when in (comes, goes))
        cover = np.clip((front - self.across) / 0.5, 0.0, 1.0) - np.clip((back - self.across) / 0.5, 0.0, 1.0)
        cover = cover * cover * (3.0 - 2.0 * cover)
        dark = min(self.strength, 1.0) * float(cover.mean())
        return gain, (1.0 - np.float32(self.strength * depth) * cover).astype(np.float32), 1.0 - 0.7 * dark


class Noise:
    """Sensor noise: stretches of one long random sequence, at a new place for every frame."""

    def __init__(self, rng: np.random.Generator, sigma: float, size: int) -> None:
        self.rng = rng
        # Half a grey level is added once here, so that cutting to whole numbers rounds.
        self.pool = rng.standard_normal(2 * size + 65_536, np.float32) * np.float32(sigma) + np.float32(0.5)

    def add(self, picture: Floats) -> None:
        """Add the noise of one frame in place."""
        offset = int(self.rng.integers(len(self.pool) - picture.size))
        picture += self.pool[offset : offset + picture.size].reshape(picture.shape)
