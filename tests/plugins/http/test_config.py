from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError

from lanrage_events.config import ConfigError
from lanrage_events.config._load import load_config
from lanrage_events_http import HTTPConfig

TOKEN = "correct-horse-battery"


def problem(**values: Any) -> str:
    with pytest.raises(ValidationError) as caught:
        HTTPConfig(**values)

    return str(caught.value)


def test_serves_this_machine_only_unless_configured_otherwise() -> None:
    config = HTTPConfig()

    assert (config.host, config.port, config.token) == ("127.0.0.1", 8666, None)


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.0.0.9", "::1", "[::1]", "localhost", "LOCALHOST", " 127.0.0.1 "]
)
def test_loopback_addresses_need_no_token(host: str) -> None:
    assert HTTPConfig(host=host).token is None


@pytest.mark.parametrize(
    "host",
    ["0.0.0.0", "::", "[::]", "192.168.1.5", "fe80::1", "gamebox", "localhost.example.org", "10.1"],
)
def test_all_others_need_a_token(host: str) -> None:
    text = problem(host=host)

    assert "so a token is required: set 'token' to at least 16 characters" in text
    assert "or 'host' to 127.0.0.1" in text
    assert HTTPConfig(host=host, token=SecretStr(TOKEN)).token is not None


def test_brackets_of_an_ipv6_address_are_taken_off() -> None:
    assert HTTPConfig(host="[::1]").host == "::1"


@pytest.mark.parametrize("host", ["http://127.0.0.1", "127.0.0.1/x", "two words", "[::1", "a:b:c"])
def test_something_else_than_a_host_is_rejected(host: str) -> None:
    assert "expected an address or a name" in problem(host=host, token=TOKEN)


@pytest.mark.parametrize("host", ["127.0.0.1:80", "[::1]:80", "localhost:80"])
def test_a_port_in_the_host_is_rejected_with_the_remedy(host: str) -> None:
    assert "set 'port'" in problem(host=host)


@pytest.mark.parametrize("token", ["", "short", "x" * 15])
def test_short_tokens_are_rejected_even_on_loopback(token: str) -> None:
    text = problem(token=token)

    assert f"expected at least 16 characters, found {len(token)}" in text
    assert not token or token not in text


@pytest.mark.parametrize(
    "token", ["correct horse battery staple", "sixteen-or-more-ü", "x" * 16 + "\n"]
)
def test_tokens_that_a_header_cannot_carry_are_rejected(token: str) -> None:
    text = problem(token=token)

    assert "ASCII letters, digits and signs only, without spaces" in text
    assert token not in text


OTHER = "battery-staple-horse"
GAMEBOX = {"token": OTHER, "scopes": ["publish"]}


def test_tokens_allow_what_they_say() -> None:
    config = HTTPConfig.model_validate({"token": TOKEN, "tokens": {"gamebox": GAMEBOX}})

    assert [(token.name, token.secret, token.scopes) for token in config.all_tokens()] == [
        ("token", TOKEN, frozenset({"publish", "read", "admin"})),
        ("gamebox", OTHER, frozenset({"publish"})),
    ]
    assert OTHER not in repr(config)


def test_tokens_alone_are_enough_for_others_to_reach_it() -> None:
    assert HTTPConfig.model_validate({"host": "0.0.0.0", "tokens": {"gamebox": GAMEBOX}})


def test_no_two_tokens_are_the_same() -> None:
    same = {"token": OTHER, "scopes": "read"}

    text = problem(tokens={"gamebox": GAMEBOX, "dashboard": same})
    assert "tokens.dashboard.token" in text
    assert "it is the same as that of 'gamebox'" in text
    assert OTHER not in text
    text = problem(token=OTHER, tokens={"gamebox": GAMEBOX})
    assert "it is the same as that of 'gamebox' in 'tokens'" in text


@pytest.mark.parametrize("name", ["", "two words", "-", "x" * 41, "ü", "a\n"])
def test_the_name_of_a_token_is_short(name: str) -> None:
    assert "expected a name of up to 40" in problem(tokens={name: GAMEBOX})


def test_the_name_of_the_other_key_is_taken() -> None:
    assert "this is the name of the key 'token'" in problem(tokens={"token": GAMEBOX})


@pytest.mark.parametrize(
    "proxy", ["127.0.0.1", "10.0.0.0/24", "::1", "fd00::/8", "[::1]", " 10.0.0.1 "]
)
def test_proxies_are_addresses_or_networks(proxy: str) -> None:
    assert len(list(HTTPConfig(trusted_proxies=(proxy,)).proxies())) == 1


