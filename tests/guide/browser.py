"""A real browser without a window, and a page of another origin than the gateway's that tells what it sees."""

import asyncio
import contextlib
import os
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

from aiohttp import web

from tests.guide.conftest import kept_environment

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")

ONE_RUN = """
// 监听单个任务
const eventSource = new EventSource(
  `/api/runs/${runId}/events?runId=${runId}&access_token=${accessToken}`
);

eventSource.onmessage = (event) => {
  const data = JSON.parse(event.data);
  console.log('收到状态更新:', data);

  if (data.event === 'done') {
    console.log('转录完成!');
    eventSource.close();
  }
};
"""
"""The guide's own client, letter by letter."""

PAGE = """<!doctype html>
<meta charset="utf-8">
<base href="{base}/">
<script>
  let told = 0;
  function tell(kind, what) {{
    const text = JSON.stringify({{number: ++told, kind, what}});
    fetch("{home}/told", {{method: "POST", body: text}});
  }}
  console.log = (...what) => tell("log", what);
  addEventListener("error", (event) => tell("fault", event.message));
  {variables}
</script>
<script>{script}</script>
"""


class Pages:
    """Serves one page, and takes what it tells."""

    def __init__(self) -> None:
        self._page = ""
        self._told: dict[int, tuple[str, Any]] = {}
        self._news = asyncio.Condition()
        self.port = 0

    def origin(self, host: str = "127.0.0.1") -> str:
        """Return the origin of its pages; by another name of this host it is another origin."""
        return f"http://{host}:{self.port}"

    @property
    def told(self) -> list[tuple[str, Any]]:
        """What the page has told, in the order in which it told it, up to what is still on its way."""
        told: list[tuple[str, Any]] = []
        while (number := len(told) + 1) in self._told:
            told.append(self._told[number])
        return told

    @property
    def logged(self) -> list[list[Any]]:
        """What the page has given to `console.log`."""
        return [what for kind, what in self.told if kind == "log"]

    def write(self, script: str, *, base: str, host: str = "127.0.0.1", **variables: str) -> str:
        """Put a page with a script together, and return its address."""
        self._told.clear()
        lines = "\n".join(f'const {name} = "{value}";' for name, value in variables.items())
        self._page = PAGE.format(base=base, home=self.origin(host), variables=lines, script=script)
        return f"{self.origin(host)}/"

    async def until(self, condition: Callable[[], object]) -> None:
        """Wait until the page has told enough."""
        try:
            async with asyncio.timeout(30), self._news:
                await self._news.wait_for(condition)
        except TimeoutError:
            raise AssertionError(f"waited in vain; the page told {self.told}") from None

    async def get_page(self, request: web.Request) -> web.Response:
        return web.Response(text=self._page, content_type="text/html")

    async def post_told(self, request: web.Request) -> web.Response:
        note = await request.json()
        async with self._news:
            self._told[note["number"]] = (note["kind"], note["what"])
            self._news.notify_all()
        return web.Response()


@contextlib.asynccontextmanager
async def serving_pages() -> AsyncIterator[Pages]:
    """Serve pages on a free port."""
    pages = Pages()
    app = web.Application()
    app.add_routes([web.get("/", pages.get_page), web.post("/told", pages.post_told)])
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        pages.port = runner.addresses[0][1]
        yield pages
    finally:
        await runner.cleanup()


@contextlib.asynccontextmanager
async def browsing(url: str, *switches: str) -> AsyncIterator[Path]:
    """Show a page in Chromium for as long as the block lasts; give its profile's folder."""
    assert CHROMIUM, "there is no chromium here: run `make test-servers`"
    with tempfile.TemporaryDirectory(prefix="chromium-", ignore_cleanup_errors=True) as folder:
        with (Path(folder) / "log").open("wb") as log:
            process = await asyncio.create_subprocess_exec(
                CHROMIUM,
                "--headless=new",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-dev-shm-usage",
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-extensions",
                "--disable-sync",
                "--no-default-browser-check",
                "--no-first-run",
                "--no-proxy-server",
                f"--user-data-dir={folder}/profile",
                *switches,
                url,
                env={**kept_environment(), "HOME": folder},
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        try:
            yield Path(folder) / "profile"
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGTERM)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), 5)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
