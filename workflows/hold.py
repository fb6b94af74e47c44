"""Who stops an order before its money is taken: its merchant, a rule or an operator."""

from __future__ import annotations

from datetime import datetime, timedelta

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.local import OwnSiteActivities
    from ordersaga.order import NOBODY_RELEASED_IT, OrderRequest, Refusal, Standing
    from workflows import policy, words
    from workflows.cancellation import until
    from workflows.display import Display, show
    from workflows.own_site import here
    from workflows.saga import Saga

# Requests that say whether the order is held.
HOLD_WORDS = ("hold", "release", "accept")


class Hold:
    """Until when somebody has to let the order go on; None: nobody has to."""

    def __init__(
        self, order_id: str, *, until: datetime | None, saga: Saga, display: Display
    ) -> None:
        self.until = until
        self._order_id = order_id
        self._saga = saga
        self._display = display
        self._last_word = ""

    def hear(self, request: OrderRequest) -> None:
        """The newest word counts, whichever comes first: their ids sort by when they were asked."""
        if request.kind in HOLD_WORDS and request.id > self._last_word:
            self._last_word = request.id
            self.until = request.held_until if request.kind == "hold" else None

    async def over(self, standing: Standing) -> Refusal | None:
        """Waits until it is; None: go on. What is held elsewhere is kept, and no money is taken."""
        while self.until is not None:
            self._display.tell(words.held(self.until))
            show(standing)
            try:
                await until(
                    lambda: self.until is None or self._saga.stopped is not None,
                    timeout=time_left(self.until) + policy.RELEASE_ON_ITS_WAY,
                    summary="wait for somebody to let it go on",
                )
            except TimeoutError:
                if not await self._is_still_held():
                    continue
                return NOBODY_RELEASED_IT
            if self._saga.stopped is not None:
                return self._saga.stopped
        return self._saga.stopped

    async def _is_still_held(self) -> bool:
        """By its row: somebody's word can be slower than the timer."""
        self.until = await here(
            OwnSiteActivities.look_at_hold, self._order_id, "look whether it is still held"
        )
        return self.until is not None and self.until <= workflow.now()


def time_left(moment: datetime) -> timedelta:
    """At least a second: a timer of nothing is none."""
    return max(moment - workflow.now(), timedelta(seconds=1))
