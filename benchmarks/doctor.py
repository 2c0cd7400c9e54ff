"""The doctor on its bank beside the published rules, and what a look and a watch cost."""

from __future__ import annotations

import gc
import resource
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from datetime import datetime
from functools import partial
from pathlib import Path
from statistics import median

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.report import Part, Row, machine, progress, within
from benchmarks.tracing import Pairs, disturbed, in_turn
from tests.doctor.healthy_sequences import GPT2, next_word
from tests.doctor.healthy_vision import ResNet18, conv_bn
from tests.doctor.score import Score, banks, scored
from vglib.clinic import published
from vglib.doctor import watch
from vglib.doctor.look import look
from vglib.doctor.patient import Patient
from vglib.weather import one_thread

PAGE = Path(__file__).with_name("DOCTOR.md")
ROOT = PAGE.parents[1]
TOOLS = tuple(published.RULES)
# A look may take so many times a plain step, and a watched training so many times a plain one.
BAR, WATCHED = 1.3, 1.1
SECONDS, STEPS = 12.0, 10


@one_thread()
def measure(seeds: int = 3) -> Part:
    """Score the bank with so many seeds, measure the cost, and write both into DOCTOR.md."""
    rows: dict[str, list[Score]] = {}
    for name, cases in banks().items():
        rows[name] = []
        for case in cases:
            progress(f"doctor, {name}, {case.name}")
            rows[name] += scored([case], range(seeds), rules=True)
    PAGE.write_text(_page(seeds, rows, ()), encoding="utf-8")
    cost = [row for net in NETS for row in _cost(net)]
    PAGE.write_text(_page(seeds, rows, cost), encoding="utf-8")
    part = Part([*_summary(rows), *cost])
    part.notes.append(f"The tables are in `{PAGE.relative_to(ROOT)}`.")
    return part


# The bank


def _summary(rows: dict[str, list[Score]]) -> list[Row]:
    seen = [row for name, part in rows.items() if name != "blind" for row in part]
    found = [Row(f"{what}, the bank", number) for what, number in _totals(seen)]
    if "blind" in rows:
        found += [Row(f"{what}, the blind third", n) for what, n in _totals(rows["blind"])]
    return found


def _totals(rows: Sequence[Score]) -> list[tuple[str, str]]:
    """Sum up one part of the bank, the doctor first and then each published tool."""
    sick = [row for row in rows if row.sick]
    twins = [row for row in rows if not row.sick and not row.case.healthy]
    healthy = [row for row in rows if row.case.healthy]
    seconds = [row.seconds for row in rows] or [0.0]
    totals = [
        ("faults detected", _of(row.detected for row in sick)),
        ("right name first", _of(row.right for row in sick)),
        ("right layer, where a fault has one", _of(r.layer for r in sick if r.layer is not None)),
        ("alarms on repaired twins", _of(row.alarm for row in twins)),
        ("alarms on healthy nets", _of(row.alarm for row in healthy)),
        ("examinations that raised", _of(row.error != "" for row in rows)),
        ("seconds, median and most", f"{median(seconds):.2f}, {max(seconds):.1f}"),
    ]
    for tool in TOOLS:
        said = [row.rules[tool] for row in sick if row.rules]
        totals += [
            (f"{tool}: detected", _of(found for found, _ in said)),
            (f"{tool}: a right word among its own", _of(right for _, right in said)),
            (f"{tool}: alarms on twins", _of(r.rules[tool][0] for r in twins if r.rules)),
            (f"{tool}: alarms on healthy nets", _of(r.rules[tool][0] for r in healthy if r.rules)),
        ]
    return [(what, number) for what, number in totals if number != _NONE]


def _of(values: Iterable[bool]) -> str:
    values = list(values)
    return f"{sum(values)} of {len(values)}" if values else _NONE


_NONE = "none"


