"""The checks of `doctor` that ask PostgreSQL about itself: connections, and what time it is."""

import os
from datetime import UTC, datetime

from lingoloop.database import DatabaseAway, connected
from lingoloop.finding import Finding, Setup, ok, skipped, wrong
from lingoloop_common.settings import Settings
from lingoloop_common.store.database import GUARD, SESSION
from lingoloop_common.store.queries import load_queries

SQL = load_queries(__package__, "doctor.sql")

NO_DATABASE = "not known without the database"

CLOCKS_APART = 5.0
"""Seconds by which clocks may differ: tokens have a leeway of 30, and what is told in order goes by them."""


async def check_connections(setup: Setup) -> Finding:
    """Has PostgreSQL connections for all pools, when they are full?"""
    if setup.database_url is None:
        return skipped(setup.no_database)
    try:
        pool = int(os.environ.get("DB_POOL_MAX") or Settings.model_fields["db_pool_max"].default)
    except ValueError:
        return skipped("not known while DB_POOL_MAX cannot be used")
    try:
        async with connected(setup.database_url) as connection:
            found = await connection.fetchrow(SQL["connections"], GUARD, SESSION["application_name"])
    except DatabaseAway:
        return skipped(NO_DATABASE)
    assert found is not None  # it has a row
    return connections(pool=pool, **found)


def connections(*, pool: int, processes: int, others: int, room: int) -> Finding:
    """Judge whether the processes there are, and one that takes another's place in an update, find room beside others."""
    each = pool + 1  # the guard
    need = (processes + 1) * each + others
    says = (
        f"{need} of {room} may be needed: {processes} processes of LingoLoop may open {each} each (DB_POOL_MAX and one), "
        f"so may one more; others have {others}"
    )
    if need > room:
        return wrong(says, f"raise PostgreSQL's max_connections by {need - room}, or lower DB_POOL_MAX")
    return ok(says)


async def check_clock(setup: Setup) -> Finding:
    """Do this machine and PostgreSQL's agree on the time?"""
    if setup.database_url is None:
        return skipped(setup.no_database)
    try:
        async with connected(setup.database_url) as connection:
            begin = datetime.now(UTC)
            theirs: datetime = await connection.fetchval("SELECT clock_timestamp()")
            end = datetime.now(UTC)
    except DatabaseAway:
        return skipped(NO_DATABASE)
    return clock((theirs - begin).total_seconds(), (theirs - end).total_seconds())


def clock(most: float, least: float) -> Finding:
    """Judge by how many seconds the other clock is ahead: between `least` and `most`."""
    if most < -CLOCKS_APART or least > CLOCKS_APART:
        ahead = "behind" if least > 0 else "ahead of"
        return wrong(
            f"this machine is {min(abs(most), abs(least)):.0f} s {ahead} PostgreSQL's",
            "let both keep the time by NTP: tokens may be refused, and be good for too long",
        )
    return ok(f"within {CLOCKS_APART:.0f} s of PostgreSQL's")
