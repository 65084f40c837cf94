"""The queue of keys to reconcile."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from reference.workqueue import WorkQueue


async def worked(
    queue: WorkQueue[str], reconcile: Callable[[str], object], seconds: float = 0.3, workers: int = 1
) -> None:
    """Let workers work for a while."""

    async def call(key: str) -> float | None:
        result = reconcile(key)
        if asyncio.iscoroutine(result):
            result = await result
        return result if isinstance(result, float) else None

    tasks = [asyncio.ensure_future(queue.work(call, (ValueError,))) for _ in range(workers)]
    await asyncio.sleep(seconds)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def test_a_key_is_done_once_however_often_it_is_added() -> None:
    """Keys that wait MUST be done once, in the order of their first adding."""

    async def test() -> None:
        queue: WorkQueue[str] = WorkQueue(longest_backoff=1)
        for key in ("a", "b", "a", "a"):
            queue.add(key)
        done: list[str] = []
        await worked(queue, done.append)
        assert done == ["a", "b"]
        assert len(queue) == 0

    asyncio.run(test())


def test_a_key_is_never_done_twice_at_once() -> None:
    """What is added while its key is being done MUST be done after, never beside it."""

    async def test() -> None:
        queue: WorkQueue[str] = WorkQueue(longest_backoff=1)
        busy, log = 0, []

        async def reconcile(key: str) -> None:
            nonlocal busy
            busy += 1
            log.append(busy)
            if len(log) == 1:
                queue.add(key)
            await asyncio.sleep(0.02)
            busy -= 1

        queue.add("a")
        await worked(queue, reconcile, workers=2)
        assert log == [1, 1]

    asyncio.run(test())


def test_a_failed_key_comes_again_after_a_growing_pause() -> None:
    """Pauses MUST double up to the longest, and start anew after a success."""

    async def test() -> None:
        queue: WorkQueue[str] = WorkQueue(longest_backoff=0.04)
        times: list[float] = []

        def reconcile(_key: str) -> None:
            times.append(asyncio.get_running_loop().time())
            if len(times) < 8:
                raise ValueError if len(times) % 2 else KeyError

        queue.add("a")
        await worked(queue, reconcile, 0.6)
        pauses = [after - before for before, after in zip(times, times[1:], strict=False)]
        assert len(pauses) == 7
        for pause, least in zip(pauses, (0.005, 0.01, 0.02, 0.04, 0.04, 0.04, 0.04), strict=True):
            assert pause >= least * 0.9

    asyncio.run(test())


def test_a_key_comes_again_when_it_asks_to() -> None:
    """A returned number of seconds MUST bring the key back after that time; an earlier wish wins."""

    async def test() -> None:
        queue: WorkQueue[str] = WorkQueue(longest_backoff=1)
        times: list[float] = []

        def reconcile(_key: str) -> float | None:
            times.append(asyncio.get_running_loop().time())
            if len(times) == 1:
                queue.add_after("a", 30)
                return 0.05
            return None

        queue.add("a")
        await worked(queue, reconcile)
        assert len(times) == 2
        assert 0.04 < times[1] - times[0] < 0.25

    asyncio.run(test())
