#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Sets up and runs all tests, or the named suites. The last line says "N passed, N failed, N skipped".
set -uo pipefail

top=$(cd "$(dirname "$0")/.." && pwd)
build=${ROOKERY_TEST_BUILD:-$top/_check}
all_suites="style unit wire fuzz-replay map-cases func contract ha netns systemd interop clang dist"
passed=0 failed=0 skipped=0
failures=() skips=()

usage() {
    cat <<EOF
Usage: sudo ./tests/run.sh [--no-install] [SUITE…]

Suites (all of them without an argument):
  style        formatting, layers, size of functions, shell syntax
  unit         one program per module, with address and undefined-behaviour sanitizers
  wire         recorded bytes and known answers
  fuzz-replay  every fuzz target over its corpus
  map-cases    the network map: scenario corpus, and random accounts against a naive builder
  func         real programs over loopback
  contract     the REST API against its contract
  systemd      the unit and quickstart under a systemd of their own
  ha           several processes on one PostgreSQL
  netns        agents and servers in network namespaces
  interop      with official programs: NETBIRD_BIN, NETBIRD_SERVER_BIN (skipped without them)
  clang        everything builds without a warning with clang as well
  dist         make distcheck: the tarball builds, passes its quick tests and installs

Only when named:
  container    image and compose files in a container engine of its own
  tsan         unit and func under the thread sanitizer
  long         soaks
  vm           agents on the kernel's WireGuard, in a Debian kernel under qemu (ten minutes)
Logs are under $build.
EOF
}

install=1 suites=()
for arg in "$@"; do
    case $arg in
    -h | --help) usage; exit 0 ;;
    --no-install) install=0 ;;
    style | unit | wire | fuzz-replay | map-cases | func | contract | ha | netns | systemd | interop | clang | dist | tsan | long | container | vm)
        suites+=("$arg") ;;
    *) echo "run.sh: unknown suite $arg; see --help" >&2; exit 2 ;;
    esac
done
[ ${#suites[@]} -gt 0 ] || read -ra suites <<<"$all_suites"

# shellcheck source=deploy/packages.sh
. "$top/deploy/packages.sh"
if [ $install = 1 ]; then
    # shellcheck disable=SC2086
    packages_install $PACKAGES_BUILD $PACKAGES_RUN $PACKAGES_DEMO $PACKAGES_TEST || exit 1
fi
mkdir -p "$build"

result() { # STATUS NAME [LOG]: 0 passed, 77 skipped, else failed
    case $1 in
    0)
        passed=$((passed + 1))
        echo "pass  $2"
        ;;
    77)
        skipped=$((skipped + 1))
        skips+=("$2")
        echo "SKIP  $2${3:+: $(grep -i skip "$3" | tail -1)}"
        ;;
    *)
        failed=$((failed + 1))
        failures+=("$2")
        echo "FAIL  $2"
        [ -z "${3-}" ] || tail -40 "$3" | sed 's/^/      | /'
        ;;
    esac
}

run() { # NAME COMMAND…: one test with its own log and a time limit
    local name=$1 log
    shift
    log=$build/logs/${name//\//_}.log
    mkdir -p "$build/logs"
    timeout --kill-after=10 "${TEST_TIMEOUT:-300}" "$@" >"$log" 2>&1 </dev/null
    result $? "$name" "$log"
}

configure_build() { # FOLDER CONFIGURE_ARGUMENT…: configure once, build programs and tests
    local dir=$build/$1 log=$build/$1.log
    shift
    mkdir -p "$dir"
    {
        [ -x "$top/configure" ] && [ ! "$top/configure.ac" -nt "$top/configure" ] || "$top/autogen.sh"
        cd "$dir" && { [ -f Makefile ] || "$top/configure" --enable-werror "$@"; } &&
            make -j"$(nproc)" && make -j"$(nproc)" check TESTS=
    } >"$log" 2>&1 </dev/null
}

cc() {
    if command -v ccache >/dev/null; then echo "ccache $1"; else echo "$1"; fi
}

asan_state=none
need_asan() { # the sanitizer build that most suites use; built once
    if [ $asan_state = none ]; then
        echo "building with sanitizers"
        if configure_build asan CC="$(cc gcc)" CFLAGS='-O1 -g' --enable-sanitize=address,undefined; then
            asan_state=ok
        else
            asan_state=failed
            result 1 "build with sanitizers" "$build/asan.log"
        fi
    fi
    [ $asan_state = ok ]
}

plain_state=none
need_plain() { # an optimised build without sanitizers, for what is measured or runs as a service
    if [ $plain_state = none ]; then
        echo "building without sanitizers"
        if configure_build plain CC="$(cc gcc)" CFLAGS='-O2 -g'; then
            plain_state=ok
        else
            plain_state=failed
            result 1 "build without sanitizers" "$build/plain.log"
        fi
    fi
    [ $plain_state = ok ]
}

automake_tests() { # FOLDER PREFIX…: the TESTS of make check that start with one of the prefixes
    local dir=$build/$1 prefix t
    shift
    for prefix in "$@"; do
        make -s -C "$dir" print-tests | tr ' ' '\n' | grep "^$prefix" || true
    done
}

run_automake() { # FOLDER LABEL PREFIX…: each in the build folder, with the environment of make check
    local dir=$1 label=$2 t
    shift 2
    for t in $(automake_tests "$dir" "$@"); do
        run "$label$t" env -C "$build/$dir" srcdir="$top" top_srcdir="$top" builddir="$build/$dir" \
            ASAN_OPTIONS=detect_leaks=1:abort_on_error=1 UBSAN_OPTIONS=print_stacktrace=1 \
            bash -c 'case $1 in *.sh) t=$1; [ -e "$t" ] || t=$top_srcdir/$1; exec bash "$t";;
                     *.py) t=$1; [ -e "$t" ] || t=$top_srcdir/$1; exec python3 "$t";;
                     *) exec "./$1";; esac' run "$t"
    done
}

