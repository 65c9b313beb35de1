"""The web server under the chat: the door, the port, the start and the stop. Knows nothing of Gradio or of articles."""

from __future__ import annotations

import errno
import socket
import webbrowser
from urllib.parse import urlsplit

import uvicorn
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from index.types import FootnoteError

# The page may load from and talk to its own address only, whatever a document or a model wrote into it.
# Gradio's templates need inline scripts and eval; escaping, not this, is what keeps text from running.
HEADERS = {
    "Content-Security-Policy": "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; "
    "style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self' data:; object-src 'none'; "
    "base-uri 'self'; form-action 'self'; frame-ancestors 'self'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
# Gradio wants a stream to each open page, and a browser opens six connections to a host: the sixth page would freeze
# all of them. "No content" tells the page not to try again.
HEARTBEAT = "/gradio_api/heartbeat/"
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})

# An answer that a model is still writing is not waited for longer when the server is stopped.
STOP_SECONDS = 1


class Guard:
    """ASGI middleware: says with every response what the page may load, and answers to `hosts` only.

    Without the second, a web site could point a name of its own at this machine and read the articles from
    the browser (DNS rebinding). `hosts` is None where the server is open to a network: any name may be right.
    """

    def __init__(self, app: ASGIApp, hosts: frozenset[str] | None) -> None:
        self.app, self.hosts = app, hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        refusal = self._refusal(scope) if scope["type"] == "http" else ""
        if refusal:
            await PlainTextResponse(refusal, 421)(scope, receive, send)
        elif HEARTBEAT in scope.get("path", ""):
            await Response(status_code=204)(scope, receive, send_with)
        else:
            await self.app(scope, receive, send_with)

    def _refusal(self, scope: Scope) -> str:
        """Why a request is not answered; empty for one that is."""
        if scope["path"].endswith("/upload"):
            return "Nothing can be uploaded here."  # Gradio would store it, from any web site that is open
        headers = Headers(scope=scope)
        named = headers.get("host", ""), headers.get("origin", "").removeprefix("http://").removeprefix("https://")
        return next((f"This is not {name}." for name in named if name and self._foreign(name)), "")

    def _foreign(self, name: str) -> bool:
        return self.hosts is not None and _host(name) not in self.hosts


def _host(address: str) -> str:
    """The name in `name:port`, or nothing where it is none."""
    try:
        return urlsplit(f"//{address}").hostname or ""
    except ValueError:  # a bracket without its other one
        return ""


def listen(host: str, port: int) -> socket.socket:
    """A bound socket, so that the port cannot be lost between looking and serving.

    Raises FootnoteError where the port is in use or the address cannot be had.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((host, port))
    except (OSError, OverflowError) as exc:
        sock.close()
        raise FootnoteError(_no_port(host, port, exc)) from exc
    return sock


def _no_port(host: str, port: int, exc: OSError | OverflowError) -> str:
    if isinstance(exc, OSError) and exc.errno == errno.EADDRINUSE:
        return f"Port {port} of {host} is in use. Stop the program that uses it, or choose another with --port."
    return f"Cannot serve at {host}, port {port}: {exc}. Choose others with --host and --port."


class Server(uvicorn.Server):
    """Uvicorn that says when the page can be opened."""

    def __init__(self, app: ASGIApp, url: str, open_browser: bool = False) -> None:
        super().__init__(uvicorn.Config(app, log_level="warning", ws="none", timeout_graceful_shutdown=STOP_SECONDS))
        self.url, self.open_browser = url, open_browser

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        print(f"Footnote is open at {self.url} (Ctrl-C stops it)", flush=True)
        if self.open_browser:
            webbrowser.open(self.url)


def address(sock: socket.socket) -> tuple[str, str]:
    """The host of a bound socket, and the URL of its page."""
    host, port = sock.getsockname()[:2]
    return host, f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
