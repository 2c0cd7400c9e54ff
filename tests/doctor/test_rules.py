"""The findings as data: each has a reason, a cure that can be filled in, and a chapter."""

import ast
import re
import string
from pathlib import Path

import pytest

from tests.doctor.case import NAMES
from vglib.doctor.rules import RANK, RULES, finding

ROOT = Path(__file__).resolve().parents[2]
SOURCES = {
    path.name: path.read_text(encoding="utf-8")
    for path in sorted((ROOT / "vglib" / "doctor").glob("*.py"))
}
# What the doctor finds beside what the bank's writers agreed on.
MORE = {
    *("bce-on-logits", "maximizing", "step-of-another"),
}
CERTAINTIES = ("broken", "likely", "note")

each = pytest.mark.parametrize("name", RULES)


def fields(text: str) -> set[str]:
    return {field for _, field, _, _ in string.Formatter().parse(text) if field is not None}


class Stand(float):
    """Stands for a value in a cure: a word, or a number with a format of its own."""

    def __format__(self, spec: str) -> str:
        return format(0.5, spec) if spec else "VALUE"


def test_names_are_those_agreed_on():
    assert set(RULES) == NAMES | MORE
    assert not MORE & NAMES
    assert list(RANK) == list(RULES)
    assert list(RANK.values()) == list(range(len(RULES)))


@each
def test_a_rule_is_whole(name):
    rule = RULES[name]
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name)
    assert rule.certainty in CERTAINTIES
    assert rule.why[0].isupper() or rule.why.startswith("backward()")
    assert rule.why.endswith(".")
    assert "\n" not in rule.why
    assert "  " not in rule.why
    assert rule.source
    assert all(len(line) <= 100 for line in rule.cure.splitlines())


@each
def test_the_chapter_is_there(name):
    chapter = RULES[name].chapter
    assert re.fullmatch(r"0[1-9]|1[0-3]", chapter)


@each
def test_the_cure_can_be_filled_in(name):
    rule = RULES[name]
    wanted = fields(rule.cure)
    assert all(field.isidentifier() for field in wanted)
    details = dict.fromkeys(wanted - {"layer"}, Stand())
    found = finding(name, "it is so.", "body.2", number=3, bound=1, **details)
    assert found.cure
    assert not re.search(r"[{}]", found.cure)
    assert ("body.2" in found.cure) is ("layer" in wanted)
    assert found.certainty == rule.certainty
    assert (found.why, found.chapter, found.source) == (rule.why, rule.chapter, rule.source)
    assert (found.number, found.bound) == (3.0, 1.0)
    assert str(found) == f"{name} at body.2 ({rule.certainty}): it is so."


@each
def test_the_cure_is_python_or_says_so(name):
    """Lines that are code can be read as code, with something in place of each field."""
    cure = RULES[name].cure.format(**dict.fromkeys(fields(RULES[name].cure), Stand()))
    code = "\n".join(line for line in cure.splitlines() if not line.startswith("#"))
    ast.parse(code.replace("model.VALUE", "model.layer"))


def test_a_finding_without_a_place_says_layer_in_its_cure():
    found = finding("no-gradient", "it is so.")
    assert "{" not in found.cure
    assert found.layer == ""
    assert str(found) == "no-gradient (broken): it is so."


def test_an_unknown_name_and_a_field_that_is_missing_raise():
    with pytest.raises(KeyError):
        finding("no-such-thing", "it is so.")
    with pytest.raises(KeyError):
        finding("rate-too-high", "it is so.")


def made() -> dict[str, set[frozenset[str]]]:
    """Return, for each name that the source hands to `finding`, the keywords that come with it."""
    calls: dict[str, set[frozenset[str]]] = {}
    for text in SOURCES.values():
        for node in ast.walk(ast.parse(text)):
            if not isinstance(node, ast.Call) or not node.args:
                continue
            called = node.func.attr if isinstance(node.func, ast.Attribute) else None
            called = node.func.id if isinstance(node.func, ast.Name) else called
            first = node.args[0]
            if called in ("finding", "say") and isinstance(first, ast.Constant):
                keys = frozenset("**" if k.arg is None else k.arg for k in node.keywords)
                calls.setdefault(first.value, set()).add(keys)
    return calls


def test_the_source_makes_known_findings_with_what_their_cures_need():
    calls = made()
    assert set(calls) <= set(RULES)
    assert len(calls) > 30
    for name, ways in calls.items():
        for keywords in ways:
            lacking = fields(RULES[name].cure) - {"layer"} - keywords
            # What stands behind two stars is the optimiser, with its rate.
            assert lacking <= ({"optimizer", "lr"} if "**" in keywords else set()), name


def test_every_rule_is_used():
    """A rule that nothing in the source names is one that nobody can be told of."""
    text = "\n".join(source for name, source in SOURCES.items() if name != "rules.py")
    assert {name for name in RULES if f'"{name}"' not in text} == set()
