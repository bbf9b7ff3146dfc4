# kolabd - `make help` tells the targets; `make demo` and `make check` need nothing but the clone.

# Without git (a tarball, or `sudo make install` in somebody else's clone) it is the release.
RELEASE := 0.1
VERSION := $(or $(if $(wildcard .git),$(shell git describe --tags --dirty 2>/dev/null || \
  git describe --always --dirty 2>/dev/null | sed 's/^/$(RELEASE)-g/')),$(RELEASE))
ifeq ($(origin CC),default)
CC := gcc
endif
BUILD ?= build
PREFIX ?= /usr/local
BINDIR ?= $(PREFIX)/bin
SBINDIR ?= $(PREFIX)/sbin
MANDIR ?= $(PREFIX)/share/man
SYSCONFDIR ?= /etc
UNITDIR ?= $(PREFIX)/lib/systemd/system
SYSUSERSDIR ?= $(PREFIX)/lib/sysusers.d
TMPFILESDIR ?= $(PREFIX)/lib/tmpfiles.d
INSTALL ?= install
FUZZ_S ?= 10
# The system tests' marks to select by (see t/system/conftest.py)
M ?= not slow
# The modules that `make check-murder` repeats there: the whole life of people, folders, shared mailboxes and domains
ON_MURDER := test_users or test_folders or test_life or test_shared or test_departed or test_domains or test_postfix or test_model

LIBRARIES := glib-2.0 ldap libssl libcrypto sqlite3 yaml-0.1 icu-i18n icu-uc libsystemd
PACKAGES_BUILD := gcc make pkg-config git libglib2.0-dev libldap-dev libssl-dev libsqlite3-dev libyaml-dev \
  libicu-dev libsystemd-dev
# Cyrus' package wants a mail server: Postfix, whose postmap the tests ask. Where another one is, it stays, and they are skipped.
PACKAGES_POSTFIX = $(if $(shell dpkg-query -W -f '$${db:Status-Status} $${Package} $${Provides}\n' 2> /dev/null | \
  grep '^installed .*mail-transport-agent' | grep -v '^installed postfix '),,postfix postfix-ldap)
PACKAGES_SERVERS = 389-ds-base ldap-utils cyrus-imapd cyrus-murder cyrus-admin sasl2-bin libnss3-tools openssl python3 \
  python3-ldap sqlite3 $(PACKAGES_POSTFIX)
PACKAGES_CHECK := check python3-pytest
PACKAGES_LINT := clang clang-tidy cppcheck mandoc shellcheck systemd
PACKAGES_SANITIZE := libclang-rt-dev clang valgrind lcov

# libldap is found by its header: Debian 12's pkg-config name of it is "ldap".
ifneq ($(filter-out help deps% clean uninstall demo check check-% fuzz lint bench bench-% soak cover,$(or $(MAKECMDGOALS),all)),)
MISSING := $(strip $(foreach l,$(LIBRARIES),$(shell pkg-config --exists $l || echo $l)))
ifneq ($(MISSING),)
$(error missing libraries: $(MISSING). On Debian: make deps, or apt-get install $(PACKAGES_BUILD))
endif
endif

WARNINGS := -Wall -Wextra -Wconversion -Wshadow -Wformat=2 -Wmissing-prototypes -Wstrict-prototypes -Wvla
HARDENING := -D_FORTIFY_SOURCE=2 -fstack-protector-strong -fstack-clash-protection -fPIE -fno-common
LINK_HARDENING := -pie -Wl,-z,relro,-z,now,-z,noexecstack
SANITIZING = -fsanitize=$(SANITIZE) -fno-sanitize-recover=undefined -fno-omit-frame-pointer -fPIE
OPTIMIZE ?= -O2
CFLAGS ?= -g
SANITIZE ?=
ALL_CPPFLAGS = -D_GNU_SOURCE -DKOLABD_SYSCONFDIR='"$(SYSCONFDIR)"' \
  -DG_LOG_USE_STRUCTURED -DG_LOG_DOMAIN='"kolabd"' -Iinclude $(CPPFLAGS)
