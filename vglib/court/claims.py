"""Claims of chapter 13 on trial: what makes a trial fair."""

from vglib.claim import at_least, at_most, holds_only_if, refuted
from vglib.court.turning import BATCH, RATES, SIZES, STEPS, fair_lead, spread_of_seeds

CHAPTER = 13

NET = (
    f"digits, {'-'.join(map(str, SIZES))}, biases start at 0, cross-entropy, SGD, batch {BATCH}, "
    f"{STEPS} steps; "
)

SHARED_RATE = at_most(
    id="one-shared-rate-makes-a-fair-comparison",
    source="a common practice",
    says="Both nets are trained in the same way, at the same step size, so the comparison is fair.",
    setup=f"{NET}test accuracy of ReLU from He less that of the sigmoid from Glorot, each at its "
    f"best of the rates {', '.join(f'{rate:g}' for rate in RATES)}",
    prediction=0.15,
    measure=fair_lead,
    rival=0.5,
    rival_says="ReLU's lead where both take the rate 0.1",
    ruling=holds_only_if(
        "that step size suits both: each at its own best ReLU is {points:.0f} points ahead",
        below=0.3,
    ),
    correction="The same step size is not the same treatment: the two nets learn at rates that are "
    "a factor of ten apart. Give each its best of a grid.",
)

ONE_SEED = at_least(
    id="one-run-shows-what-a-setting-gives",
    source="a common practice",
    says="The setting is the same, so one run shows what it gives.",
    setup=f"{NET}ReLU from He at rate 1, near its limit; largest test accuracy of nine seeds less "
    "the smallest",
    prediction=0.25,
    measure=spread_of_seeds,
    rival=0.05,
    rival_says="a few images more or less",
    ruling=refuted("nine seeds lie {points:.0f} points apart", above=0.15),
    correction="Near the limit of a rate the draw decides. A trial shows its spread, and rules on "
    "the median of five seeds or more.",
)

CLAIMS = (SHARED_RATE, ONE_SEED)
