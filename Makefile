# `make` alone tells what there is. `make demo` and `make test` need only Python >= 3.11, git and
# make: each puts what it needs into .venv first, and is quick about it the second time.

PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
PIP_INSTALL := $(PY) -m pip install --quiet --disable-pip-version-check

.DEFAULT_GOAL := help
.PHONY: help demo test test-frameworks lint types imports unit format docs docs-serve bench-speed \
    bench-accuracy bench-gate bench-early-stopping clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-16s %s\n", $$1, $$2}' Makefile

demo: $(VENV)/.demo ## train small networks, forecast larger ones, train those, compare (2 minutes)
	$(VENV)/bin/unsl demo

test: lint types imports unit ## everything that must pass before a commit

lint: $(VENV)/.dev ## style, banned imports, formatting
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .

types: $(VENV)/.dev ## mypy, strict
	$(PY) -m mypy

imports: $(VENV)/.dev ## the direction of imports
	$(VENV)/bin/lint-imports

unit: $(VENV)/.dev ## the tests, on all cores
	$(PY) -m pytest -n auto --dist worksteal

test-frameworks: $(VENV)/.frameworks ## the adapters in their real frameworks (installs torch, ray, …)
	UNSL_FRAMEWORKS=1 UNSL_REQUIRE_ADAPTERS=1 $(PY) -m pytest tests/frameworks

format: $(VENV)/.dev ## put the code into the house style
	$(PY) -m ruff check --fix .
	$(PY) -m ruff format .

docs: $(VENV)/.docs ## the documentation, into site/; a broken link or reference fails
	NO_MKDOCS_2_WARNING=1 $(PY) -m mkdocs build --strict --quiet

docs-serve: $(VENV)/.docs ## the documentation on a local port, rebuilt as it is written
	$(PY) -m mkdocs serve

bench-speed: $(VENV)/.dev ## seconds per fit and per read, with SciPy doing the same in the same run
	$(PY) -m benchmarks.speed

bench-gate: $(VENV)/.dev ## how often GO and NO-GO are right about large runs that are known
	$(PY) -m benchmarks.gate

bench-accuracy: $(VENV)/.dev ## error and coverage of extrapolations, with the baselines in the same run
	$(PY) -m benchmarks.accuracy

bench-early-stopping: $(VENV)/.dev ## what stop rules save and lose on recorded curves, with Optuna's in the same run
	$(PY) -m benchmarks.early_stopping

clean: ## remove .venv and what the tools left
	rm -rf $(VENV) dist build site .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis

# The interpreter is made once. A stamp per set of dependencies, older than pyproject.toml when
# that changed, says whether pip has to look again.
$(PY):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	    echo "unsl_tracking needs Python 3.11 or newer, but '$(PYTHON)' is" \
	         "$$($(PYTHON) --version 2>&1). Next: make PYTHON=python3.11 (or another newer one)." >&2; \
	    exit 1; }
	@$(PYTHON) -m venv $(VENV) || { \
	    rm -rf $(VENV); \
	    echo "'$(PYTHON) -m venv' failed. Next, on Debian or Ubuntu: apt install python3-venv" >&2; \
	    exit 1; }

$(VENV)/.demo: pyproject.toml | $(PY)
	@echo "Installing what the demo needs into $(VENV) (a minute or two, once)"
	@$(PIP_INSTALL) --editable '.[demo]'
	@touch $@

$(VENV)/.dev: pyproject.toml | $(PY)
	@echo "Installing what the tests need into $(VENV) (a minute or two, once)"
	@$(PIP_INSTALL) --editable '.[dev]'
	@touch $@ $(VENV)/.demo

$(VENV)/.docs: pyproject.toml | $(PY)
	@$(PIP_INSTALL) --editable '.[docs]'
	@touch $@

$(VENV)/.frameworks: pyproject.toml | $(PY)
	@echo "Installing the frameworks into $(VENV) (several minutes, once)"
	@$(PIP_INSTALL) --editable '.[dev,frameworks]'
	@touch $@ $(VENV)/.dev $(VENV)/.demo
