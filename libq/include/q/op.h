// Operators: one file in libq/ops is one OpDef.
#pragma once

#include <concepts>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "q/tensor.h"

namespace q {

struct Kernels;

using Ints = std::vector<int64_t>;
using Floats = std::vector<double>;
using Attr = std::variant<int64_t, double, std::string, Ints, Floats>;
// Ordered by name, so that whatever is written from it has one order.
using Attrs = std::map<std::string, Attr, std::less<>>;

// No index, no id.
inline constexpr int32_t kNone = -1;

enum class AttrKind : uint8_t { kInt, kFloat, kString, kInts, kFloats };

// One attribute: every operator's attributes are parsed, checked, completed with defaults and documented from
// these.
struct AttrSpec {
  std::string_view name, doc;
  AttrKind kind = AttrKind::kInt;
  std::string_view fallback = "";  // default as text: "1", "-inf", "1,1"; empty: must be given
  bool is_axis = false;            // counts axes of the input: renumbered when data is stored channels-last
};

Q_API int64_t attr_int(const Attrs& attrs, std::string_view name);
Q_API double attr_float(const Attrs& attrs, std::string_view name);
Q_API const std::string& attr_string(const Attrs& attrs, std::string_view name);
Q_API const Ints& attr_ints(const Attrs& attrs, std::string_view name);
Q_API const Floats& attr_floats(const Attrs& attrs, std::string_view name);

// How the data of rank 3 to 5 an operator reads and writes lies in memory (other ranks: always row-major).
enum class Layout : uint8_t {
  kAny,  // elementwise, or only axes marked is_axis: views carry the extents in stored order, all operands
         // alike
  kChannelsLast,  // N, spatial, C; views carry logical (NCHW) extents
  kPlain,         // row-major
};

// Where the quantization parameters of the output come from.
enum class QRule : uint8_t {
  kObserved,  // its own observer
  kAsInput,   // same as the (first) input: integers are moved or picked
  kShared,    // all inputs and the output share one
  kFixed,     // fixed_lo .. fixed_hi, whatever is seen
  kFloat,     // never quantized
};

struct RunCall {
  std::span<const View> in;
  std::span<const MutableView> out;
};

// Elements of an output in the order they are stored: `lines` times `count` of them, a line beginning
// `stride` behind the one before it.
struct Part {
  int64_t first = 0, count = 0, lines = 1, stride = 0;
};
using RunPart = std::function<void(const RunCall&, const Part&)>;

// What an operator's compile functions return. It allocates nothing, and throws, before it writes, only where
// a position among its operands (OpDef::indices) is out of range.
struct Run {
  Run() = default;
  template <std::invocable<const RunCall&> F>
  Run(F f) : all(std::move(f)) {}

  void operator()(const RunCall& call) const { all(call); }

