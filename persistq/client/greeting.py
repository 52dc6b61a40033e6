"""The first bytes of a connection: both ends prove that they belong to the same run."""

from __future__ import annotations

from persistq.client.stream import Stream
from persistq.wire.handshake import (
    GREETING_BYTES,
    PROOF_BYTES,
    ClientSide,
    OtherProtocol,
    read_greeting,
)


def exchange_proofs(stream: Stream, token: str, deadline: float) -> None:
    """Believe nothing, and say nothing that matters, before the broker has proven itself.

    Args:
        stream: Just connected.
        token: The secret of the run.
        deadline: On the monotonic clock.

    Raises:
        OtherProtocol: It is another release.
        Stranger: It does not know the token.
        TimeoutError: It has not answered in time.
        BrokerLost: It is gone.
    """
    side = ClientSide(token)
    stream.send(side.greeting)
    greeting = stream.read_exactly(GREETING_BYTES, deadline)
    read_greeting(greeting)
    stream.send(side.prove(greeting, stream.read_exactly(PROOF_BYTES, deadline)))


def explained(error: OtherProtocol) -> str:
    """Return what a user reads, and does, when a broker is of another release."""
    return (
        f"its broker cannot be understood: {error}; use one release for both, or wait until that "
        "run is over, and start this program again"
    )
