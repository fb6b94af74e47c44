"""One replay on one stack."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from cli.demo.file import enough_for
from cli.demo.run import tell_broken
from cli.endings import FAILED, UNDECIDED
from cli.replay.drive import MOST_LIVES, Cast, Driver
from cli.replay.screen import ReplayScreen
from cli.replay.source import RecordedLives
from cli.replay.verdict import judge, until_all_is_told
from cli.stack import Ready
from cli.traffic.carrier import Carrier
from cli.traffic.orders import survey
from cli.traffic.pages import PayerPages
from cli.traffic.stage import Stage
from ordersaga.client import ApiClient
from ordersaga.methods import DAY_S, SLIP_PATIENCE_S

# Lives that ask at the same moment wait for each other a little.
CONNECTIONS: Final = MOST_LIVES // 10

COMPLETION_WINDOW_S: Final = 7 * DAY_S  # by the recorded clock


@dataclass(frozen=True)
class ReplayRun:
    """`speed`: how many recorded seconds pass in one of ours."""

    source: RecordedLives
    concurrency: int
    speed: float
    screen: ReplayScreen = field(default_factory=ReplayScreen)

    @property
    def settings(self) -> Mapping[str, object]:
        """Delivered orders are completed while one looks on.

        Patience with payers stays what it is outside: its deadlines are the provider's, whose clock runs
        as ever, so that no slip expires that was paid in time.
        """
        return {
            "payer_patience_s": SLIP_PATIENCE_S,
            "completion_window_s": max(1, round(COMPLETION_WINDOW_S / self.speed)),
        }

    async def play(self, ready: Ready) -> None:
        run = f"replay-{secrets.token_hex(4)}"
        named = replace(self.source, tell=lambda line: tell_broken(line, self.screen))
        wanted = survey(life.order for life in named)
        connections = self.concurrency + CONNECTIONS
        async with (
            ApiClient(base_url=ready.api, key=ready.keys.ops, connections=connections) as api,
            Carrier(
                carrier_url=ready.carrier, api_url=ready.api, secret=ready.webhook_secrets.carrier
            ) as carrier,
            PayerPages() as pages,
        ):
            stage = Stage(api, run=run)
            await stage.fill_shelves(enough_for(wanted.demand))
            driver = Driver(
                Cast(api, stage, pages, carrier),
                self.screen,
                run=run,
                concurrency=self.concurrency,
                speed=self.speed,
            )
            with self.screen.counting(wanted.orders):
                await driver.drive(self.source)
            self.screen.say("all have lived; listening for what is still on its way")
            await until_all_is_told(carrier)
            self.screen.verdict = await judge(api, self.screen.placed_orders)
        self.screen.summary()

    def last_line(self, *, violations: int) -> str:
        return self.screen.last_line(violations=violations)

    @property
    def exit_code(self) -> int:
        mismatches = self.screen.verdict.mismatches
        if any(mismatch.is_undecided for mismatch in mismatches):
            return UNDECIDED
        return FAILED if mismatches else 0