@pytest.mark.parametrize(
    "proxy", ["", "proxy.example.org", "10.0.0.1/8", "10.0.0.1:80", "0.0.0.0/0", "::/0"]
)
def test_something_else_is_not_trusted(proxy: str) -> None:
    text = problem(trusted_proxies=("127.0.0.1", proxy))

    assert "trusted_proxies.1" in text
    assert "expected an address or a network, such as '127.0.0.1'" in text


def test_an_address_of_a_network_says_what_to_write_instead() -> None:
    text = problem(trusted_proxies=("10.0.0.1/24",))
    assert "'10.0.0.1/24' is an address of a network: write 10.0.0.0/24, or 10.0.0.1 for it" in text
    assert "write fd00::/64, or fd00::1 for it" in problem(trusted_proxies=("[fd00::1/64]",))


def test_the_token_is_never_shown() -> None:
    assert TOKEN not in repr(HTTPConfig(token=SecretStr(TOKEN)))
    assert TOKEN not in problem(token=TOKEN, port=-1)


@pytest.mark.parametrize(
    "name", ["lan.example.org", "lan.example.org:8443", "192.168.1.5:9000", "[::1]"]
)
def test_hosts_can_be_allowed_with_and_without_port(name: str) -> None:
    assert HTTPConfig(allowed_hosts=(name,)).allowed_hosts == (name,)


@pytest.mark.parametrize("name", ["https://lan.example.org", "*", "", "a b", "x:99999", "x:port"])
def test_something_else_cannot_be_allowed(name: str) -> None:
    assert f"'{name}': expected a name with or without port" in problem(allowed_hosts=(name,))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("port", 65_536),
        ("max_connections", 1),
        ("max_streams", 0),
        ("max_body", 1_023),
        ("repeat_window", 86_401),
    ],
)
def test_limits_have_limits(key: str, value: int) -> None:
    assert key in problem(**{key: value})


def test_streams_leave_room_for_other_connections() -> None:
    assert "20, must be less than max_connections, 20" in problem(max_connections=20)
    assert "100, must be less than max_connections, 100" in problem(max_streams=100)
    assert HTTPConfig(max_connections=20, max_streams=19).max_streams == 19


def test_a_wrong_host_does_not_hide_behind_other_problems() -> None:
    text = problem(host="http://x", max_connections=0, max_streams=5)

    assert "2 validation errors" in text


@pytest.mark.parametrize(
    ("yaml", "problem"),
    [
        (
            "{host: 0.0.0.0}",
            "plugins.http: other machines can reach host '0.0.0.0', so a token is required",
        ),
        ("{host: 0.0.0.0, token: short}", "plugins.http.token: expected at least 16 characters"),
        ("{port: 70000}", "plugins.http.port: must be at most 65535"),
        (
            "{tokens: {a: {token: correct-horse-battery, scopes: [publsh]}}}",
            "plugins.http.tokens.a.scopes.0: expected 'publish', 'read' or 'admin'",
        ),
        ("{tokens: {a: {token: '', scopes: [read]}}}", "plugins.http.tokens.a.token: expected at"),
        ("{tokens: {a: {token: correct-horse-battery}}}", "plugins.http.tokens.a.scopes: "),
        ("{tokens: {a: {token: correct-horse-battery, scopes: []}}}", "tokens.a.scopes: "),
        (
            "{tokens: {token: {token: correct-horse-battery, scopes: read}}}",
            "tokens.token: this is",
        ),
        (
            "{tokens: {a: {token: &a correct-horse-12, scopes: read}, b: {token: *a, scopes: read}}}",
            "plugins.http.tokens.b.token: it is the same as that of 'a'",
        ),
        ("{trusted_proxies: [127.0.0.1, x]}", "plugins.http.trusted_proxies.1: expected an"),
        ("{prot: 80}", "plugins.http.prot: unknown key, did you mean 'port'?"),
    ],
)
def test_a_problem_names_the_file_and_line(yaml: str, problem: str, tmp_path: Path) -> None:
    file = tmp_path / "lanrage.yaml"
    file.write_text(f"plugins:\n  http: {yaml}\n", encoding="utf-8")

    with pytest.raises(ConfigError) as caught:
        load_config(file)

    (problem_text,) = caught.value.problems
    assert problem_text.startswith(f"{file}:2:")
    assert problem in problem_text
