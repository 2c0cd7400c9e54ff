"""Try one claim of the course from the command line, or list them.

    python -m vglib.claim NAME                   tries it: prediction, measurement, rival, ruling
    python -m vglib.claim --list                 all of them, by chapter
    python -m vglib.claim --list --chapter 9 --ruling refuted

Exits with 0 where the measurement agrees with the prediction, rejects the rival and gives the
ruling that the claim declares; with 1 where it does not; with 2 for a name that no claim has.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from difflib import get_close_matches

from vglib.checks import one_of
from vglib.claim import Claim, Fact
from vglib.docket import registry
from vglib.words import count


def nearest(name: str, ids: Sequence[str], most: int = 3) -> list[str]:
    """Return the ids nearest to a name: those spelt alike, then those that hold its words."""
    words = [word for word in name.lower().replace("_", "-").split("-") if len(word) > 2]
    shared = {known: sum(word in known.split("-") for word in words) for known in ids}
    holders = sorted((known for known in ids if shared[known]), key=lambda known: -shared[known])
    alike = get_close_matches(name, ids, n=most, cutoff=0.5)
    return list(dict.fromkeys([*alike, *holders]))[:most]


def listed(found: Mapping[str, Sequence[Fact]], chapter: str = "", ruling: str = "") -> str:
    """Return the claims as lines, by chapter: ruling and id; a last line counts them.

    Raises ValueError for a chapter that has no claims.
    """
    numbers = {name: registry.number_of(name) for name in found}
    names = [n for n in found if not chapter or chapter in (n, f"{numbers[n]}", f"{numbers[n]:02}")]
    if not names:
        one_of("chapter with claims", chapter, [f"{numbers[name]:02} {name}" for name in found])
    lines, total = [], 0
    for name in names:
        chosen = [c for c in found[name] if ruling in ("", registry.declared(c))]
        total += len(chosen)
        if chosen:
            lines.append(f"{numbers[name]:02} {name}")
        for claim in chosen:
            slow = "   (slow)" if claim.slow else ""
            lines.append(f"   {registry.declared(claim):<14} {claim.id}{slow}")
    return "\n".join([*lines, f"{count(total, 'claim')}."])


def told(claim: Fact) -> str:
    """Return what is claimed, and how it is measured, before any trial."""
    lines = [f"{claim.where}:", f"  {claim.says}", f"setup: {claim.setup}"]
    if claim.over:
        grid = "; ".join(f"{name} = {', '.join(map(str, v))}" for name, v in claim.over.items())
        lines.append(f"grid: {grid}; the {claim.best} median counts")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line asks; return the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m vglib.claim",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("name", nargs="?", help="of a claim, as --list writes it")
    parser.add_argument("--list", action="store_true", help="the claims, instead of a trial")
    parser.add_argument("--chapter", default="", help="with --list: its number or its name")
    parser.add_argument("--ruling", default="", choices=registry.RULINGS, help="with --list")
    options = parser.parse_args(arguments)
    if options.list == bool(options.name) or (options.name and (options.chapter or options.ruling)):
        parser.error("give the name of one claim, or --list with or without its filters.")
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="replace")  # a console that has no ‖
    found = registry.claims()
    if options.list:
        try:
            print(listed(found, options.chapter, options.ruling))
        except ValueError as error:
            print(error, file=sys.stderr)
            return 2
        return 0
    known = {claim.id: claim for some in found.values() for claim in some}
    if options.name not in known:
        near = nearest(options.name, list(known))
        hint = f"did you mean {', '.join(near)}?" if near else "--list names them."
        print(f"No claim is called {options.name!r}; {hint}", file=sys.stderr)
        return 2
    return _tried(known[options.name])


def _tried(claim: Fact) -> int:
    print(told(claim))
    if claim.slow:
        print("It trains networks: this takes a while.", file=sys.stderr)
    sys.stdout.flush()
    try:
        ruling = claim.trial()
    except KeyboardInterrupt:
        print("\nStopped.", file=sys.stderr)
        return 130
    print(repr(ruling))
    if isinstance(claim, Claim):
        print(f"correction: {claim.correction}")
    return 0 if ruling.as_declared else 1
