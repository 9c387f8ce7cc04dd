# shellcheck shell=bash disable=SC2154  # the variables of run.sh
# The peers, and every file that is measured. Sourced by run.sh, which sets: here, work, python.
# A model NAME lies in $work as NAME.float.onnx and NAME.float.h5, NAME.int8.h5 and the same network NAME.int8.onnx, with
# samples in NAME.samples.h5 and NAME.samples.raw. Models of torchvision are left out where it is absent.

ort_version=1.30.0

has_module() { "$python" -c "import $1" > /dev/null 2>&1; }

# Prints the folder that has ONNX Runtime for node, after putting it there when need be; nothing where that fails.
find_ort() {
  local folder=$work/ort
  if ! command -v node > /dev/null; then note 'ONNX Runtime: no node'; return; fi
  if [ ! -e "$folder/node_modules/onnxruntime-node/package.json" ]; then
    note "installing onnxruntime-node $ort_version"
    # Without the scripts: they would only fetch libraries for GPUs.
    if ! npm install --prefix "$folder" --ignore-scripts --no-audit --no-fund --silent "onnxruntime-node@$ort_version" >&2; then
      note 'ONNX Runtime: npm could not install it'
      return
    fi
  fi
  echo "$folder"
}

samples() {  # file count shape
  [ -e "$work/$1.h5" ] || "$python" "$here/make_samples.py" "$work/$1.h5" "$2" "$3"
}
raw_of() { h5dump -d "$2" -b LE -o "$3" "$1" > /dev/null; }  # file dataset output

make_onnx() {
  local name
  if ! has_module h5py || ! has_module onnx; then
    note 'wanted: apt-get install python3-h5py python3-onnx, and python3-torch python3-torchvision for all rows'
    exit 2
  fi
  [ -e "$work/kws.float.onnx" ] || "$python" "$here/make_kws.py" "$work/kws.float.onnx"
  samples kws.samples 256 1,49,10
  if has_module torchvision; then
    [ -e "$work/mobilenet_v2.float.onnx" ] || export_torchvision
    samples images 32 3,224,224
  else
    note 'ResNet and MobileNetV2: no python3-torchvision'
  fi
}

export_torchvision() {
  local onnx name
  note 'exporting the models of torchvision'
  "$python" "$here/../golden/export_torchvision.py" --out "$work/export" --threads "$(nproc)" > /dev/null
  for onnx in "$work"/export/*.onnx; do
    name=${onnx##*/} name=${name%.onnx}
    mv "$work/export/$name.h5" "$work/$name.samples.h5"
    mv "$onnx" "$work/$name.float.onnx"
  done
  rmdir "$work/export"
}

# The q-models are made anew each time: the tools may have changed.
make_q_models() {
  local onnx model
  for onnx in "$work"/*.float.onnx; do
    model=${onnx%.float.onnx}
    note "quantizing ${model##*/}"
    q-import -q "$onnx" | q-fuse -q -o "$model.float.h5"
    q-observe -q "$model.float.h5" --data "$model.samples.h5" | q-calibrate -q | q-convert -q -o "$model.int8.h5"
    raw_of "$model.samples.h5" /x "$model.samples.raw"
    "$python" "$here/make_qdq.py" "$model.int8.h5" "$model.int8.onnx"
  done
}
