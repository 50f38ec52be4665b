"""Names and addresses in free text."""

from __future__ import annotations

import pytest

from lanrage_events._rules import Hiding, HidingKey, without_addresses


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        ("join 10.0.0.5", "join [address]"),
        ("10.0.0.5:27015.", "[address]."),
        ("steam://connect/10.0.0.5:27015", "steam://connect/[address]"),
        ("010.000.000.005", "[address]"),
        ("[2001:db8::1]:27015 and fe80::1%eth0", "[address] and [address]"),
        ("fe80::1: hello", "[address]: hello"),
        ("::ffff:10.0.0.5", "[address]"),
        ("ip:10.0.0.5", "ip:[address]"),
        ("add:10.0.0.5:27015", "add:[address]"),
        ("2001:DB8:0:0:0:0:0:1", "[address]"),
        ("at 12:30:45", "at 12:30:45"),
        ("1.2.3.4.5 and 999.1.1.1 and 1.2.3", "1.2.3.4.5 and 999.1.1.1 and 1.2.3"),
        ("std::vector :: a:b", "std::vector :: a:b"),
        ("aa:bb:cc:dd:ee:ff", "aa:bb:cc:dd:ee:ff"),
    ],
)
def test_addresses_are_removed(text: str, redacted: str) -> None:
    assert without_addresses(text) == redacted


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        ("Ann", "X"),
        ("ANN's game, ann.", "X's game, X."),
        ("_Ann_ **Ann** <Ann> Ann_2", "_X_ **X** <X> X_2"),
        ("Annual Joanna", "Annual Joanna"),
        ("アンAnnさん", "アンXさん"),
        ("Big Bad Bob is bad", "X is bad"),
        ("Zoe\u0308 and ZOË", "X and X"),
        ("mod_jim: hi, MOD_ is no one", "X: hi, X is no one"),
        ("(mod_jim) said:mod_jim.", "(X) said:X."),
        ("-mod_jim- hello-mod_jim mod_a-b.", "-X- hello-X X."),
        ("I met Jim_LAN.", "I met X."),
        ("wei\u00df ist da, WEISS auch", "X ist da, X auch"),
        ("\u0130bo geldi", "X geldi"),
        ("\uff21\uff2e\uff2e\u3001A\u200bn\u00adn is here", "X\u3001X is here"),
        ("[LAN]bob", "X"),
        ("hi,x[LAN]Bob!", "hi,xX!"),
        ("Jo!hello", "Xhello"),
        ("Jim", "Jim"),
    ],
)
def test_names_are_removed(text: str, redacted: str) -> None:
    names = ["Ann", "big bad bob", "Zoë", "mod_*", "*_lan", "Weiß", "İbo", "[LAN]Bob", "jo!"]
    hiding = Hiding(names, "X", HidingKey())
    assert hiding.replace_in(text) == redacted


def test_names_that_only_a_pattern_knows_are_removed_once_they_were_seen() -> None:
    hiding = Hiding(["* of Clan"], "X", HidingKey())
    assert hiding.replace_in("Jim of Clan is here") == "Jim of Clan is here"
    assert hiding.hides("Jim of Clan")
    assert hiding.replace_in("jim of clan is here") == "X is here"
    for number in range(12_000):
        hiding.hides(f"{number} of Clan")
        hiding.hides("Jim of Clan")  # who joins often is not forgotten

    hiding.hides(f"{'very' * 5_000} long name of Clan")  # and a hostile name costs nothing
    assert hiding.replace_in("11999 of Clan is here") == "X is here"
    assert hiding.replace_in("2500 of Clan and Jim of Clan") == "X and X"
