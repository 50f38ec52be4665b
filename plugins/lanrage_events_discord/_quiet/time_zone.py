"""Time zones by their names in the time zone database."""

from __future__ import annotations

from datetime import UTC, tzinfo
from zoneinfo import ZoneInfo, available_timezones

from lanrage_events.cli import did_you_mean


def find_time_zone(name: str) -> tzinfo:
    """Return a time zone.

    :param name: such as ``Europe/Berlin``
    :raises ValueError: if there is none, or this computer does not know any
    """
    if name == "UTC":  # which needs no time zone data
        return UTC

    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        # A name such as "../x" or "Europe", which is a folder, raises one of the others.
        pass

    known = available_timezones()
    if not known:
        raise ValueError(
            "this computer has no time zone data, so only its own time can be used: "
            "pip install tzdata, or leave time_zone out"
        )

    # People know cities, and write spaces. CEST is as similar to EST as a word, but 7 hours away, and
    # Etc/GMT+1 is UTC-1.
    regions = [one for one in known if not (one.isupper() or one.startswith("Etc/"))]
    written = name.strip().replace(" ", "_")
    cities = {one.rpartition("/")[2].lower(): one for one in (*sorted(regions), "UTC")}
    city = cities.get(written.rpartition("/")[2].lower())
    hint = f", did you mean '{city}'?" if city else did_you_mean(written, regions)
    raise ValueError(
        f"no time zone is named {name[:100]!r}{hint or ': name a region such as Europe/Berlin'}"
    )
