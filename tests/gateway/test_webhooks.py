"""`/api/webhooks`: who is told of runs that ended, the secrets that sign, and what was sent."""

import asyncio
import base64
import os
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest

from lingoloop_common.store.ids import new_id
from lingoloop_common.store.usage import lock_owner
from lingoloop_gateway.webhook_rules import SECRET
from lingoloop_gateway.webhooks import ENDPOINTS_MOST
from tests.gateway.world import World
from tests.rows import add_endpoint
from tests.waiting import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")

URL = "https://hooks.example/lingoloop"
PATH = "/api/webhooks"


async def post(
    world: World, owner: str, target: str = PATH, body: Any = None, key: str | None = None
) -> httpx.Response:
    headers = {**world.bearer(owner), **({"Idempotency-Key": key} if key else {})}
    return await world.http.post(target, json=body, headers=headers)


async def made(world: World, owner: str, url: str = URL, **fields: Any) -> dict[str, Any]:
    answer = await post(world, owner, body={"url": url, **fields})
    assert answer.status_code == 201, answer.text
    body: dict[str, Any] = answer.json()
    return body


def secret_of(size: int) -> str:
    return "whsec_" + base64.b64encode(os.urandom(size)).decode()


async def listed(world: World, owner: str, target: str) -> list[str]:
    """Return the ids of all pages of a list, the first of which `target` names."""
    page = (await world.get(owner, target)).json()
    ids = [item["id"] for item in page["items"]]
    while page["nextCursor"]:
        page = (await world.get(owner, f"{target}&cursor={page['nextCursor']}")).json()
        ids += [item["id"] for item in page["items"]]
    return ids


async def stored_secrets(world: World, endpoint_id: str) -> tuple[str, str | None]:
    row = await world.database.pool.fetchrow(
        "SELECT secret, old_secret FROM webhook_endpoint WHERE id = $1", UUID(endpoint_id)
    )
    assert row
    return row["secret"], row["old_secret"]


async def add_deliveries(
    world: World, owner: str, endpoint_id: str, states: list[str], **columns: Any
) -> list[str]:
    """Add deliveries of one run, the oldest first; return their ids."""
    run = await world.accepted(owner, model="long")
    ids = sorted(new_id() for _ in states)
    for delivery_id, state in zip(ids, states, strict=True):
        values = {
            "id": delivery_id,
            "endpoint_id": UUID(endpoint_id),
            "owner": owner,
            "run_id": UUID(run["runId"]),
            "event_id": new_id(),
            "event_type": "lingoloop.run.done.v1",
            "body": "{}",
            "state": state,
            **columns,
        }
        names, places = ", ".join(values), ", ".join(f"${place + 1}" for place in range(len(values)))
        await world.database.pool.execute(
            f"INSERT INTO webhook_delivery ({names}) VALUES ({places})", *values.values()
        )
    return [str(delivery_id) for delivery_id in ids]


async def test_one_is_made_with_a_secret_that_no_other_answer_tells(idle_world: World) -> None:
    owner = idle_world.new_owner()
    answer = await post(idle_world, owner, body={"url": URL})
    body = answer.json()
    assert answer.status_code == 201
    assert answer.headers["Location"] == f"{PATH}/{body['id']}"
    assert answer.headers["Cache-Control"] == "no-store"
    secret = body.pop("secret")
    assert SECRET.fullmatch(secret)
    assert len(base64.b64decode(secret.removeprefix("whsec_"))) == 32
    datetime.fromisoformat(body.pop("createdAt"))
    assert body == {
        "id": body["id"],
        "url": URL,
        "everyRun": True,
        "failingSince": None,
        "pausedAt": None,
        "pausedBecause": None,
    }
    one, page = [
        await idle_world.get(owner, target) for target in (answer.headers["Location"], f"{PATH}?limit=1")
    ]
    assert one.json() == {name: value for name, value in answer.json().items() if name != "secret"}
    assert page.json() == {"items": [one.json()], "nextCursor": None}
    told = await idle_world.get(owner, f"{PATH}/{body['id']}/secret")
    assert told.json() == {"secret": secret}
    assert "whsec" not in one.text + page.text


