# Every target sets up what it needs: a virtual environment in .venv, pinned by constraints.txt.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
OUT ?= out
SCALE ?= quick
JOBS ?= 2
# One BLAS thread per process: tests and experiments fan out over processes instead.
SINGLE := OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1

.PHONY: reproduce test check fuzz faults history thorough lowest bench docs costs gallery wheel clean

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[parquet,cifar,dask,dev,docs]"
	touch $@

reproduce: $(READY)
	$(BIN)/selfdistill reproduce --scale $(SCALE) --out $(OUT) --jobs $(JOBS)

test: $(READY)
	$(SINGLE) $(BIN)/python -m pytest -n 2 --dist worksteal

# Random inputs for every public function against oracles, for as long as told.
MINUTES ?= 5
fuzz: $(READY)
	$(SINGLE) $(BIN)/python -m tests.fuzz $(MINUTES)

check: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	mkdir -p build/typing/selfdistill
	ln -sfn $(CURDIR)/theory build/typing/selfdistill/theory
	ln -sfn $(CURDIR)/empirical build/typing/selfdistill/empirical
	ln -sfn $(CURDIR)/figures build/typing/selfdistill/figures
	MYPYPATH=build/typing $(BIN)/mypy -p selfdistill

# Kill a run so many times at random, and damage what it keeps; the claims must be the same afterwards.
KILLS ?= 100
faults: $(READY)
	$(SINGLE) $(BIN)/python -m tests.faults $(KILLS)

bench: $(READY)
	$(BIN)/python -m tests.benchmarks

docs: $(READY)
	$(BIN)/python -m selfdistill.figures.results.pages .
	$(BIN)/python -m sphinx -b html -W --keep-going -q docs build/docs

# The lowest versions of the dependencies, in an environment of their own: every theorem must hold there too.
lowest:
	$(PYTHON) -m venv build/lowest
	build/lowest/bin/python -m pip install --quiet --disable-pip-version-check -c constraints-lowest.txt .
	$(SINGLE) build/lowest/bin/selfdistill verify --quiet

# What `selfdistill list` says of each artefact's cost, measured in empty folders.
costs: $(READY)
	rm -rf build/costs && mkdir -p build/costs
	$(BIN)/selfdistill reproduce --scale smoke --out build/costs/smoke --json > build/costs/smoke.json
	$(BIN)/selfdistill reproduce --scale quick --out build/costs/quick --json > build/costs/quick.json
	$(BIN)/python -m selfdistill.figures.cli.costs build/costs/smoke.json build/costs/quick.json

# Hours: the verdicts and pictures that README, docs and every report show; say why any changed: make thorough WHY="…"
thorough: $(READY)
	$(BIN)/selfdistill reproduce --scale thorough --out build/thorough --jobs $(JOBS)
	$(BIN)/python -m selfdistill.figures.results.take_up build/thorough "$(WHY)"

# Pictures of a quick run, of what has none of the thorough run.
gallery: $(READY)
	$(BIN)/selfdistill reproduce --scale quick --out $(OUT) --jobs $(JOBS)
	$(BIN)/python -m selfdistill.figures.results.pages . $(OUT)

# What every report compares its verdicts with; say why any changed: make history WHY="…"
history: $(READY)
	rm -rf build/history && mkdir -p build/history
	$(BIN)/selfdistill reproduce --scale quick --out build/history/quick --json > build/history/quick.json
	$(BIN)/python -m selfdistill.figures.results.history build/history/quick.json $$(git rev-parse --short HEAD) "$(WHY)"

# A source distribution, and the wheel that is built from it.
wheel: $(READY)
	$(BIN)/python -m build --outdir build/wheel .

clean:
	rm -rf build $(OUT) $(VENV)