  // Computes the output; splits the work over the threads of base/parallel.h by output elements only.
  std::function<void(const RunCall&)> all;
  // Set by elementwise operators whose operands have the shape of the output: computes that part of it from
  // the same part of the operands, one of which the output may overwrite. Threads may share the work.
  RunPart part{};
};

struct CompileCall {
  const Attrs& attrs;  // complete: defaults filled in
  std::span<const TensorType> in, out;
  // Per input; data is null unless it is known. Weights, bias and parameters that the graph computes are
  // known too: the operator is then compiled for every run.
  std::span<const View> constants;
  const Kernels& kernels;
  // Where OpDef::takes_epilogue says so: to be called for every part of the output once it is computed, while
  // it is in cache. Empty: nothing.
  RunPart epilogue = {};
};

// A node of an ONNX model in neutral form. A mapping turns it into ours in place.
struct OnnxNode {
  std::string type, name;
  int64_t opset = 0;
  // Of a model with a fixed batch that is read as if it were free: how many samples the file has. 0: the file
  // leaves the extent free, or it is kept.
  int64_t batch = 0;
  Attrs attrs;  // ONNX's attributes; afterwards ours
  std::map<std::string, Tensor, std::less<>> tensor_attrs;
  struct Input {
    TensorType type;
    std::optional<Tensor> constant;  // replaceable by the mapping
    bool absent = false;             // an optional input left out
    bool used = true;                // set to false: became an attribute
    std::string name = {};           // of the ONNX value: follows the input when a mapping reorders them
  };
  std::vector<Input> inputs;
  int64_t outputs = 1;  // that the file names, some of them perhaps with an empty name
};

// False: not this operator (say Conv of another rank). Throws kUnsupported when it is, but in a way libq
// cannot express.
using OnnxMapping = bool (*)(OnnxNode&);
struct OnnxName {
  std::string_view type;
  int since = 7;              // first opset in which this mapping is right
  OnnxMapping map = nullptr;  // null: same inputs and same attribute names
};

// A test vector: random inputs in [lo, hi], float and quantized. Inputs from `constants_from` on are
// constants.
struct Case {
  std::string_view attrs = "";  // "stride=2,2;groups=4"
  std::span<const Shape> inputs;
  float lo = -1, hi = 1;
  int constants_from = kMaxRank;
  int indices_below = 1;  // the values of OpDef::indices are whole numbers in [0, indices_below)
};

inline constexpr int kMaxInputs = 1 << 20;

struct OpDef {
  std::string_view name, doc;  // name = file name = name in files and recipes
  int inputs_min = 1, inputs_max = 1;
  std::span<const AttrSpec> attrs{};
  std::span<const OnnxName> onnx{};
  Layout layout = Layout::kAny;
  int weight = kNone,
      bias = kNone;      // which inputs are weights (i8, axis below) and bias (i32) of the quantized form
  int weights = 1;       // inputs that are weights, from `weight` on
  int weight_axis = 0;   // axis of the output channels in the weight
  int channel_axis = 1;  // axis of the output that has them; -1: the last
  // The input of positions: whole numbers of any type, float32 among them, that are never quantized.
  int indices = kNone;
  int reals_from = kMaxInputs;  // outputs from here on stay float32 in the quantized form
  bool takes_epilogue = false;  // calls CompileCall::epilogue
  bool takes_integers = false;  // the inputs may be plain integers too
  // So many inputs from here on stay float32 constants in the quantized form.
  int parameters_from = kMaxInputs, parameters = kMaxInputs;
  QRule qrule = QRule::kObserved;
  float fixed_lo = 0, fixed_hi = 0;
  // Of an operator that takes its input's parameters: a number that the output holds beside the input's
  // elements, if there is one. It belongs to their range.
  std::optional<float> (*border)(const Attrs&) = nullptr;
  // Why a constant operand loses too much as 8-bit integers; empty: it does not. Null: none does.
  std::string (*unfit)(size_t input, const Tensor& constant) = nullptr;
  bool takes_greatest = false;  // picks greatest elements: what an input has below its range does not show
  // Extents of the outputs. One extent of an input may be free; what is computed from it is free too. Throws
  // q::Error (text without place) when inputs or attributes do not fit.
  std::vector<Shape> (*infer)(const Attrs&, std::span<const TensorType> in) = nullptr;
  // Throws q::Error (text without place) unless each sample's part of an output is computed from that
  // sample's parts of the inputs alone, and alike for any number of samples. They lie along the free axis of
  // an input (free_axis), at least one of which has one, and of the output. out: what infer gives. Null: it
  // always throws.
  void (*samples)(const Attrs&, std::span<const TensorType> in, std::span<const Shape> out) = nullptr;
  Run (*f32)(const CompileCall&) = nullptr;                // the meaning, on float32
  float (*unary)(const Attrs&, float) noexcept = nullptr;  // instead of f32: elementwise of one input
  Run (*quant)(const CompileCall&) =
      nullptr;  // on u8 (weights i8, bias i32); null: a table for unary, else a float island
  Run (*gradient)(const CompileCall&) = nullptr;
  int64_t (*macs)(const Attrs&, std::span<const TensorType> in, const Shape& out) = nullptr;  // multiply-adds
  std::span<const Case> cases{};
};

// True when input `index` is a weight.
Q_API bool is_weight(const OpDef& op, size_t index);
// True when input `index` is a weight, a bias, or another parameter.
Q_API bool is_parameter(const OpDef& op, size_t index);
// True when input `index` is neither a parameter nor positions.
Q_API bool is_activation(const OpDef& op, size_t index);
// The first input that is not positions.
constexpr size_t data_input(const OpDef& op) { return op.indices == 0 ? 1 : 0; }
// All operators, by name.
Q_API std::span<const OpDef* const> ops();
// The operator of that name, null when there is none.
Q_API const OpDef* find_op(std::string_view name);
// True when the operator has an integer kernel or table.
Q_API bool has_integer_form(const OpDef& op);
// attrs with all defaults filled in. Throws on an unknown name, a missing one or a wrong type.
Q_API Attrs complete_attrs(const OpDef& op, const Attrs& attrs);
// "stride=2,2;groups=4" in the types the operator declares. Throws as complete_attrs does.
Q_API Attrs parse_attrs(const OpDef& op, std::string_view text);

}  // namespace q
