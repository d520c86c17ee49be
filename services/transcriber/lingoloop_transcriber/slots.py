"""The slots of a transcriber: processes that each do one unit at a time."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from typing import Any

import structlog

from lingoloop_common.child import Child, ChildDied, Message
from lingoloop_common.contracts.engines import Abilities
from lingoloop_common.errors import Busy, WorkError
from lingoloop_transcriber.engines import EngineError

log = structlog.get_logger(__name__)


ENVIRONMENT = {
    # The slots share the cores; a model with threads of its own would only make them fight.
    "OMP_NUM_THREADS": "1",
    # oneDNN keeps compiled code for each shape it meets, 1,024 of them; windows hardly ever have the same one again.
    "ONEDNN_PRIMITIVE_CACHE_CAPACITY": "4",
    # Buffers come and go in many sizes; with an arena a thread, glibc keeps some tens of MB more.
    "MALLOC_ARENA_MAX": "1",
    # The encoder's largest buffers are beyond 32 MB, which glibc maps anew each time: a quarter of its time goes into that.
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": str(256 * 2**20),
}


class Slot:
    """One process with a loaded engine; a new one takes its place when it dies or is killed."""

    def __init__(self, number: int, config: Mapping[str, Any]) -> None:
        self.number = number
        self._child = Child(
            "lingoloop_transcriber.slot",
            dict(config),
            name=f"slot {number}",
            environment=ENVIRONMENT,
        )

    @property
    def pid(self) -> int | None:
        """The process's id while it runs."""
        return self._child.pid

    async def start(self) -> Abilities:
        """Spawn the process and load its engine; return what that can do.

        Raises:
            EngineError: the engine cannot be loaded.
            ChildDied: the process ended while it loaded.
        """
        await self._child.start()
        answer = await self._child.ask({"do": "load"})
        if "error" in answer.fields:
            await self._child.kill()
            raise EngineError(answer.fields["message"])
        return Abilities.model_validate(answer.fields["abilities"])

    async def kill(self) -> None:
        """End the process."""
        await self._child.kill()

    async def call(self, fields: Mapping[str, Any]) -> AsyncGenerator[Message, None]:
        """Send a request, yield its answers. A caller that leaves early, or is cancelled, ends the process.

        Raises:
            WorkError: what the process says is wrong with the work, or `slot_died`.
            Busy: the engine's server takes no more for now.
        """
        ended = False
        try:
            async for message in self._child.call(dict(fields)):
                if "error" in message.fields:
                    ended = True
                    if "seconds" in message.fields:
                        raise Busy(message.fields["message"], message.fields["seconds"])
                    raise WorkError(message.fields["error"], message.fields["message"])
                ended = "end" in message.fields
                yield message
        except ChildDied as error:
            raise WorkError("slot_died", str(error)) from error
        finally:
            if not ended:
                await self._child.kill()

    async def ask(self, fields: Mapping[str, Any]) -> Message:
        """Send a request and return its last answer; raise WorkError as `call` does."""
        answer = Message({})
        async with contextlib.aclosing(self.call(fields)) as answers:
            async for message in answers:
                answer = message
        return answer


class Slots:
    """All slots of this transcriber."""

    def __init__(self, count: int, config: Mapping[str, Any]) -> None:
        self.count = count
        self._all = [Slot(number, config) for number in range(count)]
        self._free: asyncio.Queue[Slot] = asyncio.Queue()
        self.abilities = Abilities()
        """What the engine says that it can do, once it is loaded."""

    @property
    def pids(self) -> list[int]:
        """The ids of the processes that run."""
        return [slot.pid for slot in self._all if slot.pid is not None]

    async def start(self) -> None:
        """Start all at once; raise EngineError when the engine cannot be loaded."""
        results = await asyncio.gather(*(slot.start() for slot in self._all), return_exceptions=True)
        for result in results:
            if isinstance(result, ChildDied):
                raise EngineError(f"the engine's process ended while it loaded: {result}")
            if isinstance(result, BaseException):
                raise result
            self.abilities = result
        for slot in self._all:
            self._free.put_nowait(slot)

    async def stop(self) -> None:
        """End all processes."""
        for slot in self._all:
            await slot.kill()

    @contextlib.asynccontextmanager
    async def borrow(self) -> AsyncIterator[Slot]:
        """Give a free slot, alive, for as long as the context lasts."""
        slot = await self._free.get()
        try:
            while slot.pid is None:
                try:
                    await slot.start()
                except (ChildDied, EngineError, OSError) as error:
                    await slot.kill()
                    log.error("a slot does not come up; will try again", slot=slot.number, error=str(error))
                    await asyncio.sleep(1)
            yield slot
        finally:
            self._free.put_nowait(slot)
