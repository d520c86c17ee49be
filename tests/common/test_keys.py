"""API keys: stored hashed, good until they are revoked, and only for what they were made for."""

import time

import pytest
from aiohttp.test_utils import make_mocked_request

from lingoloop_common.auth import KEY_LIFETIME, READ, WRITE, Caller, Callers, Tokens
from lingoloop_common.errors import Problem
from lingoloop_common.keys import PREFIX, all_keys, create_key, revoke_key
from lingoloop_common.rates import Rates
from lingoloop_common.store.database import Database
from lingoloop_common.store.ids import new_id


async def who(database: Database, key: str, scope: str = READ) -> Caller:
    callers = Callers(Tokens("0123456789abcdef" * 4), database, Rates(0))
    request = make_mocked_request("GET", "/", headers={"Authorization": f"Bearer {key}"})
    return await callers.caller(request, scope)


async def test_a_key_speaks_for_its_owner_within_its_scope(database: Database) -> None:
    _, key = await create_key(database.pool, owner="ann", scope=READ, name="laptop")
    caller = await who(database, key)
    assert (caller.owner, caller.scopes) == ("ann", frozenset({READ}))
    assert caller.expires_at == pytest.approx(time.time() + KEY_LIFETIME, abs=5)
    with pytest.raises(Problem) as caught:
        await who(database, key, WRITE)
    assert caught.value.code == "forbidden"


async def test_a_revoked_key_is_refused_at_once(database: Database) -> None:
    key_id, key = await create_key(database.pool, owner="ann", scope=READ, name="")
    assert await revoke_key(database.pool, key_id)
    with pytest.raises(Problem) as caught:
        await who(database, key)
    assert caught.value.code == "unauthorized"
    assert key not in caught.value.detail
    assert not await revoke_key(database.pool, key_id)
    assert not await revoke_key(database.pool, new_id())


@pytest.mark.parametrize("key", [PREFIX, PREFIX + "x" * 43, PREFIX + "'; DROP TABLE api_key; --"])
async def test_a_key_that_nobody_made_is_refused(database: Database, key: str) -> None:
    with pytest.raises(Problem) as caught:
        await who(database, key)
    assert caught.value.code == "unauthorized"


async def test_nothing_of_a_key_can_be_read_from_the_database(database: Database) -> None:
    _, key = await create_key(database.pool, owner="ann", scope=READ, name="laptop")
    stored = await database.pool.fetchval("SELECT string_agg(k::text, ' ') FROM api_key k")
    assert key not in stored
    assert key.removeprefix(PREFIX) not in stored
    [listed] = await all_keys(database.pool)
    assert set(listed.keys()) == {"id", "owner", "scope", "name", "created_at", "revoked_at"}
