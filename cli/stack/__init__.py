"""The whole product on one machine: `async with LocalStack(data_dir=…) as stack`."""

from __future__ import annotations

from cli.stack.errors import StackError
from cli.stack.ready import Ready, find_running
from cli.stack.stack import ALL_IN_ONE, ALL_PARTS, LocalStack

__all__ = ["ALL_IN_ONE", "ALL_PARTS", "LocalStack", "Ready", "StackError", "find_running"]
