# One word per chore. Needs make and Python 3.11 or newer, nothing else; `make help` lists the words.

VENV := .venv
LOCK := locks/airflow-3.3.txt
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
# What may differ from one release of Airflow to the next: its hooks, routes and pages, and FAB's ways to sign in.
WITH_AIRFLOW := tests/runtime tests/accounts tests/access_api tests/access_management tests/authorization tests/authentication tests/tag_protection tests/web tests/shadow \
	tests/test_auth_manager.py tests/test_overrides.py \
	$(addprefix tests/e2e/sign_in/test_,flask_plugin.py ldap.py oidc.py) \
	$(addprefix tests/e2e/test_,access_api.py routes.py routes_complete.py routes_people.py reads.py writes.py lists.py denials.py \
	refusals.py hitl.py accounts.py account_pages.py audit_rows.py freshness.py multi_team.py policy_store.py \
	reserialize.py tag_guard.py bundles.py) \
	$(addprefix tests/e2e/browser/test_access_pages.py::test_,navigation role_counts_at_the_next_click tab_of_a_dag)
# What may differ from one database to the next, on PostgreSQL or MariaDB where there is one: what statements find, keep and lock.
# There the policy is in the database, too.
WITH_DATABASE := tests/shadow tests/access_api tests/access_management tests/accounts/test_db_manager.py tests/runtime/test_policy_versions.py tests/authorization/test_dag_filters.py tests/authorization/test_objects.py tests/accounts/test_same_email.py \
	$(addprefix tests/e2e/test_,reads.py writes.py lists.py accounts.py api_tokens.py audit_rows.py freshness.py policy_store.py)
# Tests run in so many processes, a file in one of them, with servers and databases of its own.
WORKERS ?= 2
PYTEST = -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder
UV ?= $(BIN)/uv
UPGRADE ?=
ARGS ?=
DB ?=
BUNDLES := astro_auth_plugin/access_api/static
# Exported, so a script reads them as values: PORT=8081 make demo and make demo PORT=8081 are the same.
export PORT STORE
# Hundreds of processes import the same modules, so what Python has compiled is kept, also where it is not otherwise.
unexport PYTHONDONTWRITEBYTECODE

COMPILE = $(UV) --no-config pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" $(if $(UPGRADE),--upgrade)

.DEFAULT_GOAL := help
.PHONY: dist docs ui ui-check mutants bench bench-policy soak help install demo test test-postgres test-mariadb test-3.1 test-3.2 check format lock clean

help: ## list these words
	@awk 'BEGIN {FS = ":.*## "} /^[a-z][a-z0-9. -]*:.*## / {printf "  make %-17s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(INSTALLED) ## make .venv with the locked packages (PYTHON=python3.12 chooses the Python)

$(INSTALLED): pyproject.toml $(LOCK) locks/uv.txt tools/install.sh
	@sh tools/install.sh $(VENV) $(LOCK) $(PYTHON)
	@touch $@

demo: $(INSTALLED) ## start Airflow with sample people and Dags (PORT=8080); Ctrl-C stops it
	@exec $(BIN)/python -m tools.demo

# To count branches makes random examples take twice as long, so the others have to reach them all.
test: $(INSTALLED) ## run all tests; make test ARGS="tests/rbac -k tags" runs some
ifeq ($(strip $(ARGS)),)
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal tests/rbac -m "not hypothesis" --cov --cov-fail-under=100
	$(BIN)/python $(PYTEST) tests -m "hypothesis or not rbac" --durations=15
else
	$(BIN)/python -m pytest $(ARGS)
endif

test-postgres: $(INSTALLED) ## run what depends on the database on a PostgreSQL, which is started for it
	E2E_POLICY_STORE=database $(BIN)/python -m tools.with_postgres $(BIN)/python $(if $(ARGS),-m pytest,$(PYTEST)) $(or $(ARGS),$(WITH_DATABASE))

test-mariadb: $(INSTALLED) ## run the same on a MariaDB
	@$(BIN)/python -c "import MySQLdb" || { echo "Install gcc, pkg-config and libmariadb-dev (Debian's names), then: make -B install" >&2; exit 1; }
	E2E_POLICY_STORE=database $(BIN)/python -m tools.with_mariadb $(BIN)/python $(if $(ARGS),-m pytest,$(PYTEST)) $(or $(ARGS),$(WITH_DATABASE))

test-3.1 test-3.2: test-%: .venv-%/.installed ## run what depends on Airflow, on that release of it
	.venv-$*/bin/python $(if $(ARGS),-m pytest,$(PYTEST)) $(or $(ARGS),$(WITH_AIRFLOW))

.venv-3.1/.installed .venv-3.2/.installed: .venv-%/.installed: pyproject.toml locks/airflow-%.txt locks/uv.txt tools/install.sh
	@sh tools/install.sh .venv-$* locks/airflow-$*.txt $(PYTHON)
	@touch $@

