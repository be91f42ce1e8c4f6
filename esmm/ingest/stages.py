"""Run a stage of the flow in a thread of its own, a bounded number of steps ahead of its user or behind its maker."""

import queue
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")
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
    with _thread(steps, depth, halt) as made:
        yield from _taken(made)


def behind(
    steps: Iterable[T], use: Callable[[Iterator[T]], R], *, depth: int = 1, halt: Callable[[], None] = lambda: None
) -> R:
    """Let a thread use the items of ``steps``, which this thread makes: ``depth`` wait for it; return its result.

    An error on either side ends the other, and is raised here, when both have ended. ``halt`` is called then, to cut
    short what the other may still be waiting for.
    """
    made: queue.Queue[T | _End] = queue.Queue(maxsize=depth)
    with ThreadPoolExecutor(1, thread_name_prefix="esmm-stage") as pool:
        result = pool.submit(use, _taken(made))
        try:
            for step in steps:
                if not _put(made, step, result.done):
                    break
            _put(made, _End(None), result.done)
            return result.result()
        except BaseException as error:
            halt()
            _put(made, _End(error), result.done)
            raise


def gathered(steps: Iterable[T], *, size: int, delay: float) -> Generator[list[T], None, None]:
    """Yield the items of ``steps``, which a thread takes, up to ``size`` together; none waits longer than ``delay``."""
    with _thread(steps, size) as made:
        end: _End | None = None
        while not end:
            items, end = _gather(made, size, delay)
            if items:
                yield items
        if end.error:
            raise end.error


def _gather(made: "queue.Queue[T | _End]", size: int, delay: float) -> tuple[list[T], _End | None]:
    """Return what comes within ``delay`` seconds after the first item, and the end if that comes too."""
    items: list[T] = []
    patience: float | None = None
    while len(items) < size:
        try:
            item = made.get(timeout=patience and max(0.001, patience - time.monotonic()))
        except queue.Empty:
            break
        if isinstance(item, _End):
            return items, item
        items.append(item)
        patience = patience or time.monotonic() + delay
    return items, None


@contextmanager
def _thread(
    steps: Iterable[T], depth: int, halt: Callable[[], None] = lambda: None
) -> "Iterator[queue.Queue[T | _End]]":
    """Give a queue that a thread fills with the items of ``steps`` and their end; the thread ends with the block."""
    made: queue.Queue[T | _End] = queue.Queue(maxsize=depth)
    stop = threading.Event()

    def work() -> None:
        error: BaseException | None = None
        try:
            for step in steps:
                if not _put(made, step, stop.is_set):
                    return
        except BaseException as problem:  # raised again in the consumer's thread
            error = problem
        _put(made, _End(error), stop.is_set)

    worker = threading.Thread(target=work, name="esmm-stage", daemon=True)
    worker.start()
    try:
        yield made
    finally:
        stop.set()
        halt()
        worker.join()


def _put(made: "queue.Queue[T | _End]", item: T | _End, is_over: Callable[[], bool]) -> bool:
    """Put an item where there is room for it; return False where nobody takes it any more."""
    while not is_over():
        with suppress(queue.Full):
            made.put(item, timeout=_POLL_SECONDS)
            return True
    return False


def _taken(made: "queue.Queue[T | _End]") -> Iterator[T]:
    """Yield the items of a queue up to its end. Raises the error that ended it."""
    while not isinstance(item := made.get(), _End):
        yield item
    if item.error:
        raise item.error
