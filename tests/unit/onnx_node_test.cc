// ONNX's own tests of its operators (Debian's libonnx-testdata): each gives the wanted numbers, or is refused
// for the reason that onnx_node_exceptions.tsv states.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <sstream>

#include "onnx/tensor.h"
#include "onnx_models.h"
#include "q/exec.h"

namespace q {
namespace {

namespace fs = std::filesystem;

const char* const kFolder = "/usr/share/libonnx-testdata/data";
constexpr const char* kParts[] = {"node", "pytorch-converted", "pytorch-operator", "simple"};
const char* const kExceptions = Q_SOURCE_DIR "/tests/unit/onnx_node_exceptions.tsv";

// ONNX's own tolerances for these files.
constexpr double kRelative = 1e-3, kAbsolute = 1e-7;

TensorProto read_proto(const fs::path& path) {
  TensorProto proto;
  if (!proto.ParseFromString(content_of(path.string())) || proto.data_type() == TensorProto::UNDEFINED)
    throw Error(ErrorKind::kUnsupported, "its data are no tensors");
  return proto;
}

// The value of an operand as reals; of one of a type that libq does not read the reason is thrown.
std::vector<double> reals_of(const Tensor& tensor) {
  std::vector<double> out;
  for (int64_t i = 0; i < elements(tensor.type.shape); ++i) {
    switch (tensor.type.dtype) {
      case DType::kF32:
        out.push_back(static_cast<double>(tensor.as<float>()[i]));
        break;
      case DType::kI64:
        out.push_back(static_cast<double>(tensor.as<int64_t>()[i]));
        break;
      case DType::kI32:
        out.push_back(tensor.as<int32_t>()[i]);
        break;
      case DType::kI8:
        out.push_back(tensor.as<int8_t>()[i]);
        break;
      default:
        out.push_back(tensor.as<uint8_t>()[i]);
    }
  }
  return out;
}

// One folder of test data.
struct NodeTest {
  ModelProto model;
  std::map<std::string, TensorProto> inputs, outputs;

  explicit NodeTest(const fs::path& folder) {
    if (!model.ParseFromString(content_of((folder / "model.onnx").string())))
      throw Error(ErrorKind::kInvalid, "no model");
    const fs::path data = folder / "test_data_set_0";
    int index = 0;
    for (const auto& input : model.graph().input()) {
      if (is_initializer(input.name())) continue;
      const fs::path path = data / text("input_", index++, ".pb");
      if (fs::exists(path)) inputs[input.name()] = read_proto(path);
    }
    index = 0;
    for (const auto& output : model.graph().output())
      outputs[output.name()] = read_proto(data / text("output_", index++, ".pb"));
  }

  // Old files list their weights as inputs too.
  bool is_initializer(const std::string& name) const {
    return std::ranges::any_of(model.graph().initializer(),
                               [&](const TensorProto& tensor) { return tensor.name() == name; });
  }

  bool has_data() const {
    return std::ranges::all_of(model.graph().input(), [&](const auto& input) {
      return is_initializer(input.name()) || inputs.contains(input.name());
    });
  }