@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize("resumed", [True, False])
async def test_an_endpoint_and_a_recording_that_are_told_of_each_other_lock_each_other_out_never(
    idle_world: World, order: int, resumed: bool
) -> None:
    """Their deliveries are locked by the endpoint's order, and by the recording's."""
    owner = idle_world.new_owner()
    endpoint_id = (await made(idle_world, owner))["id"]
    first = await idle_world.accepted(owner, model="long")
    again = await post(idle_world, owner, f"/api/audios/{first['audioId']}/transcribe?force=1&model=long")
    sql = (
        "INSERT INTO webhook_delivery (id, endpoint_id, owner, run_id, event_id, event_type, body, state, tries)"
        " VALUES (new_id(), $1, $2, $3, gen_random_uuid(), 'x', '{}', 'waiting', 1) RETURNING id"
    )
    runs = [first["runId"], again.json()["runId"]][::order]
    pool = idle_world.database.pool
    held, _ = [await pool.fetchval(sql, UUID(endpoint_id), owner, UUID(run)) for run in runs]
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute("SELECT FROM webhook_delivery WHERE id = $1 FOR UPDATE", held)
        if resumed:
            one = asyncio.create_task(post(idle_world, owner, f"{PATH}/{endpoint_id}/resume"))
        else:
            one = asyncio.create_task(
                idle_world.http.delete(f"{PATH}/{endpoint_id}", headers=idle_world.bearer(owner))
            )
        await eventually(lambda: waiting(idle_world, 1))
        other = asyncio.create_task(
            idle_world.http.delete(f"/api/audios/{first['audioId']}", headers=idle_world.bearer(owner))
        )
        await eventually(lambda: waiting(idle_world, 2))
    assert [(await answer).status_code for answer in (one, other)] == [200 if resumed else 204, 200]


async def waiting(world: World, count: int) -> bool:
    sql = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    return bool(await world.database.pool.fetchval(sql) == count)


@pytest.mark.parametrize("size", [24, 25, 32, 63, 64])
async def test_a_secret_of_the_callers_own_is_taken(idle_world: World, size: int) -> None:
    secret = secret_of(size)
    assert (await made(idle_world, idle_world.new_owner(), secret=secret))["secret"] == secret


WRONG: dict[str, tuple[Any, str]] = {
    "no url": ({}, "url"),
    "a url that is none": ({"url": "hooks.example"}, "url"),
    "another scheme": ({"url": "ftp://hooks.example/"}, "url"),
    "a user and a password": ({"url": "https://ann:pw@hooks.example/"}, "url"),
    "a port for mail": ({"url": "https://hooks.example:25/"}, "url"),
    "a url that is too long": ({"url": f"https://hooks.example/{'x' * 2_048}"}, "url"),
    "one that is, percent-encoded": ({"url": f"https://hooks.example/{'é' * 1_000}"}, "url"),
    "a short secret": ({"url": URL, "secret": secret_of(23)}, "secret"),
    "a long secret": ({"url": URL, "secret": secret_of(65)}, "secret"),
    "a secret that is no Base64": ({"url": URL, "secret": "whsec_" + "?" * 40}, "secret"),
    "a secret without its prefix": ({"url": URL, "secret": secret_of(32).removeprefix("whsec_")}, "secret"),
    "a number as secret": ({"url": URL, "secret": 7}, "secret"),
    "something else": ({"url": URL, "everyRun": False}, "everyRun"),
}


@pytest.mark.parametrize("what", WRONG)
async def test_what_is_wrong_is_named_and_makes_nothing(idle_world: World, what: str) -> None:
    owner, (body, field) = idle_world.new_owner(), WRONG[what]
    answer = await post(idle_world, owner, body=body)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_value")
    assert list(answer.json()["fields"]) == [field]
    assert await idle_world.count("webhook_endpoint", owner) == 0


@pytest.mark.parametrize(("body", "status"), [(b"", 400), (b"{", 400), (b"[]", 422)])
async def test_a_body_that_is_no_object_is_refused(idle_world: World, body: bytes, status: int) -> None:
    headers = idle_world.bearer(idle_world.new_owner())
    assert (await idle_world.http.post(PATH, content=body, headers=headers)).status_code == status


async def test_a_long_address_of_other_letters_is_kept_as_it_is_called(idle_world: World) -> None:
    letters = "".join(chr(0x4E00 + number) for number in range(200))
    body = await made(idle_world, idle_world.new_owner(), f"https://hooks.example/{letters}#part")
    assert body["url"].startswith("https://hooks.example/%E4%B8%80%E4%B8%81")
    assert not body["url"].endswith("#part")


