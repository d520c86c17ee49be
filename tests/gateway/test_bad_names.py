"""Names of files that mean harm, as a form and as a query carry them: kept harmless, or refused, and shown as they are kept."""

from urllib.parse import quote

import httpx
import pytest

from tests import media
from tests.gateway.world import END, World, part

pytestmark = pytest.mark.asyncio(loop_scope="module")

NAMES: dict[str, tuple[str, str]] = {
    "a path that climbs": ("../../../../etc/passwd", "passwd"),
    "a Windows path that climbs": ("..\\..\\boot.ini", "boot.ini"),
    "a share": ("\\\\server\\share\\talk.wav", "talk.wav"),
    "an absolute path": ("/etc/cron.d/job", "job"),
    "a path that ends in nothing": ("talk.wav/", "recording"),
    "dots": ("...", "..."),
    "two dots": ("..", "recording"),
    "a NUL": ("talk.wav\0.png", "talk.wav.png"),
    "a line break": ("talk\n.wav", "talk.wav"),
    "a header": ("a\r\nSet-Cookie: x=1\r\n\r\n<b>.wav", "aSet-Cookie: x=1<b>.wav"),
    "text that runs backwards": ("talk\u202egpj.exe", "talkgpj.exe"),
    "text that is set apart": ("\u2066talk\u2069.wav", "talk.wav"),
    "letters of the other direction": ("\u05e9\u05d9\u05d7\u05d4.wav", "\u05e9\u05d9\u05d7\u05d4.wav"),
    "5,000 letters": ("x" * 5_000 + ".wav", "x" * 251 + ".wav"),
    "quotes": ("a\"b'c`d.wav", "a\"b'c`d.wav"),
    "a name in a header": ('x"; filename="y.exe', 'x"; filename="y.exe'),
    "a family": ("👩‍👩‍👧.wav", "👩‍👩‍👧.wav"),
    "nothing": ("", "recording"),
    "blanks": (" \t ", "recording"),
    "a device": ("CON.wav", "CON.wav"),
    "a stream of a file": ("talk.wav:hidden", "talk.wav:hidden"),
    "a script": ("<script>alert(1)<!--.wav", "<script>alert(1)<!--.wav"),
    "SQL": ("'); DROP TABLE audio; --.wav", "'); DROP TABLE audio; --.wav"),
    "percent signs": ("%2e%2e%2fpasswd %s %n.wav", "%2e%2e%2fpasswd %s %n.wav"),
    "a command": ("$(reboot) `id` | x.wav", "$(reboot) `id` | x.wav"),
    "an escape sequence": ("\x1b]0;owned\x07.wav", "]0;owned.wav"),
    "separators of lines": ("a\u2028b\u2029c.wav", "abc.wav"),
}


async def is_called(world: World, owner: str, response: httpx.Response, name: str) -> None:
    """Look whether a recording is called so wherever its name is shown."""
    assert response.status_code == 202, response.text
    body = response.json()
    assert (await world.get(owner, f"/api/runs/{body['runId']}")).json()["filename"] == name
    assert (await world.get(owner, f"/api/audios/{body['audioId']}")).json()["filename"] == name
    content = await world.get(owner, f"/api/audios/{body['audioId']}/content")
    assert content.headers["Content-Disposition"].endswith(f"; filename*=UTF-8''{quote(name, safe='')}")
    assert content.headers["Content-Disposition"].count("filename=") == 1
    assert "set-cookie" not in content.headers
    assert f"audio/{body['audioId']}" in world.stored()


@pytest.mark.parametrize("what", NAMES)
async def test_a_name_in_the_query_is_kept_harmless(idle_world: World, what: str) -> None:
    given, kept = NAMES[what]
    owner = idle_world.new_owner()
    await is_called(
        idle_world, owner, await idle_world.post(owner, media.wav(), filename=given, model="long"), kept
    )


@pytest.mark.parametrize("what", NAMES)
async def test_a_name_in_a_form_is_kept_harmless_or_refused(idle_world: World, what: str) -> None:
    """It is written as it is, with quotes escaped as browsers do; what then is no header is refused."""
    given, kept = NAMES[what]
    owner = idle_world.new_owner()
    escaped = given.replace("\\", "\\\\").replace('"', '\\"').encode()
    head = (
        part("model", b"long")
        + b'--frontier\r\nContent-Disposition: form-data; name="file"; filename="'
        + escaped
        + b'"\r\n\r\n'
    )
    response = await idle_world.post_body(owner, head + media.wav() + b"\r\n" + END)
    if response.status_code == 400:
        assert set(given) & set("\0\n\r\x1b\x07;"), response.text  # aiohttp takes the second ; for the end
        assert await idle_world.count("audio", owner) == 0
    else:
        await is_called(idle_world, owner, response, kept)


async def test_a_name_of_10_000_letters_is_refused_in_the_query_line(idle_world: World) -> None:
    owner = idle_world.new_owner()
    async with idle_world.leaving_nothing(owner):
        response = await idle_world.post(owner, media.wav(), filename="x" * 10_000)
    assert (response.status_code, response.json()["code"]) == (400, "bad_request")
    assert "too long" in response.json()["detail"]