def _page(seeds: int, rows: dict[str, list[Score]], cost: Sequence[Row]) -> str:
    command = shlex.join(["python", "-m", "benchmarks", "doctor", "--seeds", str(seeds)])
    lines = [
        "# The doctor",
        "",
        "Written by the command below; not to be edited by hand. One run, all figures from it.",
        "",
        f"- command: `{command}`",
        f"- date: {datetime.now():%Y-%m-%d %H:%M}",
        f"- machine: {machine()}, one thread",
        f"- seeds: {seeds} of each patient",
        "",
        "Detected: anything beyond a note, or a note that is the right answer. Right name: the"
        " first finding has a name that the bank accepts. Of each published tool: in how many it"
        " said anything, and in how many one of its words means an accepted name, be it first or"
        " last; a training that torch breaks off gives it nothing to say.",
    ]
    for part, scores in rows.items():
        lines += ["", f"## {_TITLES.get(part, part)}", ""]
        lines += [*_table([["", "number"], *_totals(scores)]), "", *_table(_by_case(scores))]
        alarms = [row for row in scores if not row.sick and (row.alarm or row.error)]
        if alarms:
            lines += ["", "Alarms of the doctor:", "", *(f"- {_described(row)}" for row in alarms)]
    lines += ["", "## Cost", ""]
    lines += _table([["what", "measured", "budget", ""], *(row.cells() for row in cost)])
    return "\n".join(lines) + "\n"


_TITLES = {
    "faults": "Planted faults and their repaired twins",
    "healthy": "Healthy nets",
    "field": "Field cases: questions from Stack Overflow, rebuilt",
    "blind": "The blind third: patients of which the rules knew nothing when they were written",
}


def _described(row: Score) -> str:
    said = row.error or ", ".join(f"{n} at {w or 'no place'} ({c})" for n, c, w in row.findings)
    return f"{row.case.name}, seed {row.seed}: {said}"


def _by_case(scores: Sequence[Score]) -> list[list[str]]:
    """Make a line for each case: of how many seeds, and the alarms on its healthy form."""
    tools = [f"{tool} detected / right / alarms" for tool in TOOLS]
    table = [["case", "detected", "right name first", "right layer", "alarms", "seconds", *tools]]
    for case in dict.fromkeys(row.case for row in scores):
        own = [row for row in scores if row.case is case]
        sick, well = [r for r in own if r.sick], [r for r in own if not r.sick]
        line = [case.name] + ["–"] * 3
        if sick:
            line[1] = _of(r.detected for r in sick)
            line[2] = _of(r.right for r in sick)
            line[3] = _of(r.layer for r in sick if r.layer is not None) if case.layers else "–"
        line += [_of(r.alarm for r in well), f"{median(r.seconds for r in own):.2f}"]
        line += [_tool(tool, sick, well) for tool in TOOLS]
        table.append(line)
    return table


def _tool(tool: str, sick: Sequence[Score], well: Sequence[Score]) -> str:
    said = [row.rules[tool] for row in sick if row.rules]
    alarms = sum(row.rules[tool][0] for row in well if row.rules)
    shown = [str(sum(one)) for one in zip(*said, strict=True)] if said else ["–", "–"]
    return " / ".join([*shown, str(alarms)])


def _table(rows: Sequence[Sequence[str]]) -> list[str]:
    head, *body = [f"| {' | '.join(cells)} |" for cells in rows]
    return [head, "|" + "---|" * len(rows[0]), *body]


# What it costs


class LSTM(nn.Module):
    def __init__(self, width: int = 256) -> None:
        super().__init__()
        self.lstm = nn.LSTM(width, width, num_layers=2, batch_first=True)
        self.head = nn.Linear(width, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.lstm(x)[0][:, -1])


def resnet() -> Patient:
    model = ResNet18([*conv_bn(3, 64), nn.ReLU(inplace=True)], 64)
    return Patient(model, F.cross_entropy, (torch.randn(16, 3, 32, 32), torch.arange(16) % 10))


def gpt2() -> Patient:
    words = torch.randint(2000, (4, 129))
    model = GPT2(vocabulary=2000, length=128, width=256, depth=4)
    return Patient(model, next_word, (words[:, :-1], words[:, 1:]))


def lstm() -> Patient:
    return Patient(LSTM(), F.cross_entropy, (torch.randn(32, 100, 256), torch.arange(32) % 10))