async def test_the_same_address_again_is_409_and_names_the_one_that_is_there(idle_world: World) -> None:
    owner = idle_world.new_owner()
    first = await made(idle_world, owner)
    again = await post(idle_world, owner, body={"url": URL, "secret": secret_of(32)})
    assert (again.status_code, again.json()["code"]) == (409, "conflict")
    assert again.json()["endpointId"] == first["id"]
    assert first["id"] in again.json()["detail"]
    assert (await stored_secrets(idle_world, first["id"]))[0] == first["secret"]
    assert await made(idle_world, idle_world.new_owner())  # another owner's is another


async def test_one_that_an_upload_named_is_told_of_every_run_then(idle_world: World) -> None:
    owner = idle_world.new_owner()
    await idle_world.accepted(owner, model="long", webhookUrl=URL)
    [named] = (await idle_world.get(owner, PATH)).json()["items"]
    assert named["everyRun"] is False
    body = await made(idle_world, owner)
    assert (body["id"], body["everyRun"]) == (named["id"], True)
    assert (await idle_world.get(owner, f"{PATH}/{named['id']}/secret")).json() == {"secret": body["secret"]}
    assert (await post(idle_world, owner, body={"url": URL})).status_code == 409


async def test_a_secret_that_is_given_for_such_a_one_is_a_change_of_it(idle_world: World) -> None:
    owner = idle_world.new_owner()
    await idle_world.accepted(owner, model="long", webhookUrl=URL)
    [named] = (await idle_world.get(owner, PATH)).json()["items"]
    before, _ = await stored_secrets(idle_world, named["id"])
    secret = secret_of(32)
    await made(idle_world, owner, secret=secret)
    assert await stored_secrets(idle_world, named["id"]) == (secret, before)


async def test_only_so_many_are_told_of_every_run_also_when_asked_for_at_once(idle_world: World) -> None:
    owner = idle_world.new_owner()
    for number in range(ENDPOINTS_MOST - 1):
        await add_endpoint(idle_world.database.pool, owner=owner, url=f"{URL}/{number}")
    async with idle_world.database.pool.acquire() as connection, connection.transaction():
        await lock_owner(connection, owner)
        last = await add_endpoint(connection, owner=owner, url=f"{URL}/last")
        asked = asyncio.create_task(post(idle_world, owner, body={"url": URL}))
        await eventually(idle_world.waits_for_locks)
    answer = await asked
    assert (answer.status_code, answer.json()["code"]) == (409, "conflict")
    assert await idle_world.count("webhook_endpoint", owner) == ENDPOINTS_MOST
    await idle_world.http.delete(f"{PATH}/{last}", headers=idle_world.bearer(owner))
    await made(idle_world, owner)


async def test_lists_have_pages(idle_world: World) -> None:
    owner = idle_world.new_owner()
    ids = [(await made(idle_world, owner, f"{URL}/{number}"))["id"] for number in range(5)]
    assert await listed(idle_world, owner, f"{PATH}?limit=2") == ids[::-1]
    assert (await idle_world.get(owner, f"{PATH}?cursor=x")).status_code == 422
    assert (await idle_world.get(owner, f"{PATH}?limit=201")).status_code == 422


