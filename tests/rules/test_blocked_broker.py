"""A broker that takes nothing because it is short of memory: uploads are taken all the same, and go out when it is over."""

from collections.abc import Callable
from pathlib import Path

import asyncpg
import pytest

from lingoloop_common.broker.rabbitmq import RabbitBroker
from lingoloop_common.lifecycle import running
from tests import media
from tests.common.test_rabbitmq import control
from tests.rows import add_worker
from tests.rules.test_killed import fleet_of, started
from tests.servers.rabbitmq import RabbitServer
from tests.waiting import eventually

pytestmark = pytest.mark.slow


async def test_uploads_are_taken_readyz_says_so_and_all_goes_out_afterwards(
    private_rabbitmq: Callable[[], RabbitServer], migrated_url: str, tmp_path: Path
) -> None:
    server = private_rabbitmq()
    pool = await asyncpg.create_pool(migrated_url, min_size=1)
    await add_worker(pool)
    async with fleet_of(tmp_path, migrated_url, server.url) as fleet, fleet.http() as http:
        gateway = await started(fleet, "gateway")

        async def upload() -> int:
            answer = await http.post(
                "/api/audios",
                params={"model": "long"},
                content=media.unlike_others(),
                headers={"Content-Type": "audio/wav"},
            )
            return answer.status_code

        async def missing() -> dict[str, str]:
            answer = await http.get(f"http://127.0.0.1:{gateway.ops_port}/readyz")
            names: dict[str, str] = answer.json()["missing"]
            return names

        async def nothing_waits() -> bool:
            return bool(await pool.fetchval("SELECT count(*) = 0 FROM outbox"))

        control(server, "set_vm_memory_high_watermark", "0")
        assert [await upload() for _ in range(3)] == [202, 202, 202]

        async def is_said() -> bool:
            return "short of memory or disk" in (await missing()).get("broker", "")

        await eventually(is_said)
        assert await pool.fetchval("SELECT count(*) FROM outbox") > 0
        assert await upload() == 202
        control(server, "set_vm_memory_high_watermark", "0.4")
        await eventually(nothing_waits, seconds=30)
        assert await missing() == {}
        broker = RabbitBroker(server.url, startup_timeout=10)
        async with running([broker]):
            assert await broker.depth("simulated") >= 4
    await pool.close()
