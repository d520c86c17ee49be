"""`dead-letters`: work that failed for good, and the way back. Needs a token with the scope `admin`."""

from typing import Annotated, Any

import typer

from lingoloop.client import Client
from lingoloop.command import EXIT_DONE, EXIT_WRONG_USE, Data, data_folder, fail, run
from lingoloop.folder import DataFolder
from lingoloop.server import find_server

dead_letters = typer.Typer(no_args_is_help=True, help="Look at work that failed for good, and put it back.")

Code = Annotated[str | None, typer.Option(help="Only those with this cause, e.g. engine_failed.")]


@dead_letters.command("list")
def list_letters(code: Code = None, data: Data = None) -> None:
    """List dead letters, the newest first: id, run, kind of work, cause, what happened; a tab between.

    Example: lingoloop dead-letters list --code engine_failed
    """
    run(_list(data_folder(data), code))


async def _list(folder: DataFolder, code: str | None) -> int:
    async with find_server(folder, start=False) as server, Client(server.url, server.token) as client:
        async for letter in client.dead_letters(code):
            print("\t".join(letter[name] for name in ("id", "runId", "kind", "code", "message")))
    return EXIT_DONE


@dead_letters.command()
def replay(
    ids: Annotated[
        list[str] | None, typer.Argument(metavar="[ID]...", help="Dead letters by their ids.")
    ] = None,
    code: Code = None,
    everything: Annotated[bool, typer.Option("--all", help="All there are.")] = False,
    data: Data = None,
) -> None:
    """Put dead letters back: each is a retry of its run, limited to what failed. Prints how many.

    Examples:
    lingoloop dead-letters replay 0190a5b2-7c1e-7a3d-9f00-5d2c1b3a4e6f

    lingoloop dead-letters replay --code engine_failed
    """
    chosen: list[dict[str, Any]] = []
    if ids:
        chosen.append({"ids": list(dict.fromkeys(ids))})
    if code:
        chosen.append({"code": code})
    if everything:
        chosen.append({"all": True})
    if len(chosen) != 1:
        fail("say which: ids, --code CODE or --all", EXIT_WRONG_USE)
    run(_replay(data_folder(data), chosen[0]))


async def _replay(folder: DataFolder, chosen: dict[str, Any]) -> int:
    async with find_server(folder, start=False) as server, Client(server.url, server.token) as client:
        replayed = 0
        while True:
            answer = await client.replay(chosen)
            replayed += answer["replayed"]
            if not answer["replayed"] or not answer["remaining"]:
                break
        print(replayed)
    if replayed < len(chosen.get("ids", ())):
        fail("there is no such dead letter, or it was put back already")
    return EXIT_DONE