ALL_CFLAGS = -std=gnu17 $(OPTIMIZE) $(WARNINGS) $(if $(SANITIZE),$(SANITIZING),$(HARDENING)) \
  $(CFLAGS) -include stdbool.h $(shell pkg-config --cflags $(LIBRARIES))
ALL_LDFLAGS = $(LINK_HARDENING) $(if $(SANITIZE),-fsanitize=$(SANITIZE)) $(LDFLAGS)
LIBS = $(shell pkg-config --libs $(LIBRARIES)) -llber

SOURCES := $(sort $(wildcard src/*/*.c))
PROGRAM_SOURCES := src/daemon/main.c src/daemon/control.c
LIBRARY := $(BUILD)/libkolabd.a
LIBRARY_OBJECTS := $(patsubst src/%.c,$(BUILD)/src/%.o,$(filter-out $(PROGRAM_SOURCES),$(SOURCES)))
UNIT_TESTS := $(patsubst t/unit/%.c,$(BUILD)/t/%,$(sort $(wildcard t/unit/check_*.c)))
# Every fuzz target without libFuzzer: what was found stays tested.
REPLAYS := $(patsubst t/fuzz/fuzz_%.c,$(BUILD)/t/replay_%,$(sort $(wildcard t/fuzz/fuzz_*.c)))
FUZZERS := $(patsubst t/fuzz/%.c,$(BUILD)/t/%,$(sort $(wildcard t/fuzz/fuzz_$(or $(T),*).c)))
# What makes GLib's locks visible to ThreadSanitizer.
TSAN_GLIB := $(if $(findstring thread,$(SANITIZE)),$(BUILD)/t/tsan_glib.o)

# The program that is killed after every step of its work is kolabd, with crash_points.c in front of these functions.
CRASH_PROGRAM := $(BUILD)/t/kolabd-crash
CRASH_WRAPPED := sqlite3_step sqlite3_exec directory_write imap_session_run imap_session_add imap_session_advance \
  imap_connection_send imap_reply_parse

VALGRIND := valgrind -q --error-exitcode=9 --leak-check=full --show-leak-kinds=definite --errors-for-leak-kinds=definite

Q := $(if $(V),,@)
SUDO := $(shell [ "$$(id -u)" = 0 ] || echo sudo)
APT_INSTALL := $(SUDO) env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends
# Installs packages only when one is missing, so that a second run needs no network. Not on Debian: as found.
need = ! command -v apt-get > /dev/null || dpkg-query -W -f '$${Status}\n' $1 2>/dev/null | grep -c '^install ok installed$$' | grep -qx $(words $1) || \
  { $(SUDO) apt-get update -q && $(APT_INSTALL) $1; }
# A new Postfix gets no configuration, and so it never runs.
keep_postfix_off = [ -z "$(PACKAGES_POSTFIX)" ] || ! command -v debconf-set-selections > /dev/null || dpkg-query -W postfix > /dev/null 2>&1 || \
  echo 'postfix postfix/main_mailer_type select No configuration' | $(SUDO) debconf-set-selections

.PHONY: help demo all check check-unit check-system check-murder check-crash check-asan check-tsan check-valgrind fuzz lint bench bench-probe bench-wan bench-profile soak \
  cover install uninstall clean deps deps-build deps-check deps-lint deps-sanitize run-tests run-unit run-system run-fuzz FORCE

all: $(BUILD)/kolabd $(BUILD)/kolabctl

help:
	@echo 'make demo            install what it needs, build, show the daemon at work on throw-away servers (KEEP=1: leave them up)'
	@echo 'make check           install what the tests need, build, unit and system tests'
	@echo 'make all             kolabd and kolabctl in $(BUILD)/'
	@echo 'make check-unit      unit tests only              make check-system   system tests only (T=expression selects)'
	@echo 'make check-murder    everything that is to go through on a Cyrus murder, also what takes too long for make check'
	@echo 'make check-crash     kolabd is killed after every step of its work, and started again (make check: a sample)'
	@echo 'make check-asan      all tests, ASan and UBSan    make check-tsan     all tests, TSan'
	@echo 'make check-valgrind  unit tests, a sync and a daemon under valgrind'
	@echo 'make fuzz            every fuzz target, FUZZ_S=$(FUZZ_S) seconds each (T=name: only this one)'
	@echo 'make lint            headers alone, warnings of gcc and clang, layers, cppcheck, manual pages, scripts, unit files'
	@echo 'make bench           cost beside the floor of the servers, at several sizes; two hours (BENCH_SIZES=300 BENCH_STORES=tmpfs: minutes)'
	@echo 'make bench-probe     what other clients of the IMAP server notice of a first provisioning'
	@echo 'make bench-wan       a first provisioning over a link of 1, 10 and 50 ms, beside its floor'
	@echo 'make bench-profile   where kolabd spends its own processor time, counted by callgrind (PROFILE_N=100)'
	@echo 'make soak            one daemon over many changes: nothing grows (SOAK_N=10000, some minutes)'
	@echo 'make cover           line coverage of the unit and system tests'
	@echo 'make install         PREFIX=$(PREFIX) DESTDIR=$(DESTDIR); also BINDIR SBINDIR MANDIR SYSCONFDIR UNITDIR ...'
	@echo 'make uninstall, make clean, make deps (everything that any target needs)'

# --- building

# Other flags, or another version, than last time build again what depends on them.
$(BUILD)/flags: export WANTED = $(CC) $(ALL_CPPFLAGS) $(ALL_CFLAGS) $(ALL_LDFLAGS)
$(BUILD)/version: export WANTED = $(VERSION)
$(BUILD)/flags $(BUILD)/version: FORCE
	@mkdir -p $(@D)
	@printf '%s\n' "$$WANTED" | cmp -s - $@ || printf '%s\n' "$$WANTED" > $@
FORCE:

TELL_VERSION := $(addprefix $(BUILD)/src/daemon/,main.o control.o supervisor.o)
$(TELL_VERSION): $(BUILD)/version
$(TELL_VERSION): private CPPFLAGS += -DKOLABD_VERSION='"$(VERSION)"'

$(BUILD)/src/%.o: src/%.c $(BUILD)/flags
	@mkdir -p $(@D)
	@$(if $(V),,echo '  CC    $<')
	$(Q)$(CC) $(ALL_CPPFLAGS) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

$(LIBRARY): $(LIBRARY_OBJECTS)
	@rm -f $@
	$(Q)ar rcs $@ $^

$(BUILD)/kolabd: $(BUILD)/src/daemon/main.o $(TSAN_GLIB) $(LIBRARY)
	@$(if $(V),,echo '  LINK  $@')
	$(Q)$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $^ $(LIBS)

$(BUILD)/kolabctl: $(BUILD)/src/daemon/control.o $(TSAN_GLIB) $(LIBRARY)
	@$(if $(V),,echo '  LINK  $@')
	$(Q)$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $^ $(LIBS)

$(CRASH_PROGRAM): $(BUILD)/src/daemon/main.o $(BUILD)/t/crash_points.o $(TSAN_GLIB) $(LIBRARY)
	@$(if $(V),,echo '  LINK  $@')
	$(Q)$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) $(CRASH_WRAPPED:%=-Wl,--wrap=%) -o $@ $^ $(LIBS)

$(BUILD)/t/crash_points.o: t/system/crash_points.c $(BUILD)/flags
	@mkdir -p $(@D)
	@$(if $(V),,echo '  CC    $<')
	$(Q)$(CC) $(ALL_CPPFLAGS) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

$(BUILD)/t/tsan_glib.o: t/unit/tsan_glib.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CPPFLAGS) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

# What the directory says of the one entry the test itself answers.
$(BUILD)/t/check_turn: private ALL_LDFLAGS += -Wl,--wrap=directory_read_entry

$(BUILD)/t/check_%: t/unit/check_%.c $(TSAN_GLIB) $(LIBRARY)
	@mkdir -p $(@D)
	@$(if $(V),,echo '  CC    $<')
	$(Q)$(CC) $(ALL_CPPFLAGS) $(ALL_CFLAGS) $(shell pkg-config --cflags check) -MMD -MP $(ALL_LDFLAGS) -o $@ \
	  $(filter %.c %.o %.a,$^) $(LIBS) $(shell pkg-config --libs check)

# A fuzz target's library has libFuzzer's counters: built with SANITIZE=fuzzer-no-link,... by `make fuzz`.
$(BUILD)/t/fuzz_%: t/fuzz/fuzz_%.c $(LIBRARY)
	@mkdir -p $(@D)
	@$(if $(V),,echo '  FUZZ  $<')
	$(Q)$(CC) $(ALL_CPPFLAGS) $(ALL_CFLAGS) -MMD -MP $(ALL_LDFLAGS) -fsanitize=fuzzer -o $@ $(filter %.c %.a,$^) $(LIBS)

$(BUILD)/t/replay_%: t/fuzz/fuzz_%.c t/fuzz/replay.c $(TSAN_GLIB) $(LIBRARY)
	@mkdir -p $(@D)
	@$(if $(V),,echo '  CC    $<')
	$(Q)$(CC) $(ALL_CPPFLAGS) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $(filter %.c %.o %.a,$^) $(LIBS)

-include $(LIBRARY_OBJECTS:.o=.d) $(BUILD)/src/daemon/main.d $(BUILD)/src/daemon/control.d \
  $(UNIT_TESTS:=.d) $(FUZZERS:=.d) $(TSAN_GLIB:.o=.d) $(BUILD)/t/crash_points.d

# --- what each target needs from Debian

deps-build:
	@$(call need,$(PACKAGES_BUILD))
deps-check: deps-build
	@$(keep_postfix_off)
	@$(call need,$(PACKAGES_CHECK) $(PACKAGES_SERVERS))
deps-lint: deps-check
	@$(call need,$(PACKAGES_LINT))
deps-sanitize: deps-check
	@$(call need,$(PACKAGES_SANITIZE))
deps:
	@$(keep_postfix_off)
	@$(call need,$(sort $(PACKAGES_BUILD) $(PACKAGES_SERVERS) $(PACKAGES_CHECK) $(PACKAGES_LINT) $(PACKAGES_SANITIZE)))

# --- running

demo: deps-build
	@$(keep_postfix_off)
	@$(call need,$(PACKAGES_SERVERS))
	$(Q)$(MAKE) --no-print-directory all
	$(Q)BUILD=$(BUILD) KEEP=$(KEEP) t/lab/demo.sh

check: deps-check
	$(Q)$(MAKE) --no-print-directory run-tests
check-unit: deps-check
	$(Q)$(MAKE) --no-print-directory run-unit
check-system: deps-check
	$(Q)$(MAKE) --no-print-directory run-system
check-murder: deps-check
	$(Q)$(MAKE) --no-print-directory run-system M=murder
	$(Q)$(MAKE) --no-print-directory run-system T='$(ON_MURDER)' PYTEST_FLAGS='--on-murder $(PYTEST_FLAGS)'
check-crash: deps-check
	$(Q)KOLABD_CRASH_EVERY=1 $(MAKE) --no-print-directory run-system T=test_crash.py PYTEST_FLAGS='-rP $(PYTEST_FLAGS)'

# One after the other, also under -j: what they say would mix.
run-tests: all $(UNIT_TESTS) $(REPLAYS)
	$(Q)$(MAKE) --no-print-directory run-unit
	$(Q)$(MAKE) --no-print-directory run-system
run-unit: $(UNIT_TESTS) $(REPLAYS)
	@status=0; for t in $(UNIT_TESTS); do $(TEST_WRAPPER) $$t || status=1; done; \
	for r in $(REPLAYS); do n=$${r##*/replay_}; printf 'Replaying %s: ' $$n; $(TEST_WRAPPER) $$r t/fuzz/corpus/$$n/* || \
	  { status=1; for f in t/fuzz/corpus/$$n/*; do $$r $$f > /dev/null 2>&1 || echo "$$f fails"; done; }; done; exit $$status
run-system: all $(CRASH_PROGRAM)
	@KOLABD_BUILD=$(abspath $(BUILD)) PYTHONDONTWRITEBYTECODE=1 /usr/bin/python3 -m pytest -p no:cacheprovider -q -m '$(M)' \
	  $(if $(T),-k '$(T)') $(PYTEST_FLAGS) t/system

# G_SLICE: memory of g_slice_new is checked only when it comes from malloc.
check-asan: deps-sanitize
	$(Q)G_SLICE=always-malloc ASAN_OPTIONS=detect_leaks=1:detect_stack_use_after_return=1 UBSAN_OPTIONS=print_stacktrace=1 \
	  $(MAKE) --no-print-directory BUILD=build-asan SANITIZE=address,undefined OPTIMIZE=-O1 run-tests
# The libraries are not instrumented; t/unit/tsan_glib.c speaks for GLib's locks. A thread that hangs in a library when
# kolabd ends is left behind on purpose.
check-tsan: deps-sanitize
	$(Q)G_SLICE=always-malloc TSAN_OPTIONS=ignore_noninstrumented_modules=1:report_thread_leaks=0:atexit_sleep_ms=50 \
	  $(MAKE) --no-print-directory BUILD=build-tsan SANITIZE=thread OPTIMIZE=-O1 CC=clang run-tests
check-valgrind: deps-sanitize
	$(Q)G_SLICE=always-malloc CK_FORK=no $(MAKE) --no-print-directory run-unit TEST_WRAPPER='$(VALGRIND)'
	$(Q)G_SLICE=always-malloc KOLABD_WRAPPER='$(VALGRIND)' $(MAKE) --no-print-directory run-system T=test_valgrind

fuzz: deps-sanitize
	$(Q)$(MAKE) --no-print-directory BUILD=build-fuzz SANITIZE=fuzzer-no-link,address,undefined OPTIMIZE=-O1 CC=clang run-fuzz
# A finding is left in $(BUILD)/: copied to t/fuzz/corpus/NAME/ it is replayed by run-unit for ever. What was learned stays in
# $(BUILD)/corpus for the next run.
run-fuzz: $(FUZZERS)
	@for f in $(FUZZERS); do n=$${f##*/fuzz_}; mkdir -p $(BUILD)/corpus/$$n; printf '%-14s' $$n; \
	  $$f -max_total_time=$(FUZZ_S) -timeout=10 -rss_limit_mb=1024 -artifact_prefix=$(BUILD)/$$n- \
	    $(BUILD)/corpus/$$n t/fuzz/corpus/$$n > $(BUILD)/$$n.log 2>&1 || { tail -n 60 $(BUILD)/$$n.log; exit 1; }; \
	  grep '^Done' $(BUILD)/$$n.log; done

