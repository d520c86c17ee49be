"""The description of the messages: valid, made of what is in use, and true of what is sent."""

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema_rs import Draft7Validator

from lingoloop_common.asyncapi import EVENT_BODIES, FRAMES, asyncapi
from lingoloop_common.contracts import events
from lingoloop_common.store.ids import new_id
from tests import media
from tests.gateway.contract import Contract
from tests.gateway.world import World

pytestmark = pytest.mark.asyncio(loop_scope="module")

ASYNCAPI = asyncapi(version="1.2.3")
ASYNCAPI_SCHEMA = Path(__file__).with_name("asyncapi-3.0.0.json")
"""The specification's own schema (Apache-2.0)."""


async def test_it_is_valid() -> None:
    Draft7Validator(json.loads(ASYNCAPI_SCHEMA.read_bytes())).validate(ASYNCAPI)


async def test_its_references_lead_somewhere() -> None:
    def follow(node: Any) -> None:
        if isinstance(node, dict):
            if "$ref" in node:
                found: Any = ASYNCAPI
                for name in node["$ref"].removeprefix("#/").split("/"):
                    found = found[name]
            for value in node.values():
                follow(value)
        elif isinstance(node, list):
            for value in node:
                follow(value)

    follow(ASYNCAPI)


async def test_it_is_served_to_everybody(idle_world: World) -> None:
    response = await idle_world.http.get("/api/asyncapi.json")
    assert (response.status_code, response.json()["asyncapi"]) == (200, "3.0.0")
    assert response.json()["channels"] == ASYNCAPI["channels"]


async def test_every_event_and_frame_has_a_message() -> None:
    kinds = {value for name, value in vars(events).items() if name in ("UPDATED", "DONE")}
    assert kinds == EVENT_BODIES.keys()
    messages = {message["name"] for message in ASYNCAPI["components"]["messages"].values()}
    assert messages == {"token", *kinds, *FRAMES}


async def test_the_events_that_are_stored_are_as_described(world: World) -> None:
    owner = world.new_owner()
    body = await world.accepted(owner, media.wav_of_ms(61_000))
    await world.finished(owner, body["runId"])
    rows = await world.database.pool.fetch(
        "SELECT type, data FROM run_event WHERE run_id::text = $1", body["runId"]
    )
    assert {row["type"] for row in rows} == EVENT_BODIES.keys()
    for row in rows:
        conforms(row["type"], json.loads(row["data"]))


async def test_the_frames_of_both_streams_are_as_described(world: World) -> None:
    owner = world.new_owner()
    body = await world.accepted(owner, media.wav_of_ms(61_000))
    await world.finished(owner, body["runId"])
    seen = set()
    for target, last in (
        (f"/api/runs/{body['runId']}/events", ""),
        (f"/api/runs/{body['runId']}/events", "0"),
    ):
        headers = {**world.bearer(owner), "Last-Event-ID": last}
        for frame in frames((await world.http.get(target, headers=headers)).text):
            conforms(f"frame.{frame['event']}", frame)
            seen.add(frame["event"])
    async with world.http.stream("GET", "/api/runs/events", headers=world.bearer(owner)) as response:
        async for line in response.aiter_lines():
            if line.startswith("data: "):
                conforms("frame.snapshot", json.loads(line.removeprefix("data: ")))
                break
    assert seen == {"init", "update", "done"}


async def test_the_headers_of_an_event_are_as_described(world: World) -> None:
    run_id = new_id()
    for kind in EVENT_BODIES:
        headers = events.cloud_event_headers(
            event_id=new_id(), event_type=kind, run_id=run_id, owner="ann", seq=1, owner_seq=2,
            at=await world.database.pool.fetchval("SELECT now()"),
        )  # fmt: skip
        conforms(kind, headers, part="headers")


def frames(text: str) -> list[dict[str, Any]]:
    """Return the data of a stream's frames."""
    lines = (line for line in text.splitlines() if line.startswith("data: "))
    return [json.loads(line.removeprefix("data: ")) for line in lines]


def conforms(message: str, value: object, *, part: str = "payload") -> None:
    """Hold a message against its schema; what is not described is not allowed."""
    schema = ASYNCAPI["components"]["messages"][message][part]
    contract = Contract({"components": {"schemas": ASYNCAPI["components"]["schemas"]}})
    assert contract.wrong(schema, json.dumps(value).encode()) is None
