"""Stripe: payments through its API (`gateway`), and what it tells of them (`events`).

`objects`: its objects as far as we read them. `answers`: what they mean, checked against what was
asked. `errors`: decline, outage, or bug. `declines`: its reasons for a no, in our words.
"""

from adapters.stripe.gateway import StripeGateway

__all__ = ["StripeGateway"]
