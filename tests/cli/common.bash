# shellcheck shell=bash disable=SC2034,SC2154
# What the suites of the tools share: where things are, models to work on, and what a refusal looks like.

source_dir=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
build=${Q_BUILD_DIR:-$source_dir/build/release}
PATH=$build/bin:$PATH
glyphs=$source_dir/examples/glyphs
normalised=(--mean 127.5 --std 127.5)  # what the bundled model wants of its data
unset Q_ISA Q_RECIPE_PATH

# Temporaries of this test alone, and a folder for its outputs: what is left in them can be seen.
private_folders() {
  export TMPDIR=$BATS_TEST_TMPDIR/tmp
  out=$BATS_TEST_TMPDIR/out
  mkdir "$TMPDIR" "$out"
}

# Every stage of the bundled model, calibrated on 100 samples, in $1: float fused observed calibrated int8 (.h5).
make_stages() {
  q-import -q "$glyphs/glyphs.onnx" -o "$1/float.h5"
  q-fuse -q "$1/float.h5" -o "$1/fused.h5"
  q-observe -q "$1/fused.h5" --data "$glyphs/calib.h5" --samples 0:100 "${normalised[@]}" -o "$1/observed.h5"
  q-calibrate -q "$1/observed.h5" -o "$1/calibrated.h5"
  q-convert -q "$1/calibrated.h5" -o "$1/int8.h5"
}

# A model written by hand into $1: x [N,4] -> linear fc -> h [N,3] -> relu act -> y [N,3].
make_tiny() {
  edit_model "$1" << 'END'
attribute / format text q-model
attribute / format_version int 1
group /graph
attribute /graph inputs texts x
attribute /graph outputs texts y
group /graph/fc
attribute /graph/fc op text linear
attribute /graph/fc order int 0
attribute /graph/fc inputs texts x w b
attribute /graph/fc outputs texts h
group /graph/act
attribute /graph/act op text relu
attribute /graph/act order int 1
attribute /graph/act inputs texts h
attribute /graph/act outputs texts y
group /values
group /values/x
attribute /values/x order int 0
attribute /values/x shape ints -1 4
attribute /values/x dtype text f32
group /values/w
attribute /values/w order int 1
group /values/b
attribute /values/b order int 2
group /values/h
attribute /values/h order int 3
attribute /values/h shape ints -1 3
attribute /values/h dtype text f32
group /values/y
attribute /values/y order int 4
attribute /values/y shape ints -1 3
attribute /values/y dtype text f32
group /constants
dataset /constants/w f32 3,4 1 0.5 -1 0.25 -0.5
dataset /constants/b f32 3 0.5 -0.5 0
END
}

# The same with so many inputs that sums of fc could leave int32, so that it has no integer form, in $1; data for it in $2.
make_tiny_island() {
  make_tiny "$1"
  edit_model "$1" << 'END'
attribute /values/x shape ints -1 66000
dataset /constants/w f32 3,66000 0.5 -0.5 1
END
  edit_model "$2" <<< 'dataset /x f32 2,66000 1 -1'
}

# Eight samples for the tiny model in $1.
make_tiny_data() {
  edit_model "$1" <<< 'dataset /x f32 8,4 0.5 -1 1 0 2 -0.25 0.75'
}

# The tiny model through all stages, on its data, in $1: tiny data observed calibrated int8 (.h5).
make_tiny_stages() {
  make_tiny "$1/tiny.h5"
  make_tiny_data "$1/data.h5"
  q-observe -q "$1/tiny.h5" --data "$1/data.h5" -o "$1/observed.h5"
  q-calibrate -q "$1/observed.h5" -o "$1/calibrated.h5"
  q-convert -q "$1/calibrated.h5" -o "$1/int8.h5"
}

# The text of an ONNX model, from standard input, as a file $1, by the schema that ONNX itself installs.
encode() {
  local schema=/usr/include/onnx
  [ -e "$schema/onnx.proto" ] || schema=$(dirname "$(find /usr -name onnx.proto -print -quit)")
  protoc --encode=onnx.ModelProto -I "$schema" onnx.proto > "$1"
}

# tensor NAME TYPE EXTENT...: an input or output of such a text; -1 for an extent that is not known.
tensor() {
  local name=$1 type=$2 extent
  shift 2
  printf 'name: "%s" type { tensor_type { elem_type: %s shape {' "$name" "$type"
  for extent in "$@"; do
    if [ "$extent" = -1 ]; then printf ' dim { dim_param: "?" }'; else printf ' dim { dim_value: %s }' "$extent"; fi
  done
  printf ' } } }'
}

# The numbers of the dataset $2 of the file $1, in one line.
numbers() {
  h5dump -d "$2" -y -w 0 "$1" | sed -n '/DATA {/,/}/{/[{}]/!s/^ *//p}' | tr -d '\n' | sed 's/,\([^ ]\)/, \1/g'
}

# The extents of the dataset $2 of the file $1: "2, 3".
extents() {
  h5dump -H -d "$2" "$1" | sed -n 's/.*DATASPACE *SIMPLE { ( \([^)]*\) ).*/\1/p'
}

# The head of a .npy file of bytes with these extents: "20000, 1024".
npy_head() {
  printf '\x93NUMPY\x01\x00\x76\x00%-117s\n' "{'descr': '|u1', 'fortran_order': False, 'shape': ($1), }"
}

# The value of a key in a line of JSON as the tools print it, or of the first such line.
json_value() {  # key, of standard input
  sed -n "s/^ *\"$1\": \(.*[^,]\),\{0,1\}$/\1/p" | head -n 1
}

# Standard input must be JSON.
is_json() {
  if command -v jq > /dev/null; then
    jq -e . > /dev/null
  elif command -v python3 > /dev/null; then
    python3 -m json.tool > /dev/null
  else
    skip "neither jq nor python3 to read JSON with"
  fi
}

# Byte by byte the same, and not both empty.
same_bytes() {
  [ -s "$1" ]
  cmp "$1" "$2"
}

# No temporary is left, and no output was made.
nothing_left() {
  local left
  left=$(find "$TMPDIR" "$out" -mindepth 1)
  [ -z "$left" ] || { echo "left behind: $left"; return 1; }
}

# Given a pattern and a command: it ends with status 2, writes nothing to standard output, leaves no file behind, and says one
# line, which the pattern matches.
refused() {
  local pattern=$1 found=0 said
  shift
  "$@" > "$BATS_TEST_TMPDIR/stdout" 2> "$BATS_TEST_TMPDIR/stderr" || found=$?
  mapfile -t said < "$BATS_TEST_TMPDIR/stderr"
  # shellcheck disable=SC2053  # a pattern it is
  if [ "$found" != 2 ] || [ -s "$BATS_TEST_TMPDIR/stdout" ] || [ "${#said[@]}" != 1 ] || [[ ${said[0]} != $pattern ]]; then
    printf 'command: %s\nstatus: %s\nstdout: %s\nstderr: %s\nwanted: %s\n' "$*" "$found" \
      "$(head -c 1000 "$BATS_TEST_TMPDIR/stdout" | tr -d '\0')" "${said[*]}" "$pattern"
    return 1
  fi
  nothing_left
}
