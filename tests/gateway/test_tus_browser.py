"""tus-js-client, unmodified, in a real browser and on a page of another origin: left in the middle, it goes on."""

import base64
import hashlib
import os
from pathlib import Path
from typing import Any

import pytest

from tests import media
from tests.gateway.world import World, running_world
from tests.guide.browser import CHROMIUM, Pages, browsing, serving_pages

FOLDER = Path(__file__).parent / "tus_node"
CLIENT = FOLDER / "node_modules/tus-js-client/dist/tus.min.js"
TALK = media.wav_of_size(1_500_000)

pytestmark = pytest.mark.skipif(
    (CHROMIUM is None or not CLIENT.exists()) and "CI" not in os.environ,
    reason="needs chromium and the packages of tests/gateway/tus_node; `make test-servers` installs these, or says why it cannot",
)


async def uploaded(world: World, pages: Pages, owner: str) -> dict[str, Any]:
    """Show the page until it has uploaded the file; return what it told."""
    url = pages.write(
        f"{CLIENT.read_text()}\n{(FOLDER / 'page.js').read_text()}",
        base=world.gateway.url,
        endpoint=f"{world.gateway.url}/api/uploads",
        token=world.token(owner),
        audio=base64.b64encode(TALK).decode(),
    )
    async with browsing(url):
        await pages.until(lambda: pages.logged)
    ((what, *told),) = pages.logged
    assert what == "done", told
    return {"seen": told[0], "remembered": told[1]}


async def test_an_upload_goes_on_when_its_page_is_opened_again(migrated_url: str, own_folder: Path) -> None:
    async with (
        serving_pages() as pages,
        running_world(
            migrated_url, own_folder, transcribes=False, cors_allowed_origins=pages.origin()
        ) as world,
    ):
        told = await uploaded(world, pages, "ann")
        created, *requests = told["seen"]
        at = next(place for place, request in enumerate(requests) if request["method"] == "HEAD")
        before, (asked, *after) = requests[:at], requests[at:]
        assert (created["method"], created["status"]) == ("POST", 201)
        assert {request["method"] for request in before} == {"PATCH"}
        assert {request["method"] for request in after} <= {"PATCH", "HEAD"}, "it was begun anew"
        assert 400_000 <= before[-1]["offset"] <= asked["offset"] < len(TALK)
        assert told["remembered"] == []
        (run,) = (await world.get("ann", "/api/runs")).json()["items"]
        assert after[-1]["runId"] == run["id"]
        assert (run["filename"], run["language"]) == ("talk.wav", "de")
        audio = (await world.get("ann", f"/api/audios/{run['audioId']}")).json()
        assert audio["sha256"] == hashlib.sha256(TALK).hexdigest()
