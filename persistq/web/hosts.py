"""Under which names the page may be asked for; a page of a stranger's name is not this one."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterable

_LOOPBACK: Final = ("127.0.0.1", "localhost", "::1")


def is_loopback(host: str) -> bool:
    """Return whether only this machine reaches an address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def is_wildcard(host: str) -> bool:
    """Return whether an address stands for all addresses of this machine."""
    try:
        return ipaddress.ip_address(host).is_unspecified
    except ValueError:
        return False


class Hosts:
    """The names that the header ``Host`` may have.

    A browser sends what stands in its address bar. A stranger's page whose name was made to lead
    here (DNS rebinding) sends the stranger's.

    Args:
        host: Where the server listens.
        further: Further names by which it is reached, as a proxy gives them.
    """

    def __init__(self, host: str, further: Iterable[str] = ()) -> None:
        own = _LOOPBACK if is_loopback(host) or is_wildcard(host) else ()
        self._names = {name.lower() for name in (*own, host, *further)}

    def allow(self, header: str) -> bool:
        """Return whether a request with this header may be answered."""
        return (host_in(f"http://{header}") or "") in self._names


def host_in(url: str) -> str | None:
    """Return the host that a URL names, in lower case; None if that cannot be told."""
    try:
        parts = urlsplit(url)
        return None if parts.username or parts.path or parts.query else parts.hostname
    except ValueError:
        return None


def is_origin(origin: str, host_header: str) -> bool:
    """Return whether a request comes from a page of the server that it goes to.

    Args:
        origin: Its header ``Origin``.
        host_header: Its header ``Host``, port and all.
    """
    scheme, _, host = origin.partition("://")
    return scheme in {"http", "https"} and host.lower() == host_header.lower()
