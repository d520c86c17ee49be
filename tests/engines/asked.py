"""The engine that asks a server, and a server for it that says the example talk's first words whatever it is sent."""

import asyncio
import contextlib
import threading
from collections.abc import Iterator

import pytest

from lingoloop_transcriber.engines.openai import OpenAI
from tests.openai_server import FakeServer, Scripted, speaking

WORDS = ["This", "is", "the", "talk"]

ANSWER = Scripted(
    {
        "text": "This is the talk.",
        "language": "english",
        "segments": [{"text": " This is the talk.", "start": 0.0, "end": 2.4, "avg_logprob": -0.2}],
        "words": [{"word": word, "start": at * 0.6, "end": at * 0.6 + 0.5} for at, word in enumerate(WORDS)],
    }
)


@contextlib.contextmanager
def asking() -> Iterator[OpenAI]:
    """Give the engine while its server runs, in a thread: the engine waits for it, as in a slot."""
    loop, server = asyncio.new_event_loop(), FakeServer(ANSWER)
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        life = speaking(server)
        asyncio.run_coroutine_threadsafe(life.__aenter__(), loop).result(10)
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("OPENAI_BASE_URL", server.url)
            engine = OpenAI(None)
        yield engine
        asyncio.run_coroutine_threadsafe(life.__aexit__(None, None, None), loop).result(10)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
