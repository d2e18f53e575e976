# `make demo`, `make test` and `make lint` each set up what they need, in .venv; a second run is quick.
# Another interpreter: `make test PYTHON=/path/to/python3.12`.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c tests/constraints.txt
SETUP := pyproject.toml tests/constraints.txt

.PHONY: help demo test test-here test-others lint clean

help:
	@echo "make demo   lint and profile the bundled example"
	@echo "make test   run every test, the lint half on every Python from 3.10 to 3.13 that is found"
	@echo "make lint   ruff, mypy --strict, the import contracts, graphlint itself"
	@echo "make clean  remove what the others have set up"

demo: $(VENV)/.profile
	$(BIN)/graphlint demo

test: test-here test-others

test-here: $(VENV)/.profile $(VENV)/.dev $(VENV)/.integrations
	tests/browser.sh
	$(BIN)/python -m pytest -n 2

test-others: $(VENV)/.dev
	tests/other_pythons.sh $(BIN)/python

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/graphlint check .

clean:
	rm -rf .venv .venv-3.*

# Only the name of the interpreter is asked for here: .venv may be there already, of any age.
$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

# The stamps say that pip has run since the project's requirements last changed.
$(VENV)/.profile: $(SETUP) | $(BIN)/python
	$(INSTALL) -e '.[profile]'
	@touch $@

$(VENV)/.dev: $(SETUP) | $(BIN)/python
	$(INSTALL) -e '.[dev]'
	@touch $@

$(VENV)/.integrations: $(SETUP) | $(VENV)/.profile
	$(INSTALL) -e '.[integrations]'
	@touch $@
