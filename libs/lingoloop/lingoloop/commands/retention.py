"""`retention`: for how many days recordings are kept, of owners for whom the gateways' RETENTION_DAYS does not hold."""

from typing import Annotated

import typer

from lingoloop.command import EXIT_DONE, EXIT_WRONG_USE, Data, data_folder, fail, run
from lingoloop.database import connected, database_in_use
from lingoloop.folder import DataFolder
from lingoloop_common.store.queries import load_queries

SQL = load_queries("lingoloop.commands", "retention.sql")

retention = typer.Typer(
    no_args_is_help=True,
    help="For how many days an owner's recordings are kept, where RETENTION_DAYS is not for them.",
)

Owner = Annotated[str, typer.Argument(metavar="OWNER", help="Whose recordings: the `sub` of their tokens.")]


@retention.command("list")
def list_days(data: Data = None) -> None:
    """List the owners with a number of days of their own: owner, days (0: for good); a tab between.

    Example: lingoloop retention list
    """
    run(_list(data_folder(data)))


async def _list(folder: DataFolder) -> int:
    async with database_in_use(folder) as url, connected(url) as connection:
        for row in await connection.fetch(SQL["all_days"]):
            print(f"{row['owner']}\t{row['days']}")
    return EXIT_DONE


@retention.command("set")
def set_days(
    owner: Owner,
    days: Annotated[int, typer.Argument(metavar="DAYS", min=0, max=36_500, help="0: for good.")],
    data: Data = None,
) -> None:
    """Keep an owner's recordings for so many days after their last run's end. The gateways look each ten minutes.

    Examples:
    lingoloop retention set ann 30

    lingoloop retention set legal-department 0
    """
    if not 1 <= len(owner) <= 200 or not owner.isprintable():
        fail("OWNER must have 1 to 200 characters", EXIT_WRONG_USE)
    run(_set(data_folder(data), owner, days))


async def _set(folder: DataFolder, owner: str, days: int) -> int:
    async with database_in_use(folder) as url, connected(url) as connection:
        await connection.execute(SQL["set_days"], owner, days)
    return EXIT_DONE


@retention.command()
def unset(owner: Owner, data: Data = None) -> None:
    """Let RETENTION_DAYS hold for an owner again.

    Example: lingoloop retention unset ann
    """
    run(_unset(data_folder(data), owner))


async def _unset(folder: DataFolder, owner: str) -> int:
    async with database_in_use(folder) as url, connected(url) as connection:
        if await connection.fetchval(SQL["unset_days"], owner) is None:
            fail(f"{owner} has no number of days of their own")
    return EXIT_DONE