mutants: $(INSTALLED) ## break the package on purpose, fault by fault, and see the tests notice (slow)
	$(BIN)/python -m tools.mutants $(ARGS)

bench: .venv-bench/.installed ## measure this plugin beside other auth managers (DB=postgres; ARGS=--write updates the page of it)
	@DB="$(DB)" .venv-bench/bin/python -m tools.bench $(ARGS)

soak: .venv-bench/.installed ## ask a server for ten minutes while policy and tags change (DB=postgres; ARGS="--minutes 1")
	@DB="$(DB)" .venv-bench/bin/python -m tools.bench.soak $(ARGS)

.venv-bench/.installed: pyproject.toml locks/bench.txt locks/uv.txt tools/install.sh
	@sh tools/install.sh .venv-bench locks/bench.txt $(PYTHON)
	@touch $@

bench-policy: $(INSTALLED) ## measure the commands with a large policy; ARGS=--write updates the page of it
	$(BIN)/python -m tools.bench_policy $(ARGS)

docs: .venv-docs/.installed ## build the documentation as a site in site/, and check its links
	@NO_MKDOCS_2_WARNING=1 .venv-docs/bin/mkdocs build --strict

.venv-docs/.installed .venv-release/.installed: .venv-%/.installed: locks/%.txt locks/uv.txt tools/install.sh
	@sh tools/install.sh --only-lock .venv-$* locks/$*.txt $(PYTHON)
	@touch $@

dist: .venv-release/.installed ## build the wheel and the source distribution in dist/, check them, and list what they bring in build/
	rm -rf dist build
	.venv-release/bin/python -m build --no-isolation
	.venv-release/bin/twine check --strict dist/*
	.venv-release/bin/python -m venv build/installed
	build/installed/bin/python -m pip install --quiet --disable-pip-version-check dist/*.whl
	build/installed/bin/astro-auth validate dev_dags/policy.yaml
	build/installed/bin/python -m pip uninstall --quiet --yes pip setuptools
	.venv-release/bin/cyclonedx-py environment --output-reproducible --output-file build/sbom.cdx.json build/installed

check: $(INSTALLED) ## format, lint, types, and which module may import which
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/lint-imports

# The pages' bundles are committed, so only who changes ui/ needs node.
ui: $(INSTALLED) ui/node_modules/.package-lock.json ## build the pages of access management from ui/ (needs node 20 and npm)
	@$(BIN)/python -m tools.access_openapi ui/node_modules/openapi.json >/dev/null
	@cd ui && npm run --silent build

ui-check: ## build them again; fails if what is committed is not exactly that
	@$(MAKE) --silent ui
	@git diff --exit-code --stat -- $(BUNDLES) ui
	@test -z "$$(git ls-files --others -- $(BUNDLES))"

ui/node_modules/.package-lock.json: ui/package.json ui/package-lock.json
	@cd ui && npm ci --silent --no-audit --no-fund

format: $(INSTALLED) ## let ruff rewrite what it can
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

# Without UPGRADE=1 only what has to change does. The last line: an address of a package index in a lock would
# send everybody else to it.
lock: $(if $(filter $(BIN)/uv,$(UV)),$(INSTALLED)) ## make locks/*.txt again (UPGRADE=1 takes the newest of everything)
	$(COMPILE) --extra airflow --group dev pyproject.toml locks/airflow-3.3.in --output-file $(LOCK)
	$(COMPILE) --extra airflow --group dev pyproject.toml locks/airflow-3.2.in --output-file locks/airflow-3.2.txt
	$(COMPILE) --extra airflow --group dev pyproject.toml locks/airflow-3.1.in --output-file locks/airflow-3.1.txt
	$(COMPILE) --extra airflow --group dev pyproject.toml locks/airflow-3.3.in locks/bench.in --constraints $(LOCK) --output-file locks/bench.txt
	$(COMPILE) locks/docs.in --output-file locks/docs.txt
	$(COMPILE) locks/release.in --constraints $(LOCK) --output-file locks/release.txt
	$(COMPILE) locks/ldap.in --constraints $(LOCK) --output-file locks/ldap.txt
	$(COMPILE) locks/mariadb.in --constraints $(LOCK) --output-file locks/mariadb.txt
	$(COMPILE) locks/uv.in --constraints $(LOCK) --output-file locks/uv.txt
	@! grep -nE '://|^ *(-i|-f|--(extra-)?index-url|--find-links) ' locks/*.txt

clean: ## remove .venv*, .demo and what the tools left
	rm -rf $(VENV) .venv-3.1 .venv-3.2 .venv-bench .venv-docs .venv-release site ui/node_modules .demo .bench build dist htmlcov .coverage .coverage.* .hypothesis test-results
	rm -rf .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
	find astro_auth_plugin tests tools dev_dags -name __pycache__ -prune -exec rm -rf {} +
