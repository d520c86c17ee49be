"""Calls out to addresses that clients name: only to public ones, checked where the connection is made.

What a name stands for may change between a look and a connection (DNS rebinding), and a literal address passes no resolver at
all. So each socket is checked as it is made, by the very address that it connects to.
"""

import asyncio
import contextlib
import socket
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any

import aiohttp
from yarl import URL

from lingoloop_common.lookups import Lookups

LONGEST_URL = 2_048
REDIRECTS = 5

CONNECT, IDLE, ANSWER = 10.0, 30.0, 30.0
"""Seconds: for a connection, without a byte, and until an answer's headers are there."""

CALL, LITTLE = 20.0, 4_096
"""Seconds for the whole of a call that sends something, and bytes of the answer that are read before it is cut off."""

WEB_PORTS = (80, 443)
LEAST_OTHER_PORT = 1_024
"""Below are mail, shells and the like, which may take a request for their own language."""

NOT_PUBLIC = "the address cannot be called: it does not exist, or is not public"
"""The same for all that is refused, so that nobody learns what is inside."""

SILENT = "the server did not answer in time"

_REDIRECTING = {301, 302, 303, 307, 308}

_UNKNOWN_NAMES = {socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)}

# IANA's special-purpose registries (RFC 6890), and what clouds use of the rest. `ipaddress.is_global` says of some that they
# are global, and not the same in each Python.
_NOT_PUBLIC_4 = [
    ip_network(text)
    for text in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",  # carriers' NAT; metadata in one cloud
        "127.0.0.0/8",
        "168.63.129.16/32",  # metadata in another
        "169.254.0.0/16",  # link-local; metadata in most
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/3",  # multicast, reserved, broadcast
    )
]
_PUBLIC_6 = ip_network("2000::/3")
_NOT_PUBLIC_6 = [
    ip_network(text)
    for text in (
        "2001::/23",  # protocols' own, Teredo among them
        "2001:db8::/32",
        "2002::/16",  # 6to4: leads to any IPv4 address
        "3fff::/20",
    )
]


class Refused(OSError):
    """A call that is not made, nor would be if it were tried again; the text is for whoever named the address."""


class CallFailed(Exception):
    """The other side did not answer, or broke off; it may do better later."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of something that was sent: the status, and the header `Retry-After` as it stands there."""

    status: int
    retry_after: str | None


def check_url(text: str) -> URL:
    """Return an address that has the right form; whether it is public shows only when it is called.

    Raises:
        ValueError: it has not; the text says what is wrong.
    """
    if len(text) > LONGEST_URL:
        raise ValueError(f"may have {LONGEST_URL} characters")
    if any(letter.isspace() or not letter.isprintable() for letter in text):
        raise ValueError("holds spaces or characters that cannot be seen")
    try:
        # As it was written: a signature in it may count each character.
        url = URL(text, encoded=text.isascii()).with_fragment(None)
        host, port = url.raw_host, url.port
    except ValueError:
        raise ValueError("is not an address") from None
    if url.scheme not in ("http", "https"):
        raise ValueError("must begin with http:// or https://")
    if not host or "%" in host or "\\" in host:
        raise ValueError("names no host")
    if "@" in url.raw_authority:
        raise ValueError("must not hold a user or a password")
    if port is None or (port not in WEB_PORTS and port < LEAST_OTHER_PORT):
        raise ValueError(f"may use the ports 80, 443 and those from {LEAST_OTHER_PORT} on")
    return url


def is_public(text: str) -> bool:
    """Whether a numeric address is reachable for everybody. Pure.

    IPv6 that stands for an IPv4 address (mapped, NAT64, 6to4) is refused whatever it stands for.
    """
    address: IPv4Address | IPv6Address = ip_address(text)
    if isinstance(address, IPv4Address):
        return not any(address in network for network in _NOT_PUBLIC_4)
    return (
        address.scope_id is None
        and address in _PUBLIC_6
        and not any(address in network for network in _NOT_PUBLIC_6)
    )


def public_socket(info: tuple[Any, ...]) -> socket.socket:
    """Make a socket for an address as `getaddrinfo` gives it; raise Refused when that is not public."""
    family, kind, protocol, _, address = info
    if not is_public(address[0]):
        raise Refused(NOT_PUBLIC)
    return socket.socket(family, kind, protocol)


