"""Every route of the table, every kind of caller: the right status, and not a word about what is somebody else's.

A route that is added to the table needs an entry in `CALLS`; a parameter of its path that names something, one in
`NAMED`.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest

from lingoloop_common import keys
from lingoloop_common.auth import ADMIN, ANY, READ, WRITE
from lingoloop_gateway.description.routes import OPENAI, Route
from lingoloop_gateway.description.table import ROUTES
from tests import media
from tests.gateway.owned import owned_by
from tests.gateway.tus_client import BYTES
from tests.gateway.world import BOUNDARY, END, SECRET, World, part, running_world

pytestmark = pytest.mark.asyncio(loop_scope="module")

NOBODYS = "019a0000-0000-7000-8000-000000000000"
OWNED = {
    "audio_id": "audioId",
    "run_id": "runId",
    "upload_id": "uploadId",
    "endpoint_id": "endpointId",
    "delivery_id": "deliveryId",
}
"""Parameters of a path that name what is somebody's, and where `owned` names it."""

NAMED = {"index": "0", "letter_id": NOBODYS, "model": "whisper-1", "file": "page.css", "page": "runs"}
"""Other parameters."""

JSON = "application/json"
FORM = part("model", b"no-such-model") + part("file", media.wav(), filename="a.wav") + END


@dataclass(frozen=True)
class Call:
    """A call that its rightful caller may make, and what that one is answered."""

    status: int = 200
    query: str = ""
    body: bytes = b""
    kind: str = "application/octet-stream"
    headers: Mapping[str, str] = field(default_factory=dict)


TUS = {"Tus-Resumable": "1.0.0"}

CALLS = {
    "POST /api/audios": Call(202, "?model=long", media.wav()),
    "GET /api/audios": Call(),
    "GET /api/audios/{audio_id}": Call(),
    "DELETE /api/audios/{audio_id}": Call(),
    "GET /api/audios/{audio_id}/content": Call(),
    "GET /api/audios/{audio_id}/peaks": Call(),
    "POST /api/audios/{audio_id}/transcribe": Call(202, "?model=long&force=true"),
    "POST /api/tickets": Call(201, body=b'{"path": "/api/runs/events"}', kind=JSON),
    "POST /api/uploads": Call(201, headers={**TUS, "Upload-Length": "9"}),
    "OPTIONS /api/uploads": Call(204),
    "HEAD /api/uploads/{upload_id}": Call(headers=TUS),
    "PATCH /api/uploads/{upload_id}": Call(204, body=b"a", kind=BYTES, headers={**TUS, "Upload-Offset": "0"}),
    "DELETE /api/uploads/{upload_id}": Call(204, headers=TUS),
    "POST /api/uploads/{upload_id}": Call(204, headers={**TUS, "X-HTTP-Method-Override": "DELETE"}),
    "OPTIONS /api/uploads/{upload_id}": Call(204),
    "GET /api/runs": Call(query="?q=secret"),
    "GET /api/runs/events": Call(),
    "GET /api/runs/{run_id}": Call(),
    "GET /api/runs/{run_id}/progress": Call(),
    "GET /api/runs/{run_id}/segments": Call(),
    "PATCH /api/runs/{run_id}/segments/{index}": Call(body=b'{"text": "mine"}', kind=JSON),
    "PUT /api/runs/{run_id}/speakers": Call(body=b'{"speakers": {"A": "Ann"}}', kind=JSON),
    "GET /api/runs/{run_id}/export": Call(query="?fmt=json"),
    "GET /api/runs/{run_id}/events": Call(),
    "POST /api/runs/{run_id}/cancel": Call(202),
    "POST /api/runs/{run_id}/retry": Call(409),
    "POST /api/webhooks": Call(201, body=b'{"url": "https://hooks.example/"}', kind=JSON),
    "GET /api/webhooks": Call(),
    "GET /api/webhooks/{endpoint_id}": Call(),
    "DELETE /api/webhooks/{endpoint_id}": Call(204),
    "GET /api/webhooks/{endpoint_id}/secret": Call(),
    "POST /api/webhooks/{endpoint_id}/rotate": Call(),
    "POST /api/webhooks/{endpoint_id}/resume": Call(),
    "GET /api/webhooks/{endpoint_id}/deliveries": Call(query="?status=delivered"),
    "POST /api/webhooks/{endpoint_id}/deliveries/{delivery_id}/redeliver": Call(202),
    "POST /v1/audio/transcriptions": Call(404, body=FORM, kind=f"multipart/form-data; boundary={BOUNDARY}"),
    "GET /v1/models": Call(),
    "GET /v1/models/{model}": Call(),
    "GET /api/admin/worker": Call(),
    "POST /api/admin/worker": Call(),
    "DELETE /api/admin/worker": Call(404, f"?id={NOBODYS}"),
    "GET /api/admin/dead-letters": Call(),
    "POST /api/admin/dead-letters/replay": Call(202, body=b'{"all": true}', kind=JSON),
    "POST /api/admin/dead-letters/{letter_id}/replay": Call(404),
    "GET /api/admin/backlog": Call(),
    "GET /": Call(),
    "GET /{page}": Call(headers={"Accept": "text/html"}),
    "GET /assets/{file}": Call(),
    "GET /api/settings": Call(),
    "POST /api/sign-in": Call(404, body=b'{"code": "x"}', kind=JSON),
    "GET /api/me": Call(),
    "GET /api/engines": Call(),
    "GET /api/openapi.json": Call(),
    "GET /api/asyncapi.json": Call(),
    "GET /api/docs": Call(),
    "GET /api/docs/{file}": Call(),
}

