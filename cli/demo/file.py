"""Orders from a file of JSON lines: each an order, and what is recorded of how it was paid.

`{"reference": "…", "order": {a request of the API, without payments}, "recorded": {"payments":
[{"type": "credit_card|debit_card|boleto|voucher", "amount": minor units}]}}`. What else is recorded
is a replay's matter (`cli/replay`). One line is in memory at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, StrictInt, ValidationError

from cli.traffic.orders import PlayedOrder
from ordersaga.client import Money, NewOrder, Payment

LONGEST_LINE: Final = 1_048_576  # bytes; the API takes no longer body either
METHOD_OF_TYPE: Final = {
    "credit_card": "card",
    "debit_card": "debit_card",
    "boleto": "boleto",
    "voucher": "voucher",
}
HEADROOM: Final = 10  # units of each SKU that nobody is going to want


class RecordedPayment(BaseModel):
    model_config = ConfigDict(frozen=True)

    type: Literal["credit_card", "debit_card", "boleto", "voucher"]
    amount: StrictInt


class Recorded(BaseModel):
    """What is known of how an order went. What else a file says of it is left out."""

    model_config = ConfigDict(frozen=True)

    payments: tuple[RecordedPayment, ...]


class Line(BaseModel):
    model_config = ConfigDict(frozen=True)

    reference: str
    order: NewOrder
    recorded: Recorded


LineT = TypeVar("LineT", bound=Line)


@dataclass(frozen=True)
class BrokenLine:
    """A line that is no order. `number` counts from 1."""

    number: int
    reason: str


@dataclass(frozen=True)
class FileOrders:
    """The orders of a file. `tell` hears of each broken line, each time the file is gone through.

    Raises `OSError` where the file cannot be read.
    """

    path: Path
    tell: Callable[[BrokenLine], None] = lambda _: None

    def __iter__(self) -> Iterator[PlayedOrder]:
        for number, line in good_lines(self.path, Line, self.tell):
            yield as_played(number, line)

    def stock_for(self, demand: Mapping[str, int]) -> Mapping[str, int]:
        return enough_for(demand)


def enough_for(demand: Mapping[str, int]) -> Mapping[str, int]:
    """Enough of everything: these orders were all delivered once."""
    return {sku: units + HEADROOM for sku, units in demand.items()}


def good_lines(
    path: Path, form: type[LineT], tell: Callable[[BrokenLine], None]
) -> Iterator[tuple[int, LineT]]:
    """Each line of this form, by its number. Raises `OSError` where the file cannot be read."""
    for number, line in _lines(path):
        found = line if isinstance(line, BrokenLine) else read_line(number, line, form)
        if isinstance(found, BrokenLine):
            tell(found)
        else:
            yield number, found


def read_line(number: int, line: bytes, form: type[LineT]) -> LineT | BrokenLine:
    """What one line says, or why it is no order."""
    try:
        found = form.model_validate_json(line)
    except ValidationError as error:
        return BrokenLine(number, _first_fault(error))
    if found.order.payments:
        return BrokenLine(number, "/order/payments: recorded/payments say how it was paid")
    if not found.recorded.payments and found.order.total > 0:
        return BrokenLine(number, "/recorded/payments: nothing says how it was paid")
    return found


def as_played(number: int, line: Line) -> PlayedOrder:
    """The order as it is sent: paid as it was paid then."""
    currency = line.order.currency
    payments = tuple(
        Payment(
            method=METHOD_OF_TYPE[recorded.type],
            amount=Money(amount=recorded.amount, currency=currency),
            token=None if recorded.type == "voucher" else "tok_ok",
        )
        for recorded in line.recorded.payments
    )
    metadata = {**line.order.metadata, "reference": line.reference}
    body = line.order.model_copy(update={"payments": payments, "metadata": metadata})
    return PlayedOrder(f"line {number}", body)


def _lines(path: Path) -> Iterator[tuple[int, bytes | BrokenLine]]:
    """Each line that is not blank, by its number; of one that is too long, only that."""
    with path.open("rb") as file:
        number = 0
        while line := file.readline(LONGEST_LINE + 1):
            number += 1
            if len(line) > LONGEST_LINE and not line.endswith(b"\n"):
                while (rest := file.readline(LONGEST_LINE)) and not rest.endswith(b"\n"):
                    pass
                yield number, BrokenLine(number, f"longer than {LONGEST_LINE:,} bytes")
            elif line.strip():
                yield number, line


def _first_fault(error: ValidationError) -> str:
    faults = error.errors(include_url=False, include_input=False)
    where = "".join(f"/{part}" for part in faults[0]["loc"])
    more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
    return f"{where}: {faults[0]['msg']}{more}" if where else f"{faults[0]['msg']}{more}"
