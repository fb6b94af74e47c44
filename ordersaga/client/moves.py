"""What is asked of an order after it was placed: the bodies of `ApiClient.move_order`."""

from __future__ import annotations

from typing import ClassVar

from pydantic import StrictInt

from ordersaga.client.bodies import Listed, Money, Move, Payment, ReturnLine


class Pay(Move):
    """An order that was placed without payments."""

    path: ClassVar[str] = "pay"
    payments: Listed[Payment]


class Ship(Move):
    path: ClassVar[str] = "ship"
    tracking_number: str


class ConfirmReceipt(Move):
    path: ClassVar[str] = "confirm-receipt"


class Review(Move):
    path: ClassVar[str] = "review"
    rating: StrictInt
    comment: str = ""


class AskForReturn(Move):
    """Without lines: all that was not sent back yet."""

    path: ClassVar[str] = "returns"
    reason: str
    lines: Listed[ReturnLine] | None = None


class Refund(Move):
    path: ClassVar[str] = "refunds"
    amount: Money
    reason: str


class HoldOrder(Move):
    path: ClassVar[str] = "hold"
    reason: str


class Release(Move):
    path: ClassVar[str] = "release"


class Accept(Move):
    path: ClassVar[str] = "accept"


class Decline(Move):
    path: ClassVar[str] = "decline"
