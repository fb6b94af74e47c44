"""What a caller does next: OpenAPI's links, from an answer to the operations that take something of it."""

from __future__ import annotations

from typing import Any, Final

LINKS_PATH: Final = "#/components/links/"

_ORDER: Final = {"order_id": "$response.body#/id"}
_ENDPOINT: Final = {"endpoint_id": "$response.body#/id"}
_RETURN: Final = {**_ORDER, "return_id": "$response.body#/returns/0/id"}

# Operation → what its parameters are taken from.
_TAKES: Final = {
    **dict.fromkeys(
        (
            "get_order",
            "get_events",
            "get_tracking",
            "get_estimate",
            "cancel_order",
            "pay_order",
            "hold_order",
            "release_order",
            "accept_order",
            "decline_order",
            "ship_order",
            "confirm_receipt",
            "review_order",
            "ask_for_return",
            "refund_order",
        ),
        _ORDER,
    ),
    **dict.fromkeys(("approve_return", "decline_return", "receive_return"), _RETURN),
    "list_orders": {"cursor": "$response.body#/next_cursor"},
    **dict.fromkeys(
        (
            "get_webhook_endpoint",
            "list_webhook_deliveries",
            "rotate_webhook_secret",
            "disable_webhook_endpoint",
            "enable_webhook_endpoint",
            "delete_webhook_endpoint",
        ),
        _ENDPOINT,
    ),
    "get_stock": {"sku": "$response.body#/sku"},
    "get_account": {"customer_id": "$response.body#/customer_id"},
}

LINKS: Final[dict[str, dict[str, Any]]] = {
    operation: {"operationId": operation, "parameters": parameters}
    for operation, parameters in _TAKES.items()
}

# Operation → what its answer leads to.
_LEADS_TO: Final = {
    "place_order": (
        "get_order",
        "get_events",
        "get_tracking",
        "pay_order",
        "hold_order",
        "accept_order",
        "decline_order",
        "cancel_order",
        "ship_order",
    ),
    "list_orders": ("list_orders",),
    "pay_order": ("get_order", "cancel_order", "ship_order"),
    "hold_order": ("release_order", "cancel_order"),
    "release_order": ("get_order", "cancel_order", "ship_order"),
    "accept_order": ("get_order", "cancel_order", "ship_order"),
    "ship_order": ("get_tracking", "get_estimate", "confirm_receipt"),
    "confirm_receipt": ("review_order", "ask_for_return", "refund_order"),
    "ask_for_return": ("approve_return", "decline_return"),
    "approve_return": ("receive_return", "decline_return"),
    "put_stock": ("get_stock",),
    "add_webhook_endpoint": (
        "get_webhook_endpoint",
        "list_webhook_deliveries",
        "rotate_webhook_secret",
        "disable_webhook_endpoint",
        "delete_webhook_endpoint",
    ),
    "disable_webhook_endpoint": ("enable_webhook_endpoint", "delete_webhook_endpoint"),
    "post_credit": ("get_account",),
}


def add_links(operation_id: str, responses: dict[str, Any]) -> None:
    """To an operation's good answers."""
    names = _LEADS_TO.get(operation_id, ())
    for status, response in responses.items():
        if names and status.startswith("2"):
            response["links"] = {name: {"$ref": LINKS_PATH + name} for name in names}
