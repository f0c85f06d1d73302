"""Decoding while something else computes."""

import threading
from collections.abc import Generator, Iterator
from contextlib import closing
from queue import Empty, Queue
from typing import TypeVar

__all__ = ["ahead"]

T = TypeVar("T")

_END = object()


def ahead(items: Iterator[T], most: int) -> Generator[T, None, None]:
    """Yield what ``items`` yields, in its order, while a thread of its own is up to ``most`` of them ahead.

    Decoders let others compute in the meantime. An error comes where its item would have come. When the caller leaves
    early the thread ends, and closes ``items``, before the caller goes on.

    Args:
        items: Runs in the thread, from the first item to its end.
        most: How many may wait, at least 1.
    """
    waiting: Queue[object] = Queue(most)
    leaving = threading.Event()
    failures: list[BaseException] = []

    def work() -> None:
        try:
            with closing(items):  # type: ignore[type-var]
                for item in items:
                    waiting.put(item)
                    if leaving.is_set():
                        return
        except BaseException as error:  # noqa: BLE001 - raised again where the item would have come
            failures.append(error)
        finally:
            if not leaving.is_set():
                waiting.put(_END)

    thread = threading.Thread(target=work, name="ahead", daemon=True)
    thread.start()
    try:
        while (item := waiting.get()) is not _END:
            yield item  # type: ignore[misc]
        if failures:
            raise failures[0]
    finally:
        leaving.set()
        while thread.is_alive():
            try:
                waiting.get(timeout=0.01)
            except Empty:
                continue
