"""The page to try the calls: in a real browser, narrow, and with no other host to ask."""

import contextlib
import os
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import orjson
import pytest

from tests.gateway.world import World
from tests.guide.browser import CHROMIUM, browsing
from tests.waiting import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_it_and_its_files_come_from_here_under_a_strict_policy(idle_world: World) -> None:
    page = await idle_world.http.get("/api/docs")
    assert page.headers["Content-Type"].startswith("text/html")
    policy = page.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self';" in policy
    for name in ("swagger-ui-bundle.js", "swagger-ui.css", "page.js", "page.css"):
        assert f"/api/docs/{name}" in page.text
        assert (await idle_world.http.get(f"/api/docs/{name}")).status_code == 200


@pytest.mark.parametrize("name", ["LICENSE", "..%2f..%2fpage.py", "nothing.js", "%00"])
async def test_no_other_file_is_served(idle_world: World, name: str) -> None:
    assert (await idle_world.http.get(f"/api/docs/{name}")).status_code == 404


class Tab:
    """A browser's page, by its debugging protocol."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket, self._number = socket, 0
        self.events: list[dict[str, Any]] = []

    async def call(self, method: str, **params: Any) -> dict[str, Any]:
        self._number += 1
        await self._socket.send_json({"id": self._number, "method": method, "params": params})
        while True:
            message = orjson.loads((await self._socket.receive()).data)
            if message.get("id") == self._number:
                result: dict[str, Any] = message.get("result", message)
                return result
            self.events.append(message)

    async def evaluate(self, script: str) -> Any:
        found = await self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        return found["result"].get("value")

    def told(self, method: str) -> list[dict[str, Any]]:
        return [event["params"] for event in self.events if event.get("method") == method]


@contextlib.asynccontextmanager
async def narrow_tab() -> AsyncIterator[Tab]:
    """Open a browser's page, 360 pixels wide, for which no other host than this exists."""
    alone = "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"
    async with browsing("about:blank", "--remote-debugging-port=0", alone) as profile:
        place = profile / "DevToolsActivePort"
        await eventually(lambda: place.exists() and place.read_text().count("\n"), seconds=30)
        port = place.read_text().split()[0]
        async with aiohttp.ClientSession() as http:
            async with http.get(f"http://127.0.0.1:{port}/json") as response:
                [target] = [each for each in await response.json() if each["type"] == "page"]
            async with http.ws_connect(target["webSocketDebuggerUrl"], max_msg_size=0) as socket:
                tab = Tab(socket)
                for domain in ("Page", "Network", "Log", "Runtime"):
                    await tab.call(f"{domain}.enable")
                await tab.call(
                    "Emulation.setDeviceMetricsOverride",
                    width=360,
                    height=740,
                    deviceScaleFactor=1,
                    mobile=True,
                )
                yield tab


@pytest.mark.skipif(
    CHROMIUM is None and "CI" not in os.environ,
    reason="there is no chromium here; `make test-servers` installs it",
)
async def test_a_call_is_made_from_the_page_on_a_narrow_screen_without_any_other_host(
    idle_world: World,
) -> None:
    async with narrow_tab() as tab:
        await tab.call("Page.navigate", url=f"{idle_world.gateway.url}/api/docs")

        async def there(selector: str) -> bool:
            return bool(await tab.evaluate(f"!!document.querySelector({selector!r})"))

        await eventually(lambda: there("#operations-Runs-get_api_runs"))
        assert await tab.evaluate("document.documentElement.scrollWidth") <= 360
        await tab.evaluate(
            "document.querySelector('#operations-Runs-get_api_runs .opblock-summary-control').click()"
        )
        await eventually(lambda: there("#operations-Runs-get_api_runs .execute"))
        assert await tab.evaluate("document.documentElement.scrollWidth") <= 360
        await tab.evaluate("document.querySelector('#operations-Runs-get_api_runs .execute').click()")
        await eventually(
            lambda: there("#operations-Runs-get_api_runs .live-responses-table .response-col_status")
        )
        status = "document.querySelector('#operations-Runs-get_api_runs .live-responses-table tbody .response-col_status')"
        assert "401" in await tab.evaluate(f"{status}.innerText")
    asked = [event["request"]["url"] for event in tab.told("Network.requestWillBeSent")]
    assert f"{idle_world.gateway.url}/api/runs" in [url.partition("?")[0] for url in asked]
    assert all(url.startswith((idle_world.gateway.url, "data:", "about:")) for url in asked), asked
    faults = [event["entry"] for event in tab.told("Log.entryAdded") if event["entry"]["level"] == "error"]
    assert [fault for fault in faults if "401" not in fault["text"]] == []
    assert tab.told("Runtime.exceptionThrown") == []
