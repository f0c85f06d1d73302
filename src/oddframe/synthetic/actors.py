"""The people of the drawn scene: walkers and runners.

Every body is a small skeleton in metres (forward, to its right, up) that is projected where it
stands, so one description serves all headings and distances.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from oddframe.synthetic.raster import Colour, Point, Stack


@dataclass(frozen=True, slots=True)
class Spot:
    """Where a body stands on the picture, and which way it faces.

    Attributes:
        x: Pixel column of the point on the ground.
        y: Pixel row of that point.
        scale: Pixels a metre there.
        flat: How flat the ground looks there: 0 from the side, 1 from above.
        ahead: Unit vector on the ground, to the right and away from the camera.
    """

    x: float
    y: float
    scale: float
    flat: float
    ahead: Point

    def at(self, forward: float, right: float, up: float) -> Point:
        """Give the pixel of a point of the body, which is in metres from where it stands."""
        across = forward * self.ahead[0] + right * self.ahead[1]
        away = forward * self.ahead[1] - right * self.ahead[0]
        return self.x + across * self.scale, self.y - (up + away * self.flat) * self.scale

    @property
    def near_side(self) -> float:
        """+1 when the right of the body is the side nearer to the camera, else -1."""
        return 1.0 if self.ahead[0] > 0.0 else -1.0


Body: TypeAlias = Callable[[Spot, float, float], Stack]
"""Draws a body, given three things.

