"""Requests that nobody would write by hand: each has a clear answer, and none leaves anything behind.

Lines, headers and bodies are sent byte by byte; the routes are those that the gateway has.
"""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from urllib.parse import quote
from uuid import uuid4

import pytest
import pytest_asyncio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lingoloop_common.errors import PROBLEMS
from tests import media
from tests.gateway.raw_http import Answer, exchange
from tests.gateway.world import BOUNDARY, END, World, part, running_world
from tests.waiting import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")

SCOPE = "runs:read runs:write admin"
OWNER = "fuzzy"

few = settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
many = settings(few, max_examples=3_000, derandomize=False)

TELLTALES = (
    b"Traceback",
    b'File "',
    b"site-packages",
    b"asyncpg",
    b"SELECT ",
    b"pydantic",
    b"PRIVATE",
    b".py",
    b"Errno",
)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def target(module_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    """A gateway that waits for nothing, with one recording."""
    folder = tmp_path_factory.mktemp("PRIVATE")
    async with running_world(
        module_database_url, folder, transcribes=False, transcribe_sync_timeout_ms=1, max_upload_bytes=200_000
    ) as world:
        yield world


def routes(world: World) -> list[tuple[str, str]]:
    """Return the methods and paths that there are."""
    assert world.gateway.app is not None
    return sorted(
        {
            (route.method, route.resource.canonical)
            for route in world.gateway.app.router.routes()
            if route.resource
        }
    )


async def check(world: World, answer: Answer) -> None:
    """An answer says clearly what it is, and what it refused is not there."""
    assert answer.status < 500, answer
    for telltale in (*TELLTALES, str(world.folder).encode()):
        assert telltale not in answer.body, answer
    if answer.status:
        assert answer.headers.get("x-request-id"), answer
    if answer.status >= 400 and answer.body:
        body = json.loads(answer.body)
        if answer.headers["content-type"].startswith("application/problem+json"):
            assert PROBLEMS[body["code"]] == body["status"] == answer.status
            assert body["detail"]
        else:
            assert body["error"]["message"], answer  # OpenAI's shape
    rows = await world.database.pool.fetch("SELECT blob FROM audio")
    assert world.stored() == {row["blob"] for row in rows}


WEIRD = st.sampled_from(
    ["", " ", "0", "-1", "1e9", "NaN", "null", "true", "[]", "{}", "'", '"', "\\", "%", "\0", "\r\n", "../..", "٣", "𝟘",
     "\ud800", "\ufeff", "9" * 30, "a" * 5_000, "'; DROP TABLE audio; --", "${jndi:x}", "{{7*7}}", "<b>", "\u202e", "🎧"]
)  # fmt: skip
TEXT = WEIRD | st.text(max_size=30)


def encoded(text: str) -> str:
    """Percent-encode anything, lone surrogates too."""
    return quote(text.encode("utf-8", "surrogatepass"), safe="")


BAD_CODING = st.sampled_from(
    [
        "%",
        "%2",
        "%zz",
        "%00",
        "%ff",
        "%c0%ae",
        "%ed%a0%80",
        "%u0041",
        "+",
        "%2e%2e%2f",
        "%0d%0a",
        ";",
        "=",
        "&&",
    ]
)
QUERY_VALUE = TEXT.map(encoded) | BAD_CODING
NAMES = ["limit", "cursor", "status", "fmt", "id", "code", "filename", "language", "engine", "model", "priority",
         "force", "webhookUrl", "metadata", "access_token", "q", "original", "named", "lastEventId", "heartbeat"]  # fmt: skip
QUERY = st.lists(st.tuples(st.sampled_from(NAMES) | QUERY_VALUE, QUERY_VALUE).map("=".join), max_size=4).map(
    "&".join
)

SEGMENT = (
    st.sampled_from([str(uuid4()), "0" * 32, "{" + str(uuid4()) + "}", "urn:uuid:" + str(uuid4()), "..", "."])
    | TEXT
)
METHODS = [
    "GET",
    "HEAD",
    "POST",
    "PUT",
    "PATCH",
    "DELETE",
    "OPTIONS",
    "TRACE",
    "CONNECT",
    "PROPFIND",
    "get",
    "X" * 50,
]

LATIN = st.text(st.characters(min_codepoint=32, max_codepoint=255, exclude_characters="\x7f"), max_size=60)
HEADERS = st.lists(
    st.sampled_from(["Range", "If-Range", "If-Match", "If-None-Match", "If-Modified-Since", "If-Unmodified-Since",
                     "Content-Type", "Accept", "Accept-Encoding", "Last-Event-ID", "Idempotency-Key", "Origin", "Cookie",
                     "Access-Control-Request-Method", "Content-Encoding", "Expect", "X-Request-Id", "Upgrade",
                     "X-HTTP-Method-Override", "X-Forwarded-For", "Forwarded", "Traceparent"]).flatmap(
        lambda name: st.tuples(
            st.just(name),
            LATIN | st.sampled_from(["bytes=0-", "bytes=-1", "bytes=9-1", "bytes=0-0,2-3", "bytes=-", "bytes=" + "9" * 40 + "-",
                                     "lines=1-2", "bytes=a-b", "*", '"x"', 'W/"x"', '"', "Thu, 99 Foo 0000", "gzip", "br",
                                     "100-continue", "999-x", "h2c", "multipart/form-data", "multipart/form-data; boundary=",
                                     "application/json; charset=nonsense", "text/plain; charset=utf-7", "x" * 8_000]),
        )
    ),
    max_size=4,
)  # fmt: skip

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT | st.just(10**400),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "path",
                    "ids",
                    "code",
                    "all",
                    "language",
                    "engine",
                    "model",
                    "priority",
                    "force",
                    "url",
                    "secret",
                    "webhookUrl",
                    "metadata",
                    "x",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)
