"""Money: integer minor units of an ISO 4217 currency."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

# What PostgreSQL's bigint and a JSON reader can hold without loss: 2**53 - 1 minor units.
MAX_AMOUNT: Final = 9_007_199_254_740_991

# ISO 4217, active codes that people pay with, by the number of decimals of their minor unit.
_NO_DECIMALS = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF"
_THREE_DECIMALS = "BHD IQD JOD KWD LYD OMR TND"
_TWO_DECIMALS = """
AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF CNY
COP CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF
IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR
MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG
SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD UYU UZS VED VES
WST XCD YER ZAR ZMW ZWG
"""
MINOR_UNIT_DECIMALS: Final[dict[str, int]] = {
    **dict.fromkeys(_NO_DECIMALS.split(), 0),
    **dict.fromkeys(_TWO_DECIMALS.split(), 2),
    **dict.fromkeys(_THREE_DECIMALS.split(), 3),
}


def format_amount(amount: int, currency: str) -> str:
    """`format_amount(9558, "BRL")` → `"95.58 BRL"`: for people, never parsed."""
    decimals = MINOR_UNIT_DECIMALS[currency]
    return f"{Decimal(amount).scaleb(-decimals):,.{decimals}f} {currency}"
