# shellcheck shell=bash
# ONNX models in a few words: parts of their text, which encode of common.bash makes a file of.

# model OPSET FILE TEXT…: an ONNX model with output y; the text is of fields of the graph.
model() {
  printf 'ir_version: 7 opset_import { version: %d } graph { name: "g" %s output { name: "y" type { tensor_type { elem_type: 1 } } } }' \
    "$1" "${*:3}" | encode "$2"
}

input() { printf 'input { %s }' "$(tensor "$1" 1 "${@:2}")"; }
# node TYPE INPUTS OUTPUT [ATTRIBUTES]: inputs separated by commas
node() { printf 'node { op_type: "%s" name: "%s" input: ["%s"] output: ["%s"] %s }' "$1" "$3" "${2//,/\", \"}" "$3" "${4-}"; }
int() { printf 'attribute { name: "%s" type: INT i: %d }' "$1" "$2"; }
float() { printf 'attribute { name: "%s" type: FLOAT f: %s }' "$1" "$2"; }
int_list() { printf 'attribute { name: "%s" type: INTS ints: [%s] }' "$1" "$2"; }
ints() { printf 'initializer { name: "%s" dims: %d data_type: 7 int64_data: [%s] }' "$1" $(($# - 1)) "$(IFS=,; echo "${*:2}")"; }
# floats NAME EXTENTS VALUES, each separated by commas
floats() { printf 'initializer { name: "%s" dims: [%s] data_type: 1 float_data: [%s] }' "$1" "$2" "$3"; }
