"""The promises of `BackgroundQueue` to its users: order, bound, counts, flush and close."""

import threading

import pytest

from oddframe._background import BackgroundQueue, TryAgainError
from tests.support.alerting import until


class Gate:
    """Work that waits until the test opens the gate, and notes what it was given.

    Attributes:
        batches: What `work` was called with, in order.
        entered: Set as soon as it was called once.
    """

    def __init__(self):
        self.batches, self.entered, self._open = [], threading.Event(), threading.Event()

    def work(self, items):
        self.batches.append(list(items))
        self.entered.set()
        self._open.wait(300)

    def open(self):
        self._open.set()

    @property
    def items(self):
        return [item for batch in self.batches for item in batch]


@pytest.fixture
def gate():
    made = Gate()
    yield made
    made.open()


@pytest.fixture
def shown(monkeypatch):
    """Exceptions of threads that would be shown to whoever runs the program."""
    errors = []
    monkeypatch.setattr(threading, "excepthook", lambda args: errors.append(args.exc_value))
    return errors


def started(work, most=100, **options):
    queue = BackgroundQueue("test", work, most=most, **options)
    queue.start()
    return queue


def test_items_are_done_in_the_order_in_which_they_were_put():
    done = []
    queue = started(done.extend)
    for number in range(50):
        assert queue.put(number)
    assert queue.flush(120)
    assert done == list(range(50))
    assert (queue.waiting, queue.dropped, queue.failed, queue.busy_s) == (0, 0, 0, 0.0)
    assert queue.close(120)


def test_what_is_put_before_the_start_waits_for_it():
    done = []
    queue = BackgroundQueue("test", done.extend, most=10)
    queue.put(1)
    assert not queue.flush(0)
    queue.start()
    assert queue.flush(120)
    assert done == [1]


def test_a_batch_takes_what_waits_up_to_its_size(gate):
    queue = started(gate.work, batch=3)
    queue.put(0)
    assert gate.entered.wait(120)
    for number in range(1, 6):
        queue.put(number)
    gate.open()
    assert queue.flush(120)
    assert gate.batches == [[0], [1, 2, 3], [4, 5]]


def test_the_oldest_that_waits_goes_for_a_new_one_and_is_counted(gate):
    queue = started(gate.work, most=3)
    queue.put(0)
    assert gate.entered.wait(120)
    assert [queue.put(number) for number in range(1, 6)] == [True, True, True, False, False]
    assert (queue.waiting, queue.dropped) == (4, 2)
    gate.open()
    assert queue.flush(120)
    assert gate.items == [0, 3, 4, 5]


def test_a_flush_waits_for_what_is_being_worked_on(gate):
    queue = started(gate.work)
    queue.put(0)
    assert gate.entered.wait(120)
    assert not queue.flush(0.01)
    gate.open()
    assert queue.flush(120)


def test_a_flush_waits_for_nothing_that_is_put_after_it(gate):
    begun = threading.Event()

    def work(items):
        if items == ["after"]:
            gate.work(items)
        else:
            begun.wait(300)
            queue.put("after")

    queue = started(work)
    queue.put("before")
    assert queue.flush(120, until=lambda: begun.set() is None)
    assert queue.waiting == 1


def test_a_flush_waits_for_what_is_at_work_while_later_items_are_dropped(gate):
    queue = started(gate.work, most=1)
    queue.put(0)
    assert gate.entered.wait(120)
    queue.put(1)
    queue.put(2)
    assert queue.dropped == 1
    assert not queue.flush(0.01), "0 is still at work, whatever was dropped behind it"
    gate.open()
    assert queue.flush(120)


def test_a_flush_waits_for_what_else_must_hold():
    ready = []
    queue = started(ready.extend)
    assert not queue.flush(0.01, until=lambda: len(ready) > 0)
    queue.put(1)
    assert queue.flush(120, until=lambda: len(ready) > 0)


def test_an_unforeseen_error_gives_the_batch_up_is_counted_and_ends_nothing(shown):
    done = []

    def work(items):
        if items == ["bad"]:
            raise KeyError("bad")
        done.extend(items)

    queue = started(work)
    for item in ("a", "bad", "b"):
        queue.put(item)
    assert queue.flush(120)
    assert (done, queue.failed, queue.waiting) == (["a", "b"], 1, 0)
    assert [type(error) for error in shown] == [KeyError]
    assert queue.close(120)


def test_what_is_to_be_tried_again_comes_first_and_whole():
    seen = []

    def work(items):
        seen.append(list(items))
        if len(seen) < 3:
            raise TryAgainError(0.0)

    queue = BackgroundQueue("test", work, most=10, batch=2)
    for number in range(3):
        queue.put(number)
    queue.start()
    assert queue.flush(120)
    assert seen == [[0, 1], [0, 1], [0, 1], [2]]
    assert (queue.failed, queue.dropped) == (0, 0)


