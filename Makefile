# Each target is a line or two that can also be typed by hand. `make` alone lists them.
PYTHON ?= python3
VENV := .venv
PY := $(VENV)/$(if $(filter Windows_NT,$(OS)),Scripts,bin)/python
READY := $(VENV)/.ready
CHAPTER_OPTION := $(if $(CHAPTER),--chapter $(CHAPTER))
# One worker more than cores, up to four: the one with the browser waits for it half of the time.
WORKERS := $(shell $(PYTHON) -c 'import os; print(min(4, 1 + (os.cpu_count() or 1)))')
PYTEST := $(PY) -m pytest -n $(WORKERS) --dist loadgroup

.DEFAULT_GOAL := help
.PHONY: help setup lab lecture handout fresh progress build site wheel
.PHONY: bundle browser check test test-long floors tournament bench

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-12s%s\n", $$1, $$2}' Makefile

$(READY): pyproject.toml requirements.lock
	@$(PYTHON) tools/system.py
	$(PYTHON) -m venv $(VENV)
	$(PY) -m tools.cpu_torch
	$(PY) -m pip install --quiet -r requirements.lock
	$(PY) -m pip install --quiet --no-deps -e .
	@touch $@

setup: $(READY) ## install the course into .venv (a few minutes, once)

lab: $(READY) ## open JupyterLab at your copy of chapter 00 (or of CHAPTER=02)
	$(PY) -m tools.launch lab $(CHAPTER_OPTION)

lecture: $(READY) ## open CHAPTER=02 as slides
	$(PY) -m tools.launch lecture $(CHAPTER_OPTION)

handout: browser ## print CHAPTER=02 as a PDF, from its page in site/
	$(PY) -m tools.site $(CHAPTER)
	$(PY) -m tools.handout $(CHAPTER)

fresh: $(READY) ## put a new copy of CHAPTER=02 beside your old one
	$(PY) -m tools.launch fresh $(CHAPTER_OPTION)

progress: $(READY) ## say which exercises are right in my_notebooks/ (or in FOLDER=answers, CSV=points.csv)
	$(PY) -m vglib.progress $(or $(FOLDER),my_notebooks) $(if $(CSV),--csv $(CSV))

build: browser ## build notebooks/ from chapters/ (all, or CHAPTER=02)
	$(PY) -m tools.build_notebooks $(CHAPTER)

site: $(READY) ## make site/: the course as pages that move without a kernel (SOLUTIONS=1 with solutions)
	$(PY) -m tools.site $(CHAPTER) $(if $(SOLUTIONS),--solutions)

browser: $(READY) ## find a browser for figures and tests, or try to install one
	$(PY) -m tools.browser

wheel: $(READY) ## make dist/*.whl: package and chapters, for any folder and any Jupyter
	$(PY) -m pip wheel --quiet --no-deps --wheel-dir dist .

bundle: wheel ## make dist/*.zip: the course for a machine without network, like this one
	$(PY) -m tools.bundle

check: $(READY) ## lint, types, and whether notebooks/ is what chapters/ says (under a minute)
	$(PY) -m ruff check . && $(PY) -m ruff format --check . && $(PY) -m mypy
	$(PY) -m tools.lint_page
	$(PY) -m tools.build_notebooks --check

test: browser ## run the fast tests, notebooks and browser included
	$(PYTEST) -m "not slow"

test-long: test ## run the fast tests, then more of each: all controls, more seeds, slow claims (hours)
	$(PYTEST) -m slow --deselect tests/test_claim.py::test_a_slow_claim_of_the_course
	$(PY) -m tools.try_claims

floors: $(READY) ## run labs and core with the oldest versions allowed (minutes; in build/floors)
	$(PY) -m tools.floors -n $(WORKERS)

tournament: $(READY) ## run chapter 10's tournament in full (an hour or so; goes on where it was stopped)
	$(PY) -m tools.tournament

bench: browser ## measure what must be fast, every lab included
	$(PY) -m benchmarks --labs
