"""Retrieve and list: how a caller learns the truth, and how an audit reads the books."""

from __future__ import annotations

from sandbox.provider.calls import wants_charge
from sandbox.provider.errors import RequestError
from sandbox.provider.ledger import Ledger
from sandbox.provider.params import Params
from sandbox.provider.records import Page, Reply
from sandbox.provider.wire import dumps, intent_json, list_json, refund_json

DEFAULT_LIMIT = 10  # rows of a page; Stripe's default
LARGEST_LIMIT = 100  # rows of a page; Stripe's limit
END_OF_TIME = 2**62  # beyond every sequence and every second


class Reading:
    """GET endpoints; nothing here writes."""

    def __init__(self, *, ledger: Ledger) -> None:
        self._ledger = ledger

    def intent(self, intent_id: str, params: Params) -> Reply:
        """GET /v1/payment_intents/{id}. Raises MissingError, RequestError."""
        params.only("expand", "client_secret")
        intent = self._ledger.intent(intent_id)
        return Reply(200, dumps(intent_json(intent, expand_charge=wants_charge(params))))

    def intents(self, params: Params) -> Reply:
        """GET /v1/payment_intents, newest first. Raises MissingError, RequestError."""
        params.only("limit", "starting_after", "created", "expand")
        after = params.text("starting_after")
        before = self._ledger.intent(after, param="starting_after").sequence if after else None
        page = _page(params, before)
        expand = wants_charge(params, "data.latest_charge")
        found = self._ledger.intents(page)
        has_more = len(found) == page.most
        shown = found[:-1] if has_more else found
        data = [intent_json(intent, expand_charge=expand) for intent in shown]
        return _list("/v1/payment_intents", data, has_more=has_more)

    def refund(self, refund_id: str, params: Params) -> Reply:
        """GET /v1/refunds/{id}. Raises MissingError, RequestError."""
        params.only()
        return Reply(200, dumps(refund_json(self._ledger.refund(refund_id))))

    def refunds(self, params: Params) -> Reply:
        """GET /v1/refunds, newest first. Raises MissingError, RequestError."""
        params.only("limit", "starting_after", "payment_intent")
        after = params.text("starting_after")
        page = _page(params, self._ledger.refund(after).sequence if after else None)
        found = self._ledger.refunds(page, intent_id=params.text("payment_intent"))
        has_more = len(found) == page.most
        data = [refund_json(refund) for refund in (found[:-1] if has_more else found)]
        return _list("/v1/refunds", data, has_more=has_more)


def _list(url: str, data: list[dict[str, object]], *, has_more: bool) -> Reply:
    return Reply(200, dumps(list_json(url=url, data=data, has_more=has_more)))


def _page(params: Params, before: int | None) -> Page:
    """One row more than asked for: its presence says that there is another page."""
    limit = params.positive("limit") or DEFAULT_LIMIT
    if limit > LARGEST_LIMIT:
        raise RequestError(f"limit must be no more than {LARGEST_LIMIT}", param="limit")
    created = params.nested("created")
    created.only("gt", "gte", "lt", "lte")
    lowest = (created.integer("gte"), _shifted(created.integer("gt"), 1))
    highest = (created.integer("lte"), _shifted(created.integer("lt"), -1))
    return Page(
        before=END_OF_TIME if before is None else before,
        most=limit + 1,
        created_from_s=max((bound for bound in lowest if bound is not None), default=0),
        created_to_s=min((bound for bound in highest if bound is not None), default=END_OF_TIME),
    )


def _shifted(bound: int | None, by: int) -> int | None:
    return None if bound is None else bound + by
