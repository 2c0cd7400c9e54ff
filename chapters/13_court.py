# %% [markdown] slideshow={"slide_type": "slide"}
# # 13 · The court
#
# **Of all that is said about gradients, what holds, and how would I find out?**
#
# **You will do** judge eight cases before the ruling shows, search all claims of the course, turn a ruling round by one slider, and reopen a case that the course
# itself had wrong.
#
# **You will learn** what makes a trial: every condition quoted, a prediction, a rival, a grid, seeds, and a ruling that could have come out otherwise.
#
# **You need** curiosity; for the last part, Adam (chapter 10).
#
# **Time** 50 minutes

# %% [markdown] slideshow={"slide_type": "notes"}
# **45 minutes**: *Predict* 3, `judge_lab` 14, *All of them* 3, *What a trial is made of* 4, *One rate, one seed* 3, `turning_lab` 8,
# *How a claim is tried: Adam and ten layers* 7, *Summary* 3.
#
# **90 minutes**: *Predict* 5, `judge_lab` 26, *All of them* 8, *What a trial is made of* 10, *One rate, one seed* 5, `turning_lab` 14,
# *How a claim is tried: Adam and ten layers* 16, *Summary* 6.

# %% tags=["setup"] slideshow={"slide_type": "skip"}
import statistics

from vglib.court import check, claims, labs, page
from vglib.docket.cases import case

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Predict
#
# The course has tried more than two hundred statements from lecture notes, blogs, forums and papers, with every condition that their authors make.
#
# Predict: what share holds, what share holds only on a condition that nobody said, and what share is refuted?

# %% tags=["exercise", "predict"] slideshow={"slide_type": "skip"}
# BEGIN SOLUTION
# STUB prediction = ...  # yours, before you go on: three shares
prediction = "three in ten hold, four in ten on a condition, three in ten are refuted"
# END SOLUTION

# %% [markdown] slideshow={"slide_type": "subslide"}
# **Does it hold, hold only on a condition, or is it refuted?** Vote, register, then show.

# %% tags=["lab", "decisive"] jupyter={"source_hidden": true}
labs.judge_lab()

# %% [markdown] slideshow={"slide_type": "notes"}
# The presets are eight cases, each kind twice. Read the sentence aloud, vote by hands, set **your vote**, press **Register**, then **show the ruling**. The line under
# the buttons counts by kind (see below). After each *true of one setting* ask where it was seen. The usual slip: judging the conclusion and not the sentence.

# %% [markdown] slideshow={"slide_type": "skip"}
# Judge at least eight. The score says which kind misleads you:
#
# - **misquoted**: the source says something else, or makes a condition that was lost on the way;
# - **true of one setting**: it holds where it was seen, and somebody left out where that was;
# - **refuted**: it was measured, and it is not so;
# - **holds**: the hardest to believe after the other three.
#
# Misquoted is what the claim's source calls a reading of somebody else's words; the other kinds are rulings. The left panel has the stored medians, of five seeds or
# more, from three different first seeds; the right one what the *other* sentences of the same source came to.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## All of them
#
# Each opens to its place in the source, setup, grid, prediction, rival, measurement, correction, and the cell that teaches it.

# %% slideshow={"slide_type": "skip"}
page.everything()

# %% [markdown] slideshow={"slide_type": "notes"}
# Let the class name a sentence that they have read, and search for a word of it. **ruling: refuted** with **source: folklore** is a good list to hand out.

# %% [markdown] slideshow={"slide_type": "skip"}
# Type into **Search**, or choose a chapter, a source, a ruling. To try a claim, copy its line into a cell; or type `python -m vglib.claim` and its name in a terminal:
# the exit status says whether it agrees.

# %% slideshow={"slide_type": "skip"}
rulings = [one.ruling for one in page.everything().cases]
for word in ("holds", "holds only if", "refuted", "fact"):
    print(f"{word:14}{rulings.count(word) / len(rulings):4.0%}")

# %% tags=["claims"] slideshow={"slide_type": "skip"}
case("normal-weights-are-below-one").claim.trial()

