"""`token` and `keys`: who may use a server, and what."""

import os
import sys
import time
from typing import Annotated
from uuid import UUID

import typer

from lingoloop.command import EXIT_DONE, EXIT_WRONG_USE, Data, data_folder, fail, run
from lingoloop.database import connected, database_in_use
from lingoloop.folder import DataFolder
from lingoloop_common.auth import ADMIN, READ, WRITE, Tokens
from lingoloop_common.keys import all_keys, create_key, revoke_key

SCOPES = (READ, WRITE, ADMIN)

keys = typer.Typer(no_args_is_help=True, help="API keys: like tokens, but good until they are revoked.")

Sub = Annotated[str, typer.Option(help="Who it speaks for: the owner of the runs.")]
Scope = Annotated[str, typer.Option(help=f"What it may do: of {', '.join(SCOPES)}; a space between.")]


def token(
    sub: Sub,
    scope: Scope = "runs:read runs:write",
    ttl: Annotated[int, typer.Option(min=1, help="Seconds until it ends.")] = 3600,
    data: Data = None,
) -> None:
    """Print a token, signed with AUTH_JWT_SECRET or the one-process mode's secret.

    Examples:
    curl -H "Authorization: Bearer $(lingoloop token --sub ann)" http://127.0.0.1:3002/api/runs

    lingoloop token --sub ops --scope admin --ttl 600
    """
    _check(sub, scope)
    secret = os.environ.get("AUTH_JWT_SECRET") or data_folder(data).secret()
    print(
        Tokens(secret, audience=os.environ.get("AUTH_AUDIENCE")).sign(
            sub, scope, issued_at=int(time.time()), ttl=ttl
        )
    )


@keys.command()
def create(
    sub: Sub,
    scope: Scope = "runs:read runs:write",
    name: Annotated[str, typer.Option(help="What it is for, to know it again in the list.")] = "",
    data: Data = None,
) -> None:
    """Make a key and print it. It is shown this once: only its hash is kept.

    Example: lingoloop keys create --sub ann --name "ann's laptop"
    """
    _check(sub, scope)
    if not name.isprintable():
        fail("--name must be printable", EXIT_WRONG_USE)
    run(_create(data_folder(data), sub, scope, name))


async def _create(folder: DataFolder, owner: str, scope: str, name: str) -> int:
    async with database_in_use(folder) as url, connected(url) as connection:
        key_id, key = await create_key(connection, owner=owner, scope=scope, name=name)
    print(key)
    print(f"its id is {key_id}: `lingoloop keys revoke {key_id}` ends it", file=sys.stderr)
    return EXIT_DONE


@keys.command("list")
def list_keys(data: Data = None) -> None:
    """List all keys, the oldest first: id, whom it speaks for, scope, state, name; a tab between.

    Example: lingoloop keys list
    """
    run(_list(data_folder(data)))


async def _list(folder: DataFolder) -> int:
    async with database_in_use(folder) as url, connected(url) as connection:
        for key in await all_keys(connection):
            state = f"revoked {key['revoked_at']:%Y-%m-%d}" if key["revoked_at"] else "valid"
            print("\t".join((str(key["id"]), key["owner"], key["scope"], state, key["name"])))
    return EXIT_DONE


@keys.command()
def revoke(
    key_id: Annotated[
        UUID, typer.Argument(metavar="ID", help="The key's id, as `lingoloop keys list` shows it.")
    ],
    data: Data = None,
) -> None:
    """End a key at once; a stream that it opened ends within the hour.

    Example: lingoloop keys revoke 0190a5b2-7c1e-7a3d-9f00-5d2c1b3a4e6f
    """
    run(_revoke(data_folder(data), key_id))


async def _revoke(folder: DataFolder, key_id: UUID) -> int:
    async with database_in_use(folder) as url, connected(url) as connection:
        if not await revoke_key(connection, key_id):
            fail(f"there is no valid key {key_id}")
    return EXIT_DONE


def _check(owner: str, scope: str) -> None:
    if not 1 <= len(owner) <= 200 or not owner.isprintable():
        fail("--sub must have 1 to 200 characters", EXIT_WRONG_USE)
    if unknown := set(scope.split()) - set(SCOPES):
        fail(f"there is no scope {unknown.pop()!r}; there are {', '.join(SCOPES)}", EXIT_WRONG_USE)
