#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Sets up and runs all tests, or the named suites. The last line says "N passed, N failed, N skipped".
set -uo pipefail

top=$(cd "$(dirname "$0")/.." && pwd)
build=${ROOKERY_TEST_BUILD:-$top/_check}
all_suites="style unit wire fuzz-replay map-cases func contract ha netns systemd interop clang dist"
passed=0 failed=0 skipped=0
failures=() skips=() unsteady=()

usage() {
    cat <<EOF
Usage: sudo ./tests/run.sh [--no-install] [--again N] [SUITE…]

--again N: when at most N tests failed, each runs once more at the end, alone. One that passes then counts as
passed and is named unsteady, with the log of its failure kept: a fault to be found, but not of the last change.

Suites (all of them without an argument):
  style        formatting, layers, size of functions, shell syntax, types of the console
  unit         one program per module, with address and undefined-behaviour sanitizers
  wire         recorded bytes and known answers
  fuzz-replay  every fuzz target over its corpus
  map-cases    the network map: scenario corpus, and random accounts against a naive builder
  func         real programs over loopback
  contract     the REST API against its contract
  systemd      the unit and quickstart under a systemd of their own
  ha           several processes on one PostgreSQL, and rounds of faults
  netns        agents and servers in network namespaces
  interop      with official programs: NETBIRD_BIN, NETBIRD_SERVER_BIN (skipped without them)
  clang        everything builds without a warning with clang as well
  dist         make distcheck: the tarball builds, passes its quick tests and installs

Only when named:
  container    image and compose files in a container engine of its own, packages in a fresh Debian
  tsan         unit and func under the thread sanitizer
  long         soaks
  vm           agents on the kernel's WireGuard, in a Debian kernel under qemu (a quarter of an hour)
Logs are under $build. ROOKERY_TEST_JOBS=N: so many tests at once (processors and one).
EOF
}

install=1 again=0 suites=()
while [ $# -gt 0 ]; do
    arg=$1
    shift
    case $arg in
    -h | --help) usage; exit 0 ;;
    --no-install) install=0 ;;
    --again)
        [[ ${1-} =~ ^[0-9]+$ ]] || { echo "run.sh: --again needs a number" >&2; exit 2; }
        again=$1
        shift
        ;;
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

result() { # STATUS NAME SECONDS [LOG]: 0 passed, 77 skipped, else failed
    case $1 in
    0)
        passed=$((passed + 1))
        echo "pass  $2  ${3}s"
        ;;
    77)
        skipped=$((skipped + 1))
        skips+=("$2")
        echo "SKIP  $2${4:+: $(grep -i skip "$4" | tail -1)}"
        ;;
    *)
        failed=$((failed + 1))
        failures+=("$2")
        echo "FAIL  $2  ${3}s"
        [ -z "${4-}" ] || failure_log "$4" | sed 's/^/      | /'
        ;;
    esac
}

failure_log() { # LOG: what names the culprit, wherever it stands, then the end
    local found=$build/culprits
    grep -nE '^FAIL|^ERROR|FAILED|: (error|Assertion)|:[EF]:|Sanitizer|runtime error' "$1" | head -30 >"$found"
    [ ! -s "$found" ] || { cat "$found"; echo ...; }
    tail -40 "$1"
}

# Several tests run at once, since most of them wait for something; each is named when it and those before it
# have ended. In line is a name of a test, a title after "=", or a remark after "~".
line=()
jobs=${ROOKERY_TEST_JOBS:-$(($(nproc) + 1))}
declare -A running=() # process: test
declare -A commands=() # test: how it is run once more

report() { # what has ended, in order
    local name rc seconds log
    while [ ${#line[@]} -gt 0 ]; do
        name=${line[0]}
        case $name in
        =*) echo "== ${name#=}" ;;
        ~*) echo "${name#~}" ;;
        *)
            log=$build/logs/${name//\//_}.log
            [ -e "$log.end" ] || return 0
            read -r rc seconds <"$log.end"
            rm -f "$log.end"
            result "$rc" "$name" "$seconds" "$log"
            ;;
        esac
        line=("${line[@]:1}")
    done
}

