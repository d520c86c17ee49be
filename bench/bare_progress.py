"""What `GET /api/runs/{id}/progress` is measured against: aiohttp, asyncpg, orjson, the same one SELECT, and nothing else.

`python -m bench.bare_progress PORT POOL` reads DATABASE_URL. Nobody is asked who they are: `X-Owner` says it.
"""

import os
import sys
from collections.abc import AsyncIterator
from uuid import UUID

import asyncpg
import orjson
from aiohttp import web

from lingoloop_gateway.runs import SQL

POOL = web.AppKey("pool", asyncpg.Pool)


async def progress(request: web.Request) -> web.Response:
    """Answer with the row."""
    row = await request.app[POOL].fetchrow(
        SQL["run_progress"], UUID(request.match_info["run_id"]), request.headers["X-Owner"]
    )
    assert row is not None
    return web.Response(body=orjson.dumps(dict(row), default=str), content_type="application/json")


async def database(app: web.Application) -> AsyncIterator[None]:
    """Keep the pool open."""
    async with asyncpg.create_pool(os.environ["DATABASE_URL"], min_size=1, max_size=int(sys.argv[2])) as pool:
        app[POOL] = pool
        yield


if __name__ == "__main__":
    app = web.Application()
    app.cleanup_ctx.append(database)
    app.add_routes([web.get("/api/runs/{run_id}/progress", progress)])
    web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]), access_log=None, print=None)