BODY = (
    JSON.map(lambda value: json.dumps(value).encode())
    | st.binary(max_size=200)
    | st.sampled_from([b"", b"{", b"[" * 100_000, b'{"path":' * 5_000, b"\xff\xfe{}", b"\xef\xbb\xbf{}", b'{"priority": NaN}',
                       b'{"priority": 1e999}', b'{"language": "\\ud800"}', b'{"path": "/api/x", "path": 1}', b"nul", media.wav()[:5_000],
                       b'{"all": true, "all": false}', b"--" + BOUNDARY.encode()])
)  # fmt: skip


def request(
    world: World, method: str, path: str, query: str, headers: list[tuple[str, str]], body: bytes
) -> bytes:
    """Return a request with a good token and a true length."""
    lines = [
        f"{method} {path}{'?' if query else ''}{query} HTTP/1.1", "Host: x", "Connection: close",
        f"Authorization: Bearer {world.token(OWNER, SCOPE)}", f"Content-Length: {len(body)}",
        *(f"{name}: {value}" for name, value in headers),
    ]  # fmt: skip
    return "\r\n".join(lines).encode("latin-1", "replace") + b"\r\n\r\n" + body


async def any_request(world: World, data: st.DataObject) -> None:
    """Ask one of the routes, or nearly one, for something."""
    route_method, template = data.draw(st.sampled_from(routes(world)))
    method = data.draw(st.just(route_method) | st.sampled_from(METHODS))
    path = template
    while "{" in path:
        before, _, rest = path.partition("{")
        path = before + data.draw(SEGMENT.map(encoded) | BAD_CODING) + rest.partition("}")[2]
    sent = request(world, method, path, data.draw(QUERY), data.draw(HEADERS), data.draw(BODY))
    answer = await exchange(world.gateway.url, sent)
    assert answer.status
    await check(world, answer)


@given(data=st.data())
@few
async def test_any_request_to_any_route_has_a_clear_answer(target: World, data: st.DataObject) -> None:
    await any_request(target, data)


DISPOSITION = st.sampled_from(
    [b'form-data; name="file"; filename="a.wav"', b'form-data; name="file"', b"form-data; name=file; filename=a", b"form-data",
     b'attachment; name="file"', b"", b'form-data; name="language"', b'form-data; name="\xff"', b'form-data; name="priority"',
     b"form-data; name*=UTF-8''file; filename*=UTF-8''%ff", b'form-data; name="file"; filename="' + b"x" * 9_000 + b'"',
     b'form-data; name="file"; name="model"', b'form-data; name="file"; filename="\\"']
)  # fmt: skip
PART_HEADERS = st.sampled_from(
    [b"", b"Content-Type: audio/wav", b"Content-Type: multipart/mixed; boundary=x", b"Content-Type: multipart/mixed",
     b"Content-Transfer-Encoding: base64", b"Content-Transfer-Encoding: quoted-printable", b"Content-Transfer-Encoding: nonsense",
     b"Content-Encoding: gzip", b"Content-Encoding: nonsense", b"Content-Length: 99999999999", b"Content-Length: -1",
     b"X: " + b"y" * 9_000, b"X: y\r\n" * 500, b"no header", b": ", b"\0: \0", b" folded: x\r\n y"]
)  # fmt: skip
CONTENT = st.binary(max_size=100) | st.sampled_from(
    [b"", b"en", media.wav()[:4_000], b"--frontier", b"\r\n--frontier", b"\r\n--frontier--\r\n", b"=ff=zz", b"%%%", b"x" * 70_000,
     b"--x\r\n\r\n--x--\r\n"]
)  # fmt: skip
PART = st.tuples(DISPOSITION, PART_HEADERS, CONTENT).map(
    lambda made: (
        b"--frontier\r\nContent-Disposition: " + made[0] + b"\r\n" + made[1] + b"\r\n\r\n" + made[2] + b"\r\n"
    )
)
FORM = st.lists(PART | CONTENT, max_size=5).map(b"".join)
ENDING = st.sampled_from(
    [
        END,
        b"",
        b"--frontier--",
        b"--frontier",
        b"--frontier\r\n",
        END * 2,
        END + b"x" * 1_000,
        b"--other--\r\n",
    ]
)
BOUNDARIES = st.sampled_from(
    ["frontier", "frontier", "frontier", "other", "", '"', '"frontier"', "x" * 71, "a b", "\xff"]
)
LENGTH = st.sampled_from(
    [
        "true",
        "true",
        "true",
        "less",
        "more",
        "none",
        "negative",
        "words",
        "two",
        "huge",
        "chunked",
        "bad chunks",
        "both",
    ]
)


