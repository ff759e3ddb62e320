#!/bin/sh
# What of the pipeline the simulator reaches: 500 seeds, if its arguments say nothing else.
#
# The counts lie in target/coverage, with the sources marked line by line in target/coverage/html. The
# crates are built beside the usual ones; those of others are the same for both. The body of an async closure
# that is called through a plain `Fn` is never counted: rustc leaves it out.
set -eu
cd "$(dirname "$0")/../.."
out=$PWD/target/coverage

# LLVM's tools read the counters of their own major version only: Rust's.
llvm=$(rustc -vV | sed -n 's/^LLVM version: \([0-9]*\).*/\1/p')
host=$(rustc -vV | sed -n 's/^host: //p')
find_tool() {
  for candidate in "$2" "$(rustc --print sysroot)/lib/rustlib/$host/bin/$1" "$1-$llvm" "$1"; do
    if command -v "$candidate" >/dev/null && "$candidate" --version 2>/dev/null | grep -q "version $llvm\."; then
      command -v "$candidate"
      return
    fi
  done
  echo "Coverage needs $1 of LLVM $llvm. Install it with one of:" >&2
  echo "  rustup component add llvm-tools" >&2
  echo "  sudo apt-get install llvm-$llvm" >&2
  echo "or name it: LLVM_PROFDATA=… LLVM_COV=… make coverage" >&2
  exit 1
}
profdata=$(find_tool llvm-profdata "${LLVM_PROFDATA:-llvm-profdata}")
cov=$(find_tool llvm-cov "${LLVM_COV:-llvm-cov}")

rm -rf "$out"
mkdir -p "$out"
export RUSTC_WORKSPACE_WRAPPER="$PWD/tools/coverage/rustc.sh"
# What a build itself counts, of macros and build scripts, is for nobody.
export LLVM_PROFILE_FILE="$out/build.profraw"
cargo test --locked -p inklog-sim --test sim --no-run --message-format json >"$out/build.json"
simulator=$(sed -n 's/.*"executable":"\([^"]*\)".*/\1/p' "$out/build.json" | tail -n 1)

# What a failing seed reaches counts as well, and its failure is this script's.
status=0
LLVM_PROFILE_FILE="$out/sim-%p.profraw" "$simulator" --seeds 500 --failures 500 --once --no-shrink "$@" || status=$?
"$profdata" merge -sparse "$out"/sim-*.profraw -o "$out/sim.profdata"

# The area, and the sources that are its own.
areas="
ingest        ingest/src
materializer  materializer/src
broadcaster   broadcaster/src
snapshotter   snapshotter/src
operator      operator/src
documents     store/src/document
"
printf '\n%-12s %22s %22s %22s\n' reached lines regions branches
echo "$areas" | while read -r area sources; do
  [ -n "$area" ] || continue
  report=$("$cov" report "$simulator" -instr-profile "$out/sim.profdata" "$sources")
  echo "$report" | awk -v area="$area" '
    function cell(all, missed) {
      return sprintf("%5d of %5d %5.1f %%", all - missed, all, all ? (all - missed) * 100 / all : 100)
    }
    $1 == "TOTAL" { printf "%-12s %22s %22s %22s\n", area, cell($8, $9), cell($2, $3), cell($11, $12) }'
done
sources=$(echo "$areas" | awk '{ print $2 }')
# shellcheck disable=SC2086
"$cov" show "$simulator" -instr-profile "$out/sim.profdata" -format html -output-dir "$out/html" \
  -show-branches count $sources
printf '\nLine by line: %s/html/index.html\n' "$out"
exit "$status"