  // Inputs but the first become constants where `all`; else those that are integers.
  ModelProto with_constants(bool all) const {
    ModelProto out = model;
    out.mutable_graph()->clear_input();
    for (const auto& input : model.graph().input()) {
      constexpr int64_t kFirstWithFreeInitializers = 4;
      const auto data = inputs.find(input.name());
      const bool is_first = &input == &model.graph().input(0);
      const bool is_constant =
          data != inputs.end() && !is_first && (all || data->second.data_type() == TensorProto::INT64);
      if (is_constant) add_initializer(out, input.name(), data->second);
      if (!is_constant || model.ir_version() < kFirstWithFreeInitializers)
        *out.mutable_graph()->add_input() = input;
    }
    return out;
  }
};

void convert(const Tensor& from, Tensor& to) {
  const std::vector<double> reals = reals_of(from);
  for (size_t i = 0; i < reals.size(); ++i) {
    switch (to.type.dtype) {
      case DType::kF32:
        to.as<float>()[i] = static_cast<float>(reals[i]);
        break;
      case DType::kI64:
        to.as<int64_t>()[i] = from.as<int64_t>()[i];
        break;
      case DType::kI32:
        to.as<int32_t>()[i] = static_cast<int32_t>(reals[i]);
        break;
      case DType::kI16:
        to.as<int16_t>()[i] = static_cast<int16_t>(reals[i]);
        break;
      case DType::kI8:
        to.as<int8_t>()[i] = static_cast<int8_t>(reals[i]);
        break;
      default:
        to.as<uint8_t>()[i] = static_cast<uint8_t>(reals[i]);
    }
  }
}

// What differs from the wanted outputs; empty: nothing.
std::string difference(const NodeTest& test, const Graph& graph) {
  const bool any_batch = takes_any_batch(graph);
  std::vector<Tensor> in;
  int64_t batch = 1;
  for (const ValueId id : graph.inputs) {
    const Value& value = graph.values[static_cast<size_t>(id)];
    const Tensor data = read_tensor(test.inputs.at(value.name), {});
    in.push_back(make_tensor(value.type.dtype, data.type.shape));
    convert(data, in.back());
    if (any_batch) batch = data.type.shape[0];
  }
  std::vector<View> views;
  for (const Tensor& tensor : in) views.push_back(tensor.view());
  Executable executable(graph, {.batch = batch});
  std::string out;
  size_t compared = 0;
  executable.run(views, [&](ValueId id, const View& got) {
    const std::string& name = graph.values[static_cast<size_t>(id)].name;
    if (!test.outputs.contains(name)) return;
    ++compared;
    const Tensor wanted = read_tensor(test.outputs.at(name), {});
    Tensor copy = make_tensor(got.dtype, got.shape);
    std::copy_n(got.data, bytes(got.dtype, got.shape), copy.data.get());
    const std::vector<double> a = reals_of(copy), b = reals_of(wanted);
    if (got.shape != wanted.type.shape)
      out += text(name, " is ", to_string(got.shape), ", wanted ", to_string(wanted.type.shape));
    for (size_t i = 0; out.empty() && i < b.size(); ++i)
      if (!(std::abs(a[i] - b[i]) <= kAbsolute + kRelative * std::abs(b[i])) && a[i] != b[i] &&
          !(std::isnan(a[i]) && std::isnan(b[i])))
        out = text(name, "[", i, "] is ", number(a[i]), ", wanted ", number(b[i]));
  });
  if (compared != graph.outputs.size()) out += "not all outputs were compared";
  return out;
}

// Why the test cannot be passed; empty: it is passed.
std::string failure(const fs::path& folder) {
  const ScratchFolder scratch;
  const std::string path = scratch / "m.onnx";
  std::string reason;
  try {
    const NodeTest test(folder);
    if (!test.has_data()) return "data are missing";
    const ModelProto forms[] = {test.model, test.with_constants(false), test.with_constants(true)};
    for (const ModelProto& form : forms) {
      write_content(path, form.SerializeAsString());
      Changes changes;
      try {
        return difference(test, import_onnx(path, "m.onnx", changes));
      } catch (const Error& error) {
        if (reason.empty())
          reason = error.what();
        else if (&form == &forms[2])
          reason = error.what();
      }
    }
  } catch (const Error& error) {
    return error.what();
  }
  return reason;
}

std::map<std::string, std::string> exceptions() {
  std::map<std::string, std::string> out;
  std::ifstream file(kExceptions);
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with('#')) continue;
    const size_t tab = line.find('\t');
    out[line.substr(0, tab)] = line.substr(tab + 1);
  }
  return out;
}

TEST(OnnxNodes, GiveWhatOnnxWantsOrAreRefusedForTheReasonListed) {
  if (!fs::exists(kFolder)) GTEST_SKIP() << kFolder << ": not there; Debian's libonnx-testdata has it";
  const std::map<std::string, std::string> listed = exceptions();
  std::set<std::string> names;
  for (const char* part : kParts)
    for (const auto& entry : fs::directory_iterator(fs::path(kFolder) / part))
      names.insert(text(part, "/", entry.path().filename().string()));
  const bool prints = std::getenv("Q_RECORD") != nullptr;  // for a new list
  size_t passed = 0;
  for (const std::string& name : names) {
    const std::string reason = failure(fs::path(kFolder) / name);
    passed += reason.empty();
    if (prints && !reason.empty()) std::printf("%s\t%s\n", name.c_str(), reason.c_str());
    const auto exception = listed.find(name);
    if (prints) continue;
    if (exception == listed.end())
      EXPECT_EQ(reason, "") << name;
    else
      EXPECT_EQ(reason.substr(0, exception->second.size()), exception->second) << name;
  }
  for (const auto& [name, reason] : listed) EXPECT_TRUE(names.contains(name)) << name << " is not there";
  std::printf("             %zu of %zu tests of ONNX passed, %zu refused as listed\n", passed, names.size(),
              names.size() - passed);
}

}  // namespace
}  // namespace q
