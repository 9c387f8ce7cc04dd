// Model files: the input is a list of edits to valid ones. Whatever they make, reading says in one line what
// is wrong, or gives a graph whose constants load and that can be written and read again.
//
// Not bytes of a file: HDF5's own reader fails on those within seconds (1.10.8 writes behind its buffers), so
// that nothing would be learnt about ours.
#include <fuzzer/FuzzedDataProvider.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <filesystem>

#include "../unit/file_plan.h"
#include "base/text.h"
#include "q/file.h"
#include "q/observer.h"
#include "q/op.h"

namespace {

using namespace q;

constexpr const char* kWords[] = {"",
                                  "x",
                                  "w",
                                  "y",
                                  "fc",
                                  "q-model",
                                  "q-stats",
                                  "q-tensors",
                                  "f32",
                                  "f16",
                                  "bf16",
                                  "u8",
                                  "i8",
                                  "i32",
                                  "i64",
                                  "i4",
                                  "u2",
                                  "bool",
                                  "per_tensor_affine",
                                  "per_channel_symmetric",
                                  "minmax",
                                  "mse",
                                  "percentile",
                                  "entropy",
                                  "fixed",
                                  "a/b",
                                  "%2F",
                                  "min",
                                  "count"};
constexpr const char* kAttributes[] = {
    "format", "format_version", "op",     "inputs", "outputs",    "order",     "shape",
    "dtype",  "scheme",         "axis",   "scale",  "zero_point", "quant_min", "quant_max",
    "eps",    "observer",       "method", "shares", "percentile", "samples",   "float_reason"};
constexpr const char* kPaths[] = {
    "/",         "/graph",     "/graph/fc",    "/graph/b%2Fc",          "/values",
    "/values/x", "/values/w",  "/values/y",    "/values/x/observation", "/values/w/observation",
    "/values/z", "/constants", "/constants/w", "/constants/z",          "/stats",
    "/stats/x",  "/stats/y"};
constexpr int64_t kIntegers[] = {0,         1,         -1,
                                 2,         3,         4,
                                 8,         9,         127,
                                 128,       255,       256,
                                 INT32_MAX, INT32_MIN, int64_t{1} << 40,
                                 INT64_MAX, INT64_MIN, int64_t{1} << 62};
constexpr double kNumbers[] = {
    0, -1, 1, 0.5, 1e-3, 1e-40, 1e300, -0.0, __builtin_inf(), -__builtin_inf(), __builtin_nan("")};

class Editor {
 public:
  Editor(const uint8_t* data, size_t size) : bytes_(data, size) {}

  Plan make() {
    Plan plan = good_plan();
    if (bytes_.ConsumeBool()) add_quantization(plan);
    if (bytes_.ConsumeBool()) add_stats(plan);
    while (bytes_.remaining_bytes() > 0) edit(plan);
    return plan;
  }

 private:
  static void add_quantization(Plan& plan) {
    PlannedAttributes& x = plan.groups["/values/x"];
    x["dtype"] = "u8";
    x["scheme"] = "per_tensor_affine";
    x["scale"] = 0.5;
    x["zero_point"] = int64_t{128};
    plan.groups["/values/w/observation"] = {{"dtype", "i8"},
                                            {"scheme", "per_channel_symmetric"},
                                            {"observer", std::string(observers()[0]->name)},
                                            {"method", std::string(observers()[0]->methods[0])}};
  }

  void add_stats(Plan& plan) {
    const ObserverDef& def = *observers()[bytes_.ConsumeIntegralInRange<size_t>(0, observers().size() - 1)];
    plan.groups["/stats"] = {{"samples", int64_t{3}}};
    plan.groups["/stats/x"] = {{"observer", std::string(def.name)}};
    const ObserverState state = def.init(def.per_channel ? 2 : 1);
    for (size_t i = 0; i < state.size(); ++i) plan.datasets[text("/stats/x/", def.fields[i])] = state[i];
  }

  std::string word() {
    if (bytes_.ConsumeIntegralInRange(0, 7) == 0) return bytes_.ConsumeRandomLengthString(12);
    if (bytes_.ConsumeIntegralInRange(0, 3) == 0)
      return std::string(ops()[bytes_.ConsumeIntegralInRange<size_t>(0, ops().size() - 1)]->name);
    return bytes_.PickValueInArray(kWords);
  }

  std::string attribute_name() {
    const auto specs = ops()[bytes_.ConsumeIntegralInRange<size_t>(0, ops().size() - 1)]->attrs;
    if (!specs.empty() && bytes_.ConsumeBool())
      return std::string(specs[bytes_.ConsumeIntegralInRange<size_t>(0, specs.size() - 1)].name);
    return bytes_.PickValueInArray(kAttributes);
  }

