# %% [markdown] slideshow={"slide_type": "slide"}
# # 13 · The court
#
# **Of all that is said about gradients, what holds, and how would I find out?**
#
# **You will do** judge eight cases before the ruling shows, search all claims of the course on one page, turn a ruling round by one slider, and reopen a case that the course itself had wrong.
#
# **You will learn** what makes a trial: every condition quoted, a prediction, a rival, a grid, seeds, and a ruling that could have come out otherwise.
#
# **You need** nothing but curiosity for the first half; chapter 10 (Adam) for the second.
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
# The course has tried more than two hundred statements from lecture notes, blogs, forums and papers, as their authors say them and with every condition that they make.
#
# Predict: what share of them holds, what share holds only on a condition that nobody said, and what share is refuted?

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
# The presets are eight cases, each kind twice. Read the sentence aloud, vote by hands, set **your vote**, press **Register**, and only then **show the ruling**. The line under the buttons counts by kind: misquoted, true of one
# setting, refuted, holds. Most classes do worst on *true of one setting*: they know that it works, and not where. The usual slip: to judge the conclusion and not the sentence.

# %% [markdown] slideshow={"slide_type": "skip"}
# Judge at least eight. The score says which kind misleads you:
#
# - **misquoted**: the source says something else, or adds a condition that was lost on the way;
# - **true of one setting**: it holds where it was seen, and somebody left out where that was;
# - **refuted**: it was measured, and it is not so;
# - **holds**: the hardest to believe after the other three.
#
# The kinds come from the claims themselves: a ruling, and a source that says whether it is a reading of somebody else's words. Left are medians of five seeds or more, counted from three different first seeds, as they are stored. Right is what the *other* sentences of the same source came to: a prior, if you want one.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## All of them
#
# Each opens to its place in the source, the setup, the grid, what was predicted, what a rival would say, what was measured, the correction, and the cell that teaches it.

# %% slideshow={"slide_type": "skip"}
page.everything()

# %% [markdown] slideshow={"slide_type": "notes"}
# Let the class name a sentence that they have read, and search for a word of it. **ruling: refuted** and **source: folklore** is a good list to hand out.

# %% [markdown] slideshow={"slide_type": "skip"}
# Type into **Search**, or choose a chapter, a source, a ruling. (On a page without scripts the chapters still open.) To try one, copy its line into a cell; or, outside of any notebook, type `python -m vglib.claim` and its name: the exit status says whether it agrees.

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
# 4. **A grid** $G$, where a rate or a budget is spoken of: the best point counts. And **seeds**: five at least, the median $m$ counts.
#
# $$m = \max_{g \in G}\; \operatorname{median}_s\, m_{g,s}, \qquad |m - p| \le t, \qquad |m - r| > t$$
#
# 5. **A ruling** that could have come out otherwise: with its limit declared beforehand.


# %% slideshow={"slide_type": "fragment"}
def outcome(measured: dict[float, list], p: float, r: float, t: float):
    m = max(statistics.median(values) for values in measured.values())
    return m, abs(m - p) <= t, abs(m - r) > t


# %% [markdown] slideshow={"slide_type": "skip"}
# The same as the court's own, on a case whose numbers we make up, one list of five seeds:

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
# Return `"agrees"` where the median is within `slack` of the prediction and not of the rival, `"decides nothing"` where it is within `slack` of both, and `"disagrees"` where it is not within `slack` of the prediction. (At exactly `slack` it is within.)


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
# A remedy that does not work still saves 3 nets in 10, by the draw of their weights. You try it on five seeds, and rule on the median. How likely is it that you say "it works"?

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
# *"ReLU learns and the sigmoid does not."* Two hidden layers of 20 on the digits, ReLU from He, sigmoid from Glorot, both at learning rate 0.1, 100 steps: ReLU is more than 60 points ahead. Case closed?
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
# **ReLU's rate**, then **the sigmoid's rate**: the same two nets, the same steps, and the opposite ruling. **ReLU's limit**, with one seed and with nine: the vertical bars are all seeds, and there the draw decides. **the grid** last: what
# remains. The usual slip: to call the shared rate fair because it is shared.

# %% [markdown] slideshow={"slide_type": "skip"}
# Nothing in the left panel is wrong, at any rate. What is wrong is the sentence that is made of one column of it. Both lessons as claims:

# %% tags=["claims"] slideshow={"slide_type": "skip"}
claims.SHARED_RATE.trial()

# %% tags=["claims"] slideshow={"slide_type": "skip"}
claims.ONE_SEED.trial()

# %% [markdown] slideshow={"slide_type": "slide"}
# ## How a claim is tried: Adam and ten layers
#
# *"If it does not train, train longer, or tune Adam's step size."* This course once called it **refuted**.
#
# - **What was measured first.** Ten sigmoid layers under Adam, rates 0.001, 0.003 and 0.01, 1500 steps, five seeds: the best has a median of 20%, two digits of ten. Prediction: at most 50%. The rival: 85%, what four times the weights
#   reach in 300 steps. It agreed, the rival was rejected, and chapter 10 said: with ten layers the optimiser has lost.
# - **The objection.** The same code at rate 0.003, 12,000 steps: 87, 86 and 77% with three seeds. 1500 steps are five times a *good* start's time, and no patience; three rates within a factor of ten are no grid.
# - **What the grid showed.** Rates 0.0003, 0.003, 0.03, a factor of ten apart, 12,000 steps: the middle one has a median above 75% from each of three first seeds. Not every net gets there. **Holds only if you have both.**

# %% slideshow={"slide_type": "skip"}
page.Page([case("adam-needs-only-patience"), case("adam-cures-vanishing-gradients")])

# %% [markdown] slideshow={"slide_type": "notes"}
# Ask before the third point: what would you have tried? Most say "more seeds". The seeds were never the trouble: all five agreed, on the wrong budget.

# %% [markdown] slideshow={"slide_type": "skip"}
# Open the first and read the lines "measured": the median at each rate, from three first seeds, and the spread over the seeds. One run in five stays at 20%; that is part of the truth, and the page keeps it.
#
# What changed with it: a claim about what a rate or a budget can do now names a grid, three values at least, a factor of ten apart, and the best of them counts; the budget is one that a reader would call patient; and a ruling declares the
# limit beyond which it would have been another. The second case is the same Adam in 300 steps. It still stands refuted, because its sentence is about a cure and its words say "in 300 steps".
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
# A sentence that you doubt, or a ruling that you doubt: the form *A claim, or an objection* in the repository asks what a trial needs, and CONTRIBUTING.md has the six steps from a sentence to a claim.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Summary
#
# - Of what is said, some three in ten hold as they stand. The largest heap is true of one setting, which somebody left out.
# - Quote every condition. Predict first. Name a rival, and a limit beyond which you would say the opposite.
# - One rate is no comparison, one seed no measurement, and a budget is part of the sentence.
# - A court that cannot lose a case is none: this one has lost some, and keeps the record.
#
# ## References
#
# - Sculley, Snoek, Rahimi and Wiltschko, *Winner's curse?*, 2018. Melis, Dyer and Blunsom, *On the state of the art of evaluation in neural language models*, 2018.
# - Choi, Shallue, Nado, Lee, Maddison and Dahl, *On empirical comparisons of optimizers for deep learning*, 2019.
