# make demo | fracatlas | box | student | test | test-fast | test-long | cases | fuzz | check | format | docs | notebooks | site | bench | bench-parts | clean
.DEFAULT_GOAL := help
.PHONY: help setup setup-dev demo fracatlas box student test test-fast test-long cases fuzz check format docs notebooks site bench bench-parts bench-overview clean
SHELL := /bin/bash
BIN := .venv/bin
WORKERS ?= 2
OUT ?= runs/demo

help: ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 12

setup: ## .venv with all that a user runs
	@scripts/setup.sh all

setup-dev: ## .venv with all that a developer runs
	@scripts/setup.sh dev

demo: setup ## phantoms, training, evaluation, report; DATA=folder runs it on MURA or other data
	$(BIN)/ulna demo --out $(OUT) $(if $(DATA),--data "$(DATA)")

fracatlas: setup ## real films: trunk, five folds, scores and the bundle; DATA=folder of FracAtlas; QUICK=1 in minutes
	scripts/fracatlas.sh "$(DATA)" runs/fracatlas$(if $(QUICK),-quick)

box: setup ## the demonstration bundle in the package, from nothing
	scripts/box_bundle.sh runs/box

student: setup-dev ## BUNDLE=folder of `ulna distil`: it answers where no bundle is given
	$(BIN)/python scripts/ship_student.py "$(BUNDLE)" $(if $(ACCEPT),--accept "$(ACCEPT)") $(if $(ATTRIBUTION),--attribution "$(ATTRIBUTION)")

test: setup-dev ## every test but the long ones
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile -m "not long"

test-fast: setup-dev ## the tests that take seconds
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile -m "not slow and not long"

test-long: setup-dev ## mutants, every verb without a network, every encoder in every arithmetic: minutes each
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile -m long

CASES ?= ../shared/cases
cases: setup-dev ## films with the value that must be read; CASES=folder of that form
	OMP_NUM_THREADS=1 $(BIN)/python scripts/cases.py "$(CASES)"

fuzz: setup-dev ## 30,000 damaged files through the reader; other ones every day, SEED=text for the same
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.fuzz.campaign $(if $(SEED),--seed "$(SEED)") --workers $(WORKERS)
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.fuzz.bombs

check: setup-dev ## format, lint, types, layers, spelling
	$(BIN)/ruff format --check src tests scripts benchmarks
	$(BIN)/ruff check src tests scripts benchmarks
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/codespell src tests scripts benchmarks docs README.md ARCHITECTURE.md CHANGELOG.md CONTRIBUTING.md

format: setup-dev ## apply format and safe fixes
	$(BIN)/ruff format src tests scripts benchmarks
	$(BIN)/ruff check --fix src tests scripts benchmarks

docs: setup-dev ## write the generated parts of docs/ again
	$(BIN)/python scripts/write_docs.py

notebooks: setup-dev ## run docs/notebooks, minutes; the next `make site` shows what their cells print and draw
	$(BIN)/python scripts/run_notebooks.py

site: setup-dev ## docs/ as pages in site/, strictly: a broken link or a page in no menu is an error
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict
	@echo "site/index.html; with search: $(BIN)/python -m http.server --bind 127.0.0.1 --directory site"

bench: setup-dev ## Ulna beside its peers and the floor, 12 minutes; QUICK=1 in 3, MINUTES=n
	$(BIN)/python -m benchmarks.speed $(if $(QUICK),--quick) $(if $(MINUTES),--minutes $(MINUTES))

bench-parts: setup-dev ## time single steps and compare with the last run
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest benchmarks/parts -q $(PARTS_OPTIONS)

# Without an earlier run there is nothing to compare with, which is only worth a warning.
PARTS_OPTIONS := --benchmark-only --benchmark-autosave --benchmark-compare \
	--benchmark-storage=runs/bench/parts --benchmark-sort=name \
	--benchmark-columns=median,iqr,min,rounds --benchmark-max-time=1 --benchmark-min-rounds=5 \
	-W ignore::pytest_benchmark.logger.PytestBenchmarkWarning

bench-overview: setup-dev ## speed of phantoms, indexing and prediction on this machine
	$(BIN)/python benchmarks/overview.py

clean: ## remove what tools leave behind; keeps .venv and runs
	rm -rf .pytest_cache .mypy_cache .ruff_cache .import_linter_cache build dist site
	find src tests -name __pycache__ -type d -prune -exec rm -rf {} +
