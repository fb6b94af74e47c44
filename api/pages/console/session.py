"""Who works in the console: an operator's name and a key, in a session that a cookie opens.

A form is believed with its session's token alone. (Pages send no Referer, and `Origin: null` with a form, so
neither says anything; a browser's own `Sec-Fetch-Site` does, and is looked at as well.)
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import Annotated, Final
from urllib.parse import parse_qsl, quote

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from adapters.postgres.api_keys import OPS
from adapters.postgres.pool import reading, transaction
from adapters.postgres.sessions import (
    LIFE_S,
    StoredSession,
    begin_session,
    end_session,
    find_session,
)
from api.bodies import read_body
from api.pages.site import page
from api.problems import Problem
from api.services import services_of
from api.texts import is_storable

router = APIRouter(include_in_schema=False)

HOME: Final = "/console"
LOGIN: Final = "/console/login"
COOKIE: Final = "ordersaga-console"
SECURE_COOKIE: Final = f"__Host-{COOKIE}"  # set by this host alone, and over TLS only
SECRET_BYTES: Final = 32
MAX_NAME: Final = 60  # characters of an operator's
MAX_FORM_BYTES: Final = 16_384  # a reason of 500 characters, each of twelve bytes when it is quoted
MAX_FIELDS: Final = 40
LOOKING: Final = "x-looking"  # sent by a page that refreshes itself: nobody's use of the session

_OWN_PATH: Final = re.compile(r"/console(/[A-Za-z0-9_:/-]*)?(\?[A-Za-z0-9_=&%.+:-]*)?")
_CSRF_OF: Final = b"csrf"


class SignedOut(Exception):
    """Nobody is signed in, or not any more. `wanted`: where he was going."""

    def __init__(self, wanted: str) -> None:
        super().__init__("signed out")
        self.wanted = wanted


class StrangeForm(Problem):
    """A form that is not believed: another site's, or another session's."""

    def __init__(self, detail: str) -> None:
        super().__init__("forbidden", detail)
        self.kind = replace(self.kind, title="This form is not taken")


@dataclass(frozen=True)
class Session:
    """Somebody at work. `csrf`: what each of his forms has to bring."""

    stored: StoredSession
    csrf: str = field(repr=False)

    @property
    def operator(self) -> str:
        return self.stored.operator

    @property
    def tenant(self) -> str:
        return self.stored.key.tenant

    @property
    def by(self) -> str:
        """How the history names him: a name that he gave, and the key that he had."""
        return f"{self.operator} ({self.stored.key.id})"

    def has(self, scope: str) -> bool:
        return scope in self.stored.key.scopes


@dataclass(frozen=True)
class Posted:
    """A form of a session's own page."""

    session: Session
    form: Mapping[str, str] = field(repr=False)

    def text(self, name: str) -> str:
        """Without what stands around it; empty where it is not there."""
        return self.form.get(name, "").strip()


async def _signed_in(request: Request) -> Session:
    services = services_of(request)
    secret = _secret_of(request)
    if secret is None:
        raise SignedOut(_wanted(request))
    is_use = LOOKING not in request.headers
    async with reading(services.pool) as connection:
        stored = await find_session(connection, secret, is_use=is_use)
    if stored is None:
        raise SignedOut(_wanted(request))
    request.state.caller = stored.key
    services.requests.take(stored.key)
    return Session(stored, _csrf(secret))


async def _posted(request: Request, session: Annotated[Session, Depends(_signed_in)]) -> Posted:
    _check_sender(request)
    form = await read_form(request)
    if not hmac.compare_digest(form.get("csrf", "").encode(), session.csrf.encode()):
        raise StrangeForm("this form is not of this session: open its page again")
    return Posted(session, form)


SignedIn = Annotated[Session, Depends(_signed_in)]
FromForm = Annotated[Posted, Depends(_posted)]


def to_login(request: Request, error: Exception) -> Response:
    """Where somebody who is not signed in is sent; back to what he wanted afterwards."""
    assert isinstance(error, SignedOut)
    asked = f"?next={quote(error.wanted, safe='/')}" if error.wanted != HOME else ""
    return RedirectResponse(f"{LOGIN}{asked}", HTTPStatus.SEE_OTHER)


@router.get(LOGIN)
async def get_login(request: Request, next: str = "") -> Response:
    return page("console/login.html", wanted=_own_path(next), complaint="", operator="")


