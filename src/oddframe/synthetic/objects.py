"""The things of the drawn scene: bicycle, cart, suitcase, and what always stands there.

They are built like the people of `actors`: lengths are metres in the body's own directions
(forward, to its right, up), and whatever is drawn later lies in front.
"""

import math
from collections.abc import Callable

from oddframe.synthetic.actors import Appearance, Body, Spot, tone, walker
from oddframe.synthetic.raster import Colour, Stack

BRIGHT: tuple[Colour, ...] = (
    (236, 80, 40),
    (250, 208, 40),
    (40, 110, 220),
    (214, 40, 110),
    (30, 170, 120),
)
"""Colours that the normal crowd does not wear."""

PROP_SIZES_M = {
    "lamp": (3.4, 0.16),
    "planter": (1.0, 0.95),
    "bench": (0.6, 0.8),
    "bollard": (0.7, 0.16),
}
"""Height and half width of the shadow of each kind of prop, in metres."""


def cyclist(look: Appearance, frame: Colour) -> Body:
    """Make the body of somebody on a bicycle whose frame has a colour."""
    # A wheel is a ring of ten rods; more are not seen at this size.
    h, spokes = look.height_m, 10
    ring = [
        (0.36 * math.cos(k * math.tau / spokes), 0.36 * math.sin(k * math.tau / spokes))
        for k in range(spokes)
    ]

    def body(spot: Spot, phase: float, _swing: float) -> Stack:
        stack = Stack()
        s, at, near = spot.scale, spot.at, spot.near_side
        for axle in (-0.55, 0.55):
            rim = [at(axle + f, 0.0, 0.37 + u) for f, u in ring]
            for a, b in zip(rim, rim[1:] + rim[:1], strict=True):
                stack.rod(a, b, 0.036 * s, (26.0, 26.0, 28.0))
            # One spoke, so that the wheel can be seen to turn.
            turned = (0.33 * math.cos(2.0 * phase), 0.33 * math.sin(2.0 * phase))
            stack.rod(
                at(axle - turned[0], 0.0, 0.37 - turned[1]),
                at(axle + turned[0], 0.0, 0.37 + turned[1]),
                0.010 * s,
                (150.0, 150.0, 150.0),
            )
        crank, saddle, bars = at(-0.05, 0.0, 0.33), at(-0.24, 0.0, 0.93), at(0.42, 0.0, 1.02)
        hips, shoulders = at(-0.24, 0.0, 1.02), at(0.16, 0.0, 1.02 + 0.27 * h)
        for side in (-near, near):
            turn = phase if side > 0 else phase + math.pi
            shade = 1.0 if side == near else 0.75
            pedal_f, pedal_u = -0.05 + 0.17 * math.cos(turn), 0.33 - 0.17 * math.sin(turn)
            pedal, knee = (
                at(pedal_f, 0.10 * side, pedal_u),
                at(0.17 + 0.3 * (pedal_f + 0.05), 0.10 * side, 0.62 + 0.6 * pedal_u),
            )
            stack.rod(
                at(-0.22, 0.09 * side, 0.98), knee, 0.085 * s, tone(look.legs, shade), 0.066 * s
            )
            stack.rod(knee, pedal, 0.066 * s, tone(look.legs, shade), 0.05 * s)
            # The frame lies between the two legs.
            if side == -near:
                for a, b in (
                    (at(-0.55, 0.0, 0.37), crank),
                    (crank, saddle),
                    (crank, bars),
                    (saddle, at(0.36, 0.0, 0.9)),
                ):
                    stack.rod(a, b, 0.038 * s, frame)
                stack.rod(bars, at(0.55, 0.0, 0.37), 0.038 * s, frame)
                stack.rod(at(-0.55, 0.0, 0.37), saddle, 0.026 * s, frame)
        stack.rod(hips, shoulders, 0.14 * s, look.top, 0.17 * s)
        stack.rod(shoulders, bars, 0.060 * s, tone(look.top, 0.85), 0.045 * s)
        head = at(0.30, 0.0, 1.17 + 0.32 * h)
        stack.rod(head, head, 0.115 * s, look.skin)
        stack.rod(
            at(0.22, 0.0, 1.23 + 0.32 * h), at(0.33, 0.0, 1.25 + 0.32 * h), 0.105 * s, look.hair
        )
        return stack

    return body


