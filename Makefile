# The two commands of the README, and what a contributor needs besides. Everything is installed into .venv.

PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

# How many tests run side by side. Two is what a run on two cores measures best; JAX uses the cores by itself too.
WORKERS ?= 2

.PHONY: demo test check docs bench clean
.DELETE_ON_ERROR:

# A diagnosis, the main job on three real tables, and the chapter.
demo: .venv/installed
	mkdir -p demo
	$(BIN)/steepest chapter --out demo/chapter
	$(BIN)/steepest datasets diabetes --out demo/diabetes.csv --overwrite
	$(BIN)/steepest datasets breast_cancer --out demo/breast_cancer.csv --overwrite
	$(BIN)/steepest datasets digits --out demo/digits.csv --overwrite
	$(BIN)/steepest diagnose demo/diabetes.csv --target target --report demo/diagnosis.html --overwrite
	$(BIN)/steepest fit demo/diabetes.csv --target target --out demo/diabetes --report demo/diabetes.html --overwrite
	$(BIN)/steepest fit demo/breast_cancer.csv --target target --out demo/breast_cancer --report demo/breast_cancer.html --overwrite
	$(BIN)/steepest fit demo/digits.csv --target target --model mlp --out demo/digits --report demo/digits.html --overwrite
	@echo
	@echo "The figures are in:"
	@find "$(CURDIR)/demo" \( -name '*.png' -o -name '*.gif' \) -exec dirname {} + | sort -u | sed 's/^/  /'
	@echo "Reports to open in a browser:"
	@find "$(CURDIR)/demo" -name '*.html' | sort | sed 's/^/  /'

test: .venv/installed-test
	$(BIN)/python -m pytest -n $(WORKERS)

# Format, lint and types, as the automatic check runs them.
check: .venv/installed-test
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy

# The site, in site/: every block of code is run, every picture drawn, a dead link is an error.
docs: .venv/installed-docs
	$(BIN)/python -m documentation

bench: .venv/installed-bench
	$(BIN)/python -m benchmarks

clean:
	rm -rf .venv demo site build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

define CHECK_PYTHON
import sys
if sys.version_info < (3, 11):
    sys.exit("steepest needs Python 3.11 or later, and $(PYTHON) is %d.%d. " % sys.version_info[:2]
             + "Name another one: make PYTHON=python3.12 $(MAKECMDGOALS)")
endef
export CHECK_PYTHON

# A stamp older than the two files that say what is installed has the installation made again. The suite takes both
# extras, because it tries the numba kernel of the benchmarks too.

.venv/created:
	@$(PYTHON) -c "$$CHECK_PYTHON"
	$(PYTHON) -m venv .venv
	@touch $@

.venv/installed: .venv/created pyproject.toml constraints.txt
	$(PIP) --editable '.[lab,report,symbolic]'
	@touch $@

.venv/installed-test: .venv/created pyproject.toml constraints.txt
	$(PIP) --editable '.[test,bench,cluster,docs,lab,report,symbolic,torch]'
	@touch $@

.venv/installed-docs: .venv/created pyproject.toml constraints.txt
	$(PIP) --editable '.[test,docs,cluster,lab,report,symbolic,torch]'
	@touch $@

.venv/installed-bench: .venv/created pyproject.toml constraints.txt
	$(PIP) --editable '.[bench]'
	@touch $@