NETS: dict[str, tuple[str, Callable[[], Patient]]] = {
    "resnet": ("ResNet18, width 64, 16 images of 32 x 32", resnet),
    "gpt2": ("GPT-2, 4 layers, d = 256, T = 128, batch 4", gpt2),
    "lstm": ("LSTM, 2 layers of 256, T = 100, batch 32", lstm),
}


def made(name: str) -> tuple[Patient, torch.optim.Optimizer]:
    """Build a net with its optimiser, the same each time, whatever was drawn before."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        patient = NETS[name][1]()
    return patient, torch.optim.SGD(patient.model.parameters(), lr=1e-4, momentum=0.9)


def plain_step(patient: Patient, optimizer: torch.optim.Optimizer) -> None:
    """Train one step as everybody does."""
    optimizer.zero_grad()
    patient.loss(patient.output()).backward()
    optimizer.step()


def _cost(name: str) -> list[Row]:
    title = NETS[name][0]
    progress(f"doctor, cost, {title}")
    patient, optimizer = made(name)
    plain = partial(plain_step, patient, optimizer)

    own = []

    def watched() -> None:
        start = time.perf_counter()
        with watch(patient.model, optimizer) as seen:
            _steps(plain)
        own.append(seen.seconds / (time.perf_counter() - start - seen.seconds))

    pairs = in_turn(plain, partial(look, patient), SECONDS)
    step, seen = (1e3 * median(times) for times in zip(*pairs, strict=True))
    what = f"{title}: a look over a plain step"
    detail = f" ({seen:.3g} ms over {step:.3g} ms, {len(pairs)} pairs)"
    long = in_turn(partial(_steps, plain), watched, SECONDS)
    least, most = _peak(name, "plain"), _peak(name, "look")
    return [
        _row(what, pairs, BAR, detail),
        Row(
            f"{title}: peak memory of a look over that of a plain step",
            f"{most / least:.2f}x ({most:.0f} MB over {least:.0f} MB, above the net alone)",
        ),
        # One's own clock does not feel what else the machine does.
        within(
            f"{title}: {STEPS} watched steps, by the watch's own clock", 1 + median(own), WATCHED
        ),
        _row(
            f"{title}: {STEPS} watched steps over plain ones",
            long,
            WATCHED,
            f" ({len(long)} pairs)",
        ),
    ]


def _row(what: str, pairs: Pairs, limit: float, detail: str) -> Row:
    """Make the row of a ratio; where the machine was busy it is not judged."""
    row = within(what, median(second / first for first, second in pairs), limit, detail=detail)
    if not disturbed(pairs):
        return row
    return Row(what, f"{row.measured}: disturbed, the machine was busy", row.budget)


def _steps(step: Callable[[], None]) -> None:
    for _ in range(STEPS):
        step()


def _peak(name: str, what: str) -> float:
    """Return by how many MB a process of its own grew, beyond the net and its optimiser."""
    program = f"from benchmarks.doctor import grown; print(grown({name!r}, {what!r}))"
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT, capture_output=True, text=True, check=True, timeout=120,
    )  # fmt: skip
    return float(done.stdout.split()[-1])


@one_thread()
def grown(name: str, what: str) -> float:
    """Take three plain steps, or three looks, and return the MB by which the peak was higher."""
    patient, optimizer = made(name)
    gc.collect()
    before = _fresh_peak()
    for _ in range(3):
        if what == "plain":
            plain_step(patient, optimizer)
        else:
            look(patient)
    return _peak_here() - before


def _fresh_peak() -> float:
    """Let this process's peak be what it holds now, where the system can forget; return it."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")
    return _peak_here()


def _peak_here() -> float:
    """Return the largest size that this process has had, in MB."""
    # Where the kernel tells: its ru_maxrss is also that of the process that this one came from.
    status = Path("/proc/self/status")
    if status.exists():
        lines = dict(line.split(":", 1) for line in status.read_text().splitlines())
        return float(lines["VmHWM"].split()[0]) / 2**10
    size = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return size / (2**20 if sys.platform == "darwin" else 2**10)
