"""What can be planted between orders and those who hear of them."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from ordersaga.audit import Books, Ours
from ordersaga.audit.ours import OurCursor, OurOrder, OurOutboxRow
from tests.audit.builder import LONG_AGO, NOW
from tests.audit.planted import Plant, Planted, confirmed, edit_order

DAYS_AGO = NOW - timedelta(days=8)


def without(*sequences: int) -> Plant:
    """These events are not in the outbox."""
    return edit_order(
        lambda order: replace(
            order, outbox=tuple(r for r in order.outbox if r.sequence not in sequences)
        )
    )


def written_long_ago(order: OurOrder) -> OurOrder:
    return replace(order, events=tuple(replace(e, recorded_at=DAYS_AGO) for e in order.events))


def forgotten(*sequences: int) -> Plant:
    """Nothing of it is new, and these are not in the outbox."""

    def plant(ours: Ours, books: Books) -> tuple[Ours, Books]:
        return without(*sequences)(*edit_order(written_long_ago)(ours, books))

    return plant


def in_row(sequence: int, **columns: object) -> Plant:
    def edit(order: OurOrder) -> OurOrder:
        rows = [
            replace(row, **columns) if row.sequence == sequence else row  # type: ignore[arg-type]
            for row in order.outbox
        ]
        return replace(order, outbox=tuple(rows))

    return edit_order(edit)


def row_besides(sequence: int) -> Plant:
    row = OurOutboxRow(sequence, LONG_AGO, sequence)
    return edit_order(lambda order: replace(order, outbox=(*order.outbox, row)))


def in_relay(**columns: object) -> Plant:
    def plant(ours: Ours, books: Books) -> tuple[Ours, Books]:
        return replace(ours, relay=(replace(ours.relay[0], **columns),)), books  # type: ignore[arg-type]

    return plant


PLANTED_OUTBOX: Planted = {
    "an event that nobody will hear of": (confirmed, without(3), "events.kept"),
    "an order that nobody will hear of": (confirmed, without(*range(99)), "events.kept"),
    "an old event gone before an older one": (confirmed, forgotten(3), "events.kept"),
    "an event that did not happen": (confirmed, row_besides(77), "events.true"),
    "told in another order": (confirmed, in_row(2, position=50), "events.stamped"),
    "not stamped, and later ones are": (confirmed, in_row(2, position=None), "events.stamped"),
    "waiting for a relay for an hour": (
        confirmed,
        in_row(len(confirmed().events), position=None),
        "events.stamped",
    ),
    "a sink ahead of everything": (
        confirmed,
        in_relay(cursors=(OurCursor("rabbitmq", 3, 100),)),
        "relay.cursors",
    ),
    "an event of no order": (confirmed, in_relay(strays=(("ord_x", 1),)), "relay.cursors"),
}
