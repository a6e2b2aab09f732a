# Everything works on a machine with git, make and Python 3.11+ (with venv): no root, no service.
# PYTHON chooses the interpreter that .venv is made with.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# uv is pinned and hashed like everything else. It trusts the certificates that this machine trusts,
# and compiles what it installs: a first start would spend seconds on that.
UV := UV_SYSTEM_CERTS=1 UV_COMPILE_BYTECODE=1 $(BIN)/uv
COMPILE := $(BIN)/python -m compileall -q gateway cdn_edge pipeline models

.PHONY: help setup run test check bench bench-upload bench-observe bench-library bench-edge bench-scale bench-long edge-long cluster dashboards prove parity lock clean

help: ## What there is to make
	@grep -E '^[a-z-]+:.*## ' Makefile | sed -E 's/:.*## /\t/' | sort | expand -t 16

setup: $(VENV)/.setup ## Make .venv with all that Calotype needs to run
run: setup ## Start everything, and show one picture's way through it
	$(BIN)/calotype up --demo

test: $(VENV)/.setup-dev ## Run the tests, three files at a time
	$(BIN)/pytest -n 3 --dist loadfile

check: $(VENV)/.setup-dev ## Lint, format, types, layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(VENV)/.setup-dev ## Measure encoding and a cluster, and fail when a ratio falls below its floor
	$(BIN)/python benchmarks/encode.py
	$(BIN)/python benchmarks/cluster.py --short

bench-scale: $(VENV)/.setup-dev ## Measure a cluster, simulate it, and fill deploy/SCALING.md (7 minutes)
	$(BIN)/python benchmarks/scale.py --into deploy/SCALING.md

bench-upload: $(VENV)/.setup-dev ## Measure whole uploads over HTTP
	$(BIN)/python benchmarks/upload.py

bench-observe: $(VENV)/.setup-dev ## Measure what metrics and logs cost: hits of the edge, uploads
	$(BIN)/python benchmarks/observe.py

bench-library: $(VENV)/.setup-dev ## Measure an account with a million images
	$(BIN)/python benchmarks/library.py

bench-edge: $(VENV)/.setup-dev ## Measure the edge beside nginx, ipx and thumbor (12 minutes)
	$(BIN)/python benchmarks/edge.py

bench-long: $(VENV)/.setup-dev ## A thousand histories of two accounts, and every operation 300 times
	STATEFUL_EXAMPLES=1000 SCHEMATHESIS_EXAMPLES=300 $(BIN)/pytest \
		tests/system/test_state_machine.py tests/system/test_schemathesis.py

edge-long: $(VENV)/.setup-dev ## The edge in a crowd: one render for thousands, mix-ups, overload, floods, stalls (15 minutes)
	$(BIN)/python -m tests.prove --rows 12,14,15,16 --json prove-edge.json
	EDGE_CROWD=1000 EDGE_KEYS=64 $(BIN)/pytest tests/system/test_edge_fleet.py

cluster: $(VENV)/.setup-dev ## The cluster of compose.yaml on this machine, without Docker, until Ctrl-C
	$(BIN)/python -m tests.cluster

dashboards: $(VENV)/.setup-dev ## Write the Grafana dashboards, and pictures of them (8 minutes, needs prometheus)
	$(BIN)/python -m deploy.grafana.pages
	$(BIN)/python benchmarks/dashboards.py

prove: $(VENV)/.setup-dev ## Kill, cut, break: nothing accepted is lost, nothing paid twice (45 minutes)
	$(BIN)/python -m tests.prove --rows 1,2,3,4,5,6,7,8,G

parity: $(VENV)/.setup-dev ## All cases beside sharp, and 600 random ones (needs node)
	PARITY_EXAMPLES=600 $(BIN)/pytest tests/parity

lock: $(BIN)/uv ## Renew the pinned and hashed requirements
	$(UV) pip compile -q --upgrade --generate-hashes --universal --python-version 3.11 \
		pyproject.toml -o requirements.lock
	$(UV) pip compile -q --upgrade --generate-hashes --universal --python-version 3.11 \
		--group dev pyproject.toml -c requirements.lock -o requirements-dev.lock
	$(UV) pip compile -q --upgrade --generate-hashes --universal --python-version 3.11 \
		--extra otel pyproject.toml -c requirements.lock -o requirements-otel.lock
	printf 'cffi\nhatchling>=1.27\npkgconfig\nsetuptools>=61\n' | $(UV) pip compile -q --upgrade \
		--generate-hashes --universal --python-version 3.11 -c requirements.lock - \
		-o requirements-build.lock

clean: ## Remove what the other targets made; data folders stay
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

$(BIN)/uv: requirements-uv.lock
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $<
	touch $@

$(VENV)/.setup: $(BIN)/uv requirements.lock pyproject.toml
	$(UV) pip sync --quiet --require-hashes requirements.lock
	$(UV) pip install --quiet --no-deps --editable .
	$(COMPILE)
	rm -f $(VENV)/.setup-dev
	touch $@

$(VENV)/.setup-dev: $(BIN)/uv requirements-dev.lock pyproject.toml
	$(UV) pip sync --quiet --require-hashes requirements-dev.lock
	$(UV) pip install --quiet --no-deps --editable .
	$(COMPILE) tests
	touch $(VENV)/.setup $@