places() { # N: wait until no more than N tests run
    local pid name
    report
    while [ ${#running[@]} -gt "$1" ]; do
        wait -n "${!running[@]}" 2>/dev/null # one that has ended already may be no job any more
        for pid in "${!running[@]}"; do
            kill -0 "$pid" 2>/dev/null && continue
            name=$build/logs/${running[$pid]//\//_}.log
            # told already: its end is gone for that reason
            [ -e "$name.end" ] || [[ " ${line[*]} " != *" ${running[$pid]} "* ]] || echo "137 0" >"$name.end"
            unset "running[$pid]"
        done
        report
    done
}

limited() { # LOG COMMAND…: with a time limit for what hangs; the log and how it ended are two files
    local log=$1 pid
    shift
    SECONDS=0
    trap 'kill $pid 2>/dev/null; wait $pid; exit 143' TERM INT HUP
    timeout --kill-after=10 "${TEST_TIMEOUT:-2400}" "$@" >"$log" 2>&1 </dev/null &
    pid=$!
    wait $pid
    echo "$? $SECONDS" >"$log.end"
}

run() { # NAME COMMAND…: one test with its own log
    local name=$1 log
    shift
    log=$build/logs/${name//\//_}.log
    rm -f "$log.end"
    places $((jobs - 1))
    line+=("$name")
    commands[$name]="limited $(printf '%q ' "$log" "$@")"
    limited "$log" "$@" &
    running[$!]=$name
}

run_again() { # each failed test alone, when they are few
    local name log status seconds i
    [ ${#failures[@]} -gt 0 ] && [ ${#failures[@]} -le "$again" ] || return 0
    echo "== again, alone"
    for name in "${failures[@]}"; do
        [ -n "${commands[$name]-}" ] || continue
        log=$build/logs/${name//\//_}.log
        cp "$log" "$log.first"
        (eval "${commands[$name]}")
        read -r status seconds <"$log.end"
        rm -f "$log.end"
        echo "$([ "$status" = 0 ] && echo "pass, unsteady" || echo FAIL)  $name  ${seconds}s  (first: $log.first)"
        [ "$status" = 0 ] || { failure_log "$log" | sed 's/^/      | /'; continue; }
        unsteady+=("$name")
    done
    for name in "${unsteady[@]}"; do # the others stay failures
        failed=$((failed - 1)) passed=$((passed + 1))
        for i in "${!failures[@]}"; do [ "${failures[$i]}" != "$name" ] || unset "failures[$i]"; done
    done
}

known() { # STATUS SECONDS NAME LOG: a result without a test
    cp "$4" "$build/logs/${3//\//_}.log" || echo "no log" >"$build/logs/${3//\//_}.log"
    echo "$1 $2" >"$build/logs/${3//\//_}.log.end"
    line+=("$3")
    report
}

cc() {
    if command -v ccache >/dev/null; then echo "ccache $1"; else echo "$1"; fi
}
# The tarball is compiled with the options of the plain build: ccache has every object of it already.
export CCACHE_BASEDIR=$top CCACHE_NOHASHDIR=1

configure_build() { # FOLDER TARGETS CONFIGURE_ARGUMENT…: configure once, build
    local dir=$build/$1 log=$build/$1.log targets=$2 t
    shift 2
    mkdir -p "$dir"
    {
        [ -x "$top/configure" ] && [ ! "$top/configure.ac" -nt "$top/configure" ] || "$top/autogen.sh"
        cd "$dir" && { [ -f Makefile ] || "$top/configure" --enable-werror "$@"; } || exit 1
        for t in $targets; do
            make -j"$(nproc)" "$t" TESTS= || exit 1
        done
    } >"$log" 2>&1 </dev/null
}

# What is built, in this order, beside the tests of what is there already.
build_asan() { # what most suites use
    configure_build asan "all check" CC="$(cc gcc)" CFLAGS='-O1 -g' --enable-sanitize=address,undefined
}
build_plain() { # for what is measured or runs as a service: optimised, the programs alone
    configure_build plain all CC="$(cc gcc)" CFLAGS='-O2 -g'
}
build_clang() { # its warnings; no code of it runs
    configure_build clang "all check" CC="$(cc clang)" CFLAGS='-O0'
}
build_tsan() {
    configure_build tsan "all check" CC="$(cc gcc)" CFLAGS='-O1 -g' --enable-sanitize=thread
}
distcheck_command() { # into distcheck
    local quick
    quick=$(automake_tests plain tests/unit/ tests/wire/ tests/fuzz/ tests/check- | tr '\n' ' ')
    distcheck=(make -C "$build/plain" -j"$(nproc)" distcheck VERBOSE=1 TESTS="$quick"
        DISTCHECK_CONFIGURE_FLAGS="--enable-werror CC='$(cc gcc)' CFLAGS='-O2 -g'")
}
build_dist() { # the tarball; as "test" it has the seconds and the log of a build
    local distcheck rc
    distcheck_command
    rm -f "$build"/plain/rookery-*.tar.gz
    TEST_TIMEOUT=3600 limited "$build/dist.log" "${distcheck[@]}"
    read -r rc _ <"$build/dist.log.end"
    return "$rc"
}

build_all() { # BUILD…
    local b rc
    for b in "$@"; do
        SECONDS=0
        (build_"$b")
        rc=$?
        echo "$rc $SECONDS" >"$build/$b.built"
    done
}

wait_build() { # BUILD: its status
    while [ ! -e "$build/$1.built" ] && kill -0 "$builder" 2>/dev/null; do
        report
        sleep 0.5
    done
    [ -e "$build/$1.built" ] || echo "137 0" >"$build/$1.built"
    read -r rc seconds <"$build/$1.built"
}

declare -A told=()
need() { # BUILD: wait for it; once, its end is a line of its own, and a failure when it failed
    local rc seconds
    wait_build "$1"
    [ -n "${told[$1]-}" ] || {
        told[$1]=1
        if [ "$rc" = 0 ]; then
            line+=("~built $1 ${seconds}s")
        else
            known "$rc" "$seconds" "build $1" "$build/$1.log"
        fi
    }
    return "$rc"
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
        run "$label$t" "$top/tests/lib/own_net.sh" env -C "$build/$dir" srcdir="$top" top_srcdir="$top" builddir="$build/$dir" \
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
        run "$1/$(basename "$s" .sh)" env NODES_PATIENCE="${NODES_PATIENCE:-4}" ROOKERY_BASE_IMAGE_CACHE="${ROOKERY_BASE_IMAGE_CACHE-}" ROOKERY="$build/plain/rookery" ROOK="$build/plain/rook" \
            BUILD_DIR="$build/plain" SRC_DIR="$top" bash "$s"
    done
}

suite_style() {
    run style/format bash -c 'cd "$1" && git ls-files "*.c" "*.h" >/dev/null 2>&1 || exit 77
        git ls-files "*.c" "*.h" | xargs clang-format --dry-run --Werror' x "$top"
    run style/shell bash -c 'cd "$1" && for f in $(find deploy tests -name "*.sh"); do bash -n "$f" || exit 1; done' x "$top"
    need asan && run_automake asan "" tests/check- tests/style
}

suite_unit() { need asan && run_automake asan "" tests/unit/; }
suite_wire() { need asan && run_automake asan "" tests/wire/; }
suite_fuzz_replay() { need asan && run_automake asan "" tests/fuzz/; }
suite_map_cases() { need asan && run_automake asan "" tests/map-cases tests/property; }
suite_func() { need asan && run_automake asan "" tests/func/; }
suite_contract() { need plain && run_automake plain "" tests/contract/; }
suite_ha() { need plain && run_scripts ha; }
suite_netns() {
    local unpacked=$build/unpacked

    need plain || return
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
suite_systemd() {
    local beside=$build/beside

    need plain || return
    # shellcheck disable=SC2086
    [ $install = 0 ] || { packages_unpack "$beside" $PACKAGES_BESIDE && packages_below_usr "$beside/root"; }
    [ ! -d "$beside/root" ] || export BESIDE_ROOT=$beside/root
    run_scripts systemd
}
suite_interop() { need plain && run_scripts interop; }

suite_clang() {
    local rc seconds
    wait_build clang
    known "$rc" "$seconds" clang/build "$build/clang.log"
}

# The tests of the tarball that start servers ran from the tree: of their scripts and data it is asked that
# they are all in it, with the mode that they have here.
suite_dist() {
    local rc seconds distcheck
    need plain || return
    distcheck_command
    commands[dist/distcheck]="TEST_TIMEOUT=3600 limited $(printf '%q ' "$build/logs/dist_distcheck.log" "${distcheck[@]}")"
    wait_build dist
    # shellcheck disable=SC2016
    run dist/complete bash -c 'cd "$1" && git rev-parse >/dev/null 2>&1 || { echo "skip: no git"; exit 77; }
        mkdir -p "$2" && tar -xzf "$3"/rookery-*.tar.gz -C "$2" && cd "$2"/rookery-*/ || exit 1
        wrong=$(comm -23 <(git -C "$1" ls-files -s | sed "s/^100\(...\) [^\t]*\t/\1 /" |
            grep -v " \.gitignore$" | sort) <(find . -type f -printf "%m %P\n" | sed "s/^6../644/;s/^7../755/" | sort))
        rm -rf "$2"
        [ -z "$wrong" ] || { echo "not in the tarball, or with another mode:"; echo "$wrong"; exit 1; }' \
        x "$top" "$build/tarball" "$build/plain"
    known "$rc" "$seconds" dist/distcheck "$build/dist.log"
}

suite_container() {
    local jobs=1 # engines of their own, but one firewall

    # shellcheck disable=SC2086
    [ $install = 0 ] || packages_install $PACKAGES_CONTAINER
    need plain && TEST_TIMEOUT=1800 ROOKERY_BASE_IMAGE_CACHE=$build/base.tar run_scripts container
}

suite_tsan() { need tsan && run_automake tsan tsan/ tests/unit/ tests/func/; }

suite_vm() {
    # shellcheck disable=SC2086
    [ $install = 0 ] || packages_install $PACKAGES_VM
    need plain && TEST_TIMEOUT=3600 run_scripts vm
}

suite_long() {
    need plain || return
    TEST_TIMEOUT=3600 run long/check-long make -C "$build/plain" check-long
    TEST_TIMEOUT=7200 run long/ha-rounds env ROOKERY="$build/plain/rookery" BUILD_DIR="$build/plain" \
        SRC_DIR="$top" bash "$top/tests/ha/rounds.sh" 200
}

main() { # in a function: the shell has read it all when it begins, whatever becomes of this file
    local s b wanted builds
    wanted=" "
    for s in "${suites[@]}"; do
        case $s in
        style | unit | wire | fuzz-replay | map-cases | func) wanted+="asan " ;;
        clang | tsan) wanted+="$s " ;;
        dist) wanted+="plain dist " ;;
        *) wanted+="plain " ;;
        esac
    done
    builds=()
    for b in asan plain dist clang tsan; do
        [[ $wanted != *" $b "* ]] || builds+=("$b")
    done
    mkdir -p "$build/logs"
    rm -f "$build"/*.built "$build"/logs/*.end
    builder=0
    set -m # the builder is a process group, which ends with this script
    build_all "${builds[@]}" &
    builder=$!
    set +m
    # shellcheck disable=SC2317
    end() {
        local pid
        kill -- "-$builder" 2>/dev/null
        for pid in "${!running[@]}"; do kill "$pid" 2>/dev/null; done
        wait
    }
    trap end EXIT
    trap 'exit 130' INT TERM

    for s in "${suites[@]}"; do
        line+=("=$s")
        "suite_${s//-/_}"
    done
    places 0
    run_again

    echo
    [ ${#skips[@]} -eq 0 ] || printf 'skipped: %s\n' "${skips[@]}"
    [ ${#unsteady[@]} -eq 0 ] || printf 'unsteady, passed when run again: %s\n' "${unsteady[@]}"
    [ ${#failures[@]} -eq 0 ] || printf 'failed: %s\n' "${failures[@]}"
    if [ $((passed + failed)) -eq 0 ]; then
        echo "no test ran"
        failed=1
    fi
    echo "after $((SECONDS / 60)) min $((SECONDS % 60)) s"
    echo "$passed passed, $failed failed, $skipped skipped"
    [ "$failed" -eq 0 ]
}

main
exit
