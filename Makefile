# A thin front for cmake and scripts/: what each target does is in the script it names.
PREFIX ?= /usr/local
DESTDIR ?=
SECONDS_PER_TARGET ?= 60

.PHONY: all run test install uninstall deps passt bench format lint asan fuzz coverage hooks clean remove-test-user help
.DEFAULT_GOAL := all

all: ## build the release programs into build/bin/
	@scripts/build.sh release

# $(value) keeps make from reading the command's own `$`.
unexport CMD ARGS
run: export RK_CMD = $(value CMD)
run: export RK_ARGS = $(value ARGS)
run: ## a root shell that is not root, or CMD='...' in it (ARGS='...': flags of rootlesskit)
	@scripts/run.sh

test: ## build and test everything, as an ordinary user
	@scripts/test.sh

install: ## copy programs, manual and documents to DESTDIR/PREFIX (PREFIX=/usr/local)
	@[ -x build/bin/rootlesskit ] || scripts/build.sh release
	@DESTDIR='$(DESTDIR)' cmake --install build --prefix '$(PREFIX)'
	@rm -f build/install_manifest.txt

uninstall: ## remove what install with the same PREFIX and DESTDIR has put there
	@scripts/uninstall.sh '$(PREFIX)' '$(DESTDIR)'

deps: ## install the packages for building, running and testing
	@scripts/deps.sh build run test lint tidy fuzz coverage

passt: ## build a current passt (pasta, pesto) from Debian's sources; its last line says where it is
	@scripts/build-passt.sh

bench: ## run the benchmarks in bench/
	@scripts/bench.sh

format: ## lay out the C++ sources with clang-format 14
	@find src tests bench \( -name '*.cc' -o -name '*.h' \) -print0 | xargs -0 clang-format-14 -i

lint: ## clang-tidy on changed files (ALL=1: on all), layout, shell, spelling, manual
	@ALL='$(ALL)' scripts/lint.sh format shell spelling manual tidy

asan: ## build with AddressSanitizer and UBSan, run the unit tests
	@scripts/deps.sh build test
	@scripts/build.sh asan
	@ctest --preset asan

fuzz: ## run each fuzz target for SECONDS_PER_TARGET=60
	@scripts/fuzz.sh '$(SECONDS_PER_TARGET)'

coverage: ## line coverage of unit and integration tests, in build/coverage/
	@scripts/coverage.sh

hooks: ## use .githooks/ for commits in this clone
	@git config core.hooksPath .githooks

clean: ## remove build/
	@rm -rf build

remove-test-user: ## remove the user that `make run` and `make test` made as root
	@scripts/setup-test-user.sh --remove

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-17s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
