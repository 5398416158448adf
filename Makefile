# The two commands of the README are `make demo` and `make test`; each starts from nothing but Python.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help install demo test check format bench bench-serve kafka clients clean

help:
	@echo "make demo     forecasts for three New York airports, through Kafka and Ray, scored against what happened"
	@echo "make test     every check and every test"
	@echo "make check    format, lint, types, architecture"
	@echo "make bench    engine, stream, latency, memory and start, beside their peers"
	@echo "make bench-serve  the request door beside Python's other model servers (needs wrk)"
	@echo "make clients  fetch Triton's and KServe's clients and schemathesis, which the request door is tested with"
	@echo "make kafka    fetch Apache Kafka 4 into .kafka/ (needs Java 17 and Maven)"

install: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(None if (3, 11) <= v <= (3, 13) else "foretell needs Python 3.11 to 3.13; this is %d.%d: make PYTHON=python3.11 ..." % v)'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[parquet,dev]'
	@touch $@

demo: install
	@$(BIN)/foretell demo

check: install
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/pytest -q tests/test_architecture.py

format: install
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# Two files at a time: most of the long tests wait, for a broker or a Ray to come back. (Not `loadgroup`:
# pytest 9.2 does not see the groups of pytest-xdist 3.8.)
test: check clients
	$(BIN)/pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder

bench: install
	$(BIN)/python -m benchmarks

# Each peer in an environment of its own: they want other releases than foretell does, and one another's.
PEERS := bentoml grpclib litserve mosec ray_serve

bench-serve: install $(PEERS:%=.bench-venvs/%/.installed)
	@command -v wrk >/dev/null || { echo "bench-serve needs wrk (Debian's package is wrk)" >&2; exit 1; }
	$(BIN)/python -m benchmarks.serve

$(PEERS:%=.bench-venvs/%/.installed): .bench-venvs/%/.installed: benchmarks/serve/programs/%.txt
	$(PYTHON) -m venv .bench-venvs/$*
	.bench-venvs/$*/bin/pip install --quiet --disable-pip-version-check --requirement $<
	@touch $@

# Of their own: they want other releases of protobuf than foretell does.
CLIENTS := .bench-venvs/clients

clients: $(CLIENTS)/.installed

$(CLIENTS)/.installed: tests/serve/protocols/clients/requirements.txt
	$(PYTHON) -m venv $(CLIENTS)
	$(CLIENTS)/bin/pip install --quiet --disable-pip-version-check --requirement $<
	@touch $@

kafka:
	sh scripts/fetch-kafka.sh .kafka

clean:
	rm -rf $(VENV) .bench-venvs .kafka build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
