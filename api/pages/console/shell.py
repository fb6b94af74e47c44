"""What all pages of the console are in: its name, its ways, who is signed in."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

from starlette.responses import HTMLResponse

from api.pages.console import words
from api.pages.console.session import Session
from api.pages.site import page


@dataclass(frozen=True)
class Way:
    """An entry of the navigation."""

    name: str
    path: str
    label: str


WAYS: Final = (
    Way("overview", "/console", "Overview"),
    Way("orders", "/console/orders", "Orders"),
    Way("attention", "/console/attention", "Attention"),
    Way("deliveries", "/console/deliveries", "Deliveries"),
    Way("analytics", "/console/analytics", "Analytics"),
)


def console_page(
    session: Session,
    template: str,
    *,
    here: str,
    status: int = HTTPStatus.OK,
    look_at: str = "",
    **shown: Any,
) -> HTMLResponse:
    """A page of templates/console/. `here`: which of `WAYS` it belongs to.

    `look_at`: where it is to be had again; empty, at its own address, which a form's answer does not have.
    """
    return page(
        f"console/{template}",
        status=status,
        session=session,
        here=here,
        look_at=look_at,
        ways=WAYS,
        words=words,
        **shown,
    )
