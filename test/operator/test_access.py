"""Who may open the page."""

import pytest

from tracker_ros.operator.access import Access, OperatorError, is_loopback, security_headers


@pytest.mark.parametrize(
    ("address", "local"),
    [("127.0.0.1", True), ("127.3.2.1", True), ("::1", True), ("localhost", True),
     ("0.0.0.0", False), ("::", False), ("192.168.1.7", False), ("robot.local", False)],
)  # fmt: skip
def test_only_addresses_of_this_machine_want_no_token(address: str, local: bool) -> None:
    access = Access(address)
    assert is_loopback(address) == local
    assert bool(access.token) != local
    assert access.knows("") == local
    assert access.knows(access.token)


def test_a_token_that_was_given_is_wanted_everywhere_and_made_ones_differ() -> None:
    secret = "a secret of one's own"
    access = Access("127.0.0.1", secret)
    assert access.knows(secret)
    assert not any(map(access.knows, ("", secret.upper(), f"{secret} ", "sécret")))
    made = Access("0.0.0.0").token
    assert len(made) >= 20 and made != Access("0.0.0.0").token


def test_a_token_that_can_be_guessed_is_refused() -> None:
    with pytest.raises(OperatorError, match="token has 4 characters; give 16 or more"):
        Access("0.0.0.0", "1234")


@pytest.mark.parametrize(
    "host", ["localhost:8080", "127.0.0.1:9000", "[::1]:8080", "LOCALHOST", "127.3.2.1:80"]
)
def test_the_robots_own_page_is_found_through_a_tunnel_too(host: str) -> None:
    assert not Access("127.0.0.1").refuse_host(host)


@pytest.mark.parametrize("host", ["evil.example:8080", "127.0.0.1.evil.example", "", "[::1", "a b"])
def test_a_name_that_was_made_to_point_here_is_refused(host: str) -> None:
    assert Access("127.0.0.1").refuse_host(host)


def test_on_the_network_the_robot_may_have_any_name_that_is_one() -> None:
    access = Access("0.0.0.0")
    assert not access.refuse_host("robot.local:8080")
    assert access.refuse_host("robot;script-src *")


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [(None, True), ("http://robot:8080", True), ("http://robot", False), ("null", False),
     ("http://evil.example", False), ("http://[", False),
     ("http://robot:8080.evil.example", False)],
)  # fmt: skip
def test_only_pages_of_this_server_open_its_socket(origin: str | None, allowed: bool) -> None:
    assert (Access("0.0.0.0").refuse_origin(origin, "robot:8080") == "") == allowed


def test_the_page_may_load_and_reach_nothing_else() -> None:
    policy = security_headers("robot:8080")["Content-Security-Policy"]
    assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy and "*" not in policy
