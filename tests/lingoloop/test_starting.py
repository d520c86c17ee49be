"""A service that cannot start says why in one line and exits with 1."""

from pathlib import Path

import asyncpg
import pytest

from lingoloop.one_process import OneProcessSettings
from lingoloop_common.settings import read_settings
from lingoloop_common.store.migrate import migrate
from tests.command_line import run

SECRET = "a-secret-for-tests-that-is-long-enough-0123456789"


async def start(name: str, url: str, folder: Path, **settings: str) -> str:
    """Start a service and return what it says when it has given up."""
    code, out, err = await run(
        name,
        **{
            "DATABASE_URL": url,
            "BROKER_URL": "memory://",
            "BLOB_DIR": str(folder),
            "AUTH_JWT_SECRET": SECRET,
            "OPS_HOST": "127.0.0.1",
            "STARTUP_TIMEOUT_MS": "500",
            "ENGINE": "simulated",
            **settings,
        },
    )
    assert (code, out) == (1, "")
    assert "Traceback" not in err, err
    return err.splitlines()[-1]


@pytest.mark.parametrize("name", ["gateway", "worker", "notifier"])
async def test_a_database_without_tables(name: str, database_url: str, tmp_path: Path) -> None:
    assert "run `lingoloop migrate` first" in await start(name, database_url, tmp_path)


async def test_a_database_that_is_away(tmp_path: Path) -> None:
    said = await start("worker", "postgresql://x:secret@127.0.0.1:1/x", tmp_path)
    assert "PostgreSQL (DATABASE_URL) cannot be reached" in said
    assert "secret" not in said


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"ENGINE": "nosuch"}, "there is no engine"),
        ({"ENGINE": "whisper", "MODEL": "/nowhere"}, "/nowhere"),
        ({"BROKER_URL": "amqp://x:secret@127.0.0.1:1/"}, "RabbitMQ (BROKER_URL) cannot be reached"),
    ],
    ids=["engine", "model", "broker"],
)
async def test_a_worker_without_its(
    settings: dict[str, str], says: str, database_url: str, tmp_path: Path
) -> None:
    connection = await asyncpg.connect(database_url)
    await migrate(connection)
    await connection.close()
    said = await start("worker", database_url, tmp_path, **settings)
    assert says in said
    assert "secret" not in said


def test_one_process_reads_the_lists_of_all_services() -> None:
    given = {"cors_allowed_origins": "https://a.example, https://b.example", "worker_retry_delays": "1,2"}
    needed = {
        "database_url": "postgresql://x",
        "broker_url": "memory://",
        "blob_dir": ".",
        "auth_jwt_secret": SECRET,
    }
    settings = read_settings(OneProcessSettings, **given, **needed, trusted_proxies="10.0.0.0/8, ::1")
    assert settings.cors_allowed_origins == ("https://a.example", "https://b.example")
    assert settings.worker_retry_delays == (1, 2)
    assert len(settings.trusted_proxies) == 2
