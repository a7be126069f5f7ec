# `make` alone tells what there is. `make demo` and `make test` need only Python >= 3.11, git and
# make: each puts what it needs into .venv first, and is quick about it the second time.

PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
PIP_INSTALL := $(PY) -m pip install --quiet --disable-pip-version-check

.DEFAULT_GOAL := help
.PHONY: help demo test test-frameworks lint types imports unit format bench-speed bench-accuracy clean

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
	$(PY) -m pytest -n auto

test-frameworks: $(VENV)/.frameworks ## the adapters in their real frameworks (installs torch, ray, …)
	UNSL_FRAMEWORKS=1 UNSL_REQUIRE_ADAPTERS=1 $(PY) -m pytest tests/frameworks

format: $(VENV)/.dev ## put the code into the house style
	$(PY) -m ruff check --fix .
	$(PY) -m ruff format .

bench-speed: $(VENV)/.dev ## seconds per fit and per read, with SciPy doing the same in the same run
	$(PY) -m benchmarks.speed

bench-accuracy: $(VENV)/.dev ## error and coverage of extrapolations, with the baselines in the same run
	$(PY) -m benchmarks.accuracy

clean: ## remove .venv and what the tools left
	rm -rf $(VENV) dist build .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis

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

$(VENV)/.frameworks: pyproject.toml | $(PY)
	@echo "Installing the frameworks into $(VENV) (several minutes, once)"
	@$(PIP_INSTALL) --editable '.[dev,frameworks]'
	@touch $@ $(VENV)/.dev $(VENV)/.demo