class TestOnce:
    async def test_one_is_made_once_and_its_secret_is_not_beside_the_key(self, idle_world: World) -> None:
        owner = idle_world.new_owner()
        answers = await asyncio.gather(
            *(post(idle_world, owner, body={"url": URL}, key="k1") for _ in range(3))
        )
        assert len({(answer.status_code, answer.content) for answer in answers}) == 1
        assert answers[0].status_code == 201
        assert sorted("Idempotent-Replayed" in answer.headers for answer in answers) == [False, True, True]
        assert await idle_world.count("webhook_endpoint", owner) == 1
        kept = "SELECT row_to_json(k)::text FROM idempotency_key k WHERE owner = $1"
        assert "whsec" not in await idle_world.database.pool.fetchval(kept, owner)

    async def test_the_key_with_another_request_is_refused(self, idle_world: World) -> None:
        owner = idle_world.new_owner()
        await post(idle_world, owner, body={"url": URL}, key="k1")
        for body in ({"url": f"{URL}/2"}, {"url": URL, "secret": secret_of(32)}):
            assert (await post(idle_world, owner, body=body, key="k1")).status_code == 422
        assert await idle_world.count("webhook_endpoint", owner) == 1

    async def test_what_was_refused_is_not_kept(self, idle_world: World) -> None:
        owner = idle_world.new_owner()
        first = await made(idle_world, owner)
        assert (await post(idle_world, owner, body={"url": URL}, key="k1")).status_code == 409
        await idle_world.http.delete(f"{PATH}/{first['id']}", headers=idle_world.bearer(owner))
        assert (await post(idle_world, owner, body={"url": URL}, key="k1")).status_code == 201

    async def test_what_was_deleted_is_404_and_not_made_again(self, idle_world: World) -> None:
        owner = idle_world.new_owner()
        first = (await post(idle_world, owner, body={"url": URL}, key="k1")).json()
        await idle_world.http.delete(f"{PATH}/{first['id']}", headers=idle_world.bearer(owner))
        assert (await post(idle_world, owner, body={"url": URL}, key="k1")).status_code == 404
        assert await idle_world.count("webhook_endpoint", owner) == 0

    async def test_a_secret_is_changed_once(self, idle_world: World) -> None:
        owner = idle_world.new_owner()
        first = await made(idle_world, owner)
        target = f"{PATH}/{first['id']}/rotate"
        answers = await asyncio.gather(*(post(idle_world, owner, target, key="k1") for _ in range(3)))
        assert len({answer.content for answer in answers}) == 1
        assert await stored_secrets(idle_world, first["id"]) == (answers[0].json()["secret"], first["secret"])


async def test_a_changed_secret_leaves_the_old_one_for_a_day(idle_world: World) -> None:
    owner = idle_world.new_owner()
    first = await made(idle_world, owner)
    answer = await post(idle_world, owner, f"{PATH}/{first['id']}/rotate")
    body = answer.json()
    assert answer.status_code == 200
    assert SECRET.fullmatch(body["secret"])
    assert await stored_secrets(idle_world, first["id"]) == (body["secret"], first["secret"])
    left = datetime.fromisoformat(body["oldSecretUntil"]) - datetime.now(UTC)
    assert timedelta(hours=23.9) < left <= timedelta(hours=24.1)
    told = await idle_world.get(owner, f"{PATH}/{first['id']}/secret")
    assert told.json() == {"secret": body["secret"]}


async def test_one_that_is_paused_is_resumed_and_what_waited_is_set_going(idle_world: World) -> None:
    owner = idle_world.new_owner()
    endpoint_id = await add_endpoint(
        idle_world.database.pool,
        owner=owner,
        failing_since=datetime.now(UTC),
        paused_at=datetime.now(UTC),
        paused_because="it answered 500 for three days",
    )
    await add_deliveries(idle_world, owner, str(endpoint_id), ["waiting"])
    paused = (await idle_world.get(owner, f"{PATH}/{endpoint_id}")).json()
    assert paused["pausedAt"]
    assert paused["failingSince"]
    assert paused["pausedBecause"] == "it answered 500 for three days"
    answer = await post(idle_world, owner, f"{PATH}/{endpoint_id}/resume")
    assert answer.status_code == 200
    assert answer.json() == {**paused, "pausedAt": None, "pausedBecause": None, "failingSince": None}
    withheld = "SELECT state = 'waiting' AND due_at IS NULL FROM webhook_delivery WHERE owner = $1"
    assert await idle_world.database.pool.fetchval(withheld, owner) is False
    assert (await post(idle_world, owner, f"{PATH}/{endpoint_id}/resume")).status_code == 200


async def test_one_is_deleted_with_its_deliveries_and_not_the_run(idle_world: World) -> None:
    owner = idle_world.new_owner()
    kept, gone = [await made(idle_world, owner, f"{URL}/{number}") for number in range(2)]
    for one in (kept, gone):
        await add_deliveries(idle_world, owner, one["id"], ["failed"])
    await idle_world.accepted(owner, model="long", webhookUrl=gone["url"])
    answer = await idle_world.http.delete(f"{PATH}/{gone['id']}", headers=idle_world.bearer(owner))
    assert (answer.status_code, answer.content) == (204, b"")
    assert [item["id"] for item in (await idle_world.get(owner, PATH)).json()["items"]] == [kept["id"]]
    assert await idle_world.count("webhook_delivery", owner) == 1
    assert await idle_world.count("transcript_run", owner) == 3
    again = await idle_world.http.delete(f"{PATH}/{gone['id']}", headers=idle_world.bearer(owner))
    assert again.status_code == 404