bench: deps-check
	$(Q)$(MAKE) --no-print-directory all
	$(Q)PYTHONDONTWRITEBYTECODE=1 /usr/bin/python3 t/bench/test_parts.py -q
	$(Q)KOLABD_BUILD=$(abspath $(BUILD)) PYTHONDONTWRITEBYTECODE=1 /usr/bin/python3 t/bench/bench.py

# How others fare meanwhile; and over a long link.
bench-probe bench-wan: deps-check
	$(Q)$(MAKE) --no-print-directory all
	$(Q)KOLABD_BUILD=$(abspath $(BUILD)) PYTHONDONTWRITEBYTECODE=1 /usr/bin/python3 t/bench/$(@:bench-%=%).py

# Counts instructions below callgrind.
bench-profile: deps-sanitize
	$(Q)$(MAKE) --no-print-directory all
	$(Q)KOLABD_BUILD=$(abspath $(BUILD)) PYTHONDONTWRITEBYTECODE=1 /usr/bin/python3 t/bench/profile.py

soak: deps-check
	$(Q)$(MAKE) --no-print-directory all
	$(Q)KOLABD_BUILD=$(abspath $(BUILD)) PYTHONDONTWRITEBYTECODE=1 /usr/bin/python3 t/soak/soak.py

cover: deps-sanitize
	@find build-cover -name '*.gcda' -delete 2> /dev/null || true
	$(Q)$(MAKE) --no-print-directory BUILD=build-cover OPTIMIZE=-O0 CFLAGS='-g --coverage -fprofile-update=atomic' LDFLAGS=--coverage HARDENING=-fPIE run-tests
	@lcov -q -c -d build-cover/src -o build-cover/cover.info && lcov -q -r build-cover/cover.info '/usr/*' '*/include/*' -o build-cover/cover.info
	@lcov --list build-cover/cover.info

