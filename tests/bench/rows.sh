# shellcheck shell=bash disable=SC2154  # the variables of run.sh
# One function per group of rows of targets.tsv. Sourced by run.sh after measure.sh.

nets='resnet50 resnet18 mobilenet_v2'

against_ort() {  # id model threads batch
  local runs
  runs=$(runs_of "$2" "$3" "$4")
  alternate "$1" q_ms "$2" "$3" "$4" "$runs" -- ort_ms "$2" "$3" "$4" "$runs"
}

rows_int8() {
  local net threads
  for threads in 1 2; do
    for net in $nets kws; do against_ort "$net-int8-$threads" "$net.int8" "$threads" 1; done
    against_ort "kws-int8-64-$threads" kws.int8 "$threads" 64
  done
}

rows_float() {
  local net threads
  for threads in 1 2; do
    for net in $nets; do against_ort "$net-float-$threads" "$net.float" "$threads" 1; done
  done
  against_ort kws-float-1 kws.float 1 1
  against_ort kws-float-64-1 kws.float 1 64
}

# The outputs of both: top-1, and SQNR. The second line of notes says with which operators ONNX Runtime computes.
rows_agree() {
  local net batch type count sqnr float_sqnr=-
  [ -n "$ort" ] || return 0
  for net in $nets kws; do
    [ -e "$work/$net.int8.onnx" ] || continue
    note "$net-agree"
    batch=4
    if [ "$net" = kws ]; then batch=256; fi
    for type in float int8; do
      q-run -q "$work/$net.$type.h5" --data "$work/$net.samples.h5" -o "$work/out.h5"
      raw_of "$work/out.h5" /y "$work/out.raw"
      read -r count sqnr < <(ort "$net.$type" 1 "$batch" --compare "$work/out.raw")
      if [ "$type" = float ]; then
        float_sqnr=$sqnr
      else
        emit "$net-agree" "$count" "$batch"
        emit "$net-sqnr" "$sqnr" "$float_sqnr"
      fi
    done
    ort "$net.int8" 1 1 --optimized "$work/optimized.onnx"
    echo "- ONNX Runtime runs $net int8 as: $("$python" "$here/count_ops.py" "$work/optimized.onnx")." >> "$notes"
  done
}

rows_threads() {
  local net type one two
  for net in resnet50 mobilenet_v2; do
    for type in int8 float; do
      one=$(runs_of "$net.$type" 1 1)
      two=$(runs_of "$net.$type" 2 1)
      alternate "$net-$type-threads" q_rate "$net.$type" 2 1 "$two" -- q_rate "$net.$type" 1 1 "$one"
    done
  done
}

rows_gain() {
  local net
  for net in resnet50 mobilenet_v2; do
    alternate "$net-gain" q_rate "$net.int8" 1 1 "$(runs_of "$net.int8" 1 1)" -- \
      q_rate "$net.float" 1 1 "$(runs_of "$net.float" 1 1)"
  done
}

rows_isa() {
  local isa other runs model=resnet18.int8 same=0 all=0
  [ -e "$work/$model.h5" ] || return 0
  if has_isa avx2; then runs=$(runs_of "$model" 1 1 avx2); else runs=0; fi
  for isa in generic avx512vnni; do
    other=0
    if has_isa $isa; then other=$(runs_of "$model" 1 1 $isa); fi
    alternate "isa-${isa%vnni}" q_rate "$model" 1 1 "$runs" avx2 -- q_rate "$model" 1 1 "$other" $isa
  done
  note isa-bytes
  q-run -q "$work/$model.h5" --data "$work/resnet18.samples.h5" --isa generic -o "$work/out.h5"
  for isa in $isas; do
    all=$((all + 1))
    if q-run -q "$work/$model.h5" --data "$work/resnet18.samples.h5" --isa "$isa" | cmp -s - "$work/out.h5"; then
      same=$((same + 1))
    fi
  done
  emit isa-bytes $same $all
}

# Kernels over memory, and the share that ResNet-50 reaches of what its kernel can.
rows_kernels() {
  local model=resnet50.int8 macs ours
  if ! command -v q_bench > /dev/null; then note 'kernels: no q_bench'; return; fi
  note kernels
  q_bench --benchmark_format=json --benchmark_repetitions="$rounds" --benchmark_enable_random_interleaving=true \
    --benchmark_filter="^(gemm_u8i8/$isa/|.*/(-|$isa)/256MB)" > "$work/kernels.json" 2> "$work/kernels.log" ||
    { note "kernels: q_bench failed, see $work/kernels.log"; return; }
  "$python" "$here/kernel_rates.py" "$work/kernels.json" "$isa" > "$work/kernels.tsv"
  grep -v '^peak' "$work/kernels.tsv" >> "$results"
  [ -e "$work/$model.h5" ] || return 0
  macs=$(q-info "$work/$model.h5" | awk '$1 == "MACs" { print $2 }')
  note resnet50-limit
  ours=$(for ((round = 0; round < rounds; round++)); do q_ms "$model" 1 1 "$(runs_of "$model" 1 1)"; done | summary)
  emit resnet50-limit "$(awk -v macs="$macs" -v ms="${ours%%$'\t'*}" 'BEGIN { print macs / ms / 1e6 }')" \
    "$(awk -F '\t' '$1 == "peak" { print $2 }' "$work/kernels.tsv")" "${ours#*$'\t'}"
}

