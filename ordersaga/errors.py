"""The exceptions of the product. A refusal is a value (`ordersaga.order.Refusal`), never one of these.

OrdersagaError
├── IllegalMove              an order is not in a state for that: nothing was changed
├── Unavailable              an outage: nobody said no, so it is tried again
│   ├── ProviderUnavailable  a payment provider or a carrier did not answer, or not usefully
│   ├── DatabaseUnavailable  PostgreSQL is away, or asks for the transaction again
│   └── EngineUnavailable    Temporal did not answer: what was stored is delivered later
├── ProviderMisused          a provider does not take how it is asked: a bug, or a wrong setting
├── ProviderAnswerWrong      an answer that contradicts what was asked (amount, currency, id):
│                            a bug or an attack, never believed
├── Unacceptable             an event that a sink does not take, whenever it is told: a person looks
├── BadSignature             a message from outside that its sender did not sign so, or not now
└── BadBody                  a message that was signed, and cannot be read
"""

from __future__ import annotations


class OrdersagaError(Exception):
    """The root of the tree above."""


class IllegalMove(OrdersagaError):
    """`machine` cannot go from `state` by `move`; `allowed`: the requests that it would take now."""

    def __init__(
        self, *, machine: str, state: str, move: str, allowed: tuple[str, ...] = ()
    ) -> None:
        super().__init__(f"{machine} {state!r} does not allow {move!r}")
        self.machine = machine
        self.state = state
        self.move = move
        self.allowed = allowed


class Unavailable(OrdersagaError):
    """Somebody did not answer. An outage is neither yes nor no."""


class ProviderUnavailable(Unavailable):
    """A payment provider or a carrier did not answer, or answered 5xx, 409 or 429."""


class DatabaseUnavailable(Unavailable):
    """PostgreSQL is away, starting, shutting down, or aborted the transaction for another one."""


class EngineUnavailable(Unavailable):
    """Temporal did not answer, or not in time."""


class ProviderMisused(OrdersagaError):
    """Our key or our parameters are refused. Told by codes: a provider's sentences repeat what we sent."""


class ProviderAnswerWrong(OrdersagaError):
    """The provider answered, but not to what was asked."""


class Unacceptable(OrdersagaError):
    """Nothing is wrong with the sink, and it does not take this event."""


class BadSignature(OrdersagaError):
    """A message from outside: forged, stale, without a signature, or signed with another secret."""


class BadBody(OrdersagaError):
    """A message from outside whose sender is proven, and whose body is not what he sends."""
