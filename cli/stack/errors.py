"""What can go wrong with a local stack."""

from __future__ import annotations


class StackError(Exception):
    """The stack cannot run; its message is for the person at the terminal."""


class PartEnded(StackError):
    """A part ended before it was ready."""
