"""The classic mistakes, planted in the model one by one: each must be found, in a named scenario."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from tests.model.state import Budget, Scenario

CARD: Final = Scenario(("card",))
SLIP: Final = Scenario(("slip",))
WALLET: Final = Scenario(("wallet",))
CARD_AND_CARD: Final = Scenario(("card", "card"))
CARD_AND_SLIP: Final = Scenario(("card", "slip"))
CARD_AND_WALLET: Final = Scenario(("card", "wallet"))
WALLET_AND_SLIP: Final = Scenario(("wallet", "slip"))
CARD_LOCAL_FIRST: Final = Scenario(("card",), is_local_first=True)
SLIP_LOCAL_FIRST: Final = Scenario(("slip",), is_local_first=True)
CARD_AND_WALLET_LOCAL_FIRST: Final = Scenario(("card", "wallet"), is_local_first=True)

NO_TROUBLE: Final = Budget(crashes=0, delays=0, cancels=0)  # but lost replies, and deadlines
ONE_CANCEL: Final = Budget(crashes=0, delays=0, cancels=1)
ONE_DELAY: Final = Budget(crashes=0, delays=1, cancels=0)
ONE_CRASH: Final = Budget(crashes=1, delays=0, cancels=0)
CRASH_AND_CANCEL: Final = Budget(crashes=1, delays=0, cancels=1)
ONE_LETTER: Final = Budget(crashes=0, delays=0, cancels=0, letters=1)
ONE_REFUND: Final = Budget(crashes=0, delays=0, cancels=1, refunds=1)
LETTER_AND_REFUND: Final = Budget(crashes=0, delays=0, cancels=1, letters=1, refunds=1)
LETTERS_AND_CRASH: Final = Budget(crashes=1, delays=0, cancels=1, letters=2, refunds=1)
REFUND_AND_CRASH: Final = Budget(crashes=1, delays=1, cancels=1, refunds=1)
TWO_CRASHES: Final = Budget(crashes=2, delays=1, cancels=1)
ONE_OF_EACH: Final = Budget(crashes=1, delays=1, cancels=1)
TWO_OF_EACH: Final = Budget(crashes=2, delays=2, cancels=2)


@dataclass(frozen=True)
class Plant:
    """A mistake, and the smallest world where it shows."""

    name: str
    what: str
    scenario: Scenario
    budget: Budget


PLANTS: Final = (
    Plant(
        "no-decision-row", "each run of the workflow acts on its own choice", CARD, CRASH_AND_CANCEL
    ),
    Plant(
        "undo-after-action", "the undo is registered when the action has answered", CARD, NO_TROUBLE
    ),
    Plant("ignore-unclear", "what nobody answered is not undone", CARD, NO_TROUBLE),
    Plant("no-tombstone", "an undo leaves nothing behind for what comes late", CARD, ONE_DELAY),
    Plant(
        "no-own-fence", "a hold of our own site is not barred by its undo", CARD, CRASH_AND_CANCEL
    ),
    Plant("ignore-stored-cancel", "decide does not look for a stored cancel", CARD, ONE_CANCEL),
    Plant("capture-after-decide", "held money is taken after the decision", CARD, NO_TROUBLE),
    Plant("by-key", "asked for by a key that the provider forgets, not by id", WALLET, NO_TROUBLE),
    Plant(
        "refund-first",
        "a cancel after confirm refunds before the parcel was asked",
        CARD,
        ONE_CANCEL,
    ),
    Plant("reverse-anyway", "the parcel's no to a cancel is ignored", CARD, ONE_CANCEL),
    Plant(
        "promise-before-the-parcel",
        "a cancel is granted before the parcel was asked",
        CARD,
        ONE_CANCEL,
    ),
    Plant("restock-without-fence", "a restock run again restocks again", CARD, CRASH_AND_CANCEL),
    Plant("trust-a-hint", "a slip counts as paid when it is issued", SLIP, NO_TROUBLE),
    Plant("slip-left-open", "an undone slip can still be paid", SLIP, NO_TROUBLE),
    Plant(
        "slip-refunded",
        "money without a refund is not given back as store credit",
        SLIP,
        NO_TROUBLE,
    ),
    Plant("credit-again", "store credit is posted as often as its step runs", SLIP, NO_TROUBLE),
    Plant("believe-a-message", "a slip counts as paid when somebody says so", SLIP, ONE_LETTER),
    Plant("no-last-look", "nobody looks at a slip at its deadline", SLIP, ONE_LETTER),
    Plant(
        "wait-for-the-message-alone",
        "a slip is waited for until somebody says that it is paid",
        SLIP,
        ONE_LETTER,
    ),
    Plant("keep-late-money", "money that comes when its order is over is kept", SLIP, NO_TROUBLE),
    Plant("late-again", "late money goes back as often as it is told", SLIP, ONE_LETTER),
    Plant(
        "examine-while-undoing",
        "what is heard during an undo is looked at before the undo is done, and forgotten",
        SLIP,
        NO_TROUBLE,
    ),
    Plant(
        "allocate-without-lock",
        "a reversal gives back all of it, whatever an operator gave back at that moment",
        CARD,
        ONE_REFUND,
    ),
    Plant("refund-again", "a refund whose answer is lost is asked for again", CARD, ONE_REFUND),
    Plant(
        "undo-first-payment-only",
        "of a split tender only one payment is undone",
        CARD_AND_SLIP,
        NO_TROUBLE,
    ),
    Plant(
        "forget-with-the-task",
        "what was asked within a task that was lost is not undone",
        CARD_LOCAL_FIRST,
        CRASH_AND_CANCEL,
    ),
)