def _box(
    stack: Stack,
    spot: Spot,
    low: tuple[float, float, float],
    high: tuple[float, float, float],
    colour: Colour,
) -> None:
    """Draw a block between two corners (forward, right, up), both in metres.

    Only the sides that face the camera and the top are drawn; the others cannot be seen.
    """
    (f0, r0, u0), (f1, r1, u1), at = low, high, spot.at
    sides = (
        ((f1, r0), (f1, r1), spot.ahead),
        ((f0, r0), (f0, r1), (-spot.ahead[0], -spot.ahead[1])),
        ((f0, r1), (f1, r1), (spot.ahead[1], -spot.ahead[0])),
        ((f0, r0), (f1, r0), (-spot.ahead[1], spot.ahead[0])),
    )
    for (fa, ra), (fb, rb), (x, away) in sides:
        # A side is seen where its outside points towards the camera.
        if away < 0.0:
            face = (at(fa, ra, u0), at(fb, rb, u0), at(fb, rb, u1), at(fa, ra, u1))
            stack.slab(face, tone(colour, 0.82 - 0.14 * x))
    stack.slab((at(f0, r0, u1), at(f1, r0, u1), at(f1, r1, u1), at(f0, r1, u1)), tone(colour, 1.12))


def cart(look: Appearance, paint: Colour, roof: Colour) -> Body:
    """Make a small utility vehicle with a box body, a driver and a roof on posts."""

    def body(spot: Spot, phase: float, _swing: float) -> Stack:
        stack = Stack()
        s, at, near = spot.scale, spot.at, spot.near_side
        for side in (-near, near):
            # Body and driver lie between the wheels of the far side and those of the near one.
            if side == near:
                _box(stack, spot, (-1.25, -0.60, 0.28), (0.25, 0.60, 1.05), paint)
                _box(stack, spot, (0.25, -0.60, 0.28), (1.15, 0.60, 0.72), tone(paint, 0.94))
                _driver(stack, spot, look)
            for axle in (-0.80, 0.80):
                hub = at(axle, 0.58 * side, 0.27)
                stack.rod(hub, hub, 0.27 * s, (32.0, 32.0, 34.0))
                stack.rod(hub, hub, 0.12 * s, (150.0, 150.0, 150.0))
                mark = (0.16 * s * math.cos(2.0 * phase), 0.16 * s * math.sin(2.0 * phase))
                stack.rod(hub, (hub[0] + mark[0], hub[1] + mark[1]), 0.03 * s, (60.0, 60.0, 62.0))
            for post in (-0.25, 0.95):
                stack.rod(
                    at(post, 0.55 * side, 0.7),
                    at(post, 0.55 * side, 1.78),
                    0.035 * s,
                    (70.0, 72.0, 76.0),
                )
        _box(stack, spot, (-0.40, -0.64, 1.78), (1.08, 0.64, 1.88), roof)
        # The warning light goes on and off with the turn of the wheels.
        lamp = at(0.3, 0.0, 1.96)
        stack.rod(
            lamp,
            lamp,
            0.09 * s,
            (255.0, 150.0, 30.0) if math.sin(phase) > 0 else (190.0, 96.0, 20.0),
        )
        return stack

    return body


def _driver(stack: Stack, spot: Spot, look: Appearance) -> None:
    """Draw the upper half of whoever drives the cart; the rest is behind its side."""
    s, at = spot.scale, spot.at
    stack.rod(at(0.42, 0.0, 0.75), at(0.42, 0.0, 1.18), 0.20 * s, look.top, 0.21 * s)
    head = at(0.45, 0.0, 1.52)
    stack.rod(head, head, 0.115 * s, look.skin)
    stack.rod(at(0.41, 0.0, 1.60), at(0.46, 0.0, 1.61), 0.09 * s, look.hair)


def suitcase(colour: Colour) -> Body:
    """Make a big suitcase that stands on its own."""

    def body(spot: Spot, _phase: float, _swing: float) -> Stack:
        stack = Stack()
        _case(stack, spot, colour, forward=0.0, right=0.0, up=0.0, size=1.0)
        return stack

    return body


