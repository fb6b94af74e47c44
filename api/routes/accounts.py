"""Store credit and vouchers: money of our own making."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from adapters.postgres.accounts import (
    Account,
    BalanceTooLarge,
    Voucher,
    VoucherExists,
    issue_credit,
    issue_voucher,
    read_account,
    read_voucher,
)
from adapters.postgres.api_keys import OPS, ORDERS_READ
from adapters.postgres.idempotency import Claim, claim_key, hash_body
from adapters.postgres.pool import reading, transaction
from api.auth import Operator, Reader
from api.bodies import parse_body, read_body
from api.checks import check_id, check_money
from api.headers import IdempotencyKey
from api.models import CreditBody, VoucherBody
from api.openapi import make_router, operation
from api.problems import FieldError, Problem, invalid
from api.rendering import json_response, money
from api.services import services_of
from api.views import AccountView, VoucherView
from ordersaga import keys

router = make_router("accounts")


@router.get(
    "/accounts/{customer_id:account_owner}",
    summary="A customer's store credit",
    **operation({200: AccountView}, scope=ORDERS_READ, refusals=["invalid_request", "card_number"]),
)
async def get_account(request: Request, caller: Reader, customer_id: str) -> Response:
    """Who never had any has an empty one."""
    services = services_of(request)
    check_id(customer_id, "/path/customer_id")
    async with reading(services.pool) as connection:
        account = await read_account(connection, tenant=caller.tenant, customer_id=customer_id)
    return json_response(_render_account(account))


@router.post(
    "/accounts/{customer_id:word}/credits",
    status_code=201,
    summary="Give a customer store credit",
    **operation({201: AccountView}, scope=OPS, body=CreditBody, has_key=True),
)
async def post_credit(
    request: Request, caller: Operator, key: IdempotencyKey, customer_id: str
) -> Response:
    """The customer's account as it is then."""
    services = services_of(request)
    check_id(customer_id, "/path/customer_id")
    raw = await read_body(request)
    body = parse_body(CreditBody, raw)
    check_money(body.amount, "/amount")
    claim = Claim(
        tenant=caller.tenant,
        route=f"POST /v1/accounts/{{id}}/credits {customer_id}",
        key=key,
        body_hash=hash_body(raw),
        resource=keys.new_id("crd"),
    )
    try:
        async with transaction(services.pool) as connection:
            is_replay = await claim_key(connection, claim) is not None
            if not is_replay:
                await issue_credit(
                    connection,
                    tenant=caller.tenant,
                    customer_id=customer_id,
                    currency=body.amount.currency,
                    amount=body.amount.amount,
                    reason=body.reason,
                    credit_id=claim.resource,
                )
            account = await read_account(connection, tenant=caller.tenant, customer_id=customer_id)
    except BalanceTooLarge:
        raise invalid(FieldError("/amount/amount", "makes the balance too large")) from None
    return json_response(_render_account(account), status=201, headers=_replayed(is_replay))


@router.post(
    "/vouchers",
    status_code=201,
    summary="Make a voucher",
    **operation(
        {201: VoucherView},
        scope=OPS,
        body=VoucherBody,
        has_key=True,
        refusals=["voucher_exists"],
    ),
)
async def post_voucher(request: Request, caller: Operator, key: IdempotencyKey) -> Response:
    """Whoever has its code can pay with it: a payment by `voucher` gives it as `token`."""
    services = services_of(request)
    raw = await read_body(request)
    body = parse_body(VoucherBody, raw)
    check_money(body.amount, "/amount")
    claim = Claim(
        tenant=caller.tenant,
        route="POST /v1/vouchers",
        key=key,
        body_hash=hash_body(raw),
        resource=keys.new_id("vch"),  # not its code, which is money
    )
    try:
        async with transaction(services.pool) as connection:
            is_replay = await claim_key(connection, claim) is not None
            if not is_replay:
                await issue_voucher(
                    connection,
                    tenant=caller.tenant,
                    code=body.code,
                    currency=body.amount.currency,
                    amount=body.amount.amount,
                )
            voucher = await read_voucher(connection, tenant=caller.tenant, code=body.code)
    except VoucherExists:
        raise Problem("voucher_exists", "codes are used once, in one currency") from None
    if voucher is None:
        raise Problem("not_found", "there is no such voucher any more")
    return json_response(_render_voucher(voucher), status=201, headers=_replayed(is_replay))


def _replayed(is_replay: bool) -> dict[str, str]:
    return {"Idempotency-Replayed": "true"} if is_replay else {}


def _render_account(account: Account) -> dict[str, object]:
    return {
        "customer_id": account.customer_id,
        "balances": [money(balance.amount, balance.currency) for balance in account.balances],
        "entries": [
            {
                "transfer": entry.transfer,
                "amount": money(entry.amount, entry.currency),
                "order_id": entry.order_id,
                "reason": entry.reason,
                "created_at": entry.created_at,
            }
            for entry in account.entries
        ],
    }


def _render_voucher(voucher: Voucher) -> dict[str, object]:
    return {
        "code": voucher.code,
        "amount": money(voucher.amount, voucher.currency),
        "balance": money(voucher.balance, voucher.currency),
    }
