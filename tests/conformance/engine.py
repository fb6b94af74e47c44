"""What the engine's own history says of an order."""

from __future__ import annotations

from temporalio.client import Client, WorkflowHandle
from temporalio.contrib.pydantic import pydantic_data_converter

from activities.steps import ParcelStep, PaymentStep
from cli.stack.ready import Ready
from ordersaga.keys import workflow_id
from tests.saga.shop import Shop


async def engine_of(ready: Ready) -> Client:
    return await Client.connect(ready.temporal, data_converter=pydantic_data_converter)


async def workflow_of(shop: Shop, order_id: str) -> WorkflowHandle[object, object]:
    client = await engine_of(shop.stack.ready)
    return client.get_workflow_handle(workflow_id(order_id))


async def undos_asked(shop: Shop, order_id: str) -> list[str]:
    """The steps of an order in the order in which their undos were asked for."""
    history = await (await workflow_of(shop, order_id)).fetch_history()
    asked = []
    for event in history.events:
        scheduled = event.activity_task_scheduled_event_attributes
        kind = {"undo_payment": PaymentStep, "cancel_parcel": ParcelStep}.get(
            scheduled.activity_type.name
        )
        if kind is not None:
            (ask,) = await pydantic_data_converter.decode(scheduled.input.payloads, [kind])
            asked.append(ask.step.name)
    return asked
