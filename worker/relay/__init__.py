"""The outbox relay: stamps events, and brings each to every sink, each order's in their order."""