run_scripts() { # FOLDER: every test script in it, with our programs in the environment
    local s
    for s in "$top/tests/$1"/*.sh; do
        [ -e "$s" ] || continue
        case $(basename "$s") in lib*.sh) continue ;; esac
        run "$1/$(basename "$s" .sh)" env ROOKERY_BASE_IMAGE_CACHE="${ROOKERY_BASE_IMAGE_CACHE-}" ROOKERY="$build/plain/rookery" ROOK="$build/plain/rook" \
            BUILD_DIR="$build/plain" SRC_DIR="$top" bash "$s"
    done
}

suite_style() {
    run style/format bash -c 'cd "$1" && git ls-files "*.c" "*.h" >/dev/null 2>&1 || exit 77
        git ls-files "*.c" "*.h" | xargs clang-format --dry-run --Werror' x "$top"
    run style/shell bash -c 'cd "$1" && for f in $(find deploy tests -name "*.sh"); do bash -n "$f" || exit 1; done' x "$top"
    need_asan && run_automake asan "" tests/check- tests/style
}

suite_unit() {
    need_asan && run_automake asan "" tests/unit/
}

suite_wire() { need_asan && run_automake asan "" tests/wire/; }
suite_fuzz_replay() { need_asan && run_automake asan "" tests/fuzz/; }
suite_map_cases() { need_asan && run_automake asan "" tests/map-cases tests/property; }

suite_func() {
    need_asan && run_automake asan "" tests/func/
}

suite_contract() {
    need_plain && run_automake plain "" tests/contract/
}

suite_ha() { need_plain && TEST_TIMEOUT=900 run_scripts ha; }
suite_netns() {
    local unpacked=$build/unpacked

    need_plain || return
    if [ ! -x /lib/systemd/systemd-resolved ]; then
        # shellcheck disable=SC2086
        [ $install = 0 ] || packages_unpack "$unpacked" $PACKAGES_UNPACK
        if [ -x "$unpacked/root/lib/systemd/systemd-resolved" ]; then
            export SYSTEMD_RESOLVED=$unpacked/root/lib/systemd/systemd-resolved
            export RESOLVECTL=$unpacked/root/usr/bin/resolvectl
        fi
    fi
    run_scripts netns
}
suite_systemd() { need_plain && TEST_TIMEOUT=1200 run_scripts systemd; }
suite_interop() { need_plain && TEST_TIMEOUT=600 run_scripts interop; }

suite_clang() {
    echo "building with clang"
    configure_build clang CC="$(cc clang)" CFLAGS='-O2 -g'
    result $? "clang/build" "$build/clang.log"
}

suite_dist() {
    need_plain || return
    # shellcheck disable=SC2016
    run dist/complete bash -c 'cd "$1" && git rev-parse >/dev/null 2>&1 || { echo "skip: no git"; exit 77; }
        make -s -C "$2" distdir && cd "$2"/rookery-*/ || exit 1
        missing=$(comm -23 <(git -C "$1" ls-files | grep -v "^\.gitignore$" | sort) \
            <(find . -type f | sed "s|^\./||" | sort))
        cd .. && chmod -R u+w rookery-*/ && rm -rf rookery-*/
        [ -z "$missing" ] || { echo "not in the tarball:"; echo "$missing"; exit 1; }' \
        x "$top" "$build/plain"
    TEST_TIMEOUT=3600 run dist/distcheck make -C "$build/plain" -j"$(nproc)" distcheck \
        DISTCHECK_CONFIGURE_FLAGS="CC='$(cc gcc)' CFLAGS='-O0'" RK_QUICK=1
}

suite_container() {
    # shellcheck disable=SC2086
    [ $install = 0 ] || packages_install $PACKAGES_CONTAINER
    need_plain && TEST_TIMEOUT=1800 ROOKERY_BASE_IMAGE_CACHE=$build/base.tar run_scripts container
}

suite_tsan() {
    configure_build tsan CC="$(cc gcc)" CFLAGS='-O1 -g' --enable-sanitize=thread ||
        { result 1 "tsan/build" "$build/tsan.log"; return; }
    run_automake tsan tsan/ tests/unit/ tests/func/
}

suite_vm() {
    # shellcheck disable=SC2086
    [ $install = 0 ] || packages_install $PACKAGES_VM
    need_plain && TEST_TIMEOUT=1800 run_scripts vm
}

suite_long() {
    need_plain && TEST_TIMEOUT=3600 run long/check-long make -C "$build/plain" check-long
}

for s in "${suites[@]}"; do
    echo "== $s"
    "suite_${s//-/_}"
done

echo
[ ${#skips[@]} -eq 0 ] || printf 'skipped: %s\n' "${skips[@]}"
[ ${#failures[@]} -eq 0 ] || printf 'failed: %s\n' "${failures[@]}"
if [ $((passed + failed)) -eq 0 ]; then
    echo "no test ran"
    failed=1
fi
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
