# SPDX-License-Identifier: Apache-2.0
# The only build file. `make help` lists the goals; V=1 shows commands; SAN=address,undefined builds with sanitizers.

PREFIX  ?= /usr/local
DESTDIR ?=
SAN     ?=
V       ?= 0
CC      := $(if $(filter default,$(origin CC)),gcc,$(CC))
VERSION := 0.1.0

comma   := ,
variant := $(if $(SAN),$(subst $(comma),-,$(SAN)),release)
out     := build/$(variant)
quiet   := $(if $(filter 1,$(V)),,@)
say      = $(if $(filter 1,$(V)),@true,@printf '  %-5s %s\n')

warnings := -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wstrict-prototypes \
	-Wmissing-prototypes -Wpointer-arith -Wcast-qual -Wwrite-strings -Wvla -Wswitch-enum -Wundef -Wformat=2 \
	-Wimplicit-fallthrough -Wdouble-promotion $(if $(WERROR),-Werror)
harden   := -fno-common -fvisibility=hidden -fstack-protector-strong -fstack-clash-protection -fPIE \
	$(if $(filter x86_64,$(shell uname -m)),-fcf-protection) $(if $(findstring clang,$(CC)),,-ftrivial-auto-var-init=zero) \
	$(if $(SAN),-fsanitize=$(SAN) -fno-omit-frame-pointer,-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3)
hardened := -Wl,-z,relro,-z,now,-z,noexecstack,-z,separate-code
# The same source gives the same bytes, wherever it lies.
anywhere := -ffile-prefix-map=$(CURDIR)=.
modules  := libuv msgpack lmdb libsodium libzstd libqrencode openssl libseccomp
# Looked up when a recipe runs, not when this file is read: pkg-config may be among what is installed first.
CFLAGS_ALL = -std=c11 -D_GNU_SOURCE -DKITH_VERSION_TEXT='"$(VERSION)"' -O2 -g $(warnings) $(harden) $(anywhere) -I. -MMD -MP \
	$$(pkg-config --cflags $(modules)) $(CFLAGS)
LDFLAGS_ALL = -pie $(hardened) $(if $(SAN),-fsanitize=$(SAN)) $(LDFLAGS)
LIBS        = $$(pkg-config --libs $(modules)) -lwslay -lhttp_parser -pthread

