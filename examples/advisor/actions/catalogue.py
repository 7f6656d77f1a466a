"""What Lindental offers. A real project would ask the campus system instead."""

from typing import Dict, FrozenSet, List, Optional

#: Programme -> worst grade admitted last year; None means open to everybody.
PROGRAMMES: Dict[str, Optional[float]] = {
    "Architektur": None,
    "Betriebswirtschaftslehre": 2.8,
    "Elektrotechnik": None,
    "Informatik": None,
    "Maschinenbau": None,
    "Mediendesign": None,
    "Pflegewissenschaft": None,
    "Physik": None,
    "Psychologie": 1.5,
    "Soziale Arbeit": 2.3,
    "Umwelttechnik": None,
    "Wirtschaftsinformatik": 3.0,
}

MASTER_PROGRAMMES: FrozenSet[str] = frozenset(
    {
        "Betriebswirtschaftslehre",
        "Informatik",
        "Maschinenbau",
        "Psychologie",
        "Wirtschaftsinformatik",
    }
)

#: Free appointments; a day that is not listed (like "morgen") gets the default.
FREE_TIMES: Dict[str, List[str]] = {
    "Montag": ["10:00 Uhr", "11:30 Uhr", "14:00 Uhr"],
    "Dienstag": ["9:30 Uhr", "13:00 Uhr"],
    "Mittwoch": ["10:00 Uhr", "15:00 Uhr"],
    "Donnerstag": ["9:00 Uhr", "11:00 Uhr", "14:30 Uhr"],
    "Freitag": ["9:00 Uhr", "10:30 Uhr"],
}
DEFAULT_TIMES: List[str] = ["10:00 Uhr", "14:00 Uhr"]


def find_programme(name: str) -> Optional[str]:
    """Returns the official spelling of a programme, or None if there is no such one."""
    wanted = name.strip().lower()
    return next((known for known in PROGRAMMES if known.lower() == wanted), None)


def chance(programme: Optional[str], grade: Optional[float]) -> Optional[str]:
    """Judges an application: open, good, close or low; None while something is missing."""
    if programme not in PROGRAMMES:
        return None
    limit = PROGRAMMES[programme]
    if limit is None:
        return "open"
    if grade is None:
        return None
    if grade <= limit:
        return "good"
    return "close" if grade <= limit + 0.3 else "low"
