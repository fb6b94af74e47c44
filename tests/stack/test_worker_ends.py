"""A worker whose relay or sweep has ended would look well and tell nobody anything: it ends instead."""

from __future__ import annotations

import asyncio

import pytest

from worker.main import work_until


async def _works_for_ever() -> None:
    await asyncio.Event().wait()


async def _has_a_bug() -> None:
    raise ValueError("a bug")


async def _comes_to_an_end() -> None:
    await asyncio.sleep(0)


async def test_told_to_stop_it_ends_all_that_works_beside_it() -> None:
    stop = asyncio.Event()
    beside = [asyncio.create_task(_works_for_ever()) for _ in range(2)]
    asyncio.get_running_loop().call_soon(stop.set)
    await work_until(stop, beside)
    assert all(task.cancelled() for task in beside)


async def test_what_fails_beside_it_ends_it_and_all_else() -> None:
    works = asyncio.create_task(_works_for_ever())
    with pytest.raises(RuntimeError, match="the relay ended by itself") as raised:
        await work_until(
            asyncio.Event(), [works, asyncio.create_task(_has_a_bug(), name="the relay")]
        )
    assert isinstance(raised.value.__cause__, ValueError)
    assert works.cancelled()


@pytest.mark.parametrize("is_cancelled", [False, True])
async def test_what_ends_beside_it_without_a_word_ends_it_too(*, is_cancelled: bool) -> None:
    sweep = asyncio.create_task(
        _works_for_ever() if is_cancelled else _comes_to_an_end(), name="the sweep"
    )
    if is_cancelled:
        sweep.cancel()
    with pytest.raises(RuntimeError, match="the sweep ended by itself"):
        await work_until(asyncio.Event(), [sweep])
