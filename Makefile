# make run         set up, then open the app      (ARGS="..." are passed on)
# make test        set up, then run every check
# make screenshots redraw the pictures under docs/
# make bench       measure speed, and accuracy on the points that the tests carry
PYTHON ?= python3
BIN := .venv/bin
ARGS ?=

# Where it is set, every start would compile every module anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: run test screenshots bench clean
.DEFAULT_GOAL := run

run: .venv/.run .venv/.compiled
	@$(BIN)/plimsoll $(ARGS)

test: .venv/.test .venv/.compiled
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/pytest

screenshots: .venv/.test
	$(BIN)/python docs/screenshots.py

bench: .venv/.test
	$(BIN)/python bench/speed.py
	$(BIN)/python bench/accuracy.py

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Plimsoll needs Python 3.11 or newer; name one with: make $(MAKECMDGOALS) PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -m venv .venv \
	  || { echo "Python's venv module is missing; on Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }

.venv/.run: pyproject.toml constraints.txt | .venv/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e .
	@touch $@

.venv/.test: pyproject.toml constraints.txt | .venv/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[test]'
	@touch $@ .venv/.run

# Compiled beforehand, so that the first start is as quick as the next.
.venv/.compiled: $(shell find tui probes estimator launches records -name '*.py') | .venv/bin/python
	@$(BIN)/python -m compileall -q tui probes estimator launches records
	@touch $@

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build dist
