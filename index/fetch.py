"""An address of the web → bytes. The only file that goes out, and only to where a person pointed.

An article's address may lead, by name or by redirect, to a machine that only this one can reach (a router, a metadata
service). So every name is resolved here, every address it has must be public, and the connection goes to the address
that was looked at.
"""

from __future__ import annotations

import ipaddress
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urldefrag, urljoin, urlsplit

from index.types import SourceError

if TYPE_CHECKING:
    import httpx

MAX_BYTES = 20_000_000  # after unpacking; an article's page has some 100 kB, a scanned report some MB
SECONDS = 30.0  # for everything, redirects included: a server that sends a byte now and then ends too
REDIRECTS = 5
_TOO_LONG = f"it takes longer than {SECONDS:g} s"
_HEADERS = {"User-Agent": "Footnote (https://pypi.org/project/footnote-qa/)", "Accept-Encoding": "gzip, deflate"}


@dataclass(frozen=True)
class Fetched:
    """What came: `content_type` without parameters, lower case; `url` where it was found in the end; `charset` that
    the server names."""

    data: bytes
    content_type: str
    url: str
    charset: str | None = None


def is_url(source: str) -> bool:
    """Whether a source is an address of the web and not a file: `https://…`; also one of another kind, `ftp://…`."""
    return "://" in source


def fetch(url: str, allow_private: bool = False) -> Fetched:
    """The bytes at an http(s) address. `allow_private` is for tests: loopback has no public address.

    Raises SourceError for another kind of address, one that is not public, a status other than 200, more than
    MAX_BYTES, more than SECONDS, or no answer.
    """
    import httpx

    until, at = time.monotonic() + SECONDS, urldefrag(url).url
    try:
        with httpx.Client(trust_env=False, headers=_HEADERS) as client, _cut_off(until) as trace:
            for _ in range(REDIRECTS + 1):
                asked = _pinned(at, allow_private)
                asked["extensions"]["trace"] = trace
                with client.stream("GET", **asked, timeout=_left(until)) as response:
                    if not response.has_redirect_location:
                        return _read(response, at, until)
                    at = urljoin(at, response.headers["location"])
    except (httpx.HTTPError, httpx.InvalidURL, UnicodeError, ValueError) as exc:
        reason = _TOO_LONG if time.monotonic() >= until else _reason(exc)
        raise SourceError(f"it could not be fetched ({reason}); check the address, or save the page") from exc
    raise SourceError(f"it leads on more than {REDIRECTS} times; give the address where it ends")


@contextmanager
def _cut_off(until: float) -> Iterator[Callable[[str, dict[str, Any]], None]]:
    """Ends each connection that is then open: httpx limits every single read, and a server may give a byte of its
    headers now and then. Gives the hook that tells it of connections."""
    streams: list[Any] = []

    def trace(event: str, info: dict[str, Any]) -> None:
        if event in ("connection.connect_tcp.complete", "connection.start_tls.complete"):
            _left(until)  # one that was made only now would not be ended
            streams.append(info["return_value"])

    def end() -> None:
        for stream in streams:
            with suppress(OSError):  # it is closed already
                stream.get_extra_info("socket").shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(until - time.monotonic(), end)
    timer.start()
    try:
        yield trace
    finally:
        timer.cancel()


def _left(until: float) -> float:
    """Seconds that are left. Raises SourceError when none are."""
    if (left := until - time.monotonic()) <= 0:
        raise SourceError(f"{_TOO_LONG}; save the page and add the file")
    return left


def _pinned(url: str, allow_private: bool) -> dict[str, Any]:
    """How to ask for `url` at the very address that was looked at, under its own name."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise SourceError(f"{url!r} is no web address; only http:// and https:// are fetched")
    if parts.username or parts.password:
        raise SourceError("an address with a user name is not fetched; save the page and add the file")
    port = parts.port or (443 if parts.scheme == "https" else 80)
    address = _public(parts.hostname, port, allow_private)
    bracketed = f"[{address}]" if ":" in address else address
    pinned = parts._replace(netloc=f"{bracketed}:{port}").geturl()
    return {"url": pinned, "headers": {"Host": parts.netloc}, "extensions": {"sni_hostname": parts.hostname}}


def _public(host: str, port: int, allow_private: bool) -> str:
    """The first of the host's addresses; all must be public."""
    found = [ipaddress.ip_address(address.split("%")[0]) for address in _addresses(host, port)]
    plain = [getattr(address, "ipv4_mapped", None) or address for address in found]
    hidden = [address for address in plain if not address.is_global or address.is_multicast]
    if hidden and not allow_private:
        raise SourceError(
            f"{host} is {hidden[0]}, an address of this machine or its own network; save the page and add the file"
        )
    return str(plain[0])


def _read(response: httpx.Response, url: str, until: float) -> Fetched:
    if response.status_code != 200:
        raise SourceError(f"the server answers {response.status_code} {response.reason_phrase}; check the address")
    data = bytearray()
    for piece in response.iter_bytes():  # as it comes: a full buffer would be waited for
        data += piece
        if len(data) > MAX_BYTES:
            raise SourceError(f"it is larger than {MAX_BYTES // 1_000_000} MB; save it and add its parts as files")
    _left(until)  # what was cut off may look like the whole
    content_type = response.headers.get("content-type", "").split(";")[0].strip().lower()
    return Fetched(bytes(data), content_type, url, response.charset_encoding)


def _reason(exc: Exception) -> str:
    return next(iter(str(exc).strip().splitlines()), "") or type(exc).__name__


def _addresses(host: str, port: int) -> Iterator[str]:
    try:
        for *_, place in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
            yield str(place[0])
    except OSError as exc:
        raise SourceError(f"there is no host {host!r} ({exc.strerror or exc}); check the address") from exc
