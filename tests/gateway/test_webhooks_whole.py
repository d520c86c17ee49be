"""Webhooks the whole way: made by the API, named by uploads, sent by the notifier, heard by a receiver that checks them."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from standardwebhooks import Webhook

from lingoloop_common.outbound import NOT_PUBLIC
from tests import media
from tests.gateway.world import World, running_world
from tests.notifier.receiver import Heard, Receiver, receiving
from tests.waiting import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")

PATH = "/api/webhooks"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(module_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    """Everything, and it may reach inside, where the tests' receivers are."""
    folder = tmp_path_factory.mktemp("blobs")
    async with running_world(module_database_url, folder, allow_private_addresses=True) as world:
        yield world


@pytest_asyncio.fixture(loop_scope="module")
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as receiver:
        yield receiver


async def post(world: World, owner: str, target: str = "", **body: Any) -> dict[str, Any]:
    answer = await world.http.post(PATH + target, json=body or None, headers=world.bearer(owner))
    assert answer.status_code < 300, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def only_endpoint(world: World, owner: str) -> str:
    [endpoint] = (await world.get(owner, PATH)).json()["items"]
    return str(endpoint["id"])


async def secret_of(world: World, owner: str, endpoint_id: str) -> str:
    return str((await world.get(owner, f"{PATH}/{endpoint_id}/secret")).json()["secret"])


async def deliveries(world: World, owner: str, endpoint_id: str) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = (await world.get(owner, f"{PATH}/{endpoint_id}/deliveries")).json()["items"]
    return items


def checked(heard: Heard, secret: str) -> dict[str, Any]:
    """Return the data of a message, checked as receivers do."""
    told: dict[str, Any] = Webhook(secret).verify(heard.body, dict(heard.headers))["data"]
    return told


async def test_whom_an_upload_names_is_told_of_its_run_signed_and_once(
    world: World, receiver: Receiver
) -> None:
    owner = world.new_owner()
    body = await world.accepted(owner, webhookUrl=receiver.url, metadata=json.dumps({"case": 7}))
    heard = await receiver.heard.get()
    endpoint_id = await only_endpoint(world, owner)
    told = checked(heard, await secret_of(world, owner, endpoint_id))
    assert (told["runId"], told["status"], told["metadata"]) == (body["runId"], "succeeded", {"case": 7})
    await world.accepted(owner)  # which names nobody

    async def delivered() -> bool:
        [item] = await deliveries(world, owner, endpoint_id)
        return bool(
            item["status"] == "delivered" and item["messageId"] == heard.id and item["statusCode"] == 204
        )

    await eventually(delivered)


async def test_whom_the_owner_names_is_told_of_every_run_once(world: World, receiver: Receiver) -> None:
    owner = world.new_owner()
    made = await post(world, owner, url=receiver.url)
    bodies = [await world.accepted(owner), await world.accepted(owner, webhookUrl=receiver.url)]
    told = [checked(await receiver.heard.get(), made["secret"]) for _ in bodies]
    assert {each["runId"] for each in told} == {body["runId"] for body in bodies}
    assert len(await deliveries(world, owner, made["id"])) == 2


async def test_a_changed_secret_leaves_no_gap(world: World, receiver: Receiver) -> None:
    owner = world.new_owner()
    made = await post(world, owner, url=receiver.url)
    changed = await post(world, owner, f"/{made['id']}/rotate")
    await world.accepted(owner)
    heard = await receiver.heard.get()
    assert checked(heard, made["secret"]) == checked(heard, changed["secret"])


async def test_what_was_delivered_is_sent_again_under_its_id(world: World, receiver: Receiver) -> None:
    owner = world.new_owner()
    made = await post(world, owner, url=receiver.url)
    await world.accepted(owner)
    first = await receiver.heard.get()

    async def delivered() -> bool:
        return bool((await deliveries(world, owner, made["id"]))[0]["status"] == "delivered")

    await eventually(delivered)
    [item] = await deliveries(world, owner, made["id"])
    await post(world, owner, f"/{made['id']}/deliveries/{item['id']}/redeliver")
    again = await receiver.heard.get()
    assert (again.id, again.body) == (first.id, first.body)


async def test_of_a_run_that_has_ended_whoever_is_named_now_is_told_at_once(
    world: World, receiver: Receiver
) -> None:
    owner = world.new_owner()
    body = await world.accepted(owner, media.wav())
    await world.finished(owner, body["runId"])
    again = await world.accepted(owner, media.wav(), webhookUrl=receiver.url)
    assert again["reused"]
    assert (await receiver.heard.get()).data["runId"] == body["runId"]


async def test_an_address_inside_is_taken_and_refused_when_it_is_called(
    migrated_url: str, own_folder: Path, receiver: Receiver
) -> None:
    async with running_world(migrated_url, own_folder) as world:
        await world.accepted("ann", webhookUrl=receiver.url)
        endpoint_id = await only_endpoint(world, "ann")

        async def refused() -> bool:
            return any(item["error"] == NOT_PUBLIC for item in await deliveries(world, "ann", endpoint_id))

        await eventually(refused)
        assert len(receiver.heard) == 0