@router.post(LOGIN)
async def sign_in(request: Request) -> Response:
    """A key with the scope `ops`, and who it is that has it. Whoever was signed in there is not any more."""
    services = services_of(request)
    _check_sender(request)
    form = await read_form(request)
    wanted, operator = _own_path(form.get("next", "")), " ".join(form.get("operator", "").split())
    if not operator or len(operator) > MAX_NAME or not operator.isprintable():
        what = f"Say who you are, in at most {MAX_NAME} characters."
        return _refused(wanted, operator, what, HTTPStatus.UNPROCESSABLE_ENTITY)
    key = await services.known_keys.find(form.get("key", "").strip())
    if key is None or OPS not in key.scopes:
        refusal = services.refusals.refusal(request, "this key does not open the console")
        if refusal.kind.status == HTTPStatus.TOO_MANY_REQUESTS:
            raise refusal
        what = "This key does not open the console: it takes a valid one with the scope ops."
        return _refused(wanted, operator, what, HTTPStatus.UNAUTHORIZED)
    secret, earlier = secrets.token_urlsafe(SECRET_BYTES), _secret_of(request)
    async with transaction(services.pool) as connection:
        if earlier is not None:
            await end_session(connection, earlier)
        await begin_session(connection, secret, key=key, operator=operator)
    answer = RedirectResponse(wanted, HTTPStatus.SEE_OTHER)
    _set_cookie(request, answer, secret, max_age_s=LIFE_S)
    return answer


@router.post("/console/logout")
async def sign_out(request: Request, posted: FromForm) -> Response:
    secret = _secret_of(request)
    assert secret is not None
    async with reading(services_of(request).pool) as connection:
        await end_session(connection, secret)
    answer = RedirectResponse(LOGIN, HTTPStatus.SEE_OTHER)
    _set_cookie(request, answer, "", max_age_s=0)
    return answer


async def read_form(request: Request) -> Mapping[str, str]:
    """A page's own form: each field once. Raises a problem for anything else."""
    raw = await read_body(request, most_bytes=MAX_FORM_BYTES)
    try:
        fields = parse_qsl(
            raw.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=MAX_FIELDS
        )
    except ValueError:
        raise Problem("malformed_request", "this is no form of ours") from None
    form = dict(fields)
    if len(form) != len(fields) or not all(map(is_storable, form.values())):
        raise Problem("malformed_request", "this is no form of ours")
    return form


def _refused(wanted: str, operator: str, complaint: str, status: int) -> Response:
    return page(
        "console/login.html",
        status=status,
        wanted=wanted,
        complaint=complaint,
        operator=operator[:MAX_NAME],
    )


def _check_sender(request: Request) -> None:
    """What a browser itself says of where a form was. Older ones say nothing."""
    if request.headers.get("sec-fetch-site", "same-origin") != "same-origin":
        raise StrangeForm("this form was sent from somewhere else")


def _wanted(request: Request) -> str:
    if request.method != "GET":
        return HOME
    query = f"?{request.url.query}" if request.url.query else ""
    return _own_path(request.url.path + query)


def _own_path(path: str) -> str:
    """Nobody is sent anywhere else after he signed in."""
    return path if _OWN_PATH.fullmatch(path) and "//" not in path else HOME


def _csrf(secret: str) -> str:
    """Nobody who does not have the cookie can tell it; and it does not open anything."""
    return hmac.new(secret.encode(), _CSRF_OF, hashlib.sha256).hexdigest()


def _is_secure(request: Request) -> bool:
    is_production = services_of(request).settings.env == "production"
    return is_production or request.url.scheme == "https"


def _secret_of(request: Request) -> str | None:
    return request.cookies.get(SECURE_COOKIE if _is_secure(request) else COOKIE)


def _set_cookie(request: Request, answer: Response, secret: str, *, max_age_s: int) -> None:
    """A `__Host-` cookie has no path but `/`; without TLS there is none, and it is the console's alone."""
    is_secure = _is_secure(request)
    answer.set_cookie(
        SECURE_COOKIE if is_secure else COOKIE,
        secret,
        max_age=max_age_s,
        path="/" if is_secure else HOME,
        secure=is_secure,
        httponly=True,
        samesite="strict",
    )
