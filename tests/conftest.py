"""What every test gets: no network beyond loopback, no settings of the person who runs it."""

from __future__ import annotations

import ipaddress
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from index import Index
from index.embed import HashEmbedder
from tests import servers

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"

SEED = Path(__file__).parent.parent / "seeds" / "000_ced6123c91b5cb73.txt"


def is_local(address: Any) -> bool:
    """Whether a socket address is loopback or a path of this machine."""
    if isinstance(address, str | bytes):
        return True
    host = address[0]
    if host in ("localhost", ""):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Refuse, and then fail the test for, any connection or look-up beyond loopback, even one that is swallowed."""
    reached: list[str] = []
    connect, lookup = socket.socket.connect, socket.getaddrinfo

    def guarded_connect(self: socket.socket, address: Any) -> None:
        if not is_local(address):
            reached.append(str(address))
            raise OSError(f"a test reached for {address}")
        connect(self, address)

    def guarded_lookup(host: Any, *args: Any, **kwargs: Any) -> Any:
        if host is not None and not is_local((host.decode() if isinstance(host, bytes) else host, 0)):
            reached.append(str(host))
            raise socket.gaierror(f"a test looked up {host}")
        return lookup(host, *args, **kwargs)

    monkeypatch.setattr(socket.socket, "connect", guarded_connect)
    monkeypatch.setattr(socket, "getaddrinfo", guarded_lookup)
    yield reached
    assert not reached, f"reached beyond loopback: {reached}"


@pytest.fixture(autouse=True)
def own_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [name for name in os.environ if name.startswith("FOOTNOTE_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("FOOTNOTE_INDEX", str(tmp_path / "default-index"))
    from index.settings import settings

    settings.cache_clear()


@pytest.fixture
def free_port() -> int:
    """A port of loopback on which nothing listens."""
    return servers.free_port()


@pytest.fixture
def index(tmp_path: Path) -> Iterator[Index]:
    """An empty index in a folder of its own, with real Chroma and SQLite and the small fake embedder."""
    with Index.open(tmp_path / "index", embedder=HashEmbedder()) as opened:
        yield opened


@pytest.fixture
def seed_index(index: Index) -> Index:
    index.add([SEED])
    return index