def framed(body: bytes, how: str) -> tuple[bytes, bytes]:
    """Return the headers that say how long a body is, perhaps not truly, and the body as it is sent."""
    length = b"Content-Length: %d\r\n"
    chunks = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body) if body else b"0\r\n\r\n"
    return {
        "true": (length % len(body), body),
        "less": (length % (len(body) // 2), body),
        "more": (length % (len(body) + 1_000), body),
        "none": (b"", body),
        "negative": (length % -1, body),
        "words": (b"Content-Length: many\r\n", body),
        "two": (length % len(body) + length % (len(body) + 1), body),
        "huge": (b"Content-Length: " + b"9" * 30 + b"\r\n", body),
        "chunked": (b"Transfer-Encoding: chunked\r\n", chunks),
        "bad chunks": (b"Transfer-Encoding: chunked\r\n", b"zz\r\n" + body),
        "both": (b"Transfer-Encoding: chunked\r\n" + length % len(body), chunks),
    }[how]


async def any_upload(world: World, data: st.DataObject) -> None:
    """Send a form that is hardly one, of a length that is hardly its own."""
    path = data.draw(st.sampled_from([b"/api/audios", b"/v1/audio/transcriptions"]))
    boundary, how = data.draw(BOUNDARIES).encode("latin-1"), data.draw(LENGTH)
    headers, body = framed(data.draw(FORM) + data.draw(ENDING), how)
    head = (
        b"POST " + path + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer "
        + world.token(OWNER).encode() + b"\r\nContent-Type: multipart/form-data; boundary=" + boundary + b"\r\n" + headers + b"\r\n"
    )  # fmt: skip
    await exchange_and_check(world, head + body, leave=how in ("more", "huge", "bad chunks"))


@given(data=st.data())
@few
async def test_any_form_of_any_length_has_a_clear_answer(target: World, data: st.DataObject) -> None:
    await any_upload(target, data)


LINES = st.lists(
    st.sampled_from([b"GET /api/runs HTTP/1.1", b"Host: x", b"Connection: close", b"", b" ", b"\0", b"GET", b"GET / HTTP/9.9",
                     b"GET / HTTP/1.1 x", b"\x16\x03\x01\x02\0\x01", b"PRI * HTTP/2.0", b"X: " + b"y" * 9_000, b"X" * 9_000,
                     b"GET /" + b"a" * 9_000 + b" HTTP/1.1", b"GET http://[::1/ HTTP/1.1", b"GET //x HTTP/1.1", b"GET * HTTP/1.1",
                     b"Authorization: Bearer SECRETSECRET\x01", b"Transfer-Encoding: gzip, chunked", b"Transfer-Encoding: x",
                     b"Content-Length: +1", b"Upgrade: h2c", b"Host: a\r\nHost: b", b"\xff: \xff", b"a b: c"])
    | st.binary(max_size=40),
    max_size=6,
).map(b"\r\n".join)  # fmt: skip


async def any_bytes(world: World, data: st.DataObject) -> None:
    """Send what is hardly HTTP."""
    sent = data.draw(LINES) + b"\r\n\r\n"
    answer = await exchange_and_check(world, sent, leave=True)
    assert b"SECRET" not in answer.body


async def exchange_and_check(world: World, sent: bytes, *, leave: bool) -> Answer:
    """Send bytes and check the answer; whoever leaves may get none."""
    answer = await exchange(world.gateway.url, sent, leave=leave)
    assert answer.status or leave
    if leave:
        await eventually(lambda: not world.stored() & {name for name in world.stored() if ".writing" in name})
    await check(world, answer)
    return answer


@given(data=st.data())
@few
async def test_any_bytes_have_a_clear_answer_or_none(target: World, data: st.DataObject) -> None:
    await any_bytes(target, data)


@pytest.mark.slow
@given(data=st.data())
@many
async def test_many_requests_of_all_kinds_have_clear_answers(target: World, data: st.DataObject) -> None:
    kinds: list[Callable[[World, st.DataObject], Awaitable[None]]] = [any_request, any_upload, any_bytes]
    await data.draw(st.sampled_from(kinds))(target, data)


async def test_thousands_of_parts_and_headers_are_refused_in_time(target: World) -> None:
    field = part("language", b"en")
    for body in (field * 5_000 + END, part("file", b"x", filename="a", headers=b"X: y\r\n" * 50_000) + END):
        response = await target.post_body(OWNER, body)
        assert (response.status_code, response.json()["code"]) == (400, "bad_request")


async def test_the_gateway_still_works_after_all_this(target: World) -> None:
    await target.still_works()
