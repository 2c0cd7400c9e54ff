"""What was measured of each claim, as the tables of `tools.try_claims` store it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from html import unescape
from pathlib import Path
from types import MappingProxyType

HERE = Path(__file__).resolve().parent
TABLES = ("FAST_CLAIMS.md", "SLOW_CLAIMS.md")
_MADE = re.compile(r"Made by `(?P<command>[^`]+)` on (?P<day>[0-9-]+)")
# Of rows that joined the page later.
_ADDED = re.compile(r"Added by `[^`]+` on (?P<day>[0-9-]+): (?P<ids>[^.]+)\.")
_FROM = "from seed "
_MEDIAN = re.compile(
    r"(?P<median>[-+.\deinfa]+)(, median of \d+ seeds \((?P<low>\S+) to (?P<high>[^)\s]+)\))?"
)


@dataclass(frozen=True)
class Stored:
    """What is stored of one claim: its outcome from each base seed, its ruling, seconds, the day.

    `measured` maps a base seed to the words of the outcome, the median with its spread and grid.
    """

    measured: Mapping[int, str]
    verdict: str
    seconds: float
    day: str

    @property
    def spreads(self) -> dict[int, tuple[float, float, float]]:
        """Median, and the seeds' 10% and 90% quantiles (or the same number), by base seed."""
        found = {}
        for base, words in self.measured.items():
            if said := _MEDIAN.match(words):
                median = float(said["median"])
                low, high = (float(said[end] or median) for end in ("low", "high"))
                found[base] = median, low, high
        return found


def tables(here: Path = HERE) -> list[Path]:
    """Return the stored tables there are: in the package, or in a checkout beside it."""
    inside = here / "measured"
    folder = inside if inside.is_dir() else here.parents[1] / "benchmarks"
    return [folder / name for name in TABLES if (folder / name).is_file()]


@lru_cache(maxsize=4)
def stored(here: Path = HERE) -> Mapping[str, Stored]:
    """Read the tables: what is stored, by the claim's id; empty where there are none."""
    found = {}
    for table in tables(here):
        text = table.read_text(encoding="utf-8")
        made = _MADE.search(text)
        days = {i: some["day"] for some in _ADDED.finditer(text) for i in some["ids"].split(", ")}
        rows = [_cells(line) for line in text.splitlines() if line.startswith("| ")]
        for cells in rows[2:]:
            row = dict(zip(rows[0], cells, strict=True))
            measured = {
                int(head.removeprefix(_FROM)): words
                for head, words in row.items()
                if head.startswith(_FROM)
            }
            day = days.get(row["claim"], made["day"] if made else "")
            known = Stored(MappingProxyType(measured), row["verdict"], float(row["seconds"]), day)
            found[row["claim"]] = known
    return MappingProxyType(found)


def _cells(line: str) -> list[str]:
    # As `vglib.claim.table` writes them.
    parts = re.split(r"(?<!\\)\|", line.strip().strip("|"))
    return [unescape(part.strip().replace(r"\|", "|")) for part in parts]