base    := $(wildcard protocol/*.c store/*.c)
client  := $(wildcard client/*.c client/export/*.c)
cli     := $(wildcard client/cli/*.c client/agent/*.c)
daemon  := $(wildcard daemon/*.c)
# What defines calls of the C library anew is for the one program that wants them to fail.
helpers := $(filter-out tests/unit/test_% tests/unit/faults.c,$(wildcard tests/unit/*.c))
replays := $(patsubst tests/fuzz/%.c,$(out)/replay/%,$(wildcard tests/fuzz/fuzz_*.c))
units   := $(patsubst tests/unit/%.c,$(out)/tests/%,$(wildcard tests/unit/test_*.c))
valgrinded := wire message payload merge note channel session websocket http invite config bundle recovery compress csv html json
objects  = $(patsubst %.c,$(out)/%.o,$(1))
sources := $(base) $(client) $(cli) $(daemon)
headers := $(wildcard protocol/*.h store/*.h client/*.h client/*/*.h daemon/*.h tests/unit/*.h)

.PHONY: all programs demo check check-built units bench sim sim-mutants power-cuts kills restore reproducible coverage tidy lint \
	format fuzz fuzz-coverage fuzzers sanitize threads valgrind dictionary vectors install install-built deb check-packages clean help
.DEFAULT_GOAL := all
MAKEFLAGS += --no-print-directory

all: ## build kithd, kith and libkith
	@deploy/setup/packages.sh build
	@$(MAKE) -j$$(nproc) programs

programs: $(out)/kithd $(out)/kith $(out)/libkith.a $(out)/man/kith.1 $(if $(SAN),,$(out)/libkith.so.0)

demo: all ## the main job with the real programs, in a minute, leaving nothing behind
	@tests/system/demo.sh $(out)

sanitizers := address,undefined
check: ## set up, build and run every test; the units and what fuzzers need with sanitizers as well
	@deploy/setup/packages.sh check
	@$(MAKE) -j$$(nproc) programs units $(out)/bench $(out)/sim $(out)/train $(out)/vectors $(out)/power $(out)/record.so
	@$(if $(SAN),,$(MAKE) -j$$(nproc) SAN=$(sanitizers) units)
	@$(MAKE) check-built

check-built:
	@KITH_BIN=$(out) KITH_SANITIZED=build/$(subst $(comma),-,$(or $(SAN),$(sanitizers))) CC=$(CC) python3 tests/run.py $(out)

units: $(units) $(replays)

bench: all ## measure; PART=laptops|ingest|storm|idle|fan-out|growth|peers|strangers; JSON=1; LONG=1 grows a hub to 10 million changes
	@deploy/setup/packages.sh bench
	@$(MAKE) -j$$(nproc) $(out)/bench
	@$(out)/bench $(out) $(if $(JSON),--json) $(if $(PART),--only $(PART)) $(if $(LONG),--growth 10000000)

SEEDS ?= 10000
sim: ## schedules of the simulator; SEEDS=N FIRST=SEED
	@deploy/setup/packages.sh build
	@$(MAKE) -j$$(nproc) $(out)/sim
	@SIM_SEEDS=$(SEEDS) SIM_FIRST=$(or $(FIRST),1) python3 tests/sim/run.py $(out)/sim

sim-mutants: ## plants faults and shows that the simulator finds each
	@deploy/setup/packages.sh build
	@python3 tests/sim/mutants.py

power-cuts: ## every disk that a power cut can leave of a busy hub and laptop; COUNT=N images, SEED=N
	@deploy/setup/packages.sh build
	@$(MAKE) -j$$(nproc) programs $(out)/power $(out)/record.so
	@KITH_BIN=$(out) COUNT=$(or $(COUNT),10000) python3 tests/faults/power.py

kills: ## kill -9 of a hub that is syncing and of a laptop that is writing; COUNT=N kills, SEED=N
	@deploy/setup/packages.sh build
	@$(MAKE) -j$$(nproc) programs
	@for test in hub laptop; do \
		KITH_BIN=$(out) KILLS=$$(($(or $(COUNT),2000) / 2)) python3 tests/system/test_kill_$$test.py || exit 1; \
	done

restore: ## a hub that burned, a backup of the day before, and what DEVICES=200 laptops bring back
	@deploy/setup/packages.sh build
	@$(MAKE) -j$$(nproc) programs
	@KITH_BIN=$(out) DEVICES=$(or $(DEVICES),200) python3 tests/system/restore.py

tidy: ## the rules of the tree; lists the longest functions and files
	@python3 tests/tidy/tidy.py

lint: ## clang-tidy, cppcheck and gcc -fanalyzer without findings
	@deploy/setup/packages.sh lint
	@tests/tidy/lint.sh

format: ## lay out all sources by .clang-format
	@deploy/setup/packages.sh lint
	@clang-format -i $(sources) $(headers) $(wildcard tests/*/*.c)

fuzz: ## every fuzzer for TIME seconds (60 without it), with libFuzzer, ASan and UBSan
	@deploy/setup/packages.sh lint
	@$(MAKE) -j$$(nproc) CC=clang SAN=fuzzer-no-link,address,undefined fuzzers
	@tests/fuzz/run.sh $(or $(TIME),60)

fuzz-coverage: ## what the corpora of the fuzzers reach of the code that each is for; LINES=1 lists the rest
	@deploy/setup/packages.sh lint
	@$(MAKE) -s -j$$(nproc) CC=clang SAN=fuzzer-no-link CFLAGS='-fprofile-instr-generate -fcoverage-mapping' \
		LDFLAGS=-fprofile-instr-generate fuzzers
	@tests/fuzz/coverage.sh

fuzzers: $(patsubst tests/fuzz/%.c,$(out)/fuzz/%,$(wildcard tests/fuzz/fuzz_*.c))

reproducible: all ## build the tree again, in another place, and compare every byte of what is installed
	@KITH_BIN=$(out) CC=$(CC) python3 tests/tidy/test_reproducible.py

coverage: ## which lines every test together reaches, by file; TEST=NAME for some
	@deploy/setup/packages.sh check
	@find build/coverage -name '*.gcda' -delete 2>/dev/null || true
	@$(MAKE) -s -j$$(nproc) out=build/coverage CFLAGS='--coverage -O1 -fprofile-update=atomic' LDFLAGS=--coverage programs $(units) \
		$(replays) build/coverage/sim build/coverage/power build/coverage/record.so build/coverage/vectors build/coverage/bench
	@KITH_BIN=build/coverage SIM_SEEDS=500 python3 tests/run.py build/coverage $(TEST) || true
	@python3 tests/tidy/coverage.py build/coverage

sanitize: ## every test under AddressSanitizer and UBSan
	@$(MAKE) check SAN=$(sanitizers)

threads: ## what several threads share, under ThreadSanitizer: the committer, the hub, whole syncs
	@$(MAKE) -j$$(nproc) SAN=thread programs build/thread/tests/test_committer build/thread/tests/test_hub build/thread/tests/test_news
	@TSAN_OPTIONS='halt_on_error=1 suppressions=tests/tidy/threads.supp' KITH_BIN=build/thread \
		python3 tests/run.py build/thread tests/test_committer tests/test_hub tests/test_news first_visit limits metrics kill_hub post

