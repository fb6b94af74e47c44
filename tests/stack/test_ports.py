"""Last time's port, else the usual, else a free one; never one twice, never a taken one."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from cli.stack.ports import FREE_PORTS, USUAL_PORTS, choose_ports, is_free


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.socket() as owner:
        owner.bind(("127.0.0.1", 0))
        owner.listen()
        yield owner.getsockname()[1]


def _free_port() -> int:
    return next(port for port in FREE_PORTS if is_free(port))


def test_each_part_has_a_port_of_its_own() -> None:
    chosen = choose_ports(last_time={})

    assert set(chosen) == set(USUAL_PORTS)
    assert len(set(chosen.values())) == len(chosen)


def test_the_port_of_last_time_comes_before_the_usual_one() -> None:
    last = _free_port()

    assert choose_ports(last_time={"postgres": last})["postgres"] == last


def test_the_port_that_was_asked_for_comes_first() -> None:
    asked = _free_port()

    assert choose_ports(last_time={"api": 8000}, api_port=asked)["api"] == asked


def test_a_taken_port_is_not_chosen(taken: int) -> None:
    assert not is_free(taken)
    chosen = choose_ports(last_time={"temporal": taken}, api_port=taken)

    assert taken not in chosen.values()


def test_a_port_on_all_addresses_is_taken_too() -> None:
    with socket.socket() as owner:
        owner.bind(("0.0.0.0", 0))  # noqa: S104 - what this test is about
        owner.listen()
        assert not is_free(owner.getsockname()[1])


def test_two_parts_that_remember_the_same_port_get_two() -> None:
    same = _free_port()
    chosen = choose_ports(last_time={"provider": same, "carrier": same})

    assert chosen["provider"] != chosen["carrier"]


def test_stacks_side_by_side_do_not_take_the_usual_ports() -> None:
    chosen = choose_ports(last_time={}, usual=False)

    assert not set(chosen.values()) & set(USUAL_PORTS.values())
    assert all(port in FREE_PORTS for port in chosen.values())