These are the spot where it stands, the phase of its gait in radians, and how far its limbs swing
(0 standing, 1 walking).
"""


@dataclass(frozen=True, slots=True)
class Appearance:
    """Build and clothing of one person.

    Attributes:
        height_m: From sole to crown.
        girth: 1 is average.
        skin: Colour of the face and hands.
        hair: Colour of the hair or hat.
        top: Colour of the jacket.
        legs: Colour of the trousers.
        coat: Whether the jacket reaches down to the knees.
        bag: None, "backpack", "shoulder" or "shopper".
        bag_colour: Colour of the bag.
    """

    height_m: float
    girth: float
    skin: Colour
    hair: Colour
    top: Colour
    legs: Colour
    coat: bool = False
    bag: str | None = None
    bag_colour: Colour = (60.0, 50.0, 44.0)


SKINS: tuple[Colour, ...] = ((226, 184, 156), (206, 158, 126), (164, 116, 84), (112, 78, 58))
HAIRS: tuple[Colour, ...] = (
    (44, 34, 28),
    (28, 26, 28),
    (92, 64, 40),
    (156, 124, 78),
    (150, 148, 146),
    (120, 52, 44),
)
TOPS: tuple[Colour, ...] = (
    (38, 42, 52), (52, 62, 92), (84, 88, 96), (122, 44, 46), (60, 90, 78), (226, 224, 216),
    (206, 194, 170), (134, 104, 74), (92, 128, 164), (30, 32, 34), (170, 96, 88), (112, 108, 140),
)  # fmt: skip
LEGS: tuple[Colour, ...] = (
    (36, 40, 52),
    (56, 68, 98),
    (76, 72, 70),
    (30, 30, 32),
    (132, 120, 100),
    (96, 104, 120),
)
BAGS: tuple[Colour, ...] = ((60, 46, 38), (30, 30, 34), (134, 92, 58), (70, 84, 70), (150, 60, 60))


def tone(colour: Colour, factor: float) -> Colour:
    """Make a colour lighter (factor over 1) or darker, at most 255 in each channel."""
    return (
        min(colour[0] * factor, 255.0),
        min(colour[1] * factor, 255.0),
        min(colour[2] * factor, 255.0),
    )


def random_look(rng: np.random.Generator) -> Appearance:
    """Choose the build and the ordinary clothes of one person at random."""

    def pick(colours: tuple[Colour, ...]) -> Colour:
        return tone(colours[int(rng.integers(len(colours)))], float(rng.uniform(0.88, 1.12)))

    # The order of the draws is part of a seed's picture: another order gives other footage.
    bag = (None, None, "backpack", "shoulder", "shopper")[int(rng.integers(5))]
    return Appearance(
        height_m=float(rng.uniform(1.56, 1.90)),
        girth=float(rng.uniform(0.88, 1.18)),
        skin=pick(SKINS),
        hair=pick(HAIRS),
        top=pick(TOPS),
        legs=pick(LEGS),
        coat=bool(rng.random() < 0.25),
        bag=bag,
        bag_colour=pick(BAGS),
    )


def walker(look: Appearance) -> Body:
    """Make the body of somebody who walks."""
    # All lengths below are shares of the body's height: one skeleton fits every person.
    h, g = look.height_m, look.girth

    def body(spot: Spot, phase: float, swing: float) -> Stack:
        stack = Stack()
        s, at, near = spot.scale, spot.at, spot.near_side
        # The head goes up and down twice in a stride, once for each step.
        bob = 0.018 * swing * math.cos(2.0 * phase)
        # The far side comes first, since what is drawn later covers it.
        for side in (-near, near):
            # The legs are half a stride apart.
            lead = phase if side > 0 else phase + math.pi
            shade = 1.0 if side == near else 0.78
            foot = 0.20 * h * swing * math.sin(lead)
            lift = 0.05 * h * swing * max(math.cos(lead), 0.0)
            hip, knee = (
                at(0.0, 0.055 * side * h, 0.50 * h + bob),
                at(0.55 * foot + 0.03, 0.05 * side * h, 0.27 * h + lift),
            )
            ankle = at(foot - 0.4 * lift, 0.05 * side * h, 0.035 * h + lift)
            legs = tone(look.legs, shade)
            stack.rod(hip, knee, 0.052 * h * g * s, legs, 0.042 * h * g * s)
            stack.rod(knee, ankle, 0.042 * h * g * s, legs, 0.028 * h * s)
            stack.rod(
                ankle,
                at(foot + 0.11, 0.05 * side * h, 0.025 * h + lift),
                0.025 * h * s,
                tone((46, 40, 38), shade),
            )
            # The far arm is hidden by the trunk, the near one (below) hides it.
            if side == -near:
                _arm(stack, spot, look, side, lead, swing, 0.75, bob)
        if look.bag == "backpack":
            stack.rod(
                at(-0.17, 0.0, 0.76 * h),
                at(-0.19, 0.0, 0.60 * h),
                0.070 * h * s,
                look.bag_colour,
                0.085 * h * s,
            )
        _trunk(stack, spot, look, bob)
        _arm(stack, spot, look, near, phase if near > 0 else phase + math.pi, swing, 1.0, bob)
        if look.bag == "shoulder":
            stack.rod(
                at(0.0, 0.14 * near * h, 0.50 * h),
                at(0.10, 0.14 * near * h, 0.48 * h),
                0.06 * h * s,
                look.bag_colour,
            )
        return stack

    return body


def _trunk(stack: Stack, spot: Spot, look: Appearance, bob: float, lean: float = 0.0) -> None:
    """Draw the torso with a lit side, the coat, the neck, the head and the hair."""
    h, g, s, at = look.height_m, look.girth, spot.scale, spot.at
    if look.coat:
        stack.rod(
            at(0.0, 0.0, 0.36 * h),
            at(0.0, 0.0, 0.60 * h),
            0.105 * h * g * s,
            tone(look.top, 0.9),
            0.085 * h * g * s,
        )
    hip, chest = at(0.0, 0.0, 0.53 * h + bob), at(lean, 0.0, 0.745 * h + bob)
    stack.rod(hip, chest, 0.078 * h * g * s, look.top, 0.098 * h * g * s)
    # A lighter stripe to the left: the side that the light comes from.
    glow = 0.035 * h * s
    stack.rod(
        (hip[0] - glow, hip[1]),
        (chest[0] - glow, chest[1] - 0.3 * glow),
        0.030 * h * s,
        tone(look.top, 1.16),
    )
    neck, head = at(lean * 1.1, 0.0, 0.85 * h + bob), at(lean * 1.25 + 0.02, 0.0, 0.925 * h + bob)
    stack.rod(neck, head, 0.035 * h * s, tone(look.skin, 0.88))
    stack.rod(
        at(lean * 1.25 - 0.025, 0.0, 0.94 * h + bob),
        at(lean * 1.25, 0.0, 0.95 * h + bob),
        0.066 * h * s,
        look.hair,
    )
    stack.rod(at(lean * 1.25 + 0.035, 0.0, 0.905 * h + bob), head, 0.050 * h * s, look.skin)
    stack.rod(
        at(lean * 1.25 - 0.02, 0.0, 0.965 * h + bob),
        at(lean * 1.25 + 0.02, 0.0, 0.97 * h + bob),
        0.050 * h * s,
        look.hair,
    )


def _arm(
    stack: Stack,
    spot: Spot,
    look: Appearance,
    side: float,
    lead: float,
    swing: float,
    shade: float,
    bob: float,
) -> None:
    """Draw one arm, which swings against the leg of its side, and what hangs from the hand."""
    h, s, at = look.height_m, spot.scale, spot.at
    hand = -0.15 * h * swing * math.sin(lead)
    top = tone(look.top, 0.88 * shade)
    shoulder, elbow = (
        at(0.0, 0.115 * side * h, 0.79 * h + bob),
        at(0.45 * hand - 0.03, 0.14 * side * h, 0.63 * h + bob),
    )
    wrist = at(hand + 0.03, 0.14 * side * h, 0.50 * h + bob)
    if look.bag == "shopper" and side == spot.near_side:
        low = at(hand + 0.03, 0.15 * side * h, 0.33 * h + bob)
        stack.rod(
            (low[0], low[1] - 0.05 * h * s), low, 0.065 * h * s, look.bag_colour, 0.080 * h * s
        )
    stack.rod(shoulder, elbow, 0.038 * h * s, top, 0.033 * h * s)
    stack.rod(elbow, wrist, 0.033 * h * s, top, 0.026 * h * s)
    stack.rod(wrist, wrist, 0.028 * h * s, tone(look.skin, shade))


def runner(look: Appearance) -> Body:
    """Make the body of a runner: long strides, bare legs, bent elbows, leaning forward."""
    h = look.height_m

    def body(spot: Spot, phase: float, swing: float) -> Stack:
        stack = Stack()
        s, at, near = spot.scale, spot.at, spot.near_side
        bob = 0.05 * swing * abs(math.sin(phase))
        for side in (-near, near):
            lead = phase if side > 0 else phase + math.pi
            shade = 1.0 if side == near else 0.78
            swung = math.sin(lead)
            # The lower leg folds up while the leg is behind the body.
            back = max(-swung, 0.0) * swing
            knee_up = 0.30 * h - 0.02 + 0.09 * h * max(swung, 0.0)
            knee, hip = (
                at(0.16 * h * swung, 0.05 * side * h, knee_up + bob),
                at(0.0, 0.05 * side * h, 0.50 * h + bob),
            )
            ankle = at(
                0.24 * h * swung - 0.16 * h * back,
                0.05 * side * h,
                0.05 * h + 0.20 * h * back + bob,
            )
            stack.rod(knee, ankle, 0.036 * h * s, tone(look.skin, shade), 0.026 * h * s)
            stack.rod(hip, knee, 0.054 * h * s, tone(look.legs, shade), 0.042 * h * s)
            stack.rod(
                ankle,
                (ankle[0] + 0.10 * s * spot.ahead[0], ankle[1]),
                0.030 * h * s,
                (240.0, 240.0, 240.0),
            )
            if side == -near:
                _bent_arm(stack, spot, look, side, swung, bob)
        _trunk(stack, spot, look, bob, lean=0.14)
        _bent_arm(stack, spot, look, near, math.sin(phase if near > 0 else phase + math.pi), bob)
        return stack

    return body


def _bent_arm(
    stack: Stack, spot: Spot, look: Appearance, side: float, swung: float, bob: float
) -> None:
    """Draw one arm of the runner, bent at the elbow."""
    h, s, at = look.height_m, spot.scale, spot.at
    elbow = at(0.08 - 0.20 * swung, 0.15 * side * h, 0.62 * h + bob)
    stack.rod(
        at(0.12, 0.115 * side * h, 0.79 * h + bob),
        elbow,
        0.036 * h * s,
        tone(look.top, 0.86),
        0.030 * h * s,
    )
    hand = at(0.26 - 0.22 * swung, 0.12 * side * h, 0.67 * h + bob)
    stack.rod(elbow, hand, 0.029 * h * s, look.skin, 0.026 * h * s)