  int64_t integer() {
    return bytes_.ConsumeBool() ? bytes_.ConsumeIntegralInRange<int64_t>(-2, 9)
                                : bytes_.PickValueInArray(kIntegers);
  }
  double real() {
    return bytes_.ConsumeBool() ? bytes_.ConsumeFloatingPoint<double>() : bytes_.PickValueInArray(kNumbers);
  }

  template <typename Make>
  auto list(const Make& make) {
    std::vector<decltype(make())> out(bytes_.ConsumeIntegralInRange<size_t>(0, 9));
    for (auto& each : out) each = make();
    return out;
  }

  h5::AttributeValue attribute_value() {
    switch (bytes_.ConsumeIntegralInRange(0, 5)) {
      case 0:
        return integer();
      case 1:
        return real();
      case 2:
        return word();
      case 3:
        return list([&] { return integer(); });
      case 4:
        return list([&] { return real(); });
      default:
        return list([&] { return word(); });
    }
  }

  std::string path() {
    if (bytes_.ConsumeIntegralInRange(0, 7) == 0)
      return text(bytes_.PickValueInArray({"/graph/", "/values/", "/constants/", "/stats/"}), word());
    return bytes_.PickValueInArray(kPaths);
  }

  Shape small_shape() {
    Shape shape;
    const int rank = bytes_.ConsumeIntegralInRange(0, kMaxRank);
    for (int axis = 0; axis < rank; ++axis)
      shape.dims[static_cast<size_t>(shape.rank++)] = bytes_.ConsumeIntegralInRange<int64_t>(0, 4);
    return shape;
  }

  Tensor tensor() {
    Tensor out = make_tensor(
        static_cast<DType>(bytes_.ConsumeIntegralInRange(0, static_cast<int>(DType::kU2))), small_shape());
    const size_t size = bytes(out.type.dtype, out.type.shape);
    for (size_t i = 0; i < size; ++i)
      out.data.get()[i] = static_cast<std::byte>(bytes_.ConsumeIntegral<uint8_t>());
    return out;
  }

  void edit(Plan& plan) {
    const std::string at = path();
    switch (bytes_.ConsumeIntegralInRange(0, 8)) {
      case 0:
      case 1:
      case 2:
        plan.groups[at][attribute_name()] = attribute_value();
        break;
      case 3:
        plan.groups[at].erase(attribute_name());
        break;
      case 4:
        plan.groups.erase(at), plan.datasets.erase(at);
        break;
      case 5:
        plan.groups.erase(at), plan.datasets[at] = tensor();
        break;
      case 6:
        plan.dataset_attributes[at][attribute_name()] = attribute_value();
        break;
      case 7:
        plan.groups[at] = plan.groups[path()];
        break;
      default: {
        TensorType type{DType::kF32, small_shape(), std::nullopt};
        for (int64_t& extent : type.shape.dims) extent = std::abs(bytes_.PickValueInArray(kIntegers) / 4);
        plan.datasets.erase(at), plan.groups.erase(at), plan.promises[at] = type;
      }
    }
  }

  FuzzedDataProvider bytes_;
};

void load_constants(const Graph& graph) {
  for (const Value& value : graph.values)
    if (value.constant) value.constant();
}

void check(const std::string& path, const std::string& copy) {
  File file;
  try {
    file = read_file(path, "m.h5");
    load_constants(file.graph);
  } catch (const Error& error) {
    // names are the file's own, and may hold anything
    if (!std::string_view(error.what()).starts_with("m.h5: ")) std::abort();
    return;
  }
  if (file.format == Format::kTensors) return;
  write_file(copy, file);
  const File again = read_file(copy, "copy");
  load_constants(again.graph);
  if (again.graph.values.size() != file.graph.values.size() ||
      again.graph.nodes.size() != file.graph.nodes.size())
    std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const std::string folder =
      std::filesystem::exists("/dev/shm") ? "/dev/shm" : std::filesystem::temp_directory_path().string();
  static const std::string path = text(folder, "/model_fuzz.", getpid()), copy = path + ".copy";
  const Plan plan = Editor(data, size).make();
  bool written = false;
  try {
    write_plan(path, plan);
    written = true;
  } catch (const Error&) {  // edits that no file can hold, as two objects of one name
  }
  if (written) check(path, copy);
  unlink(path.c_str());
  unlink(copy.c_str());
  return 0;
}
