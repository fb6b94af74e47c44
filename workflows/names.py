"""The names by which others reach the workflows: all that the API may know of them."""

from __future__ import annotations

from typing import Final

from temporalio.common import SearchAttributeKey

ORDER_WORKFLOW: Final = "OrderWorkflow"
# Takes an `ordersaga.order.OrderRequest`, whose id is the update's id.
REQUEST_UPDATE: Final = "request"
# What an order hears from outside: API.md's `data` with an `event_id`.
PAYMENT_EVENT: Final = "payment_event"
CARRIER_EVENT: Final = "carrier_event"

# Both take an `ordersaga.order.GiveBackTicket`.
RETURN_WORKFLOW: Final = "ReturnWorkflow"
REFUND_WORKFLOW: Final = "RefundWorkflow"
LOOK_SIGNAL: Final = "look"  # tells a return that something was decided about it
# Takes an `ordersaga.messages.PaymentNewsTicket`.
PAYMENT_NEWS_WORKFLOW: Final = "PaymentNewsWorkflow"

# Search attributes, registered where Temporal is set up. (`Status` alone would collide.)
ORDER_STATUS: Final = SearchAttributeKey.for_keyword("OrderStatus")
PAYMENT_STATUS: Final = SearchAttributeKey.for_keyword("PaymentStatus")
CUSTOMER_ID: Final = SearchAttributeKey.for_keyword("CustomerId")  # hashed
ORDER_TOTAL: Final = SearchAttributeKey.for_int("OrderTotal")  # minor units
# The step that keeps failing and needs a person, while it does: `payment:pay_…`.
ATTENTION: Final = SearchAttributeKey.for_keyword("Attention")
# Who said no, and why, of an order that is not to be: `stock:out_of_stock`, `customer:canceled`.
UNDONE_BY: Final = SearchAttributeKey.for_keyword("UndoneBy")