class TestDeliveries:
    async def test_they_are_listed_the_newest_first_in_pages_by_status(self, idle_world: World) -> None:
        owner = idle_world.new_owner()
        one = await made(idle_world, owner)
        ids = await add_deliveries(idle_world, owner, one["id"], ["delivered", "failed"] * 3)
        target = f"{PATH}/{one['id']}/deliveries"
        assert await listed(idle_world, owner, f"{target}?limit=4") == ids[::-1]
        for query, expected in {
            "status=failed": ids[1::2],
            "status=delivered": ids[::2],
            "status=failed,delivered": ids,
            "status=sending": [],
        }.items():
            assert await listed(idle_world, owner, f"{target}?{query}") == expected[::-1], query
        for query in ("status=lost", "cursor=1", "limit=0"):
            assert (await idle_world.get(owner, f"{target}?{query}")).status_code == 422

    async def test_one_says_how_it_went_and_not_what_was_sent(self, idle_world: World) -> None:
        owner, due = idle_world.new_owner(), datetime(2099, 1, 1, tzinfo=UTC)
        one = await made(idle_world, owner)
        went = {"tries": 3, "status_code": 503, "error": "it answered 503", "due_at": due}
        [delivery_id] = await add_deliveries(idle_world, owner, one["id"], ["waiting"], **went, body="secret")
        answer = await idle_world.get(owner, f"{PATH}/{one['id']}/deliveries")
        [item] = answer.json()["items"]
        assert "secret" not in answer.text
        row = await idle_world.database.pool.fetchrow(
            "SELECT event_id, run_id FROM webhook_delivery WHERE id = $1", UUID(delivery_id)
        )
        assert row
        assert item.pop("createdAt")
        assert item == {
            "id": delivery_id,
            "messageId": str(row["event_id"]),
            "runId": str(row["run_id"]),
            "type": "lingoloop.run.done.v1",
            "status": "waiting",
            "tries": 3,
            "statusCode": 503,
            "error": "it answered 503",
            "deliveredAt": None,
            "nextTryAt": "2099-01-01T00:00:00.000Z",
        }

    @pytest.mark.parametrize("state", ["delivered", "failed"])
    async def test_one_that_has_ended_is_sent_again_under_its_id(self, idle_world: World, state: str) -> None:
        owner = idle_world.new_owner()
        one = await made(idle_world, owner)
        await add_deliveries(idle_world, owner, one["id"], [state], tries=9)
        target = f"{PATH}/{one['id']}/deliveries"
        [before] = (await idle_world.get(owner, target)).json()["items"]
        answer = await post(idle_world, owner, f"{target}/{before['id']}/redeliver")
        assert answer.status_code == 202
        sent = answer.json()
        assert (sent["id"], sent["messageId"]) == (before["id"], before["messageId"])
        assert sent["tries"] == 0
        assert sent["status"] in ("ready", "waiting")

    @pytest.mark.parametrize("state", ["waiting", "ready", "sending"])
    async def test_one_that_is_under_way_is_409(self, idle_world: World, state: str) -> None:
        owner, due = idle_world.new_owner(), datetime(2099, 1, 1, tzinfo=UTC)
        one = await made(idle_world, owner)
        due_at = None if state == "ready" else due
        [delivery_id] = await add_deliveries(idle_world, owner, one["id"], [state], due_at=due_at)
        answer = await post(idle_world, owner, f"{PATH}/{one['id']}/deliveries/{delivery_id}/redeliver")
        assert (answer.status_code, answer.json()["code"]) == (409, "conflict")

    async def test_a_delivery_is_found_below_its_own_endpoint_only(self, idle_world: World) -> None:
        owner = idle_world.new_owner()
        one, other = [await made(idle_world, owner, f"{URL}/{number}") for number in range(2)]
        [delivery_id] = await add_deliveries(idle_world, owner, one["id"], ["failed"])
        answer = await post(idle_world, owner, f"{PATH}/{other['id']}/deliveries/{delivery_id}/redeliver")
        assert answer.status_code == 404
        assert (await idle_world.get(owner, f"{PATH}/{other['id']}/deliveries")).json()["items"] == []
