"""A stream on which nothing new happens says so all the time, however often the notifier looks for something new."""

import pytest

from lingoloop_notifier import outlet
from tests.notifier.world import HeldBroker, running_world


@pytest.mark.parametrize("scope", ["run", "owner"])
async def test_looks_that_find_nothing_new_do_not_put_off_the_heartbeat(
    migrated_url: str, monkeypatch: pytest.MonkeyPatch, scope: str
) -> None:
    """Else a run that waits for hours would be silent, and each proxy would cut its streams off."""
    monkeypatch.setattr(outlet, "HEARTBEAT_SECONDS", 0.3)
    async with running_world(migrated_url, HeldBroker(), poll_interval_ms=100) as world:
        run = await world.add_run("ann")
        async with world.listen("ann", run if scope == "run" else None) as listener:
            await listener.next()
            await listener.until_comment()
