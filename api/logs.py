"""Logs as JSON lines: never bodies, tokens or people."""

from __future__ import annotations

import logging

import structlog


def configure_logs(level: int = logging.INFO) -> None:
    """For the whole process, once."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        cache_logger_on_first_use=True,
    )
