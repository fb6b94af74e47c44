"""The names by which others reach the workflows: all that the API may know of them."""

from __future__ import annotations

from typing import Final

ORDER_WORKFLOW: Final = "OrderWorkflow"
REQUEST_UPDATE: Final = (
    "request"  # takes an `ordersaga.order.OrderRequest`; its id is the update's id
)

# Search attributes, registered where Temporal is set up. (`Status` alone would collide.)
ORDER_STATUS: Final = "OrderStatus"
PAYMENT_STATUS: Final = "PaymentStatus"
CUSTOMER_ID: Final = "CustomerId"  # hashed
ORDER_TOTAL: Final = "OrderTotal"  # minor units