valgrind: ## the parsers, the sessions and the stores' rows under valgrind: no error, nothing lost
	@deploy/setup/packages.sh lint
	@$(MAKE) -j$$(nproc) $(addprefix $(out)/tests/test_,$(valgrinded))
	@for test in $(valgrinded); do \
		valgrind -q --error-exitcode=9 --leak-check=full --errors-for-leak-kinds=definite $(out)/tests/test_$$test \
			>build/valgrind.log 2>&1 || { cat build/valgrind.log; exit 1; }; \
		printf 'ok    %s\n' $$test; \
	done

dictionary: all ## train the compression dictionary anew: the same phrases give the same bytes
	@$(MAKE) -j$$(nproc) $(out)/train
	@$(out)/train deploy/dictionary/phrases.txt >$(out)/dictionary.c
	@cmp -s $(out)/dictionary.c protocol/dictionary.c || cp $(out)/dictionary.c protocol/dictionary.c

vectors: ## write protocol/vectors anew: the same code gives the same bytes
	@deploy/setup/packages.sh check
	@$(MAKE) -j$$(nproc) $(out)/vectors
	@$(out)/vectors protocol/vectors

LIBDIR ?= $(PREFIX)/lib
DATADIR = $(PREFIX)/share
install: all ## DESTDIR= PREFIX=
	@$(MAKE) install-built

