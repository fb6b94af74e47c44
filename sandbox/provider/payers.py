"""Plays the people on the other side: payers, the banks of slips, and those who dispute."""

from __future__ import annotations

import html
import json
from dataclasses import replace

from sandbox.deliveries import new_id
from sandbox.provider.errors import RefusedError
from sandbox.provider.ledger import Ledger, now_s
from sandbox.provider.lifecycle import Event, Status
from sandbox.provider.outcomes import charged, failed_by_payer, held
from sandbox.provider.records import Intent
from sandbox.provider.wire import dispute_json

DEFAULT_DISPUTE = "fraudulent"  # the reason when none is given


class Payers:
    """What third parties do to an intent; each inside the caller's transaction."""

    def __init__(self, *, ledger: Ledger) -> None:
        self._ledger = ledger

    def pay(self, intent_id: str, *, amount: int | None) -> Intent:
        """The payer agrees or pays; a wrong amount (minor units) is recorded as received.

        A slip can be paid after its intent was canceled: it is in the payer's hand. Raises
        MissingError, UnexpectedStateError, and RefusedError for an expired slip or for a wrong
        amount of a hold.
        """
        intent = self._ledger.intent(intent_id)
        if intent.is_held and amount is not None:
            raise RefusedError("A hold is always for the whole amount.", param="amount")
        if _is_expired(intent):
            raise RefusedError("The slip has expired.", code="sandbox_slip_expired")
        if intent.is_held:
            return self._ledger.apply(intent, Event.PAYER_HELD, held(intent))
        paid = charged(intent, amount=intent.amount if amount is None else amount)
        late = intent.status is Status.CANCELED and intent.has_slip
        return self._ledger.apply(
            intent, Event.CANCELED_SLIP_PAID if late else Event.PAYER_CHARGED, paid
        )

    def fail(self, intent_id: str) -> Intent:
        """The payer gives up, or the slip runs out. Raises MissingError, UnexpectedStateError."""
        intent = self._ledger.intent(intent_id)
        return self._ledger.apply(intent, Event.PAYER_FAILED, failed_by_payer(intent))

    def dispute(
        self, intent_id: str, *, amount: int | None, reason: str | None
    ) -> dict[str, object]:
        """The payer's bank asks for the money, once.

        Raises MissingError, UnexpectedStateError, RefusedError.
        """
        found = self._ledger.intent(intent_id)
        intent = self._ledger.apply(found, Event.DISPUTED, replace(found, disputed=True))
        if found.disputed:
            raise RefusedError("The charge is disputed already.", code="charge_disputed")
        dispute = dispute_json(
            intent,
            dispute_id=new_id("dp"),
            created_s=now_s(),
            amount=amount or intent.amount_received,
            reason=reason or DEFAULT_DISPUTE,
        )
        self._ledger.tell("charge.dispute.created", dispute)
        return dispute

    def page(self, intent_id: str) -> str:
        """A page with the payer's two buttons, in HTML. Raises MissingError."""
        intent = self._ledger.intent(intent_id)
        about = f"{intent.method} · {intent.amount} {intent.currency} (minor units)"
        return _PAGE.format(
            id=html.escape(intent.id), about=html.escape(about), status=intent.status.value
        )


def _is_expired(intent: Intent) -> bool:
    if not intent.has_slip or intent.next_action is None:
        return False
    expires_s: int = json.loads(intent.next_action)[intent.rules.action]["expires_at"]
    return now_s() > expires_s


_PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Sandbox payer</title>
<style>body {{ font: 1.1rem system-ui; max-width: 30rem; margin: 4rem auto }}
button {{ font: inherit; padding: .4rem 1rem }}</style>
<h1>You are the payer</h1><p>{id}<br>{about}<br>now: <b>{status}</b></p>
<form method="post" action="/test/payers/{id}/pay"><button>Pay</button></form>
<form method="post" action="/test/payers/{id}/fail"><button>Fail</button></form>
"""
