"""Looks at an upload: is there sound, and how long is it? In a child process, for the file may come from anyone."""

import asyncio
import contextlib
import resource
from pathlib import Path
from typing import Any

from lingoloop_common.child import Answer, Child, ChildDied, Message, serve_child
from lingoloop_common.contracts.engines import Wishes
from lingoloop_common.errors import Problem

CHILDREN = 2
TIME_LIMIT = 10.0
MEMORY_LIMIT = 2 * 2**30


class Probe:
    """Child processes that look at files; one that dies or hangs is replaced, and a file refused over which that happens."""

    def __init__(self) -> None:
        self._children = [
            Child("lingoloop_gateway.probe", {}, name=f"probe {number}") for number in range(CHILDREN)
        ]
        self._free: asyncio.Queue[Child] = asyncio.Queue()

    async def start(self) -> None:
        """Spawn the children, so that the first upload need not wait for one."""
        for child in self._children:
            await child.start()
            self._free.put_nowait(child)

    async def stop(self) -> None:
        """End the children."""
        for child in self._children:
            await child.kill()

    async def duration_ms(self, path: Path, wishes: Wishes) -> int | None:
        """Return a recording's length as its container says it, in ms, or None when it does not.

        Raises:
            Problem: `not_audio`, with what is wrong; `invalid_value` if it has no sound as it is wished for.
        """
        asked = {"path": str(path), "track": wishes.track, "separate": wishes.separate}
        child = await self._free.get()
        try:
            answer = await asyncio.wait_for(_ask(child, asked), TIME_LIMIT)
        except (ChildDied, TimeoutError) as error:
            await child.kill()
            raise Problem("not_audio", "the file is damaged in a way that makes it unreadable") from error
        except BaseException:
            await child.kill()
            raise
        finally:
            self._free.put_nowait(child)
        if message := answer.fields.get("message"):
            if wish := answer.fields.get("wish"):
                raise Problem("invalid_value", f"{wish}: {message}", fields={wish: message})
            raise Problem("not_audio", message)
        length: int | None = answer.fields["duration_ms"]
        return length


async def _ask(child: Child, asked: dict[str, Any]) -> Message:
    """Ask a child, and a new one if that dies, which may have been killed before: only over the second death it was the file.

    Raises:
        ChildDied: the new one died.
    """
    if child.pid is not None:
        with contextlib.suppress(ChildDied):
            return await child.ask(asked)
    await child.start()
    return await child.ask(asked)


def _make(config: dict[str, Any]) -> Any:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_LIMIT, MEMORY_LIMIT))
    return _look


def _look(message: Message, answer: Answer) -> None:
    from lingoloop_common.media import NotAudio, Unfit, duration_ms, open_audio  # noqa: PLC0415  (FFmpeg is loaded in the child only)

    asked = message.fields
    try:
        container, stream = open_audio(Path(asked["path"]), track=asked["track"], separate=asked["separate"])
    except Unfit as error:
        answer({"end": True, "message": str(error), "wish": error.wish}, b"")
        return
    except NotAudio as error:
        answer({"end": True, "message": str(error)}, b"")
        return
    with container:
        answer({"end": True, "duration_ms": duration_ms(container, stream)}, b"")


if __name__ == "__main__":
    serve_child(_make)
