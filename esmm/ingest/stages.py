"""Run a stage of the flow in a thread of its own, a bounded number of steps ahead."""

import queue
import threading
from collections.abc import Callable, Generator, Iterable
from contextlib import suppress
from typing import TypeVar

T = TypeVar("T")
_POLL_SECONDS = 0.1


class _End:
    """Marks the end of a stage, with the error that ended it, if any."""

    def __init__(self, error: BaseException | None) -> None:
        self.error = error


def ahead(steps: Iterable[T], *, depth: int = 2, halt: Callable[[], None] = lambda: None) -> Generator[T, None, None]:
    """Yield the items of ``steps``, which a thread makes ahead of their use: ``depth`` wait, one more is in its hand.

    An error in the thread is raised here; when the consumer stops early, the thread ends. ``halt`` is called at the
    end, to cut short what the thread may still be waiting for.
    """
    made: queue.Queue[T | _End] = queue.Queue(maxsize=depth)
    stop = threading.Event()

    def put(item: T | _End) -> None:
        done = False
        while not (done or stop.is_set()):
            with suppress(queue.Full):
                made.put(item, timeout=_POLL_SECONDS)
                done = True

    def work() -> None:
        error: BaseException | None = None
        try:
            for step in steps:
                put(step)
                if stop.is_set():
                    return
        except BaseException as problem:  # raised again in the consumer's thread
            error = problem
        put(_End(error))

    worker = threading.Thread(target=work, name="esmm-stage", daemon=True)
    worker.start()
    try:
        while not isinstance(item := made.get(), _End):
            yield item
        if item.error:
            raise item.error
    finally:
        stop.set()
        halt()
        worker.join()
