"""Recordings, and how they are sent: long ones of few bytes, for an engine that hears nothing."""

import asyncio
import random
from collections.abc import AsyncIterator

import httpx
import numpy as np

from tests.media import wav

OWNERS = ("ann", "bob", "cid", "dee")

RATE = 1_000
"""Samples a second: half an hour is 3.6 MB, and a length is known to 1 ms; fewer are refused."""


def draw_length(luck: random.Random) -> int:
    """Return a length in ms: half are short, a quarter are of minutes, a quarter up to half an hour."""
    shortest, longest = luck.choice(((20, 59), (20, 59), (61, 600), (600, 1800)))
    return luck.randrange(shortest * 1000, longest * 1000)


def make_recording(luck: random.Random, milliseconds: int) -> bytes:
    """Return a WAV of that length, unlike all others."""
    samples = np.zeros(milliseconds * RATE // 1000, np.int16)
    samples[:16] = [luck.randrange(1, 30_000) for _ in range(16)]
    return wav(samples, rate=RATE)


async def post(
    url: str, token: str, recording: bytes, *, go: asyncio.Event | None = None
) -> httpx.Response | None:
    """Upload; None when no answer came, so that nobody knows what became of it. The last byte waits for `go`."""

    async def body() -> AsyncIterator[bytes]:
        yield recording[:-1]
        if go:
            await go.wait()
        yield recording[-1:]

    headers = {"Authorization": f"Bearer {token}", "Content-Type": "audio/wav"}
    try:
        async with httpx.AsyncClient(base_url=url, headers=headers, timeout=40) as client:
            return await client.post("/api/audios", params={"filename": "talk.wav"}, content=body())
    except httpx.TransportError:
        return None


def run_id(answer: httpx.Response | None) -> str | None:
    """Return the run that an answer acknowledges; a run that failed is acknowledged too."""
    try:
        found: str | None = answer.json().get("runId") if answer is not None else None
    except (ValueError, AttributeError):
        return None
    return found
