"""Calls out reach what is public and nothing else, however the address is written or what it leads to."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from ipaddress import IPv6Address, ip_address

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from lingoloop_common import outbound
from lingoloop_common.http import HttpServer
from lingoloop_common.lifecycle import running
from lingoloop_common.outbound import NOT_PUBLIC, CallFailed, Outbound, Refused, body_of, check_url, is_public
from tests.servers import free_port


@pytest.mark.parametrize(
    ("text", "called"),
    [
        ("https://example.com/talk.mp3", "https://example.com/talk.mp3"),
        ("HTTP://Example.com:8080/a", "http://Example.com:8080/a"),
        ("https://example.com./a", "https://example.com./a"),
        ("https://h.example/%2f%7e?sig=a%2Bb%20c", "https://h.example/%2f%7e?sig=a%2Bb%20c"),
        ("https://h.example/a#t=10", "https://h.example/a"),
        ("https://bücher.example/ä.mp3", "https://xn--bcher-kva.example/%C3%A4.mp3"),
        ("http://[2606:2800:220:1::1]/a", "http://[2606:2800:220:1::1]/a"),
    ],
)
def test_a_web_address_is_called_as_it_is_written(text: str, called: str) -> None:
    assert str(check_url(text)) == called


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("ftp://example.com/a", "http"),
        ("file:///etc/passwd", "http"),
        ("gopher://example.com", "http"),
        ("//example.com/a", "http"),
        ("example.com/a.mp3", "http"),
        ("", "http"),
        ("http://", "host"),
        ("http:///a", "host"),
        ("http://[fe80::1%25eth0]/", "host"),
        ("http://user@example.com/", "password"),
        ("http://user:secret@example.com/", "password"),
        ("http://:@example.com/", "password"),
        ("http://@example.com/", "password"),
        ("http://example.com:0/", "ports"),
        ("http://example.com:22/", "ports"),
        ("http://example.com:25/", "ports"),
        ("http://example.com:99999/", "not an address"),
        ("http://example.com:a/", "not an address"),
        ("http://[::1/", "not an address"),
        ("http://example.com\\@evil.example/", "not an address"),
        ("http://example.com/a b", "spaces"),
        ("http://example.com/\r\nHost: inside", "spaces"),
        ("http://example.com/\x00", "spaces"),
        ("http://example.com/\u202e", "spaces"),
        ("http://example.com/" + "a" * 2048, "2048"),
    ],
)
def test_what_is_no_web_address_is_refused_with_its_reason(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        check_url(text)


@given(st.text(max_size=80).map("http://".__add__) | st.text(max_size=80))
def test_any_text_is_an_address_or_a_value_error(text: str) -> None:
    try:
        url = check_url(text)
    except ValueError:
        return
    assert url.scheme in ("http", "https")
    assert url.raw_host
    assert "@" not in url.raw_authority


@pytest.mark.parametrize(
    "text",
    [
        "0.0.0.0",
        "0.1.2.3",
        "10.0.0.1",
        "10.255.255.255",
        "100.64.0.1",
        "100.100.100.200",
        "100.127.255.255",
        "127.0.0.1",
        "127.255.255.254",
        "168.63.129.16",
        "169.254.0.1",
        "169.254.169.254",
        "172.16.0.1",
        "172.31.255.255",
        "192.0.0.8",
        "192.0.0.192",
        "192.0.2.1",
        "192.88.99.1",
        "192.168.0.1",
        "198.18.0.1",
        "198.19.255.255",
        "198.51.100.1",
        "203.0.113.1",
        "224.0.0.1",
        "239.255.255.255",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::127.0.0.1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "::ffff:8.8.8.8",
        "::ffff:0:127.0.0.1",
        "64:ff9b::7f00:1",
        "64:ff9b::808:808",
        "64:ff9b:1::7f00:1",
        "100::1",
        "2001::1",
        "2001:0:7f00:1::",
        "2001:10::1",
        "2001:20::1",
        "2001:db8::1",
        "2002:7f00:1::",
        "2002:a00:1::",
        "2002:808:808::",
        "3fff::1",
        "5f00::1",
        "fc00::1",
        "fd00:ec2::254",
        "fdff::1",
        "fe80::1",
        "fe80::1%eth0",
        "2606:4700::1%eth0",
        "fec0::1",
        "ff02::1",
        "ff0e::1",
    ],
)
def test_special_addresses_are_not_public(text: str) -> None:
    assert not is_public(text)


@pytest.mark.parametrize(
    "text",
    [
        "1.1.1.1",
        "8.8.8.8",
        "9.255.255.255",
        "11.0.0.0",
        "100.63.255.255",
        "100.128.0.0",
        "126.255.255.255",
        "128.0.0.1",
        "169.253.255.255",
        "169.255.0.0",
        "172.15.255.255",
        "172.32.0.0",
        "192.167.255.255",
        "192.169.0.0",
        "223.255.255.255",
        "2001:200::1",
        "2001:4860:4860::8888",
        "2003::1",
        "2606:4700::1111",
        "3ffe::1",
    ],
)
def test_their_neighbours_are(text: str) -> None:
    assert is_public(text)


@given(st.ip_addresses())
def test_nothing_is_public_that_python_knows_to_be_private(address: object) -> None:
    known = ip_address(str(address))
    if (
        known.is_private
        or known.is_multicast
        or known.is_loopback
        or known.is_link_local
        or known.is_reserved
    ):
        assert not is_public(str(known))
    if isinstance(known, IPv6Address) and (known.ipv4_mapped or known.sixtofour or known.teredo):
        assert not is_public(str(known))


@pytest.fixture
async def serve() -> AsyncIterator["Start"]:
    """Call it with answers by path for a server that gives them; returns its address."""
    servers: list[HttpServer] = []

    async def start(answers: dict[str, object], host: str = "127.0.0.1") -> str:
        app = web.Application()

        async def answer(request: web.Request) -> web.StreamResponse:
            found = answers[request.path]
            if isinstance(found, str):
                return web.Response(status=302, headers={"Location": found})
            assert isinstance(found, bytes)
            return web.Response(body=found)

        app.router.add_get("/{name:.*}", answer)
        server = HttpServer(app, host=host, port=0, grace=0)
        await server.start()
        servers.append(server)
        return server.url

    yield start
    for server in servers:
        await server.stop()


Start = Callable[..., Awaitable[str]]


async def fetched(url: str, *, allow_private: bool = False) -> bytes:
    client = Outbound(allow_private=allow_private)
    async with running([client]), client.get(url, {}) as response:
        return await response.read()


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.1",
        "0x7f.1",
        "0x7f000001",
        "2130706433",
        "017700000001",
        "0177.0.0.1",
        "0.0.0.0",
        "0",
        "localhost",
        "localhost.",
        "LOCALHOST",
        "[::1]",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
        "①②⑦.⓪.⓪.①",
        "127。0。0。1",
        "nothing-has-this-name.invalid",
        "an..empty-part.example",
        f"{'a' * 64}.example",
    ],
)
async def test_what_is_inside_is_refused_in_the_same_words_however_it_is_written(
    serve: Start, host: str
) -> None:
    port = (await serve({"/a": b"inside"})).rpartition(":")[2]
    with pytest.raises(Refused) as refused:
        await fetched(f"http://{host}:{port}/a")
    assert str(refused.value) == NOT_PUBLIC


async def test_what_is_inside_is_called_where_that_is_allowed(serve: Start) -> None:
    assert await fetched(await serve({"/a": b"inside"}) + "/a", allow_private=True) == b"inside"


async def test_each_redirect_is_checked(serve: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    inside = await serve({"/a": b"inside"})
    public = await serve({"/a": inside + "/a", "/b": "/c", "/c": b"outside"}, "127.0.0.2")
    monkeypatch.setattr(outbound, "is_public", lambda text: text == "127.0.0.2")
    assert await fetched(public + "/b") == b"outside"
    with pytest.raises(Refused, match="not public"):
        await fetched(public + "/a")


@pytest.mark.parametrize(
    ("location", "reason"),
    [
        ("file:///etc/passwd", "http"),
        ("http://user:secret@127.0.0.1/", "password"),
        ("http://127.0.0.1:22/", "ports"),
        ("http://[", "not an address"),
    ],
)
async def test_a_redirect_leads_to_a_web_address(serve: Start, location: str, reason: str) -> None:
    with pytest.raises(Refused, match=reason):
        await fetched(await serve({"/a": location}) + "/a", allow_private=True)


async def test_five_redirects_are_followed_and_no_more(serve: Start) -> None:
    url = await serve({**{f"/{number}": f"/{number - 1}" for number in range(1, 7)}, "/0": b"here"})
    assert await fetched(url + "/5", allow_private=True) == b"here"
    with pytest.raises(Refused, match="more than 5"):
        await fetched(url + "/6", allow_private=True)


def test_no_redirect_leads_from_https_to_http() -> None:
    with pytest.raises(Refused, match="https to http"):
        outbound._redirected(check_url("https://a.example/"), "http://a.example/b")
    assert str(outbound._redirected(check_url("https://a.example/x/"), "../b")) == "https://a.example/b"


async def test_no_proxy_is_taken_from_the_environment(serve: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    url = await serve({"/a": b"straight"})
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    assert await fetched(url + "/a", allow_private=True) == b"straight"


async def test_nobody_there_may_be_better_later() -> None:
    with pytest.raises(CallFailed, match="reached"):
        await fetched(f"http://127.0.0.1:{free_port()}/", allow_private=True)


async def test_a_body_that_turns_into_nonsense_does_not_hang_the_caller(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(outbound, "IDLE", 0.3)
    came = asyncio.Event()

    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
        await came.wait()
        writer.write(b"no length\r\n")
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    client = Outbound(allow_private=True)
    try:
        async with (
            running([client]),
            client.get(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/", {}) as response,
        ):
            body = body_of(response)
            assert await anext(body) == b"abc"
            came.set()
            with pytest.raises(CallFailed, match="in time"):
                await asyncio.wait_for(anext(body), 5)
    finally:
        server.close()


@pytest.mark.parametrize(
    ("sent", "what"),
    [
        (b"", "in time"),
        (b"HTTP/1.1 200 OK\r\n", "in time"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", "in time"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 20_000 + b"\r\n\r\n", "cannot be read"),
        (b"HTTP/1.1 200 OK\r\n" + b"X: x\r\n" * 500 + b"\r\n", "cannot be read"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "cannot be read"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n", "cannot be read"),
    ],
)
async def test_a_server_can_neither_hang_nor_flood_the_caller(
    sent: bytes, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if what == "in time":
        for name in ("CONNECT", "ANSWER", "IDLE"):
            monkeypatch.setattr(outbound, name, 0.3)

    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(sent)
        await writer.drain()
        await closing.wait()
        writer.close()

    closing = asyncio.Event()
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    client = Outbound(allow_private=True)
    try:
        async with running([client]):
            with pytest.raises(CallFailed, match=what):
                async with client.get(
                    f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/", {}
                ) as response:
                    assert b"".join([part async for part in body_of(response)]) is None
    finally:
        closing.set()
        server.close()