SECRETS = {route.name: route for route in ROUTES if route.scope}
OF_ONE = [name for name, route in SECRETS.items() if any(parameter in route.path for parameter in OWNED)]


TOO_LITTLE = {
    READ: ["", ADMIN, "runs", "runs:reader"],
    WRITE: ["", ADMIN, "runs:writer", f"{READ} {ADMIN}"],
    ADMIN: ["", f"{READ} {WRITE}"],
    ANY: [],
}
"""Scopes that do not suffice."""


def signed(owner: str, secret: str = SECRET, algorithm: str = "HS256", **changed: object) -> str:
    claims = {"sub": owner, "scope": f"{READ} {WRITE} {ADMIN}", "exp": int(time.time()) + 600, **changed}
    return f"Bearer {jwt.encode(claims, secret, algorithm=algorithm)}"


def strangers(owner: str) -> dict[str, str | None]:
    """Return what somebody may send who is not `owner`, though some of it says so."""
    return {
        "no token": None,
        "garbage": "Bearer garbage",
        "another scheme": "Basic YW5uOnB3",
        "an expired token": signed(owner, exp=int(time.time()) - 31),
        "a wrong signature": signed(owner, "another-secret-that-is-long-enough-0123456789"),
        "algorithm none": signed(owner, "", "none"),
        "a token for others": signed(owner, aud="another-service"),
        "no owner": signed(""),
        "a key that was never made": f"Bearer {keys.PREFIX}{'x' * 43}",
        "a ticket": "Bearer llt_nothing",
    }


async def send(
    world: World, route: Route, authorization: str | None, upload: Mapping[str, Any] | None = None
) -> httpx.Response:
    """Make a call about an upload, or about nothing that ever was; of a stream that opens, only the first lines are read."""
    call = CALLS[route.name]
    ids = {name: str(upload[where]) if upload else NOBODYS for name, where in OWNED.items()}
    headers = {**call.headers, **({"Authorization": authorization} if authorization else {})}
    if call.body:
        headers["Content-Type"] = call.kind
    target = route.path.format(**ids, **NAMED) + call.query
    async with world.http.stream(route.method, target, headers=headers, content=call.body) as response:
        if response.headers.get("Content-Type") == "text/event-stream":
            text = ""
            async for line in response.aiter_lines():
                text += line
                if line.startswith("data: "):
                    break
            return httpx.Response(response.status_code, headers={"X-Data": text}, request=response.request)
        await response.aread()
        return response