install-built:
	install -d $(addprefix $(DESTDIR),$(PREFIX)/bin $(LIBDIR)/pkgconfig $(PREFIX)/include $(DATADIR)/doc/kith)
	install -m 755 $(out)/kithd $(out)/kith $(DESTDIR)$(PREFIX)/bin
	install -m 644 $(out)/libkith.a $(out)/libkith.so.0 $(DESTDIR)$(LIBDIR)
	ln -sf libkith.so.0 $(DESTDIR)$(LIBDIR)/libkith.so
	install -m 644 client/kith.h $(DESTDIR)$(PREFIX)/include
	sed 's|@PREFIX@|$(PREFIX)|; s|@LIBDIR@|$(LIBDIR)|; s|@VERSION@|$(VERSION)|' deploy/libkith.pc.in \
		>$(DESTDIR)$(LIBDIR)/pkgconfig/libkith.pc
	install -d $(DESTDIR)$(PREFIX)/lib/systemd/user $(DESTDIR)$(PREFIX)/lib/systemd/system
	sed 's|@PREFIX@|$(PREFIX)|' deploy/systemd/kith-agent.service \
		>$(DESTDIR)$(PREFIX)/lib/systemd/user/kith-agent.service
	for unit in kithd.service kithd-backup.service kithd-backup.timer; do \
		sed 's|@PREFIX@|$(PREFIX)|' deploy/systemd/$$unit \
			>$(DESTDIR)$(PREFIX)/lib/systemd/system/$$unit || exit 1; \
	done
	for program in kith kithd; do \
		install -D -m 644 -t $(DESTDIR)$(DATADIR)/man/man1 $(out)/man/$$program.1 && \
		install -D -m 644 $(out)/man/$$program.bash $(DESTDIR)$(DATADIR)/bash-completion/completions/$$program && \
		install -D -m 644 $(out)/man/$$program.zsh $(DESTDIR)$(DATADIR)/zsh/site-functions/_$$program && \
		install -D -m 644 -t $(DESTDIR)$(DATADIR)/fish/vendor_completions.d $(out)/man/$$program.fish || exit 1; \
	done
	install -D -m 644 -t $(DESTDIR)$(DATADIR)/man/man5 $(out)/man/kithd.conf.5
	install -m 644 README.md LICENSE docs/*.md deploy/nginx.conf deploy/Caddyfile deploy/monitoring/* $(out)/man/kithd.conf \
		$(DESTDIR)$(DATADIR)/doc/kith

deb: ## the packages kithd, kith, libkith0 and libkith-dev in build/deb, examined by lintian
	@deploy/setup/packages.sh deb
	@deploy/debian/build.sh build/deb $(VERSION)
	@lintian --allow-root --fail-on error,warning build/deb/*.changes

check-packages: ## the packages on a bare machine: installed, used, upgraded, removed (as root)
	@deploy/setup/packages.sh machine
	@$(MAKE) deb
	@python3 tests/system/packages.py

clean: ## remove what was built
	rm -rf build

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' Makefile | expand -t 18

$(out)/%.o: %.c
	$(say) CC $<
	@mkdir -p $(@D)
	$(quiet)$(CC) $(CFLAGS_ALL) -c $< -o $@

$(out)/shared/%.o: %.c
	$(say) CC $<
	@mkdir -p $(@D)
	$(quiet)$(CC) $(CFLAGS_ALL) -fPIC -c $< -o $@

# An archive is made anew, so that nothing of a removed source stays in it.
$(out)/libbase.a: $(call objects,$(base))
$(out)/libkith.a: $(call objects,$(base) $(client))
$(out)/libcli.a: $(call objects,$(filter-out %/main.c,$(cli)))
$(out)/libdaemon.a: $(call objects,$(filter-out %/main.c,$(daemon)))
$(out)/libhelpers.a: $(call objects,$(helpers))
$(out)/lib%.a:
	$(say) AR $@
	@rm -f $@
	$(quiet)ar rcs $@ $^

$(out)/kithd: $(call objects,$(daemon)) $(out)/libbase.a
$(out)/kith: $(call objects,$(cli)) $(out)/libkith.a
$(out)/bench: $(call objects,$(wildcard tests/bench/*.c)) $(out)/libdaemon.a $(out)/libkith.a
$(out)/sim: $(call objects,$(wildcard tests/sim/*.c)) $(out)/libkith.a
$(out)/train: $(call objects,deploy/dictionary/train.c) $(out)/libbase.a
$(out)/manual: $(call objects,$(wildcard deploy/manual/*.c)) $(out)/libcli.a $(out)/libdaemon.a $(out)/libkith.a
$(out)/vectors: $(call objects,$(wildcard tests/vectors/*.c)) $(out)/libhelpers.a $(out)/libcli.a $(out)/libkith.a
$(out)/power: $(call objects,$(filter-out %/record.c,$(wildcard tests/faults/*.c))) $(out)/libdaemon.a $(out)/libkith.a
$(out)/power: LDFLAGS_ALL += -Wl,--wrap=crypto_sign_verify_detached
$(out)/kithd $(out)/kith $(out)/bench $(out)/sim $(out)/train $(out)/manual $(out)/vectors $(out)/power:
	$(say) LD $@
	$(quiet)$(CC) $(LDFLAGS_ALL) $^ $(LIBS) $(if $(findstring libhelpers,$^),$$(pkg-config --libs cmocka)) -o $@

# The pages, the completions and the sample settings, all from the tables of the programs.
$(out)/man/kith.1: $(out)/manual deploy/debian/changelog
	$(say) MAN $(@D)
	@mkdir -p $(@D)
	$(quiet)$(out)/manual $(@D) $$(date -u -d "$$(sed -n 's/^ -- .*>  //p' deploy/debian/changelog | head -n 1)" +%F)

$(out)/libkith.so.0: $(patsubst %.c,$(out)/shared/%.o,$(base) $(client))
	$(say) LD $@
	$(quiet)$(CC) -shared -Wl,-soname,libkith.so.0 -Wl,-z,defs $(hardened) $(LDFLAGS) $^ $(LIBS) -o $@

# Stands in front of the C library, and of a sanitizer's: neither is in it.
$(out)/record.so: harden := -fvisibility=hidden
$(out)/record.so: $(out)/shared/tests/faults/record.o
	$(say) LD $@
	$(quiet)$(CC) -shared $(hardened) $(LDFLAGS) $^ -o $@

$(out)/tests/%: $(out)/tests/unit/%.o $(out)/libhelpers.a $(out)/libcli.a $(out)/libdaemon.a $(out)/libkith.a
	$(say) LD $@
	@mkdir -p $(@D)
	$(quiet)$(CC) $(LDFLAGS_ALL) $^ $(LIBS) $$(pkg-config --libs cmocka) -o $@

$(out)/tests/test_faults: $(out)/tests/unit/faults.o

# A fuzzer without an engine, for the inputs that are kept.
$(out)/replay/%: $(out)/tests/fuzz/%.o $(out)/tests/fuzz/replay.o $(out)/libhelpers.a $(out)/libcli.a $(out)/libdaemon.a $(out)/libkith.a
	$(say) LD $@
	@mkdir -p $(@D)
	$(quiet)$(CC) $(LDFLAGS_ALL) $^ $(LIBS) $$(pkg-config --libs cmocka) -o $@

$(out)/fuzz/%: $(out)/tests/fuzz/%.o $(out)/libhelpers.a $(out)/libcli.a $(out)/libdaemon.a $(out)/libkith.a
	$(say) LD $@
	@mkdir -p $(@D)
	$(quiet)$(CC) -fsanitize=$(patsubst fuzzer-no-link%,fuzzer%,$(SAN)) $(LDFLAGS) $^ $(LIBS) $$(pkg-config --libs cmocka) -o $@

.SECONDARY:
-include $(shell find $(out) -name '*.d' -type f 2>/dev/null)
