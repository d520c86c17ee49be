"""A store that is away for a while: uploads are refused, work waits, and all goes on when it is back."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from lingoloop_common.blobs import Blobs
from lingoloop_common.broker.memory import MemoryBroker
from lingoloop_common.lifecycle import running
from lingoloop_common.relay import Relay
from lingoloop_common.store.database import Database
from lingoloop_common.sweep import Sweep
from tests import media
from tests.gateway.world import running_world
from tests.ledger import check_ledger
from tests.rules.workshop import EchoSlots, Workshop
from tests.servers.proxy import Proxy
from tests.storage.stores import CREDENTIALS, opened, s3_settings
from tests.waiting import eventually


@pytest.fixture
async def line(s3_url: str) -> AsyncIterator[Proxy]:
    """The line to the store."""
    async with Proxy(int(s3_url.rpartition(":")[2])) as proxy:
        yield proxy


@pytest.fixture
def blobs(line: Proxy, s3_url: str, monkeypatch: pytest.MonkeyPatch) -> Blobs:
    """A store at the end of that line, whose client gives up at once."""
    monkeypatch.setattr("lingoloop_common.blobs.s3.ATTEMPTS", 1)
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("BLOB_DIR", raising=False)
    settings = s3_settings(s3_url)
    return opened(**settings | {"s3_endpoint_url": f"http://127.0.0.1:{line.port}"})


async def test_an_upload_is_refused_with_the_reason(
    line: Proxy, blobs: Blobs, migrated_url: str, tmp_path: Path
) -> None:
    async with running_world(migrated_url, tmp_path, blobs=blobs, transcribes=False) as world:
        await line.refuse()
        answer = await world.post("ann", media.unlike_others())
        assert (answer.status_code, answer.json()["code"]) == (507, "storage_full")
        assert "cannot be reached" in answer.json()["detail"]
        assert await world.count("audio", "ann") == 0
        await line.allow()
        made = await world.accepted("ann", media.unlike_others(), model="long")
        await line.refuse()
        content = await world.get("ann", f"/api/audios/{made['audioId']}/content")
        assert (content.status_code, content.json()["code"]) == (503, "unavailable")
        await line.allow()
        assert (await world.get("ann", f"/api/audios/{made['audioId']}/content")).status_code == 200


async def test_work_waits_and_goes_on_when_it_is_back(
    line: Proxy, blobs: Blobs, migrated_url: str, tmp_path: Path
) -> None:
    database, broker = (
        Database(migrated_url, pool_max=16, startup_timeout=10, exclusive=False),
        MemoryBroker(),
    )
    relay = Relay(database, broker)
    shop = Workshop(database, broker, relay, blobs, tmp_path)
    parts = shop.transcriber(EchoSlots(), retry_delays=(0.1,), max_retries=1000).parts
    async with running([blobs, database, broker]):
        sound = media.wav(media.tone(60, rate=16_000))
        run = await shop.add_run(units=0, planned=False, status="queued", sound=sound)
        await line.refuse()
        async with running([relay, Sweep(database, broker, relay), *parts]):
            await shop.send_tokens(1)

            async def failed_twice() -> bool:
                return bool((await shop.unit(run.unit_ids[0]))["failures"] >= 2)

            await eventually(failed_twice)
            assert await shop.value("SELECT error_code FROM unit") == "storage_failed"
            await line.allow()
            await eventually(lambda: shop.run_ended(run.run_id))
    await check_ledger(migrated_url, str(run.run_id))
