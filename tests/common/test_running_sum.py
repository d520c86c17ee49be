"""SHA-256 of a stream, found by threads of its own."""

import asyncio
import hashlib
import os
from concurrent.futures import ThreadPoolExecutor

from lingoloop_common.running_sum import RunningSum

PIECES = [os.urandom(size) for size in (1, 2**20, 7, 3 * 2**20, 0, 2**16)]


async def test_it_is_of_all_that_was_taken_in_order() -> None:
    running = RunningSum()
    for piece in PIECES:
        await asyncio.to_thread(running.update, piece)
    assert running.size == sum(map(len, PIECES))
    assert await running.digest() == hashlib.sha256(b"".join(PIECES)).digest()


async def test_it_goes_on_after_it_was_asked() -> None:
    running = RunningSum()
    assert await running.digest() == hashlib.sha256().digest()
    running.update(b"one")
    assert await running.digest() == hashlib.sha256(b"one").digest()
    running.update(b"two")
    assert await running.digest() == hashlib.sha256(b"onetwo").digest()


async def test_whoever_asks_and_goes_away_takes_no_piece_out_of_it() -> None:
    running = RunningSum()
    running.update(piece := os.urandom(2**25))
    asked = asyncio.create_task(running.digest())
    await asyncio.sleep(0)
    asked.cancel()
    await asyncio.wait([asked])
    assert asked.cancelled()
    assert await running.digest() == hashlib.sha256(piece).digest()


def test_many_at_once_do_not_mix_nor_wait_for_each_other_for_ever() -> None:
    sums = [RunningSum() for _ in range(40)]

    def feed(number: int) -> None:
        for piece in PIECES:
            sums[number].update(piece + bytes([number]))

    with ThreadPoolExecutor(40) as clients:
        list(clients.map(feed, range(40)))

    async def digests() -> list[bytes]:
        return [await running.digest() for running in sums]

    expected = [b"".join(piece + bytes([number]) for piece in PIECES) for number in range(40)]
    assert asyncio.run(digests()) == [hashlib.sha256(data).digest() for data in expected]
