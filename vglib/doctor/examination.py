"""What an examination holds while it goes on: what was seen, measured, tried and found."""

from dataclasses import dataclass, field

from vglib.doctor.course import ROWS, Clock, Course
from vglib.doctor.experiments import Trials
from vglib.doctor.look import Look
from vglib.doctor.patient import Patient
from vglib.doctor.rules import Finding
from vglib.doctor.steps import Watched


@dataclass(eq=False)
class Examination:
    """Everything that was seen, measured and tried."""

    patient: Patient
    clock: Clock
    seen: Look = field(default_factory=Look)
    course: Course | None = None
    trials: Trials | None = None
    watched: Watched | None = None
    findings: list[Finding] = field(default_factory=list)
    not_checked: list[str] = field(default_factory=list)
    constant: float | None = None
    rows: int | None = ROWS

    @property
    def broken(self) -> bool:
        """Whether a finding is certain."""
        return any(found.certainty == "broken" for found in self.findings)
