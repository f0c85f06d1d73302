"""Events that are alike as one stack: a tree that moves all night is judged once.

Two events are alike if they are of the same camera and kind, have the same reason and verdict, lie
at about the same place in the picture, and the pause between them is short. Stacks are made when
somebody asks for them, and not stored; only which events somebody took out of theirs is.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from sqlalchemy import delete, select
from sqlalchemy.dialects import sqlite
from sqlalchemy.engine import Connection

from oddframe.store.events import StoredEvent, find_events
from oddframe.store.schema import apart, cameras, events, reviews

StackOrder: TypeAlias = Literal["newest", "oldest", "score", "rarity"]
"""Orders of stacks: by their latest or earliest start, their highest score or rarity first."""

Box: TypeAlias = tuple[float, float, float, float]
"""A part of the picture: (x_min, y_min, x_max, y_max), 0 to 1 of width and height."""

MOST_EVENTS = 20_000
"""So many events are put onto stacks at most, the newest: weeks of fifty cameras."""

MOST_IN_STACK = 500
"""A stack with so many events is full, and the next event begins another one."""

MOST_PICTURED = 8
"""So many events of a stack are read to be shown, spread over all of it."""

_PAUSE_US = 3_600 * 1_000_000
_LONGEST_US = 24 * 3_600 * 1_000_000
"""Longest pause between two events of a stack, and from its first start to its last."""

_NEAR = 0.15
"""Places are the same if their centres are nearer than this, as a share of width and of height."""

_SHARED = 0.5
"""So are places that share this part of the smaller one."""


@dataclass(frozen=True, slots=True)
class StackMember:
    """What is needed of an event to stack it.

    Attributes:
        row: Its row in the store.
        likeness: Camera, kind, reason and verdict; all are the same throughout a stack.
        start_us: When it started, in microseconds since 1970-01-01 UTC.
        end_us: The last moment known of it.
        score: Its highest score.
        rarity: The highest rarity of its parts, -log10 of the share of normal frames.
        box: Where in the picture; None where that is not known.
        is_apart: Whether somebody took it out of its stack.
    """

    row: int
    likeness: tuple[int, str, str, str | None]
    start_us: int
    end_us: int
    score: float
    rarity: float
    box: Box | None
    is_apart: bool = False


@dataclass(frozen=True, slots=True)
class EventStack:
    """Events that are alike.

    Attributes:
        rows: Their rows, the latest start first.
        shown: The event with the highest score.
        pictured: Some of them with their pictures, in order of time; all, where there are few.
        first_us: When the first started, in microseconds since 1970-01-01 UTC.
        last_us: When the last started.
        score: The highest score.
        rarity: The highest rarity.
    """

    rows: tuple[int, ...]
    shown: StoredEvent
    pictured: tuple[StoredEvent, ...]
    first_us: int
    last_us: int
    score: float
    rarity: float


@dataclass(frozen=True, slots=True)
class StackPage:
    """Some stacks of all that there are.

    Attributes:
        stacks: The stacks of this page.
        stack_count: How many there are in all.
        event_count: How many events are on them.
        is_cut: Whether there are more than `MOST_EVENTS` events; the oldest were left out.
    """

    stacks: tuple[EventStack, ...]
    stack_count: int
    event_count: int
    is_cut: bool


def stack_events(members: Iterable[StackMember]) -> list[list[StackMember]]:
    """Put events that are alike onto stacks.

    Args:
        members: The events, in order of start.

    Returns:
        The stacks; the events of each are in order of start.
    """
    stacks: list[list[StackMember]] = []
    # Stacks to which an event may still be added, by what all of their events have in common.
    growing: defaultdict[tuple[int, str, str, str | None], list[list[StackMember]]]
    growing = defaultdict(list)
    for member in members:
        if member.is_apart:
            stacks.append([member])
            continue
        candidates = growing[member.likeness]
        candidates[:] = [stack for stack in candidates if _is_growing(stack, member.start_us)]
        # Compared with the first event: compared with the last one, a stack could wander.
        stack = next((one for one in candidates if is_near(one[0].box, member.box)), None)
        if stack is None:
            stack = []
            stacks.append(stack)
            candidates.append(stack)
        stack.append(member)
    return stacks


def is_near(one: Box | None, other: Box | None) -> bool:
    """Whether two places in the picture are about the same; None is a place of its own."""
    if one is None or other is None:
        return one is other
    centre_x_gap = abs(one[0] + one[2] - other[0] - other[2]) / 2
    centre_y_gap = abs(one[1] + one[3] - other[1] - other[3]) / 2
    if max(centre_x_gap, centre_y_gap) < _NEAR:
        return True
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    smaller = min(_area(one), _area(other))
    return width > 0 and height > 0 and width * height >= _SHARED * smaller


def read_stacks(
    connection: Connection, conditions: Sequence[Any], sort: StackOrder, offset: int, limit: int
) -> StackPage:
    """Read events and put them onto stacks.

    Args:
        connection: Any connection.
        conditions: Which events; see `find_events`.
        sort: The order of the stacks.
        offset: How many stacks to leave out at the front.
        limit: How many stacks at most.
    """
    members = _read_members(connection, conditions)
    is_cut = len(members) > MOST_EVENTS
    # The newest were read first.
    members = sorted(members[:MOST_EVENTS], key=lambda member: (member.start_us, member.row))
    stacks = stack_events(members)
    # Ties in the order of time, the latest first, so that pages follow each other.
    stacks.sort(key=lambda stack: stack[-1].start_us, reverse=True)
    if sort == "oldest":
        stacks.sort(key=lambda stack: stack[0].start_us)
    elif sort == "score":
        stacks.sort(key=lambda stack: max(member.score for member in stack), reverse=True)
    elif sort == "rarity":
        stacks.sort(key=lambda stack: max(member.rarity for member in stack), reverse=True)
    chosen = [(stack, _pictured(stack)) for stack in stacks[offset : offset + limit]]
    rows = [member.row for _, pictured in chosen for member in pictured]
    stored = {event.row: event for event in find_events(connection, events.c.row.in_(rows))}
    return StackPage(
        tuple(_as_stack(stack, pictured, stored) for stack, pictured in chosen),
        stack_count=len(stacks),
        event_count=len(members),
        is_cut=is_cut,
    )


def write_apart(connection: Connection, row: int, *, is_apart: bool) -> bool:
    """Take an event out of its stack, or let it be stacked again.

    Returns:
        Whether there is such an event.
    """
    # Events are deleted when they are old, also while somebody looks at them.
    if connection.execute(select(events.c.row).where(events.c.row == row)).first() is None:
        return False
    if is_apart:
        connection.execute(sqlite.insert(apart).values(event=row).on_conflict_do_nothing())
    else:
        connection.execute(delete(apart).where(apart.c.event == row))
    return True


def _is_growing(stack: list[StackMember], start_us: int) -> bool:
    """Whether an event that starts then may still be added to a stack."""
    return (
        start_us - stack[-1].end_us <= _PAUSE_US
        and start_us - stack[0].start_us <= _LONGEST_US
        and len(stack) < MOST_IN_STACK
    )


def _area(box: Box) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])


def _read_members(connection: Connection, conditions: Sequence[Any]) -> list[StackMember]:
    """Read the newest events, one more than are stacked; only what stacking needs."""
    query = (
        select(
            events.c.row,
            events.c.camera,
            events.c.kind,
            events.c.reason,
            events.c.start_us,
            events.c.seen_us,
            events.c.score,
            events.c.box,
            events.c.parts,
            reviews.c.verdict,
            apart.c.event,
        )
        .select_from(events)
        .join(cameras)
        .join(reviews, isouter=True)
        .join(apart, apart.c.event == events.c.row, isouter=True)
        .where(*conditions)
        .order_by(events.c.start_us.desc(), events.c.row.desc())
        # One more tells that there are more.
        .limit(MOST_EVENTS + 1)
    )
    return [
        StackMember(
            row.row,
            (row.camera, row.kind, row.reason, row.verdict),
            row.start_us,
            row.seen_us,
            row.score,
            max(json.loads(row.parts).values(), default=0.0),
            None if row.box is None else tuple(json.loads(row.box)),
            row.event is not None,
        )
        for row in connection.execute(query)
    ]


def _pictured(stack: list[StackMember]) -> list[StackMember]:
    """Choose the events of a stack that are shown: spread over it, with the highest score."""
    if len(stack) <= MOST_PICTURED:
        return stack
    last = len(stack) - 1
    places = {round(place * last / (MOST_PICTURED - 2)) for place in range(MOST_PICTURED - 1)}
    places.add(max(range(len(stack)), key=lambda place: stack[place].score))
    return [stack[place] for place in sorted(places)]


def _as_stack(
    stack: list[StackMember], pictured: list[StackMember], stored: dict[int, StoredEvent]
) -> EventStack:
    highest = max(stack, key=lambda member: member.score)
    return EventStack(
        rows=tuple(member.row for member in reversed(stack)),
        shown=stored[highest.row],
        pictured=tuple(stored[member.row] for member in pictured),
        first_us=stack[0].start_us,
        last_us=stack[-1].start_us,
        score=highest.score,
        rarity=max(member.rarity for member in stack),
    )
