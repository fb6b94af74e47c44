"""Fuzzes the whole API by its own OpenAPI document: `python -m tests.fuzz`, or `make fuzz`.

Single requests of every operation, right and wrong, and then lives of orders along the document's links.
What comes after the name goes to schemathesis: `python -m tests.fuzz --include-tag orders`.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Sequence
from typing import Final

from tests.fuzz.stage import Outcome, fuzz, stocked_stack

DEFAULT_EXAMPLES: Final = 1000


def main(arguments: Sequence[str]) -> int:
    """0: nothing was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument(
        "--examples", type=int, default=DEFAULT_EXAMPLES, help="of each operation (%(default)s)"
    )
    chosen, options = parser.parse_known_args(arguments)
    outcome = asyncio.run(_run(["--max-examples", str(chosen.examples), *options]))
    print(outcome, flush=True)
    return 0 if outcome.is_good else 1


async def _run(options: Sequence[str]) -> Outcome:
    async with stocked_stack() as ready:
        return await fuzz(ready, ready.keys.ops, options, is_shown=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
