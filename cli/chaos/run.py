"""One run on a stack that is up: orders come while its parts die; then all is settled and judged."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from typing import Final

import httpx
from temporalio.client import Client

from adapters.postgres.pool import connect_pool
from cli.audit import Sources, run_audit
from cli.chaos.courier import Courier, Request
from cli.chaos.hearing import Heard, wait_until_heard
from cli.chaos.listening import Listeners
from cli.chaos.living import Living
from cli.chaos.quiet import (
    QUIET_WITHIN_S,
    QUIET_WITHIN_S_AN_ORDER,
    Quiet,
    recovery_s,
    wait_until_quiet,
)
from cli.chaos.report import ChaosReport
from cli.chaos.schedule import IN_ONE, LISTENERS, PARTS, Strike, draw_schedule
from cli.chaos.strikes import Striker
from cli.chaos.verdict import CANCEL, ORDER, judge_endings, judge_heard, judge_requests
from cli.chaos.visits import PAYER_PATIENCE_S, Visit, Visits
from cli.stack import LocalStack
from cli.traffic.carrier import Carrier
from cli.traffic.looking import look_until
from cli.traffic.orders import survey
from cli.traffic.pages import PayerPages, pages_of
from cli.traffic.stage import Payers, Stage
from cli.traffic.tally import Result, Tally, outcome_of
from ordersaga.client import ApiClient, Order
from ordersaga.errors import Unavailable
from ordersaga.lifecycle import UNDECIDED, Status

PATIENCE: Final[Mapping[str, object]] = {  # fields of `Settings`, in seconds
    "outage_patience_s": 30,  # longer than a part is away, a killed worker's step, three failures
    "payer_patience_s": PAYER_PATIENCE_S,
    "completion_window_s": 5,  # so that what is delivered is over before the audit
    "undo_retry_cap_s": 2,
    "sweep_interval_s": 1,
}
HASTY_S: Final = 0.0  # takes no second try: who repeats what, and when, is drawn
PATIENT_S: Final = 120.0  # for what has to work: stock, vouchers, and answers when all is over
CANCEL_WAITS_S: Final = 5
TELL_EVERY_S: Final = 10.0
MEND_EVERY_S: Final = 2.0
SENT_BACK: Final = "sent_back"  # why an order ends, where its buyer sent all of it back
BUYERS: Final = "buyers.example"  # where all of them have their mail
MEND_TIMEOUT_S: Final = 10.0  # nobody kills the sandbox any more by then


class Chaos:
    """`say`: told how it goes. `concurrency`: orders with the API at once. `in_one`: the stack has API and
    worker in one process.
    """

    def __init__(
        self,
        stack: LocalStack,
        listeners: Listeners,
        *,
        seed: int,
        orders: int,
        concurrency: int,
        run: str,
        in_one: bool,
        say: Callable[[str], None],
    ) -> None:
        self._stack = stack
        self._listeners = listeners
        absent = set(LISTENERS) - set(listeners.parts)
        schedule = draw_schedule(seed=seed, orders=orders).without(absent)
        self._schedule = schedule.in_one() if in_one else schedule
        self._visits = Visits(seed, orders, self._schedule.ends_at_s)
        self._concurrency = concurrency
        self._run = run
        self._say = say
        self._coming = asyncio.Condition()
        self._come = 0  # orders whose turn has come
        parts = dict.fromkeys(IN_ONE.get(part, part) if in_one else part for part in PARTS)
        self._striker = Striker(stack, listeners, parts=parts, say=say)

    async def run(self) -> ChaosReport:
        """Raises `Unavailable` or `StackError`, perhaps in a group, where it cannot be finished."""
        ready = self._stack.ready
        payers = Payers(ready.payment_provider)
        async with (
            self._client(HASTY_S) as hasty,
            self._client(PATIENT_S) as patient,
            PayerPages() as pages,
            Carrier(
                carrier_url=ready.carrier, api_url=ready.api, secret=ready.webhook_secrets.carrier
            ) as carrier,
            _in_background(payers.play()),
        ):
            self._courier = Courier(hasty)
            self._stage = Stage(patient, run=self._run)
            self._payers = payers
            self._pages = pages
            self._patient = patient
            self._living = Living(courier=self._courier, patient=patient, carrier=carrier)
            await self._stage.fill_shelves(
                self._visits.orders.stock_for(survey(self._visits.orders).demand)
            )
            await self._trade_under_fire()
            self._say("every part is back; answers that were lost are asked for again")
            left = await self._courier.resolve(patient)
        async with _in_background(self._mend_refunds_and_cancels()):
            quiet = await self._wait_until_quiet()
        heard = await self._wait_until_heard(quiet)
        return await self._judge(quiet, heard, left)

    async def _trade_under_fire(self) -> None:
        began_s = time.monotonic()
        turns = asyncio.Semaphore(self._concurrency)
        async with _in_background(self._tell(began_s)), asyncio.TaskGroup() as group:
            group.create_task(
                self._striker.strike_all(self._schedule.strikes, ripe=self._until_ripe)
            )
            for visit in self._visits:
                group.create_task(self._play(visit, began_s, turns))

    async def _until_ripe(self, strike: Strike) -> None:
        """On a busy machine orders come later than drawn, and the strikes wait for them.

        So many as the API is asked for at once may be missing of those that were to come before.
        """
        drawn = self._visits.count * strike.at_s / self._schedule.ends_at_s
        async with self._coming:
            await self._coming.wait_for(lambda: self._come + self._concurrency >= drawn)

    async def _play(self, visit: Visit, began_s: float, turns: asyncio.Semaphore) -> None:
        await asyncio.sleep(began_s + visit.at_s - time.monotonic())
        async with turns:
            async with self._coming:
                self._come += 1
                self._coming.notify_all()
            order = await self._place(visit)
        if order is None:
            return
        async with asyncio.TaskGroup() as people:
            if visit.pays_after_s is not None and order.status in UNDECIDED:
                people.create_task(self._pay(order, visit, visit.pays_after_s))
            if visit.cancels_after_s is not None:
                people.create_task(self._cancel(order, visit, visit.cancels_after_s))
            if visit.life is not None:
                reference = self._reference(visit)
                living = self._living.live(order, visit, visit.life, reference=reference)
                people.create_task(living)

    async def _place(self, visit: Visit) -> Order | None:
        reference = self._reference(visit)
        body = await self._stage.prepare(visit.order)
        body = body.model_copy(
            update={
                "metadata": {**body.metadata, "reference": reference},
                "customer": body.customer.model_copy(update={"email": f"{reference}@{BUYERS}"}),
            }
        )
        request = Request(
            reference,
            ORDER,
            lambda api: api.create_order(body, key=reference, wait_s=visit.wait_s),
        )
        return await self._courier.deliver(request, visit.ordering)

    async def _pay(self, order: Order, visit: Visit, after_s: float) -> None:
        if visit.pays_too_late:
            await self._pay_too_late(order, after_s)
        else:
            await asyncio.sleep(after_s)
            self._payers.expect(order.id, visit.order.story.payer)

    async def _pay_too_late(self, order: Order, after_s: float) -> None:
        """With the slip in hand, whether its order is over or not."""
        began_s = time.monotonic()
        asked = await look_until(
            self._patient, order, lambda now: bool(pages_of(now)) or now.status != Status.PENDING
        )
        await asyncio.sleep(began_s + after_s - time.monotonic())
        for page in pages_of(asked):
            with contextlib.suppress(Unavailable):  # a bank that cannot reach the provider
                await self._pages.pay(page)

    async def _cancel(self, order: Order, visit: Visit, after_s: float) -> None:
        await asyncio.sleep(after_s)
        reference = self._reference(visit)
        ask = partial(
            ApiClient.cancel_order,
            order_id=order.id,
            reason="changed my mind",
            key=f"{reference}-cancel",
            wait_s=CANCEL_WAITS_S,
        )
        await self._courier.deliver(Request(reference, CANCEL, ask), visit.canceling)

    async def _mend_refunds_and_cancels(self) -> None:
        """The provider's and the carrier's people mend what was away until told otherwise.

        Again and again: an order may only now come to ask for it.
        """
        ready = self._stack.ready
        async with httpx.AsyncClient(timeout=MEND_TIMEOUT_S, trust_env=False) as http:
            while True:
                for url in (
                    f"{ready.payment_provider}/test/refunds/restore",
                    f"{ready.carrier}/test/cancels/restore",
                ):
                    with contextlib.suppress(httpx.TransportError):  # busy: the next time
                        (await http.post(url, json={})).raise_for_status()
                await asyncio.sleep(MEND_EVERY_S)

    async def _wait_until_quiet(self) -> Quiet:
        ready = self._stack.ready
        within_s = QUIET_WITHIN_S + QUIET_WITHIN_S_AN_ORDER * self._visits.count
        engine = await Client.connect(ready.temporal, namespace=ready.temporal_namespace)
        pool = await connect_pool(ready.database, size=1, application_name="ordersaga chaos")
        try:
            return await wait_until_quiet(
                pool,
                engine,
                run=f"{self._run}-",
                within_s=within_s,
                senders=(ready.payment_provider, ready.carrier),
            )
        finally:
            await pool.close()

    async def _wait_until_heard(self, quiet: Quiet) -> Heard:
        orders = [ending.id for ending in quiet.endings]
        url = self._stack.ready.database
        pool = await connect_pool(url, size=1, application_name="ordersaga chaos")
        try:
            return await wait_until_heard(pool, self._listeners, orders)
        finally:
            await pool.close()

    async def _judge(self, quiet: Quiet, heard: Heard, left: int) -> ChaosReport:
        requests = self._courier.requests
        visits = {self._reference(visit): visit for visit in self._visits}
        alone = {self._reference(visit) for visit in self._visits if visit.needs_nobody}
        told = [
            *judge_requests(requests, quiet.endings),
            *judge_endings(visits, requests, quiet.endings),
            *judge_heard(heard),
        ]
        # Where all is quiet nothing is on its way, and nothing is excused for it.
        audit = await run_audit(
            Sources.of_stack(self._stack.ready), settle_s=None if quiet.restless else 0
        )
        last_kill_at = self._striker.last_kill_at
        assert last_kill_at is not None, "a schedule kills every part once at least"
        return ChaosReport(
            seed=self._visits.seed,
            orders=self._visits.count,
            kills=dict(self._striker.kills),
            requests=len(requests),
            sent_twice=sum(request.is_doubled for request in requests),
            answers_lost=sum(request.lost for request in requests),
            resolved_at_the_end=left,
            recovery_s=recovery_s(quiet.endings, since=last_kill_at, only=alone),
            quiet_after_s=quiet.waited_s,
            restless=quiet.restless,
            tally=_tally(requests, quiet),
            heard=heard,
            told_wrong=tuple(told),
            audit=audit,
        )

    def _client(self, patience_s: float) -> ApiClient:
        ready = self._stack.ready
        return ApiClient(
            base_url=ready.api,
            key=ready.keys.ops,
            connections=2 * self._concurrency + self._visits.count,  # twins, and all who cancel
            patience_s=patience_s,
        )

    async def _tell(self, began_s: float) -> None:
        while True:
            await asyncio.sleep(TELL_EVERY_S)
            answered = sum(r.kind == ORDER and r.is_answered for r in self._courier.requests)
            self._say(
                f"{time.monotonic() - began_s:.0f} of {self._schedule.ends_at_s:.0f} s: "
                f"{answered} orders answered, {self._striker.kills.total()} kills"
            )

    def _reference(self, visit: Visit) -> str:
        return f"{self._run}-{visit.number + 1}"


def _tally(requests: Iterable[Request], quiet: Quiet) -> Tally:
    tally = Tally()
    for ending in quiet.endings:
        is_sent_back = ending.status == Status.RETURNED and not ending.reason
        reason = SENT_BACK if is_sent_back else ending.reason or ""
        tally.add(Result(ending.reference, outcome_of(ending.status), reason))
    for request in requests:
        if request.kind == ORDER and request.refusal is not None and not request.orders:
            tally.add(Result.of_refusal(request.reference, request.refusal))
    return tally


@asynccontextmanager
async def _in_background(work: Coroutine[object, object, None]) -> AsyncIterator[None]:
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
