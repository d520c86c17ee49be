"""All the ways by which a recording comes in, with options; each returns the answer that refuses it, or its run's id."""

import json
from collections.abc import Awaitable, Callable
from typing import Any

import httpx

from tests import media
from tests.gateway.tus_client import TusClient, metadata
from tests.gateway.world import World

Taken = str | httpx.Response
Way = Callable[..., Awaitable[Taken]]


def as_text(options: dict[str, Any]) -> dict[str, str]:
    """Return options as a query, a form and tus have them."""
    return {name: value if isinstance(value, str) else json.dumps(value) for name, value in options.items()}


def taken(answer: httpx.Response) -> Taken:
    return str(answer.json()["runId"]) if answer.status_code in (200, 202) else answer


async def raw(world: World, owner: str, **options: Any) -> Taken:
    return taken(await world.post(owner, media.unlike_others(), model="long", **as_text(options)))


async def form(world: World, owner: str, **options: Any) -> Taken:
    return taken(await world.post_form(owner, media.unlike_others(), model="long", **as_text(options)))


async def form_and_query(world: World, owner: str, **options: Any) -> Taken:
    sent: dict[str, Any] = {"files": {"file": ("a.wav", media.unlike_others())}, "params": as_text(options)}
    return taken(await world.http.post("/api/audios", headers=world.bearer(owner), **sent))


async def imported(world: World, owner: str, **options: Any) -> Taken:
    sent = {"url": "https://recordings.example/a.wav", **options}
    return taken(await world.http.post("/api/audios", json=sent, headers=world.bearer(owner)))


async def tus(world: World, owner: str, **options: Any) -> Taken:
    client, data = TusClient(world, owner), media.unlike_others()
    begun = await client.post(len(data), Upload_Metadata=metadata(**as_text(options)))
    if begun.status_code != 201:
        return begun
    last = await client.patch(begun.headers["Location"], data, 0)
    return str(last.headers["Lingoloop-Run-Id"]) if last.status_code == 204 else last


async def tus_of_parts(world: World, owner: str, **options: Any) -> Taken:
    client, data = TusClient(world, owner), media.unlike_others()
    part = await client.create(len(data), Upload_Concat="partial")
    await client.patch(part, data, 0)
    whole = await client.post(Upload_Concat=f"final;{part}", Upload_Metadata=metadata(**as_text(options)))
    return str(whole.headers["Lingoloop-Run-Id"]) if whole.status_code == 201 else whole


async def again(world: World, owner: str, **options: Any) -> Taken:
    """Let a recording that came without any options be transcribed with these."""
    audio_id = (await world.accepted(owner, model="long"))["audioId"]
    sent = {"language": "de", "model": "long", **options}
    return taken(
        await world.http.post(f"/api/audios/{audio_id}/transcribe", json=sent, headers=world.bearer(owner))
    )


UPLOADS: dict[str, Way] = {
    "raw": raw,
    "form": form,
    "form and query": form_and_query,
    "import": imported,
    "tus": tus,
    "tus of parts": tus_of_parts,
}
ALL: dict[str, Way] = {**UPLOADS, "again": again}
