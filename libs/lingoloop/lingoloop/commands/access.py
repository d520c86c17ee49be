"""`token` and `keys`: who may use a server."""

import os
import time
from typing import Annotated

import typer

from lingoloop.command import Data, data_folder
from lingoloop_common.auth import Tokens


def token(
    sub: Annotated[str, typer.Option(help="Who the token speaks for: the owner of the runs.")],
    scope: Annotated[str, typer.Option(help="What it may do.")] = "runs:read runs:write",
    ttl: Annotated[int, typer.Option(min=1, help="Seconds until it ends.")] = 3600,
    data: Data = None,
) -> None:
    """Print a token, signed with AUTH_JWT_SECRET or the one-process mode's secret.

    Examples:
    curl -H "Authorization: Bearer $(lingoloop token --sub ann)" http://127.0.0.1:3002/api/runs

    lingoloop token --sub ops --scope admin --ttl 600
    """
    secret = os.environ.get("AUTH_JWT_SECRET") or data_folder(data).secret()
    print(Tokens(secret).sign(sub, scope, issued_at=int(time.time()), ttl=ttl))
