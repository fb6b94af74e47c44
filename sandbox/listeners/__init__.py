"""Listeners: four programs that hear of orders as others would, each with durable books of what came.

`webhooks` is an endpoint, `mailbox` an SMTP server, `queue` has a queue of RabbitMQ's, `stream` follows
the API's events. Each writes down all that comes, and what comes twice twice; only then it says that it
has it. So whoever kills one, and starts it again, can read what it was told.
"""

from __future__ import annotations
