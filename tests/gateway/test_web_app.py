"""The web app is served at all of its addresses, under a strict policy; where it was not built, `/` says how to get it."""

from pathlib import Path

import pytest

from lingoloop_gateway import web_app
from lingoloop_gateway.web_app import content_policy, prefers_chinese
from tests.gateway.world import World, running_world

pytestmark = pytest.mark.asyncio(loop_scope="module")

BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
PAGE = "<!doctype html><title>The app</title>"


@pytest.mark.parametrize(
    "path", ["/", "/runs", "/runs/019a0000-0000-7000-8000-000000000000", "/sign-in?code=x&state=y", "/apiary"]
)
async def test_a_browser_gets_the_page_at_each_of_its_addresses(idle_world: World, path: str) -> None:
    answer = await idle_world.http.get(path, headers=BROWSER)
    assert (answer.status_code, answer.text) == (200, PAGE)
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert answer.headers["Cache-Control"] == "no-cache"
    assert (await idle_world.http.head(path, headers=BROWSER)).status_code == 200


async def test_the_page_may_do_nothing_but_what_it_comes_with(idle_world: World) -> None:
    headers = (await idle_world.http.get("/", headers=BROWSER)).headers
    policy = headers["Content-Security-Policy"]
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == rules["base-uri"] == rules["frame-ancestors"] == "'none'"
    assert rules["script-src"] == rules["style-src"] == rules["connect-src"] == "'self'"
    assert "unsafe" not in policy
    assert "http" not in policy
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert headers["Permissions-Policy"] == "microphone=(self)"


@pytest.mark.parametrize(
    ("authority", "rule"),
    [
        (None, "connect-src 'self';"),
        ("https://login.example/realms/a", "connect-src 'self' https://login.example;"),
        ("http://127.0.0.1:8080", "connect-src 'self' http://127.0.0.1:8080;"),
    ],
)
async def test_it_may_ask_the_identity_provider_too(authority: str | None, rule: str) -> None:
    assert rule in content_policy(authority)


async def test_a_page_that_is_known_is_not_sent_again(idle_world: World) -> None:
    etag = (await idle_world.http.get("/")).headers["ETag"]
    same = await idle_world.http.get("/", headers={"If-None-Match": etag})
    assert (same.status_code, same.content, same.headers["ETag"]) == (304, b"", etag)
    assert (await idle_world.http.get("/", headers={"If-None-Match": '"other"'})).status_code == 200


async def test_files_whose_names_tell_their_content_are_kept_for_ever(idle_world: World) -> None:
    answer = await idle_world.http.get("/assets/page.css")
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "text/css")
    assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    known = {"If-None-Match": answer.headers["ETag"]}
    assert (await idle_world.http.get("/assets/page.css", headers=known)).status_code == 304
    beside = await idle_world.http.get("/favicon.svg")
    assert (beside.status_code, beside.headers["Content-Type"]) == (200, "image/svg+xml")
    assert beside.headers["Cache-Control"] == "no-cache"


@pytest.mark.parametrize("encoding", ["br", "gzip"])
async def test_a_compressed_file_is_sent_to_those_who_take_it(
    idle_world: World, built_app: Path, encoding: str
) -> None:
    end = {"br": ".br", "gzip": ".gz"}[encoding]
    (built_app / "assets" / "big-1.js").write_text("plain")
    (built_app / "assets" / f"big-1.js{end}").write_bytes(b"pressed")
    async with idle_world.http.stream(
        "GET", "/assets/big-1.js", headers={"Accept-Encoding": encoding}
    ) as answer:
        body = b"".join([part async for part in answer.aiter_raw()])
    assert (answer.headers["Content-Encoding"], body) == (encoding, b"pressed")
    assert answer.headers["Content-Type"] == "text/javascript"
    plain = await idle_world.http.get("/assets/big-1.js", headers={"Accept-Encoding": "identity"})
    assert ("Content-Encoding" in plain.headers, plain.text) == (False, "plain")


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/runs", 404),  # not for a browser
        ("/nothing.js", 404),
        ("/index.html", 404),
        ("/assets/nothing.js", 404),
        ("/assets/page.css.br", 404),
        ("/assets/..%2findex.html", 404),
        ("/assets/..%2f..%2f..%2fweb_app.py", 404),
        ("/..%2fdocs%2fpage.js", 404),
        ("/assets/%00.css", 404),
        ("/assets/a%0d%0a.css", 404),
        ("/api", 404),
        ("/api/", 404),
        ("/api/nothing", 404),
        ("/v1/nothing", 404),
        ("/api/tickets", 405),
    ],
)
async def test_nothing_else_is_served_nor_hidden(idle_world: World, path: str, status: int) -> None:
    headers = {} if path == "/runs" else BROWSER
    answer = await idle_world.http.get(path, headers=headers)
    assert answer.status_code == status
    assert answer.headers["Content-Type"].endswith("json")


@pytest.mark.parametrize(
    ("accepted", "chinese"),
    [
        ("", False), ("zh-CN,zh;q=0.9,en;q=0.8", True), ("en-GB,zh;q=0.5", False), ("de, zh-TW;q=0.7, en;q=0.3", True),
        ("fr", False), ("ZH", True),
    ],
)  # fmt: skip
async def test_who_is_told_in_chinese(accepted: str, chinese: bool) -> None:
    assert prefers_chinese(accepted) is chinese


async def test_where_it_was_not_built_the_page_says_how_and_the_api_runs_on(
    migrated_url: str, own_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = tmp_path / "app"
    monkeypatch.setattr(web_app, "APP", app)
    async with running_world(migrated_url, own_folder, transcribes=False) as world:
        for path in ("/", "/runs"):
            english = await world.http.get(path, headers=BROWSER)
            assert (english.status_code, "make web" in english.text) == (200, True)
            assert "default-src 'none'" in english.headers["Content-Security-Policy"]
            assert "<style" not in english.text
        chinese = await world.http.get("/", headers={"Accept-Language": "zh-CN"})
        assert "make web" in chinese.text
        assert 'lang="zh"' in chinese.text
        assert (await world.http.get("/unbuilt.css")).headers["Content-Type"] == "text/css"
        assert (await world.get("ann", "/api/runs")).status_code == 200
        app.mkdir()
        (app / "index.html").write_text(PAGE)
        assert (await world.http.get("/", headers=BROWSER)).text == PAGE, "no restart is needed"
