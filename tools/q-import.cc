// q-import: reads an ONNX model and writes it as a q-model file.
#include "q/onnx.h"
#include "tool.h"

namespace {

q::ExitStatus run(q::Job& job) {
  q::Changes changes;
  const q::InputFile& input = job.open(job.inputs[0]);
  q::File file;
  file.graph = q::import_onnx(input.path(), input.shown(), changes);
  for (const char* pass : {"remove_identity", "fold_constants"})
    file.graph = q::run_pass(pass, std::move(file.graph), {}, changes);
  job.report(changes);
  job.write(std::move(file));
  return q::kDone;
}

}  // namespace

int main(int argc, char** argv) {
  return q::tool_main({.name = "q-import",
                       .summary = "read an ONNX model and write it as a q-model file",
                       .operands = "[MODEL.onnx]",
                       .writes_file = true,
                       .run = run},
                      argc, argv);
}
