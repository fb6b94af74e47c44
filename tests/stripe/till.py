"""The gateway at work: on the sandbox provider, with something in between that can be told to lie."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field

import httpx
import orjson

from adapters.stripe import StripeGateway
from ordersaga.ports import PaymentRequest, ProviderPayment
from tests.conformance.misbehaving import Call, MisbehavingFront, Reply

Json = dict[str, object]
_numbers = itertools.count(1)


def request(
    method: str = "card", token: str | None = "tok_ok", *, amount: int = 1000
) -> PaymentRequest:
    """A payment that nobody asked for before."""
    number = next(_numbers)
    return PaymentRequest(
        key=f"ord_{number}:payment:pay_{number}:0",
        order_id=f"ord_{number}",
        payment_id=f"pay_{number}",
        method=method,
        token=token,
        amount=amount,
        currency="BRL",
    )


@dataclass
class Till:
    """The gateway, what is between it and the provider, and the stage where payers are played."""

    gateway: StripeGateway
    front: MisbehavingFront
    stage: httpx.AsyncClient
    asked: list[str] = field(default_factory=list)  # since it tells the truth: method and path

    async def made(self, asked: PaymentRequest) -> str:
        reference = await self.gateway.create(asked)
        assert isinstance(reference, str), reference
        return reference

    async def confirmed(self, asked: PaymentRequest) -> ProviderPayment:
        return await self.gateway.confirm(await self.made(asked), asked)

    async def taken(self, asked: PaymentRequest) -> str:
        """The reference of a payment whose money is ours."""
        answer = await self.confirmed(asked)
        if answer.state == "held":
            answer = await self.gateway.capture(answer.reference, asked)
        assert answer.state == "taken"
        return answer.reference

    async def play(self, reference: str, what: str, **body: object) -> None:
        (await self.stage.post(f"/test/payers/{reference}/{what}", json=body)).raise_for_status()

    async def refunds_of(self, reference: str) -> list[Json]:
        listed = await self.stage.get(
            "/v1/refunds",
            params={"payment_intent": reference},
            headers={"authorization": "Bearer sk_test_sandbox"},
        )
        found: list[Json] = listed.raise_for_status().json()["data"]
        return found

    def tells_the_truth(self) -> None:
        """From here on nothing is changed, and what is asked is kept."""
        self.asked.clear()

        def pass_on(call: Call) -> Reply:
            self.asked.append(f"{call.method} {call.path}")
            return call.answered

        self.front.rewrite = pass_on

    def answers(self, status: int, body: object, *, to: str, method: str = "POST") -> None:
        """Whatever is asked of paths that end with `to` is answered so, after it was done."""
        content = body if isinstance(body, bytes) else orjson.dumps(body)

        def lie(call: Call) -> Reply:
            is_asked = call.path.endswith(to) and call.method == method
            return Reply(status, content) if is_asked else call.answered

        self.front.rewrite = lie

    def changes(self, change: Callable[[Json], Json], *, to: str, method: str = "POST") -> None:
        """Answers to paths that end with `to` come with a change."""

        def lie(call: Call) -> Reply:
            if not call.path.endswith(to) or call.method != method:
                return call.answered
            return Reply(
                call.answered.status, orjson.dumps(change(orjson.loads(call.answered.body)))
            )

        self.front.rewrite = lie