lint: deps-lint
	@t/lint.sh

# --- installing

UNITS := kolabd.service kolabd-sync.service kolabd-sync.timer

install: all
	$(INSTALL) -D -m 755 $(BUILD)/kolabd $(DESTDIR)$(SBINDIR)/kolabd
	$(INSTALL) -D -m 755 $(BUILD)/kolabctl $(DESTDIR)$(BINDIR)/kolabctl
	$(INSTALL) -D -m 644 docs/kolabd.8 $(DESTDIR)$(MANDIR)/man8/kolabd.8
	$(INSTALL) -D -m 644 docs/kolabctl.8 $(DESTDIR)$(MANDIR)/man8/kolabctl.8
	$(INSTALL) -D -m 644 docs/kolabd.yaml.5 $(DESTDIR)$(MANDIR)/man5/kolabd.yaml.5
	[ -e $(DESTDIR)$(SYSCONFDIR)/kolabd/kolabd.yaml ] || $(INSTALL) -D -m 640 etc/kolabd.yaml $(DESTDIR)$(SYSCONFDIR)/kolabd/kolabd.yaml
	$(INSTALL) -D -m 644 systemd/kolabd.sysusers $(DESTDIR)$(SYSUSERSDIR)/kolabd.conf
	$(INSTALL) -D -m 644 systemd/kolabd.tmpfiles $(DESTDIR)$(TMPFILESDIR)/kolabd.conf
	$(INSTALL) -d $(DESTDIR)$(UNITDIR)
	$(INSTALL) -m 644 $(addprefix systemd/,$(UNITS)) $(DESTDIR)$(UNITDIR)
	sed -i 's#@SBINDIR@#$(SBINDIR)#g; s#@SYSCONFDIR@#$(SYSCONFDIR)#g' $(addprefix $(DESTDIR)$(UNITDIR)/,$(UNITS)) \
	  $(DESTDIR)$(TMPFILESDIR)/kolabd.conf

# The configuration and the state stay: they are the operator's.
uninstall:
	rm -f $(DESTDIR)$(SBINDIR)/kolabd $(DESTDIR)$(BINDIR)/kolabctl $(DESTDIR)$(MANDIR)/man8/kolabd.8 \
	  $(DESTDIR)$(MANDIR)/man8/kolabctl.8 $(DESTDIR)$(MANDIR)/man5/kolabd.yaml.5 \
	  $(addprefix $(DESTDIR)$(UNITDIR)/,$(UNITS)) \
	  $(DESTDIR)$(SYSUSERSDIR)/kolabd.conf $(DESTDIR)$(TMPFILESDIR)/kolabd.conf

clean:
	rm -rf build build-asan build-tsan build-fuzz build-cover
