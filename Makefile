# aexp: the two commands of the README are `make demo` and `make test`.
#
# Each makes its own environment in .venv from pyproject.toml; PYTHON names the interpreter to
# make it with. All paths are relative, so the checkout may lie in a folder with spaces.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DEMO_ARGS ?=
PYTEST_ARGS ?=
# Most tests wait for the disk or for another process: twice as many workers as cores.
WORKERS ?= $(shell $(PYTHON) -c "import os; print(2 * (os.cpu_count() or 1))")
BENCH_ARGS ?=
PEER := agentic-experiments==0.6.1

.NOTPARALLEL:
.PHONY: help demo test test-long lint peer format docs bench clean

help:
	@echo "make demo       two machines and a git remote in a temporary folder: the whole story"
	@echo "make test       linters, types, import law, docs, then the test suite"
	@echo "make test-long  the same with the slow tests"
	@echo "make lint       the checks of make test without the test suite"
	@echo "make format     rewrite the code in the project's format"
	@echo "make docs       write docs/reference/ anew"
	@echo "make bench      run the benchmarks and write benchmarks/results.md"
	@echo "make clean      remove .venv and everything that was generated"

demo: $(VENV)/demo.stamp
	@$(BIN)/python examples/digits/demo.py $(DEMO_ARGS)

# The linters come first, so that pytest's summary is the last line.
test: lint peer
	@$(BIN)/python -m pytest -n $(WORKERS) -m "not slow" --cov --cov-report=term $(PYTEST_ARGS)

test-long: lint peer
	@$(BIN)/python -m pytest -n $(WORKERS) --cov --cov-report=term $(PYTEST_ARGS)

lint: $(VENV)/dev.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo
	$(BIN)/python docs/generate.py --check

# The tests of compatibility run agentic-experiments 0.6.1 itself, in an environment of its own.
# Without a network they are skipped, but where AEXP_REQUIRE_SERVICES=1 they must run.
peer: $(VENV)/pyvenv.cfg
	@test -e $(VENV)/peer.stamp || $(MAKE) --no-print-directory $(VENV)/peer.stamp || \
		{ echo "$(PEER) could not be installed, so its tests are left out" >&2; \
		test "$$AEXP_REQUIRE_SERVICES" != 1; }

format: $(VENV)/dev.stamp
	$(BIN)/ruff check --fix-only --quiet .
	$(BIN)/ruff format .

docs: $(VENV)/dev.stamp
	$(BIN)/python docs/generate.py

bench: $(VENV)/dev.stamp $(VENV)/peer.stamp
	$(BIN)/python benchmarks/run.py --peer $(VENV)/peer/bin/python $(BENCH_ARGS)

clean:
	rm -rf $(VENV) build dist htmlcov .coverage .coverage.* .hypothesis .import_linter_cache \
		.mypy_cache .pytest_cache .ruff_cache

$(VENV)/pyvenv.cfg:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "aexp needs Python 3.11 or later; name one with: make PYTHON=python3.11 ...")'
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || \
		{ echo "This Python cannot make environments; on Debian: apt-get install python3-venv" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

# A stamp is touched last, so that an interrupted installation is done again.
$(VENV)/%.stamp: pyproject.toml $(VENV)/pyvenv.cfg
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[$*]"
	@touch $@

# The tool that aexp is compared with, in an environment of its own.
$(VENV)/peer.stamp: $(VENV)/pyvenv.cfg
	$(PYTHON) -m venv $(VENV)/peer
	$(VENV)/peer/bin/python -m pip install --quiet --disable-pip-version-check $(PEER)
	@touch $@
