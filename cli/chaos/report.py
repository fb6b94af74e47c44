"""What a run came to: for people, for programs, and as an exit code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Final

from cli.audit import AuditReport, show
from cli.chaos.hearing import Heard, Told
from cli.chaos.schedule import BROKER, MAILBOX
from cli.endings import FAILED
from cli.traffic.tally import Tally, percentile

if TYPE_CHECKING:
    from rich.console import Console

    from ordersaga.audit import Violation

NOT_QUIET: Final = 2
SHOWN_RESTLESS: Final = 20  # on a screen; --json names all


@dataclass(frozen=True, kw_only=True)
class ChaosReport:
    """`recovery_s`: of each order under way at the last kill that needed no person, from then to its
    rest; sorted.

    `told_wrong`: what callers were told and is not so, and what listeners heard or did not; the audit's
    own violations are beside it.
    """

    seed: int
    orders: int
    kills: Mapping[str, int]
    requests: int
    sent_twice: int
    answers_lost: int
    resolved_at_the_end: int
    recovery_s: tuple[float, ...]
    quiet_after_s: float
    restless: tuple[str, ...]
    tally: Tally
    heard: Heard
    told_wrong: tuple[Violation, ...]
    audit: AuditReport

    @property
    def violations(self) -> tuple[Violation, ...]:
        return (*self.told_wrong, *self.audit.violations)

    @property
    def exit_code(self) -> int:
        if self.violations:
            return FAILED
        return NOT_QUIET if self.restless else 0

    @property
    def last_line(self) -> str:
        """For people and scripts: its form never changes."""
        return (
            f"chaos: {self.orders} orders, {sum(self.kills.values())} kills, "
            f"{len(self.violations)} violations, seed {self.seed}"
        )

    def as_json(self) -> dict[str, object]:
        """All of it, for programs."""
        return {
            "seed": self.seed,
            "orders": self.orders,
            "kills": dict(self.kills),
            "requests": self.requests,
            "sent_twice": self.sent_twice,
            "answers_lost": self.answers_lost,
            "resolved_at_the_end": self.resolved_at_the_end,
            "recovery": {
                "orders": len(self.recovery_s),
                "p50_s": _rounded(self.recovery_s, 0.5),
                "p99_s": _rounded(self.recovery_s, 0.99),
                "worst_s": _rounded(self.recovery_s, 1.0),
            },
            "quiet_after_s": round(self.quiet_after_s, 1),
            "restless": list(self.restless),
            "heard": {
                each.listener: {
                    "due": each.due,
                    "came": each.came,
                    "came_again": each.again,
                }
                for each in hearings(self.heard)
            },
            "heard_after_s": round(self.heard.waited_s, 1),
            "untold": dict(self.heard.untold),
            "outcomes": [
                {"outcome": outcome, "reason": reason, "orders": count}
                for (outcome, reason), count in sorted(self.tally.reasons.items())
            ],
            "violations": [asdict(violation) for violation in self.violations],
        }


@dataclass(frozen=True)
class Hearing:
    """What one listener heard: `came`, each once; `again`, those that came once more."""

    listener: str
    what: str
    due: int
    came: int
    again: int


def hearings(heard: Heard) -> tuple[Hearing, ...]:
    """By listener."""
    due = {Told.of(event) for event in heard.history if event.order_id in heard.orders}
    mails = {each.message_id for each in heard.notices if each.status != "skipped"}
    return (
        *(
            Hearing(listener, "events", len(due), len(set(came)), len(came) - len(set(came)))
            for listener, came in heard.events.items()
        ),
        Hearing(
            MAILBOX,
            "mails",
            len(mails),
            len(set(heard.mails)),
            len(heard.mails) - len(set(heard.mails)),
        ),
    )


def show_report(report: ChaosReport, console: Console) -> None:
    """For people; its last line is `last_line`."""
    from rich.markup import escape

    from cli.traffic.table import outcome_table

    console.print(outcome_table(report.tally))
    show(report.audit, console)
    for violation in report.told_wrong:
        subject = f"{violation.subject} {violation.order_id or ''}".strip()
        detail = escape(f"{subject}: {violation.detail}")
        console.print(f"[bold red]{violation.invariant}[/] {detail}")
    for line in report.restless[:SHOWN_RESTLESS]:
        console.print(f"[bold red]not at rest[/] {escape(line)}")
    for each in hearings(report.heard):
        console.print(
            f"{each.listener} heard {each.came} {each.what} of {each.due}, {each.again} of them again"
        )
    how_much = "all" if report.heard.is_all else "[bold red]not all[/]"
    console.print(f"{how_much} was heard {report.heard.waited_s:.0f} s after all was quiet")
    for sink, count in report.heard.untold.items():
        console.print(f"[bold red]not told[/] {escape(sink)}: {count}")
    kills = ", ".join(f"{part} {count}" for part, count in report.kills.items())
    console.print(f"killed with SIGKILL: {kills}; the relay dies with its worker")
    if not report.kills.get(BROKER):
        console.print("no broker: rabbitmq-server is not on this machine")
    console.print(
        f"{report.requests} requests, {report.sent_twice} of them sent twice on purpose; "
        f"{report.answers_lost} answers lost, {report.resolved_at_the_end} requests without an "
        "answer until all was over, each answered then"
    )
    console.print(_recovery(report))
    console.print(report.last_line)


def _recovery(report: ChaosReport) -> str:
    if report.restless:
        return f"not quiet after {report.quiet_after_s:.0f} s: {len(report.restless)} orders moved"
    if not report.recovery_s:
        return "no order that needed no person was under way at the last kill"
    p99, worst = percentile(report.recovery_s, 0.99), report.recovery_s[-1]
    return (
        f"from the last kill to rest: p99 {p99:.1f} s, worst {worst:.1f} s, of "
        f"{len(report.recovery_s)} orders then under way that needed no person; "
        f"quiet {report.quiet_after_s:.0f} s after the last answer"
    )


def _rounded(times_s: tuple[float, ...], share: float) -> float | None:
    return round(percentile(times_s, share), 2) if times_s else None