# %% [markdown] slideshow={"slide_type": "slide"}
# ## What a trial is made of
#
# 1. **The sentence**, with each condition that its author makes, and the place where it stands.
# 2. **The correction** and the number $p$ that it predicts, *before* anything is measured; a tolerance $t$.
# 3. **A rival** $r$: a number that somebody might believe, and that the measurement must exclude.
# 4. **A grid** $G$, where a rate or a budget is spoken of: the best point counts. **Seeds**: five at least, the median counts.
#
# $$m = \max_{g \in G}\; \operatorname{median}_s\, m_{g,s}, \qquad |m - p| \le t, \qquad |m - r| > t$$
#
# 5. **A ruling** that could have come out otherwise, its limit declared beforehand.


# %% slideshow={"slide_type": "fragment"}
def outcome(measured: dict[float, list], p: float, r: float, t: float):
    m = max(statistics.median(values) for values in measured.values())
    return m, abs(m - p) <= t, abs(m - r) > t


# %% [markdown] slideshow={"slide_type": "skip"}
# Beside the court's own, on made-up numbers of five seeds:

# %% slideshow={"slide_type": "skip"}
tried = case("normal-weights-are-below-one").claim
for values in ([0.68, 0.69, 0.66, 0.683, 0.684], [0.9, 1.0, 1.0, 1.0, 1.0]):
    t = tried.tolerance.amount
    ours = outcome({0.0: values}, tried.predicted, tried.rival, t)
    theirs = tried.judge(values)
    assert ours == (theirs.median, theirs.agrees, theirs.rival_rejected)

# %% [markdown] slideshow={"slide_type": "skip"}
# ### Exercise 1: the decision
#
# Return `"agrees"` where the median is within `slack` of the prediction and not of the rival, `"decides nothing"` where it is within `slack` of both, else
# `"disagrees"`. (At exactly `slack` it is within.)


# %% tags=["exercise"] slideshow={"slide_type": "skip"}
def decide(values: list[float], predicted: float, rival: float, slack: float) -> str:
    # BEGIN SOLUTION
    median = statistics.median(values)
    if abs(median - predicted) > slack:
        return "disagrees"
    return "agrees" if abs(median - rival) > slack else "decides nothing"
    # END SOLUTION


# %% tags=["check", "nbval-check-output"] slideshow={"slide_type": "skip"}
check.decide(decide)

# %% [markdown] slideshow={"slide_type": "skip"}
# ### Exercise 2: fooled by luck
#
# A remedy that does not work still saves 3 nets in 10, by the draw of their weights. You try five seeds and rule on the median. How likely do you say "it works"?

# %% tags=["exercise"] slideshow={"slide_type": "skip"}
# BEGIN SOLUTION
# STUB by_luck = ...  # a number
by_luck = 10 * 0.3**3 * 0.7**2 + 5 * 0.3**4 * 0.7 + 0.3**5
# END SOLUTION

# %% tags=["check", "nbval-check-output"] slideshow={"slide_type": "skip"}
check.by_luck(by_luck)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## One rate, one seed
#
# *"ReLU learns and the sigmoid does not."* Two hidden layers of 20 on the digits, ReLU from He, sigmoid from Glorot, both at rate 0.1, 100 steps: ReLU is more than 60
# points ahead. Case closed?
#
# Predict: ReLU's lead if *each* net has its best of six rates.
#
# - **A** about 60 points
# - **B** about 20
# - **C** a few

# %% tags=["exercise", "predict"] slideshow={"slide_type": "skip"}
# BEGIN SOLUTION
# STUB my_grid = ...  # "A", "B" or "C"
my_grid = "C"
# END SOLUTION

# %% tags=["check", "nbval-check-output"] slideshow={"slide_type": "skip"}
check.guess_grid(my_grid)

# %% [markdown] slideshow={"slide_type": "subslide"}
# **At which rate would you like to win?** Each rate gives a ruling; so does the grid.

# %% tags=["lab"] jupyter={"source_hidden": true}
labs.turning_lab()

# %% [markdown] slideshow={"slide_type": "notes"}
# **ReLU's rate**, then **the sigmoid's rate**: the same two nets, the same steps, the opposite ruling. **ReLU's limit**, with one seed and with nine: the vertical
# bars are all seeds, and there the draw decides. **the grid** last: what remains. The usual slip: calling the rate fair because it is shared.

