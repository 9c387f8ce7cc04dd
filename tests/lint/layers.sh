#!/bin/bash
# An include may only point down the layers, and every third-party header has one home.
set -eu
cd "$(dirname "$0")/../.."

find libq tools -name '*.h' -o -name '*.cc' | LC_ALL=C sort | xargs grep -HnE '^[[:space:]]*#[[:space:]]*include' | awk '
# The layer of a file; 9 for one that no rule names.
function layer(file) {
  sub(/^libq\/include\//, "", file)
  sub(/^libq\//, "", file)
  if (file ~ /^(base|kernels)\// || file ~ /^q\/(tensor|error)\.h$/) return 0
  if (file ~ /^quant\// || file == "q/quant.h") return 1
  if (file ~ /^(ops|observers)\// || file ~ /^q\/(op|observer)\.h$/) return 2
  if (file ~ /^graph\// || file ~ /^q\/(graph|recipe)\.h$/) return 3
  if (file ~ /^passes\// || file ~ /^(q\/pass\.h|registry\.cc)$/) return 4
  if (file ~ /^(io|exec|train|onnx)\// || file ~ /^q\/(file|exec|train|onnx)\.h$/) return 5
  if (file ~ /^tools\//) return 6
  return 9
}
# The file an #include "…" means: relative to libq, to libq/include or to its own folder.
function target(file, name) {
  if (name ~ /^q\//) return "libq/include/" name
  if (name ~ /\// ) return "libq/" name
  sub(/[^\/]*$/, "", file)
  return file name
}
function complain(why) { print place ": #include " name ": " why; bad = 1 }
# Headers matching `pattern` belong to files matching `home`.
function at_home(pattern, home) {
  if (name ~ pattern && file !~ home) complain("wanted only in " home)
}

{
  split($0, part, ":")
  file = part[1]; place = part[1] ":" part[2]
  name = $0; sub(/^[^<"]*/, "", name); sub(/[>"][^>"]*$/, "", name)
  system_header = name ~ /^</
  name = substr(name, 2)
  if (name ~ /\.inc$/) next  # the generated lists
  if (!system_header) {
    to = target(file, name)
    from_layer = layer(file); to_layer = layer(to)
    if (from_layer == 9 || to_layer == 9) complain("no layer known for it")
    if (to_layer > from_layer) complain("layer " to_layer ", wanted at most " from_layer " from here")
    if (file ~ /^libq\/io\// && (to ~ /^libq\/exec\// || name == "q/exec.h")) complain("io must not see exec")
    if (file ~ /^libq\/exec\// && (to ~ /^libq\/io\// || name == "q/file.h")) complain("exec must not see io")
    if (file ~ /^libq\/include\// && name !~ /^q\//) complain("installed headers see only installed ones")
    if (file ~ /^libq\/kernels\// && name !~ /^kernels\//) complain("kernels see nothing of the project")
    if (file ~ /^libq\/kernels\/[^\/]+\// && name != "kernels/kernels.h") {
      row = file; sub(/[^\/]*$/, "", row)
      if (index(to, row) != 1) complain("a row sees kernels.h and its own folder")
    }
    next
  }
  at_home("^(hdf5|H5)", "^libq/io/h5[^/]*$")
  at_home("^yaml-cpp/", "^libq/io/recipe[^/]*[.]cc$")
  at_home("^zip[.]h$", "^libq/io/npy[.]cc$")
  at_home("^omp[.]h$", "^libq/base/parallel[.]cc$")
  at_home("^CLI/", "^tools/tool[.]cc$")
  at_home("^(onnx|google)/", "^libq/onnx/")
  at_home("^nlohmann/", "^(tools|libq/io)/")
  at_home("intrin[.]h$|^arm_", "^libq/kernels/[^/]+/")
  at_home("^iostream$", "^tools/")
  if (file ~ /^libq\/kernels\/[^\/]+\// && file !~ /\/generic\// && name !~ /^(immintrin[.]h|arm_neon[.]h|cstdint|cstddef)$/)
    complain("a row sees only intrinsics, <cstdint> and <cstddef>: an inline function would be compiled with its flags")
}
END { exit bad }'