class Outbound:
    """A client for such calls. It uses no proxy, keeps no cookie and no connection, and unpacks nothing.

    Args:
        allow_private: let it reach inside, for those who keep what they fetch there.
    """

    def __init__(self, *, allow_private: bool) -> None:
        self._allow_private = allow_private
        self._session: aiohttp.ClientSession | None = None

    async def start(self) -> None:
        """Open the client; nothing is connected."""
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                socket_factory=None if self._allow_private else public_socket,
                force_close=True,
                use_dns_cache=False,
                resolver=Lookups(),
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT, sock_read=IDLE),
            headers={"User-Agent": "LingoLoop", "Accept": "*/*", "Accept-Encoding": "identity"},
        )

    async def stop(self) -> None:
        """Close it."""
        if self._session:
            await self._session.close()

    @contextlib.asynccontextmanager
    async def get(self, url: str, headers: Mapping[str, str]) -> AsyncIterator[aiohttp.ClientResponse]:
        """Open an answer, its body still to be read, after at most five redirects, each checked like the first address.

        Raises:
            Refused: the address, or one that it leads to, may not be called.
            CallFailed: no answer.
        """
        target = _checked(url)
        for _ in range(REDIRECTS + 1):
            async with await self._ask("GET", target, headers, CONNECT + ANSWER) as response:
                if response.status not in _REDIRECTING:
                    yield response
                    return
                target = _redirected(target, response.headers.get("Location", ""))
        raise Refused(f"the address leads through more than {REDIRECTS} others")

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Send a body and return what was answered; a redirect is an answer, and is not followed.

        The status tells all: of what comes after it a little is read, so that the other side may end, and dropped.

        Raises:
            Refused: the address may not be called.
            CallFailed: no answer within 20 seconds.
        """
        async with await self._ask("POST", _checked(url), headers, CALL, body) as response:
            with contextlib.suppress(aiohttp.ClientError, EOFError, TimeoutError):
                async with asyncio.timeout(1):
                    await response.content.readexactly(LITTLE)
            return Answer(response.status, response.headers.get("Retry-After"))

    async def _ask(
        self, method: str, target: URL, headers: Mapping[str, str], seconds: float, body: bytes | None = None
    ) -> aiohttp.ClientResponse:
        assert self._session is not None  # started
        try:
            async with asyncio.timeout(seconds):
                return await self._session.request(
                    method, target, headers=headers, data=body, allow_redirects=False
                )
        except aiohttp.ClientError as error:
            raise _meant(error) from error
        except TimeoutError as error:
            raise CallFailed(SILENT) from error


async def body_of(response: aiohttp.ClientResponse) -> AsyncGenerator[bytes, None]:
    """Yield an answer's body as it comes; raise CallFailed when it breaks off, or nothing comes for half a minute."""
    while True:
        try:
            # The client's own limit ends with the connection, and a reader is not told of a chunk that is none.
            async with asyncio.timeout(IDLE):
                part = await response.content.readany()
        except aiohttp.ClientError as error:
            raise _meant(error) from error
        except TimeoutError as error:
            raise CallFailed(SILENT) from error
        if not part:
            return
        yield part


def _checked(text: str) -> URL:
    try:
        return check_url(text)
    except ValueError as error:
        raise Refused(f"the address {error}") from None


def _redirected(origin: URL, location: str) -> URL:
    try:
        target = origin.join(URL(location, encoded=location.isascii()))
    except ValueError:
        raise Refused("the server leads to what is not an address") from None
    target = _checked(str(target))
    if origin.scheme == "https" and target.scheme != "https":
        raise Refused("the address leads from https to http")
    return target


def _meant(error: aiohttp.ClientError) -> Exception:
    """Return what the client's error means for the caller."""
    if isinstance(error, aiohttp.ClientConnectorError) and isinstance(error.os_error, Refused):
        return error.os_error
    if isinstance(error, aiohttp.ClientConnectorDNSError) and error.os_error.errno in _UNKNOWN_NAMES:
        return Refused(NOT_PUBLIC)
    if isinstance(error, aiohttp.InvalidURL):  # 127.1 and the like
        return Refused(NOT_PUBLIC)
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return Refused("the server's certificate is not good for this address")
    if isinstance(error, TimeoutError):
        return CallFailed(SILENT)
    if isinstance(error, aiohttp.ClientConnectorError):
        return CallFailed("the server cannot be reached")
    if isinstance(
        error, aiohttp.ClientPayloadError | aiohttp.ServerDisconnectedError | aiohttp.ClientOSError
    ):
        return CallFailed("the server broke off")
    return CallFailed("the server's answer cannot be read")