def code_of(route: Route, response: httpx.Response) -> str:
    """Return our code of a refusal, which has the shape that its path's clients know."""
    if route.method == "HEAD":
        return {401: "unauthorized", 403: "forbidden"}[response.status_code]
    if route.path.startswith(OPENAI):
        theirs = response.json()["error"]["code"]
        return {"invalid_api_key": "unauthorized", "insufficient_permissions": "forbidden"}[theirs]
    assert response.headers["Content-Type"] == "application/problem+json"
    return str(response.json()["code"])


async def test_every_route_of_the_table_has_an_entry() -> None:
    assert CALLS.keys() == {route.name for route in ROUTES}


@pytest.mark.parametrize("name", SECRETS)
async def test_its_rightful_caller_may_make_the_call(idle_world: World, name: str) -> None:
    route, owner = SECRETS[name], idle_world.new_owner()
    upload = await owned_by(idle_world, owner)
    response = await send(idle_world, route, signed(owner, scope=route.scope), upload)
    assert response.status_code == CALLS[name].status, response.text


@pytest.mark.parametrize("name", [name for name, route in SECRETS.items() if route.scope == READ])
async def test_writing_includes_reading(idle_world: World, name: str) -> None:
    owner = idle_world.new_owner()
    upload = await owned_by(idle_world, owner)
    response = await send(idle_world, SECRETS[name], signed(owner, scope=WRITE), upload)
    assert response.status_code == CALLS[name].status, response.text


@pytest.mark.parametrize("name", OF_ONE)
@pytest.mark.parametrize("given", ["nonsense", "1", "%00", "%2e%2e", "a%2Fb"])
async def test_an_id_that_is_none_is_404(idle_world: World, name: str, given: str) -> None:
    response = await send(idle_world, SECRETS[name], signed("ann"), dict.fromkeys(OWNED.values(), given))
    assert response.status_code == 404


@pytest.mark.parametrize("name", SECRETS)
async def test_without_a_good_token_every_call_is_401_and_changes_nothing(
    idle_world: World, name: str
) -> None:
    owner = idle_world.new_owner()
    upload = await owned_by(idle_world, owner)
    before, rows = idle_world.stored(), await state(idle_world, owner)
    for how, authorization in strangers(owner).items():
        response = await send(idle_world, SECRETS[name], authorization, upload)
        assert (response.status_code, code_of(SECRETS[name], response)) == (401, "unauthorized"), how
        assert response.headers["WWW-Authenticate"] == "Bearer"
        tells_nothing(response, upload)
    assert (idle_world.stored(), await state(idle_world, owner)) == (before, rows)


@pytest.mark.parametrize("name", SECRETS)
async def test_without_the_scope_every_call_is_403_and_changes_nothing(idle_world: World, name: str) -> None:
    route, owner = SECRETS[name], idle_world.new_owner()
    upload = await owned_by(idle_world, owner)
    before, rows = idle_world.stored(), await state(idle_world, owner)
    assert route.scope
    for scope in TOO_LITTLE[route.scope]:
        response = await send(idle_world, route, signed(owner, scope=scope), upload)
        assert (response.status_code, code_of(route, response)) == (403, "forbidden"), scope
        tells_nothing(response, upload)
    assert (idle_world.stored(), await state(idle_world, owner)) == (before, rows)


