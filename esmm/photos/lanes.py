"""Many things at a time, but only a few of each kind."""

from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import Lock
from typing import Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")


@dataclass
class _Lane(Generic[T]):
    waiting: deque[T] = field(default_factory=deque)
    busy: int = 0


class _Lanes(Generic[T]):
    def __init__(self, items: Iterable[T], lane_of: Callable[[T], str], per_lane: int) -> None:
        lanes: dict[str, _Lane[T]] = {}
        for item in items:
            lanes.setdefault(lane_of(item), _Lane()).waiting.append(item)
        self._ring, self._per_lane, self._lock = deque(lanes.values()), per_lane, Lock()

    def take(self) -> tuple[_Lane[T], T] | None:
        """Take an item of the next lane with room, or None: what still waits, those at work in its lane will take."""
        with self._lock:
            for _ in range(len(self._ring)):
                lane = self._ring[0]
                self._ring.rotate(-1)
                if lane.waiting and lane.busy < self._per_lane:
                    lane.busy += 1
                    return lane, lane.waiting.popleft()
        return None

    def leave(self, lane: _Lane[T]) -> None:
        with self._lock:
            lane.busy -= 1

    def clear(self) -> None:
        with self._lock:
            self._ring.clear()


def in_lanes(
    step: Callable[[T], R], items: Iterable[T], lane_of: Callable[[T], str], *, workers: int, per_lane: int
) -> dict[T, R]:
    """Return ``step(item)`` for each distinct item, from ``workers`` threads, at most ``per_lane`` in a lane at a time.

    Lanes take turns, so a slow one holds up no other as long as workers are left. An error of a step ends it all.
    """
    todo = list(dict.fromkeys(items))
    lanes, done = _Lanes(todo, lane_of, per_lane), {}

    def work() -> None:
        try:
            while taken := lanes.take():
                lane, item = taken
                done[item] = step(item)
                lanes.leave(lane)
        except BaseException:
            lanes.clear()
            raise

    if not todo:
        return {}
    with ThreadPoolExecutor(workers, thread_name_prefix="esmm-photo") as pool:
        for future in [pool.submit(work) for _ in range(min(workers, len(todo)))]:
            future.result()
    return done