# %% [markdown] slideshow={"slide_type": "skip"}
# Nothing in the left panel is wrong. Wrong is the sentence made of one column of it. Both lessons as claims:

# %% tags=["claims"] slideshow={"slide_type": "skip"}
claims.SHARED_RATE.trial()

# %% tags=["claims"] slideshow={"slide_type": "skip"}
claims.ONE_SEED.trial()

# %% [markdown] slideshow={"slide_type": "slide"}
# ## How a claim is tried: Adam and ten layers
#
# *"If it does not train, train longer, or tune Adam's step size."* This course once called it **refuted**.
#
# - **What was measured first.** Ten sigmoid layers under Adam, rates 0.001, 0.003 and 0.01, 1500 steps, five seeds: the best median is 20%, two digits of ten.
#   Prediction: at most 50%. The rival: 85%, what four times the weights reach in 300 steps. It agreed, the rival was rejected, and chapter 10 said: with ten layers
#   the optimiser has lost.
# - **The objection.** The same code at rate 0.003, 12,000 steps: 87, 86 and 77% with three seeds. 1500 steps are five times a *good* start's time, no patience; three
#   rates within a factor of ten are no grid.
# - **What the grid showed.** Rates 0.0003, 0.003, 0.03, a factor of ten apart, 12,000 steps: the middle one has a median above 75% from each of three first seeds. Not every net gets there. **Holds only if you have both.**

# %% slideshow={"slide_type": "skip"}
page.Page([case("adam-needs-only-patience"), case("adam-cures-vanishing-gradients")])

# %% [markdown] slideshow={"slide_type": "notes"}
# Ask before the third point: what would you have tried? More seeds would not help: all five agreed, on the wrong budget.

# %% [markdown] slideshow={"slide_type": "skip"}
# Open the first and read the lines "measured": the median at each rate, from three first seeds, and the spread. One run in five stays at 20%, and the page keeps it.
#
# Since then a claim about what a rate or a budget can do names a grid, three values at least, a factor of ten apart, and the best of them counts; the budget is one
# that a reader would call patient; and a ruling declares the limit beyond which it would have been another. The second case, the same Adam in 300 steps, still stands
# refuted: its sentence is about a cure, and the ruling says "in 300 steps".
#
# ### Exercise 3: find the flaw
#
# 1. At rates 0.001, 0.003 and 0.01 ten sigmoid layers under Adam read two digits of ten after 1500 steps, on five seeds.
# 2. From four times the weights the same net reads 85% after 300 steps.
# 3. So Adam, however tuned and however long, cannot train the net from the small weights.
# 4. So whoever meets a vanishing gradient need not try another optimiser.
#
# In which line is the first mistake?

# %% tags=["exercise"] slideshow={"slide_type": "skip"}
# BEGIN SOLUTION
# STUB flaw = ...  # 1, 2, 3 or 4
flaw = 3
# END SOLUTION

# %% tags=["check", "nbval-check-output"] slideshow={"slide_type": "skip"}
check.flaw(flaw)

# %% [markdown] slideshow={"slide_type": "skip"}
# ## Bring your own
#
# For a sentence or a ruling that you doubt, the form *A claim, or an objection* in the repository asks what a trial needs; CONTRIBUTING.md has the six steps from a
# sentence to a claim.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Summary
#
# - Of what is said, some three in ten hold as they stand. The largest heap is true of a setting that somebody left out.
# - Quote every condition. Predict first. Name a rival, and a limit beyond which you would say the opposite.
# - One rate is no comparison, one seed no measurement, and a budget is part of the sentence.
# - A court must be able to lose: this one has lost some, and keeps the record.
#
# ## References
#
# - Sculley, Snoek, Rahimi and Wiltschko, *Winner's curse?*, 2018. Melis, Dyer and Blunsom, *On the state of the art of evaluation in neural language models*, 2018.
# - Choi, Shallue, Nado, Lee, Maddison and Dahl, *On empirical comparisons of optimizers for deep learning*, 2019.
