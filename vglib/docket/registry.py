"""The registry: every claim of the course, found in the chapters' folders."""

import importlib
import importlib.util
import pkgutil

from vglib.claim import Claim, Fact

FACT = "fact"
RULINGS = ("holds", "holds only if", "refuted", FACT)


def claims(package: str = "vglib") -> dict[str, tuple[Fact, ...]]:
    """Return the `CLAIMS` of every chapter, by its name, ordered by its `CHAPTER`.

    Raises ValueError where two claims share an id, or a chapter's module lacks what it must hold.
    """
    found = []
    for folder in pkgutil.iter_modules(importlib.import_module(package).__path__):
        name = f"{package}.{folder.name}.claims"
        if not folder.ispkg or importlib.util.find_spec(name) is None:
            continue
        module = importlib.import_module(name)
        for wanted in ("CHAPTER", "CLAIMS"):
            if not hasattr(module, wanted):
                raise ValueError(f"{name} has no {wanted}; define CHAPTER (a number) and CLAIMS.")
        found.append((module.CHAPTER, folder.name, tuple(module.CLAIMS)))
    by_chapter = {name: claims for _, name, claims in sorted(found, key=lambda entry: entry[:2])}
    ids = [claim.id for claims in by_chapter.values() for claim in claims]
    for claim_id in ids:
        if ids.count(claim_id) > 1:
            raise ValueError(f"Two claims have the id {claim_id}; rename one.")
    return by_chapter


def declared(claim: Fact) -> str:
    """Return the ruling that a claim declares, one of `RULINGS`; a mere fact declares "fact"."""
    return claim.ruling.word if isinstance(claim, Claim) else FACT


def number_of(chapter: str, package: str = "vglib") -> int:
    """Return the number of a chapter that has claims."""
    return int(importlib.import_module(f"{package}.{chapter}.claims").CHAPTER)