rows_observe() {
  local net
  for net in resnet50 mobilenet_v2; do
    [ -e "$work/$net.float.h5" ] || continue
    alternate "$net-observe" \
      process_s q-observe -q "$work/$net.float.h5" --data "$work/images.h5" -j 2 -o "$work/out.h5" -- \
      process_s q-run -q "$work/$net.float.h5" --data "$work/images.h5" -j 2 -o "$work/out.h5"
  done
}

static_ours() {
  # shellcheck disable=SC2016  # the variables are those of the pipeline
  pipeline_s 'q-import -q "$1" | q-fuse -q | q-observe -q --data "$2" -j 2 | q-calibrate -q | q-convert -q -o "$3"' \
    "$work/resnet50.float.onnx" "$work/images.h5" "$work/out.h5"
}
static_torch() {
  has_module torch || { echo 'peer absent'; return; }
  process_s "$python" "$here/torch_static.py" --weights "$work/resnet50.pt" --data "$work/images.h5" --out "$work/out.pt" \
    --threads 2
}
rows_static() {
  local rounds=$((rounds > 3 ? 3 : rounds))
  [ -e "$work/resnet50.float.onnx" ] || return 0
  if has_module torch && [ ! -e "$work/resnet50.pt" ]; then
    "$python" "$here/torch_static.py" --write-weights "$work/resnet50.pt"
  fi
  alternate static static_ours -- static_torch
}

rows_process() {
  alone process-run process_ms --runs "$launches" q-run -q "$work/kws.int8.h5" --data "$work/kws.samples.h5" --samples 0:1 \
    -o "$work/out.h5"
  alone process-info process_ms --runs "$launches" q-info "$work/kws.int8.h5"
}

rows_memory() {
  local bytes
  [ -e "$work/resnet50.int8.h5" ] || return 0
  alone memory-run process_mb q-run -q "$work/resnet50.int8.h5" --data "$work/images.h5" --batch 1 -o "$work/out.h5"
  alone memory-run-8 process_mb q-run -q "$work/resnet50.int8.h5" --data "$work/images.h5" --batch 8 -o "$work/out.h5"
  bytes=$(q-info "$work/resnet50.float.h5" | awk '$1 == "constants" { print $3 }')
  alternate memory-observe \
    process_mb q-observe -q "$work/resnet50.float.h5" --data "$work/images.h5" --batch 8 -o "$work/out.h5" -- \
    awk -v bytes="$bytes" 'BEGIN { print bytes / 1e6 + 250 }'
}

# Microseconds a sample that the samples from one count to another add: slope FROM TO COMMAND...
slope() {
  local from=$1 to=$2 less more
  shift 2
  less=$(process_ms "$@" --samples "0:$from")
  more=$(process_ms "$@" --samples "0:$to")
  awk -v n=$((to - from)) -v less="$less" -v more="$more" 'BEGIN { print 1000 * (more - less) / n }'
}

rows_scale() {
  local command tool data=$work/many.h5 chain=$work/chain.h5 copy=$work/copy.h5
  samples many 100000 1,49,10
  for tool in run observe; do
    command=(q-run -q "$work/kws.int8.h5" --data "$data" -o "$work/out.h5")
    if [ $tool = observe ]; then command=(q-observe -q "$work/kws.float.h5" --data "$data" -o "$work/out.h5"); fi
    alternate scale-$tool-time slope 10000 100000 "${command[@]}" -- slope 100 10000 "${command[@]}"
    alternate scale-$tool-memory process_mb "${command[@]}" -- process_mb "${command[@]}" --samples 0:100
  done
  rm -f "$data"
  if [ "$(df --output=avail -k "$work" | tail -n 1)" -lt 13000000 ]; then note '4 GB of weights: no 13 GB of disk'; return; fi
  note 'writing 4 GB of weights'
  "$python" "$here/make_chain.py" "$chain" 16 8192
  sync "$chain"
  alternate scale-fuse-speed written_mbs "$chain" "$copy" q-fuse -q "$chain" -o "$copy" -- \
    written_mbs "$chain" "$copy" cp "$chain" "$copy"
  alone scale-fuse-memory process_mb q-fuse -q "$chain" -o "$copy"
  rm -f "$chain" "$copy"
}
# Megabytes a second of a command that writes the second file from the first, until it is on disk. A virtual machine gives
# free memory back to its host, and fetching it for the cache of files takes longer than copying: it is fetched before.
written_mbs() {
  local from=$1 to=$2 size free
  shift 2
  rm -f "$to"
  sync
  size=$(stat -c %s "$from")
  free=$(awk '/^MemFree/ { printf "%.0f", $2 * 1024 }' /proc/meminfo)
  "$python" -c 'import mmap, sys; mmap.mmap(-1, int(sys.argv[1]), mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | mmap.MAP_POPULATE)' \
    $((free * 3 / 4 < 2 * size ? free * 3 / 4 : 2 * size))
  # shellcheck disable=SC2016  # the variables are those of the inner shell
  pipeline_s 'to=$1; shift; "$@"; sync "$to"' "$to" "$@" |
    awk -v bytes="$size" '{ print bytes / 1e6 / $1 }'
}
