# shellcheck shell=bash disable=SC2154  # the variables of run.sh
# RESULTS.md. Sourced by run.sh, whose functions and variables it uses.

marker='<!-- What follows is written by hand, and stays when a run is recorded. -->'

module_version() { "$python" -c "import $1; print('$1', $1.__version__)" 2> /dev/null || echo "$1 absent"; }

cpu_line() { echo "- CPU: $(lscpu | sed -n 's/^Model name: *//p'), $(nproc) cores, family $(lscpu | sed -n 's/^CPU family: *//p')"; }

machine() {
  local flags ort_is=absent
  if [ -n "$ort" ]; then ort_is=$ort_version; fi
  flags=$(lscpu | sed -n 's/^Flags: *//p' | tr ' ' '\n' |
    grep -Ex 'avx2|fma|avx_vnni|avx512(f|bw|vl|dq|vbmi|_vnni)|asimddp|i8mm|sve' | sort -u | paste -sd ' ' || true)
  cpu_line
  cat << END
- of its instructions: ${flags:-none of note}; kernels of the row \`$isa\`
- caches: $(lscpu | sed -nE 's/^(L[0-9][a-z]?)( cache)?: */\1 /p' | paste -sd ';' | sed 's/;/, /g')
- memory: $(awk '$1 == "MemTotal:" { printf "%.0f GB", $2 * 1024 / 1e9 }' /proc/meminfo); the files lie on $(df --output=fstype "$work" | tail -n 1)
- system: $(sed -n 's/^PRETTY_NAME="\(.*\)"/\1/p' /etc/os-release), Linux $(uname -r), glibc $(getconf GNU_LIBC_VERSION | cut -d ' ' -f 2)
- compiler: $("${CXX:-c++}" --version | head -n 1)
- peers: onnxruntime-node $ort_is, node $(node --version 2> /dev/null || echo absent), $(module_version torch), $(module_version torchvision)
- load average before $load, after $(uptime | sed 's/.*average: //'); $rounds rounds
END
}

# What ONNX Runtime runs, of this run or else of the last.
operators() { if [ -s "$notes" ]; then cat "$notes"; else grep '^- ONNX Runtime runs ' "$1" || true; fi; }

# Rows measured now replace the old ones; the others stay, but not those of another CPU.
record() {
  local out=$here/RESULTS.md new=$work/RESULTS.md old=$work/RESULTS.old.md
  touch "$out"
  cp "$out" "$old"
  if ! grep -qxF -- "$(cpu_line)" "$old"; then : > "$old"; fi
  {
    cat << END
# Measured side by side

\`make bench\` prints this table, \`make bench RECORD=1\` writes it here; \`make bench BENCH='--quick --only int8,float'\` measures
some rows, and \`BENCH=--scale\` also those with 100,000 samples and 4 GB of weights. \`run.sh\` says more.

## The machine

$(machine)

## The table

Every row compares two things that ran alternately, in separate processes, with the same input, batch and number of
threads. A figure is the median over the rounds (of the medians of many runs, for times of a sample); the spread is that
between rounds, the largest less the smallest, of each side. The ratio is the first figure divided by the second. MB are
10^6 bytes. A commit with a + had changes on top.

$(table kind=old "$old")

- int8 peer: \`make_qdq.py\` writes our int8 model as QDQ, so that both compute the same network.
$(operators "$old")

$marker
END
    awk -v marker="$marker" 'found { print } $0 == marker { found = 1 }' "$out"
  } > "$new"
  mv "$new" "$out"
  rm -f "$old"
  note "recorded in $out"
}
