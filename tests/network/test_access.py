"""Who may associate: every rule by itself, and which of several comes first."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Network, IPv6Network, ip_network

import pytest

from mrdock.network import pdu
from mrdock.network.access import STOPPING, TOO_MANY, Access, Peer, Refusal
from mrdock.network.negotiation import APPLICATION_CONTEXT, Request

REQUEST = Request("SCANNER", "MRDOCK", APPLICATION_CONTEXT, 1, (), 16384)
TITLES = frozenset({"MRDOCK", "OTHER"})


def peer(title: str | None, network: str) -> Peer:
    found: IPv4Network | IPv6Network = ip_network(network)
    return Peer(title, found)


def access(*peers: Peer) -> Access:
    return Access(TITLES, peers)


def code(refusal: Refusal | None) -> tuple[int, ...] | None:
    return None if refusal is None else tuple(refusal.pdu[7:10])


ANYONE = Access(TITLES, None)


def test_anyone_may_call_one_of_the_titles() -> None:
    for called in TITLES:
        assert ANYONE.judge(replace(REQUEST, called=called), "192.0.2.1") is None


@pytest.mark.parametrize("called", ["", "mrdock", "MRDOCK2", "ANY-SCP", "../../../../tmp/"])
def test_another_called_title(called: str) -> None:
    assert code(ANYONE.judge(replace(REQUEST, called=called), "192.0.2.1")) == (1, 1, 7)


@pytest.mark.parametrize(("version", "result"), [(1, None), (3, None), (0xFFFF, None), (0, (1, 2, 2)), (2, (1, 2, 2))])
def test_the_version_has_bit_0(version: int, result: tuple[int, ...] | None) -> None:
    assert code(ANYONE.judge(replace(REQUEST, version=version), "192.0.2.1")) == result


@pytest.mark.parametrize("name", ["", "1.2.3", APPLICATION_CONTEXT + ".1"])
def test_another_application_context(name: str) -> None:
    assert code(ANYONE.judge(replace(REQUEST, application_context=name), "192.0.2.1")) == (1, 1, 2)


@pytest.mark.parametrize(
    ("title", "network", "host", "result"),
    [
        ("SCANNER", "192.0.2.0/24", "192.0.2.7", None),
        ("SCANNER", "192.0.2.7/32", "192.0.2.7", None),
        (None, "192.0.2.0/24", "192.0.2.7", None),
        (None, "0.0.0.0/0", "192.0.2.7", None),
        ("SCANNER", "192.0.2.0/24", "192.0.3.7", (1, 1, 3)),
        ("SCANNER2", "192.0.2.0/24", "192.0.2.7", (1, 1, 3)),
        ("scanner", "192.0.2.0/24", "192.0.2.7", (1, 1, 3)),
        ("SCANNER", "2001:db8::/32", "2001:db8::1", None),
        ("SCANNER", "2001:db8::/32", "2001:db9::1", (1, 1, 3)),
        ("SCANNER", "2001:db8::/32", "192.0.2.7", (1, 1, 3)),
        ("SCANNER", "192.0.2.0/24", "2001:db8::1", (1, 1, 3)),
        ("SCANNER", "192.0.2.0/24", "::ffff:192.0.2.7", None),  # a dual-stack socket says it so
        ("SCANNER", "192.0.2.0/24", "::ffff:192.0.3.7", (1, 1, 3)),
        ("SCANNER", "fe80::/10", "fe80::1%eth0", None),
    ],
)
def test_pairs_of_title_and_network(title: str | None, network: str, host: str, result: tuple[int, ...] | None) -> None:
    rules = access(peer(title, network))
    assert code(rules.judge(REQUEST, host)) == result
    in_network = result is None or title in ("SCANNER2", "scanner")
    assert rules.admits(host) is in_network


def test_titles_and_networks_are_pairs_not_two_lists() -> None:
    rules = access(peer("ONE", "192.0.2.1/32"), peer("TWO", "192.0.2.2/32"))
    for title, host, allowed in (
        ("ONE", "192.0.2.1", True),
        ("TWO", "192.0.2.2", True),
        ("ONE", "192.0.2.2", False),
        ("TWO", "192.0.2.1", False),
    ):
        assert (rules.judge(replace(REQUEST, calling=title), host) is None) is allowed


def test_no_peers_means_nobody_and_none_means_anybody() -> None:
    assert not access().admits("127.0.0.1")
    assert code(access().judge(REQUEST, "127.0.0.1")) == (1, 1, 3)
    assert ANYONE.admits("127.0.0.1")


def test_a_caller_learns_of_its_own_title_only_when_it_called_the_right_one() -> None:
    rules = access(peer("SOMEBODY", "127.0.0.0/8"))
    assert code(rules.judge(replace(REQUEST, called="WRONG"), "127.0.0.1")) == (1, 1, 7)


def test_the_refusals_for_now_are_transient() -> None:
    """PS3.8 table 9-21: result 2, source 3, temporary congestion or local limit exceeded."""
    assert (code(TOO_MANY), code(STOPPING)) == ((2, 3, 2), (2, 3, 1))
    assert TOO_MANY.pdu[0] == pdu.ASSOCIATE_RJ
    assert all(refusal.text for refusal in (TOO_MANY, STOPPING))
