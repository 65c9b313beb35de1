"""What goes wrong with a model, told in one line: what happened, with what, the next step."""

from __future__ import annotations

from collections.abc import Iterator

MESSAGES = {
    "key": "{name}: {host} refused {key}: check that the variable is set and the key valid.",
    "model": "{name}: {host} does not know this model or address: check the name ({detail}).",
    "rate": "{name}: {host} limits the rate or the quota is used up: wait a minute and ask again ({detail}).",
    "refused": "{name}: {host} refused the request ({detail}): try a shorter question or another model.",
    "server": "{name}: {host} failed ({detail}): ask again, or choose another model.",
    "unreachable": "{name}: nothing answers at {host}: check that the server runs and the address is right.",
    "timeout": "{name}: {host} did not answer in time ({silence:g} s of silence, or the whole answer took too "
    "long): ask again, or choose a faster model.",
    "format": "{name}: the reply of {host} cannot be read: check that the address is that of the API (.../v1).",
    "empty": "{name}: {host} sent no text: check that the address is that of the API (.../v1), or choose another "
    "model.",
    "broken": "{name}: the answer of {host} broke off in the middle: ask again.",
    "other": "{name}: {host} did not answer ({detail}): ask again, or choose another model.",
}
STATUS = {401: "key", 403: "key", 404: "model", 408: "server", 409: "server", 429: "rate"}
RETRIED = {"rate", "server", "unreachable"}  # faults that pass by themselves; a time-out has waited long enough


def fault_of(exc: Exception) -> str:
    """Which of `MESSAGES` tells this: by the HTTP status if there is one, else by the causes down to httpx."""
    status = getattr(exc, "status_code", -1)
    if status >= 400:
        return STATUS.get(status, "server" if status >= 500 else "refused")
    return next((fault for cause in _causes(exc) if (fault := _transport_fault(cause))), "other")


def _transport_fault(exc: BaseException) -> str:
    import httpx

    if isinstance(exc, httpx.TimeoutException):
        return "timeout"
    if isinstance(exc, httpx.TransportError | OSError):
        return "unreachable"
    if isinstance(exc, ValueError | KeyError):  # no JSON, or not with the fields of this API
        return "format"
    return ""


def _causes(exc: BaseException | None) -> Iterator[BaseException]:
    while exc is not None:
        yield exc
        exc = exc.__cause__ or exc.__context__


def detail(exc: Exception | None, secret: str) -> str:
    """What the server said, in one line of at most 200 characters: bodies can be whole pages, or repeat the key."""
    status = getattr(exc, "status_code", -1)
    said = " ".join(str(exc or "").split())
    said = (said.replace(secret, "***") if secret else said)[:200]
    return f"HTTP {status}: {said}" if status >= 400 and str(status) not in said else said
