"""How mail is set up: what is taken, what is refused at once, and what a worker makes of it."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from adapters.mail.server import MailServer
from adapters.mail.writing import BadAddress, Writer
from adapters.postgres.pool import Pool
from adapters.production import Careless, refuse_carelessness
from ordersaga.config import Settings
from worker.sinks import sinks_of

# Put together here, so that no file has what looks like a secret.
LOGIN = "{}://shop%40example.org:{}@mail.example"


def _settings(**given: str) -> Settings:
    env = {"database_url": "postgresql:///o", "mail_from": "orders@shop.example", **given}
    return Settings.from_env({f"ORDERSAGA_{name.upper()}": text for name, text in env.items()})


@pytest.mark.parametrize(
    ("url", "port", "is_tls", "is_starttls"),
    [
        ("smtps://mail.example", 465, True, False),
        ("smtp://mail.example", 587, False, True),
        ("smtp://mail.example:25/?starttls=yes", 25, False, True),
        ("smtp://127.0.0.1:1025?starttls=no", 1025, False, False),
    ],
)
def test_a_server_is_spoken_to_by_tls_unless_that_is_refused(
    url: str, port: int, *, is_tls: bool, is_starttls: bool
) -> None:
    server = MailServer.at(_settings(smtp_url=url).smtp_url)
    assert (server.port, server.is_tls, server.is_starttls) == (port, is_tls, is_starttls)


def test_a_login_may_have_any_character_and_is_not_shown() -> None:
    settings = _settings(smtp_url=LOGIN.format("smtps", "p%2Fw%3A"))
    server = MailServer.at(settings.smtp_url)
    assert (server.username, server.password) == ("shop@example.org", "p/w:")
    assert "p/w:" not in repr(server)
    assert "p%2Fw" not in repr(settings)


@pytest.mark.parametrize("url", ["mail.example", "http://mail.example", "smtp://", "smtp://a?b=c"])
def test_what_is_no_mail_server_is_refused(url: str) -> None:
    with pytest.raises(ValidationError, match="smtp_url"):
        _settings(smtp_url=url)


def test_mail_is_somebodys() -> None:
    with pytest.raises(ValidationError, match="mail_from"):
        _settings(smtp_url="smtps://mail.example", mail_from="")
    with pytest.raises(BadAddress):
        Writer("Shop <orders@>")


@pytest.mark.parametrize(
    ("given", "taken"),
    [
        ("", {}),
        ("a@shop.example", {"*": "a@shop.example"}),
        ('{"demo": "a@shop.example"}', {"demo": "a@shop.example"}),
    ],
)
def test_sellers_have_one_address_or_one_each(given: str, taken: dict[str, str]) -> None:
    settings = _settings(seller_email=given)
    assert settings.seller_email == taken
    assert Settings.from_env(settings.to_env()) == settings


def test_sellers_that_are_no_json_are_refused() -> None:
    with pytest.raises(ValidationError, match="is not JSON"):
        _settings(seller_email='{"demo": ')


def test_production_says_nothing_without_tls() -> None:
    careless = _settings(env="production", smtp_url="smtp://mail.example?starttls=no")
    with pytest.raises(Careless, match="SMTP_URL: not on this machine, and without TLS"):
        refuse_carelessness(careless, {})
    own = _settings(env="production", smtp_url="smtp://127.0.0.1?starttls=no")
    with pytest.raises(Careless) as refused:  # for other reasons
        refuse_carelessness(own, {})
    assert "SMTP_URL" not in str(refused.value)


async def test_without_a_server_nothing_is_written_down(pool: Pool) -> None:
    async with sinks_of(_settings(), pool) as sinks:
        assert "mail" not in [sink.name for sink in sinks.fan_outs]
    async with sinks_of(_settings(smtp_url="smtps://mail.example"), pool) as sinks:
        assert "mail" in [sink.name for sink in sinks.fan_outs]
