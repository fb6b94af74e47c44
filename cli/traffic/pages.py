"""The pages that orders send their payers to, and payers who go there and pay."""

from __future__ import annotations

from types import TracebackType
from typing import Final, Self

import httpx

from ordersaga.client import Order
from ordersaga.errors import Unavailable

TIMEOUT_S: Final = 10.0
# What a payer has to do is given in Stripe's form: {"type": t, t: {one of these: address}}.
ADDRESSES: Final = ("url", "hosted_voucher_url")


def pages_of(order: Order) -> frozenset[str]:
    """Where this order's payers have to go, for each payment that waits."""
    return frozenset(
        page
        for payment in order.payments
        for details in (payment.next_action or {}).values()
        if isinstance(details, dict)
        for name in ADDRESSES
        if isinstance(page := details.get(name), str)
    )


class PayerPages:
    """`async with PayerPages() as pages: await pages.pay(page)`, at the sandbox provider."""

    def __init__(self) -> None:
        self._http = httpx.AsyncClient(timeout=TIMEOUT_S, trust_env=False)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._http.aclose()

    async def pay(self, page: str) -> None:
        """What cannot be paid any more is left. Raises `Unavailable`."""
        try:
            answer = await self._http.post(f"{page}/pay")
        except httpx.HTTPError as error:
            raise Unavailable(f"{page}: {str(error) or type(error).__name__}") from error
        if answer.is_server_error:
            raise Unavailable(f"{page} answers {answer.status_code}")
