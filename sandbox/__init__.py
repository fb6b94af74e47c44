"""The sandbox: a payment provider, a carrier and listeners that the order service is tried against.

Programs with their own process, their own port and their own durable books. A demo, the
tests and the audit compare the order service with these books, so nothing here imports the order
service. They listen on loopback only: they hold play money and no secrets.
"""

from __future__ import annotations
