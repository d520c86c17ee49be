"""Every named query of every package prepares against the migrated tables."""

from pathlib import Path

import pytest

from lingoloop_common.store.database import Database
from lingoloop_common.store.queries import load_queries

ROOT = Path(__file__).parents[2]
FOLDERS = [*ROOT.glob("libs/*"), *ROOT.glob("services/*")]
FILES = sorted(
    (".".join(file.relative_to(folder).parent.parts), file.name)
    for folder in FOLDERS
    for file in folder.glob("lingoloop*/**/*.sql")
    if file.parent.name != "migrations"
)


def test_there_are_queries() -> None:
    assert ("lingoloop_common", "sweep.sql") in FILES


@pytest.mark.parametrize(("package", "filename"), FILES, ids=[f"{package}/{name}" for package, name in FILES])
async def test_all_queries_prepare(database: Database, package: str, filename: str) -> None:
    queries = load_queries(package, filename)
    assert queries
    async with database.pool.acquire() as connection:
        for sql in queries.values():
            await connection.prepare(sql)


def test_a_name_may_come_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "queries_twice").mkdir()
    (tmp_path / "queries_twice/__init__.py").touch()
    (tmp_path / "queries_twice/q.sql").write_text("-- name: one\nSELECT 1\n-- name: one\nSELECT 2\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ValueError, match="names a query twice"):
        load_queries("queries_twice", "q.sql")