def test_what_is_to_be_tried_again_counts_for_the_bound(gate):
    def work(items):
        gate.work(items)
        if len(gate.batches) == 1:
            raise TryAgainError(0.0)

    queue = started(work, most=2, batch=2)
    queue.put(0)
    assert gate.entered.wait(120)
    queue.put(1)
    queue.put(2)
    gate.open()
    assert queue.flush(120)
    assert gate.batches == [[0], [1, 2]]
    assert queue.dropped == 1


def test_upkeep_is_done_at_the_start_and_a_flush_waits_for_it(gate):
    queue = started(lambda _: None, upkeep=lambda: gate.work(["upkeep"]))
    assert gate.entered.wait(120)
    assert queue.busy_s > 0
    assert not queue.flush(0.01)
    gate.open()
    assert queue.flush(120)
    assert gate.items == ["upkeep"]


def test_upkeep_comes_again_by_itself():
    rounds = []
    queue = started(lambda _: None, upkeep=lambda: rounds.append(1), every_s=0.001)
    until(lambda: len(rounds) > 3)
    assert queue.close(120)


def test_upkeep_comes_when_it_is_asked_for_between_two_batches(gate):
    order = []
    queue = started(
        lambda items: (gate.work(items), order.extend(items)),
        upkeep=lambda: order.append("upkeep"),
    )
    assert queue.flush(120)
    queue.put(0)
    assert gate.entered.wait(120)
    queue.put(1)
    queue.wake()
    gate.open()
    assert queue.flush(120)
    assert order == ["upkeep", 0, "upkeep", 1]


def test_upkeep_that_asks_for_itself_comes_again():
    rounds = []

    def upkeep():
        rounds.append(1)
        if len(rounds) < 5:
            queue.wake()

    queue = BackgroundQueue("test", lambda _: None, most=1, upkeep=upkeep)
    queue.start()
    assert queue.flush(120, until=lambda: len(rounds) == 5)


@pytest.mark.parametrize(("error", "failed"), [(TryAgainError(0.001), 0), (OSError("gone"), 1)])
def test_upkeep_that_fails_is_done_again(error, failed, shown):
    rounds = []

    def upkeep():
        rounds.append(1)
        if len(rounds) == 1:
            raise error

    queue = started(lambda _: None, upkeep=upkeep, every_s=0.001)
    until(lambda: len(rounds) > 1)
    assert queue.failed == failed == len(shown)
    assert queue.close(120)


def test_a_close_that_runs_out_of_time_leaves_a_thread_that_hangs_behind(gate):
    queue = started(gate.work)
    for number in range(3):
        queue.put(number)
    assert gate.entered.wait(120)
    assert not queue.close(0.01)
    assert not queue.join(0.0)
    gate.open()
    assert queue.join(120), "it ends as soon as it comes back"
    assert gate.items == [0], "and takes nothing more"
    assert queue.waiting == 2


def test_a_thread_that_drains_does_what_waits_and_its_upkeep_before_it_ends(gate):
    done = []
    queue = started(gate.work, upkeep=lambda: done.append("upkeep"), finish=lambda: done.append(1))
    assert queue.flush(120)
    for number in range(3):
        queue.put(number)
    assert gate.entered.wait(120)
    queue.wake()
    queue.stop(drain=True)
    gate.open()
    assert queue.join(120)
    assert gate.items == [0, 1, 2]
    assert done == ["upkeep", "upkeep", 1]


def test_a_thread_that_drains_ends_with_what_would_have_to_be_tried_again(gate):
    def work(items):
        gate.work(items)
        raise TryAgainError(300)

    queue = started(work)
    queue.put(0)
    queue.put(1)
    assert gate.entered.wait(120)
    queue.stop(drain=True)
    gate.open()
    assert queue.join(120)
    assert (gate.items, queue.waiting) == ([0], 2)


def test_a_stop_cuts_the_wait_for_another_try_short():
    seen = []

    def work(items):
        seen.extend(items)
        raise TryAgainError(300)

    queue = started(work)
    queue.put(0)
    until(lambda: seen)
    assert not queue.close(0.01)
    assert queue.join(120)


def test_the_last_thing_may_fail_too(shown):
    def finish():
        raise RuntimeError

    queue = started(lambda _: None, finish=finish)
    assert queue.close(120)
    assert queue.join(120)
    assert len(shown) == 1


def test_what_is_never_worked_on_is_handed_back(gate):
    dropped = []
    queue = started(gate.work, most=2, on_drop=dropped.append)
    queue.put("taken")
    gate.entered.wait(300)
    for item in ("old", "second", "third"):
        queue.put(item)
    assert dropped == ["old"]
    assert not queue.close(0.05)
    assert dropped == ["old", "taken", "second", "third"]
