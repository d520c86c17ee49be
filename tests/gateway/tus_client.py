"""Speaks tus header by header, so that a test can send what no client would."""

import base64
from typing import Any

import httpx

from tests.gateway.world import World

BYTES = "application/offset+octet-stream"


class TusClient:
    """One owner's requests."""

    def __init__(self, world: World, owner: str | None = None) -> None:
        self.world, self.owner = world, owner or world.new_owner()

    async def send(
        self, method: str, url: str, headers: dict[str, str] | None = None, **more: Any
    ) -> httpx.Response:
        given = {"Tus-Resumable": "1.0.0", **self.world.bearer(self.owner), **(headers or {})}
        given = {name: value for name, value in given.items() if value != ""}
        return await self.world.http.request(method, url, headers=given, **more)

    async def post(self, length: int | None = None, **headers: str) -> httpx.Response:
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        if length is not None:
            given["Upload-Length"] = str(length)
        return await self.send("POST", "/api/uploads", given)

    async def create(self, length: int | None = None, **headers: str) -> str:
        """Create an upload and return its address."""
        response = await self.post(length, **headers)
        assert response.status_code == 201, response.text
        return response.headers["Location"]

    async def patch(self, url: str, data: Any, offset: int, **headers: str) -> httpx.Response:
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.send(
            "PATCH", url, {"Upload-Offset": str(offset), "Content-Type": BYTES, **given}, content=data
        )

    async def head(self, url: str) -> httpx.Response:
        return await self.send("HEAD", url)

    async def offset(self, url: str) -> int:
        response = await self.head(url)
        assert response.status_code == 200, response.status_code
        return int(response.headers["Upload-Offset"])


def metadata(**fields: str) -> str:
    """Return Upload-Metadata."""
    return ",".join(f"{key} {base64.b64encode(value.encode()).decode()}" for key, value in fields.items())