@pytest.mark.parametrize("name", SECRETS)
async def test_nobody_learns_of_what_is_somebody_elses_nor_changes_it(idle_world: World, name: str) -> None:
    """An id of somebody else's is answered like one that never was, byte for byte; lists do not hold it."""
    route, owner, other = SECRETS[name], idle_world.new_owner(), idle_world.new_owner()
    upload = await owned_by(idle_world, owner)
    before = await state(idle_world, owner)
    response = await send(idle_world, route, signed(other), upload)
    tells_nothing(response, upload)
    if name in OF_ONE:
        never = await send(idle_world, route, signed(other))
        assert response.status_code == never.status_code == 404
        assert response.content == never.content
        assert told(response) == told(never)
    assert await state(idle_world, owner) == before


@pytest.mark.parametrize(
    "route", [route for route in ROUTES if not route.scope], ids=lambda route: route.name
)
async def test_a_public_call_is_the_same_for_everybody(idle_world: World, route: Route) -> None:
    alone = await send(idle_world, route, None)
    assert alone.status_code == CALLS[route.name].status
    for authorization in ("Bearer garbage", signed("ann")):
        assert (await send(idle_world, route, authorization)).content == alone.content


@pytest.mark.parametrize("name", SECRETS)
async def test_a_token_in_the_address_counts_only_where_the_table_says_so(
    idle_world: World, name: str
) -> None:
    route, owner = SECRETS[name], idle_world.new_owner()
    upload = await owned_by(idle_world, owner)
    call = CALLS[name]
    ids = {each: str(upload[where]) for each, where in OWNED.items()}
    query = {"access_token": signed(owner).removeprefix("Bearer ")}
    address = httpx.URL(route.path.format(**ids, **NAMED)).copy_merge_params(query)
    async with idle_world.http.stream(
        route.method, address, headers=call.headers, content=call.body
    ) as response:
        assert response.status_code == (200 if route.token_in_query else 401)


async def test_where_tokens_are_for_somebody_each_call_wants_those(
    migrated_url: str, own_folder: Path
) -> None:
    async with running_world(migrated_url, own_folder, transcribes=False, auth_audience="lingoloop") as world:
        for name, route in SECRETS.items():
            for audience in ({}, {"aud": "another-service"}, {"aud": ["x", "y"]}):
                assert (await send(world, route, signed("ann", **audience))).status_code == 401, name
            assert (await send(world, route, signed("ann", aud="lingoloop"))).status_code != 401, name


def tells_nothing(response: httpx.Response, upload: Mapping[str, Any]) -> None:
    """What is answered names none of the upload's ids, nor its file."""
    text = response.headers.get("X-Data", "") or response.text
    text += response.headers.get("Location", "")
    for word in (*(upload[name] for name in (*OWNED.values(), "jobId")), "secret-name", "secret-word"):
        assert word not in text


def told(response: httpx.Response) -> dict[str, str]:
    """Return the headers that say something about what was asked for."""
    return {name: value for name, value in response.headers.items() if name not in ("date", "x-request-id")}


async def state(world: World, owner: str) -> list[Any]:
    """Return what the database has of an owner."""
    rows = await world.database.pool.fetch(
        "SELECT r.id, r.status, r.seq, (SELECT count(*) FROM unit WHERE run_id = r.id AND state <> 'canceled')"
        " FROM transcript_run r WHERE owner = $1 ORDER BY r.id",
        owner,
    )
    others = await world.database.pool.fetchrow(
        "SELECT (SELECT array_agg(id ORDER BY id) FROM upload WHERE owner = $1),"
        " (SELECT array_agg(speakers ORDER BY id) FROM transcript_run WHERE owner = $1),"
        " (SELECT count(*) FROM segment_edit e JOIN transcript_run r ON r.id = e.run_id WHERE owner = $1),"
        " (SELECT array_agg(secret ORDER BY id) FROM webhook_endpoint WHERE owner = $1),"
        " (SELECT array_agg(state ORDER BY id) FROM webhook_delivery WHERE owner = $1)",
        owner,
    )
    return [*map(tuple, rows), tuple(others or ())]