def porter(look: Appearance, colour: Colour, carries: Callable[[], bool]) -> Body:
    """Make somebody who walks and, while `carries()` holds, has a suitcase at the far side."""
    walks = walker(look)

    def body(spot: Spot, phase: float, swing: float) -> Stack:
        if not carries():
            return walks(spot, phase, swing)
        stack = Stack()
        # Carried at the far side, the case must lie under the walker.
        _case(stack, spot, colour, forward=0.05, right=-0.30 * spot.near_side, up=0.22, size=0.58)
        return stack.under(walks(spot, phase, swing))

    return body


def _case(
    stack: Stack,
    spot: Spot,
    colour: Colour,
    *,
    forward: float,
    right: float,
    up: float,
    size: float,
) -> None:
    """Draw the suitcase itself, with bands and a handle; a size of 1 is 0.86 m high."""
    s, at = spot.scale, spot.at
    half, depth, height = 0.42 * size, 0.24 * size, 0.86 * size
    for place in (-0.2, 0.2):
        foot = at(forward + place * size, right, up + height + 0.16 * size)
        stack.rod(
            at(forward + place * size, right, up + height),
            foot,
            0.028 * size * s,
            (60.0, 60.0, 62.0),
        )
    stack.rod(
        at(forward - 0.2 * size, right, up + height + 0.16 * size),
        at(forward + 0.2 * size, right, up + height + 0.16 * size),
        0.032 * size * s,
        (46.0, 46.0, 48.0),
    )
    # The middle one of the three blocks is the dark band.
    for low, high, shade in ((0.06, 0.34, 1.0), (0.34, 0.46, 0.55), (0.46, 1.0, 1.0)):
        _box(
            stack,
            spot,
            (forward - half, right - depth, up + low * height),
            (forward + half, right + depth, up + high * height),
            tone(colour, shade),
        )


def prop(kind: str, spot: Spot) -> Stack:
    """Draw something that always stands there: bench, planter, lamp or bollard."""
    stack = Stack()
    s, at = spot.scale, spot.at
    if kind == "planter":
        _box(stack, spot, (-0.9, -0.45, 0.0), (0.9, 0.45, 0.55), (150.0, 140.0, 128.0))
        for f, u, r, shade in (
            (-0.5, 0.75, 0.42, 0.80),
            (0.5, 0.72, 0.40, 0.72),
            (0.0, 0.95, 0.52, 0.92),
            (-0.15, 1.1, 0.26, 1.15),
        ):
            stack.rod(at(f, 0.0, u), at(f + 0.1, 0.0, u), r * s, tone((78.0, 112.0, 58.0), shade))
    elif kind == "bench":
        _box(stack, spot, (-0.9, 0.10, 0.45), (0.9, 0.18, 0.85), (120.0, 84.0, 54.0))
        _box(stack, spot, (-0.9, -0.30, 0.38), (0.9, 0.12, 0.46), (140.0, 100.0, 64.0))
        for f in (-0.75, 0.75):
            stack.rod(at(f, -0.25, 0.0), at(f, -0.25, 0.38), 0.05 * s, (58.0, 58.0, 60.0))
    elif kind == "lamp":
        stack.rod(at(0.0, 0.0, 0.0), at(0.0, 0.0, 0.25), 0.10 * s, (54.0, 58.0, 60.0))
        stack.rod(at(0.0, 0.0, 0.0), at(0.0, 0.0, 3.3), 0.055 * s, (60.0, 64.0, 66.0), 0.04 * s)
        stack.rod(at(-0.02, 0.0, 3.40), at(0.02, 0.0, 3.40), 0.20 * s, (236.0, 230.0, 206.0))
        stack.rod(at(-0.14, 0.0, 3.60), at(0.14, 0.0, 3.60), 0.07 * s, (60.0, 64.0, 66.0))
    else:
        stack.rod(at(0.0, 0.0, 0.05), at(0.0, 0.0, 0.70), 0.10 * s, (72.0, 74.0, 78.0))
        stack.rod(at(0.0, 0.0, 0.60), at(0.0, 0.0, 0.62), 0.105 * s, (208.0, 206.0, 200.0))
    return stack
