"""The payment methods the provider knows: one row each."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """What a method can do.

    `holds`: capture_method=manual is possible. `slip`: confirming gives a slip, paid days later.
    `action`, `action_url`: the type of its next_action and the name of the address in it.
    `failure_code`: what a payer's failure is called.
    """

    holds: bool
    refundable: bool
    slip: bool
    action: str
    action_url: str
    failure_code: str


METHODS: dict[str, Method] = {
    "card": Method(
        holds=True,
        refundable=True,
        slip=False,
        action="redirect_to_url",
        action_url="url",
        failure_code="payment_intent_authentication_failure",
    ),
    "alipay": Method(
        holds=False,
        refundable=True,
        slip=False,
        action="alipay_handle_redirect",
        action_url="url",
        failure_code="payment_intent_payment_attempt_failed",
    ),
    "wechat_pay": Method(
        holds=False,
        refundable=True,
        slip=False,
        action="wechat_pay_display_qr_code",
        action_url="hosted_instructions_url",
        failure_code="payment_intent_payment_attempt_failed",
    ),
    "boleto": Method(
        holds=False,
        refundable=False,  # the banks offer no way back; the shop gives store credit
        slip=True,
        action="boleto_display_details",
        action_url="hosted_voucher_url",
        failure_code="payment_intent_payment_attempt_expired",
    ),
}
