# make demo     the main job: a crash, two ADL policies, a table and a report
# make test     everything that has to hold
# make bench    speed against peers
# make paper    every figure and table of docs/, from batches run afresh (hours)
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --no-compile --quiet --disable-pip-version-check --constraint constraints.txt

COMPILE := $(BIN)/python -m compileall -q -j 0 -x '/(tests?|pip|setuptools|pkg_resources|debugpy|fontTools|mypyc?)/' $(VENV)/lib abm analysis > /dev/null || true

.PHONY: install dev demo test tests lint kernels bench paper clean

install: $(VENV)/.installed

$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(PIP) --upgrade pip
	$(PIP) --editable .
	$(COMPILE)
	touch $@

# What tests, documents and benchmarks need besides.
dev: $(VENV)/.dev

$(VENV)/.dev: $(VENV)/.installed
	$(PIP) --group dev
	$(COMPILE)
	touch $@

demo: install
	$(BIN)/adl run configs/oct10.toml --out runs/demo --overwrite
	$(BIN)/adl report runs/demo

# One more than cores: many tests wait for processes that they have begun.
TESTERS = $$($(BIN)/python -c "import os; print((os.cpu_count() or 1) + 1)")

# While one core installs the rest, the other begins to compile; then one begins to test
# while the other checks types.
test: install
	$(MAKE) --jobs 2 tests lint

# To have pytest rewrite every assertion costs each tester six seconds, so only those that
# failed are run with that, to be told in full.
tests: kernels dev
	$(BIN)/python -m pytest --numprocesses $(TESTERS) --dist worksteal --assert plain \
	|| { $(BIN)/python -m pytest --last-failed --last-failed-no-failures none; false; }

kernels: install
	$(BIN)/python -c "from abm.warm import warm_up; warm_up()"

lint: dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: dev
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --requirement benchmarks/requirements.txt
	$(BIN)/python -m benchmarks.run

PAPER := runs/paper

paper: dev
	$(BIN)/adl run configs/oct10.toml --out $(PAPER)/oct10 --overwrite
	cp $(PAPER)/oct10/figures/one-run.png docs/one-run.png
	$(BIN)/adl calibrate configs/oct10-full.toml --targets configs/targets/oct10.toml --check --out $(PAPER)/calibration --overwrite --page docs/calibration.md
	$(BIN)/adl facts configs/oct10.toml --runs 20 --out $(PAPER)/facts-oct10 --overwrite --into docs/facts.md
	cp $(PAPER)/facts-oct10/facts.png docs/figures/facts-oct10.png
	$(BIN)/adl facts configs/calm.toml --set time.duration_s=7200 --runs 20 --out $(PAPER)/facts-calm --overwrite --into docs/facts.md
	cp $(PAPER)/facts-calm/facts.png docs/figures/facts-calm.png
	$(BIN)/adl run configs/studies/robustness.toml --out $(PAPER)/robustness --overwrite --no-figures
	$(BIN)/adl run configs/studies/robustness-full.toml --out $(PAPER)/robustness-full --overwrite --no-figures
	$(BIN)/adl robustness $(PAPER)/robustness $(PAPER)/robustness-full --into docs/robustness.md
	cp $(PAPER)/robustness/robustness.png docs/figures/robustness.png
	$(BIN)/adl sweep configs/studies/sensitivity.toml --out $(PAPER)/sensitivity --overwrite
	$(BIN)/adl drivers $(PAPER)/sensitivity --into docs/robustness.md
	cp $(PAPER)/sensitivity/drivers.png docs/figures/drivers.png
	$(BIN)/adl run configs/studies/theory.toml --out $(PAPER)/theory --overwrite --no-figures
	$(BIN)/adl run configs/episodes.toml --out $(PAPER)/episodes --overwrite --no-figures
	$(BIN)/adl theory --batch $(PAPER)/theory --batch $(PAPER)/episodes --docs docs
	$(BIN)/python -m docs.reference
	$(BIN)/python -m docs.notebooks

clean:
	rm -rf $(VENV) runs/demo
