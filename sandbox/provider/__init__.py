"""The sandbox payment provider: Stripe's wire protocol as far as the order service uses it."""

from __future__ import annotations
