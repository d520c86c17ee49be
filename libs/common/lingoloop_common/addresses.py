"""Addresses: where a request comes from, how many come from there, and what it called us."""

from collections.abc import Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from lingoloop_common.rates import Rates
from lingoloop_common.settings import Network

IPV6_HOST = 64
"""Bits of an IPv6 address that tell one network from another; within, whoever has it picks addresses at will."""


def gate(rates: Rates, proxies: Sequence[Network]) -> Middleware:
    """Return what counts each request against its address, before anything of it is looked at."""

    @web.middleware
    async def count(request: web.Request, handler: Handler) -> web.StreamResponse:
        rates.check(asker(request.remote or "", request.headers.getall("X-Forwarded-For", []), proxies))
        return await handler(request)

    return count


def asker(peer: str, forwarded: Sequence[str], proxies: Sequence[Network]) -> str:
    """Return the address that a request counts against: an IPv4 address, or an IPv6 network.

    The peer's own, unless it is a trusted proxy: then the last one in `X-Forwarded-For` that is none. What stands before
    that was written by the client, who may write anything. Pure.
    """
    address = _read(peer)
    if address is None:
        return peer
    for text in reversed([part for line in forwarded for part in line.split(",")]):
        if not any(address in network for network in proxies):
            break
        before = _read(text.strip())
        if before is None:
            break
        address = before
    return str(address) if address.version == 4 else str(ip_network((address, IPV6_HOST), strict=False))


def origin(request: web.Request, proxies: Sequence[Network]) -> str:
    """Return the scheme and host that the client used, as `https://host`: as trusted proxies tell, or the request itself."""
    peer = _read(request.remote or "")
    trusted = peer is not None and any(peer in network for network in proxies)

    def told(name: str, otherwise: str) -> str:
        given = request.headers.get(name, "") if trusted else ""
        return given.partition(",")[0].strip() or otherwise

    return f"{told('X-Forwarded-Proto', request.scheme)}://{told('X-Forwarded-Host', request.host)}"


@lru_cache(maxsize=1_000)
def _read(text: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(text)
    except ValueError:
        return None
    return (address.version == 6 and address.ipv4_mapped) or address
