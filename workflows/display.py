"""What a workflow shows in Temporal's own pages."""

from __future__ import annotations

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from ordersaga.order import Standing
    from workflows import names


def tell(sentence: str) -> None:
    """For whoever looks at this workflow."""
    workflow.set_current_details(sentence)


def show(standing: Standing) -> None:
    """For whoever searches."""
    workflow.upsert_search_attributes(
        [
            names.ORDER_STATUS.value_set(str(standing.status)),
            names.PAYMENT_STATUS.value_set(str(standing.payment_status)),
        ]
    )
