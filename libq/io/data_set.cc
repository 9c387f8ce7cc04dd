// Data sets: samples as the inputs of a model, and their labels.
#include <algorithm>
#include <cmath>
#include <filesystem>
#include <limits>

#include "base/text.h"
#include "io/array_file.h"
#include "q/file.h"

namespace q {

namespace {

// FILE[:/group]. A file that is really called so comes first.
struct Spec {
  std::string path, group;
};

Spec parse_spec(const std::string& spec) {
  const size_t colon = spec.rfind(":/");
  std::error_code ignored;
  if (colon == std::string::npos || colon == 0 || std::filesystem::exists(spec, ignored)) return {spec, ""};
  return {spec.substr(0, colon), spec.substr(colon + 1)};
}

std::string names_of(const std::vector<Array>& arrays) {
  std::string out;
  for (const Array& each : arrays) out += text(out.empty() ? "" : ", ", each.name);
  return out.empty() ? "nothing" : out;
}

template <typename T, typename To>
void convert(const std::byte* from, To* to, size_t count) {
  const T* elements = reinterpret_cast<const T*>(from);
  for (size_t i = 0; i < count; ++i) to[i] = static_cast<To>(elements[i]);
}

// Elements as To, which holds them all but for rounding. Precondition: one of the types that arrays have.
template <typename To>
void convert(const Tensor& from, To* to) {
  const size_t count = static_cast<size_t>(elements(from.type.shape));
  switch (from.type.dtype) {
    case DType::kF32:
      return convert<float>(from.data.get(), to, count);
    case DType::kF64:
      return convert<double>(from.data.get(), to, count);
    case DType::kI64:
      return convert<int64_t>(from.data.get(), to, count);
    case DType::kI32:
      return convert<int32_t>(from.data.get(), to, count);
    case DType::kI16:
      return convert<int16_t>(from.data.get(), to, count);
    case DType::kI8:
      return convert<int8_t>(from.data.get(), to, count);
    default:
      return convert<uint8_t>(from.data.get(), to, count);
  }
}

bool holds_integers(const Array& array) {
  return is_integer(array.type.dtype) || array.type.dtype == DType::kBool;
}

Tensor read_rows(const Array& array, const std::string& place, int64_t first, int64_t count) {
  TensorType type = array.type;
  if (type.shape.rank > 0) type.shape[0] = count;
  Tensor rows;
  try {
    rows = make_tensor(std::move(type));
  } catch (const Error& error) {
    throw Error(error.kind(), text(place, ": ", error.what()));
  }
  array.read(first, count, rows.data.get());
  return rows;
}

template <typename T>
void store(const std::vector<int64_t>& from, Tensor& to) {
  std::transform(from.begin(), from.end(), to.as<T>(), [](int64_t value) { return static_cast<T>(value); });
}

// One input of the model and where its samples come from.
struct Input {
  std::string name, place;
  TensorType type;
  Array array;
  int64_t samples = 0;           // in the array; one that has a single one may serve all
  int64_t rows = 1;              // of the array for each of them
  std::vector<float> mean, std;  // one or one per channel; empty: none
  std::optional<Tensor> for_all = {};

  Tensor read(int64_t first, int64_t count) const {
    Tensor raw = read_rows(array, place, first * rows, count * rows);
    if (!takes_any_batch()) raw.type.shape = type.shape;
    if (is_plain_integer()) return as_integers(raw);
    Tensor reals = raw.type.dtype == DType::kF32 ? raw : as_floats(raw);
    normalise(reals);
    // of a calibrated model the input is float, and the parameters are for q-convert
    return type.dtype != DType::kF32 ? quantize(reals.view(), type.dtype, *type.qparams) : reals;
  }

  Tensor as_floats(const Tensor& raw) const {
    Tensor reals = make_tensor(DType::kF32, raw.type.shape);
    convert(raw, reals.as<float>());
    if (raw.type.dtype == DType::kF64) check_range(raw.as<double>(), elements(raw.type.shape));
    return reals;
  }

  void check_range(const double* values, int64_t count) const {
    constexpr double kGreatest = std::numeric_limits<float>::max();
    const auto leaves = [](double x) { return std::isfinite(x) && std::abs(x) > kGreatest; };
    const double* found = std::find_if(values, values + count, leaves);
    if (found != values + count)
      throw Error(ErrorKind::kInvalid,
                  text(place, ": holds ", number(*found), ", wanted what float32 holds"));
  }

  bool takes_any_batch() const { return free_axis(type.shape) == 0; }
  bool is_plain_integer() const { return type.dtype != DType::kF32 && !type.qparams; }

  // (x - mean) / std in binary32, the channel axis being the second.
  void normalise(Tensor& x) const {
    if (mean.empty() && std.empty()) return;
    const Shape& shape = x.type.shape;
    const int64_t outer = shape.rank > 1 ? shape[0] : 1, channels = shape.rank > 1 ? shape[1] : 1;
    const int64_t inner = elements(shape) / std::max<int64_t>(1, outer * channels);
    float* at = x.as<float>();
    for (int64_t i = 0; i < outer; ++i)
      for (int64_t c = 0; c < channels; ++c) {
        const float m = of_channel(mean, c, 0), s = of_channel(std, c, 1);
        for (float* end = at + inner; at != end; ++at) *at = (*at - m) / s;
      }
  }

  static float of_channel(const std::vector<float>& values, int64_t channel, float fallback) {
    if (values.empty()) return fallback;
    return values.size() == 1 ? values[0] : values[static_cast<size_t>(channel)];
  }

  // For inputs that are indices: no rounding, no normalisation.
  Tensor as_integers(const Tensor& raw) const {
    std::vector<int64_t> wide(static_cast<size_t>(elements(raw.type.shape)));
    convert(raw, wide.data());
    const bool is_bool = type.dtype == DType::kBool;
    const int64_t low = is_bool ? 0 : lowest(type.dtype), high = is_bool ? 1 : highest(type.dtype);
    for (int64_t value : wide)
      if (value < low || value > high)
        throw Error(ErrorKind::kInvalid,
                    text(place, ": holds ", value, ", model input ", name, " wants ", name_of(type.dtype)));
    Tensor out = make_tensor(type.dtype, raw.type.shape);
    switch (type.dtype) {
      case DType::kI64:
        store<int64_t>(wide, out);
        break;
      case DType::kI32:
        store<int32_t>(wide, out);
        break;
      case DType::kI16:
        store<int16_t>(wide, out);
        break;
      case DType::kI8:
        store<int8_t>(wide, out);
        break;
      default:
        store<uint8_t>(wide, out);
    }
    return out;
  }
};

bool can_be_fed(const TensorType& type) {
  switch (type.dtype) {
    case DType::kF32:
      return true;
    case DType::kI8:
    case DType::kU8:
    case DType::kI16:
    case DType::kI32:
      return true;
    case DType::kI64:
    case DType::kBool:
      return !type.qparams;
    default:
      return false;
  }
}

std::vector<float> factors(const std::vector<double>& values, std::string_view what, bool is_divisor,
                           const Input& input) {
  const Shape& shape = input.type.shape;
  const int64_t channels = shape.rank > 1 ? shape[1] : 1;
  if (values.size() > 1 && static_cast<int64_t>(values.size()) != channels)
    throw Error(ErrorKind::kInvalid,
                text("normalisation: ", values.size(), " values of ", what, ", wanted 1 or ", channels,
                     ", the channels of model input ", input.name));
  std::vector<float> out;
  for (double value : values) {
    out.push_back(static_cast<float>(value));
    if (!std::isfinite(out.back()) || (is_divisor && out.back() == 0))
      throw Error(ErrorKind::kInvalid, text("normalisation: ", what, " is ", number(value),
                                            ", wanted a finite number", is_divisor ? " other than 0" : ""));
  }
  return out;
}

// Extents of one of the entries along the first axis.
Shape entry_shape(Shape shape) {
  if (shape.rank == 0) return shape;
  std::copy(shape.dims.begin() + 1, shape.dims.begin() + shape.rank, shape.dims.begin());
  shape.dims[static_cast<size_t>(--shape.rank)] = 0;
  return shape;
}

// "[1,28,28]"
std::string sample_text(const Shape& shape) { return to_string(entry_shape(shape)); }

// By the input's name; that of a single input may also be x, or whatever the file has beside labels.
const Array& array_for(const std::vector<Array>& arrays, const std::string& shown, const std::string& input,
                       bool is_single) {
  const auto fail = [&](const std::string& wanted) {
    throw Error(ErrorKind::kInvalid, text(shown, ": no dataset ", wanted, ", found ", names_of(arrays)));
  };
  if (const auto named = std::ranges::find(arrays, input, &Array::name); named != arrays.end()) return *named;
  if (!is_single) fail(text("\"", input, "\""));
  if (const auto usual = std::ranges::find(arrays, "x", &Array::name); usual != arrays.end()) return *usual;
  const auto is_candidate = [](const Array& each) {
    return each.name != "y" && each.name.find('/') == std::string::npos;
  };
  if (std::ranges::count_if(arrays, is_candidate) != 1)
    fail(text("\"", input, input == "x" ? "\"" : "\" or \"x\""));
  return *std::ranges::find_if(arrays, is_candidate);
}

}  // namespace

struct DataSet::Source {
  std::string shown, prefix;  // file as the user knows it; what stands before a dataset's name in messages
  std::vector<Array> arrays;
  std::vector<Input> inputs;
  const Array* labels = nullptr;
  bool any_batch = false;  // of the model
  int64_t samples = 0;
  std::string counted;  // the dataset that told their number

  std::string place(const std::string& name) const { return text(shown, ": ", prefix, name); }

  const Array* find(const std::string& name) const {
    const auto found = std::ranges::find(arrays, name, &Array::name);
    return found == arrays.end() ? nullptr : &*found;
  }

  static void check_type(const Input& input) {
    if (!can_be_fed(input.type))
      throw Error(ErrorKind::kUnsupported, text("model input ", input.name, " is ", name_of(input.type.dtype),
                                                ", wanted f32 or integers"));
    if (!input.array.unfit.empty())
      throw Error(ErrorKind::kInvalid,
                  text(input.place, ": holds ", input.array.unfit, ", wanted integers or floats"));
    if (input.is_plain_integer() && !holds_integers(input.array))
      throw Error(ErrorKind::kInvalid,
                  text(input.place, ": holds ", name_of(input.array.type.dtype), ", model input ", input.name,
                       " wants ", name_of(input.type.dtype)));
  }

  // The samples of the array: one for each entry along the first axis, or so many entries; of a model whose
  // inputs together are one sample also the array as a whole.
  static void count_samples(Input& input) {
    const Shape &found = input.array.type.shape, &wanted = input.type.shape;
    const auto fail = [&](const auto&... what) {
      throw Error(ErrorKind::kInvalid, text(input.place, ": ", what...));
    };
    if (found.rank > 0 && found[0] == 0) fail("no samples");
    if (input.takes_any_batch()) {
      if (found.rank == 0) fail("is a scalar, wanted samples");
      if (entry_shape(found) != entry_shape(wanted))
        fail("samples are ", sample_text(found), ", model input ", input.name, " wants ",
             sample_text(wanted));
      input.samples = found[0];
    } else if (found.rank > 0 && entry_shape(found) == wanted) {
      input.samples = found[0];
    } else if (found == wanted || (found.rank > 0 && found.rank == wanted.rank && found[0] % wanted[0] == 0 &&
                                   entry_shape(found) == entry_shape(wanted))) {
      input.rows = found.rank > 0 ? wanted[0] : 1;
      input.samples = found.rank > 0 ? found[0] / wanted[0] : 1;
    } else {
      fail("is ", to_string(found), ", model input ", input.name, " wants ", to_string(wanted),
           " for a sample");
    }
  }

  // All inputs have as many samples, but for those that are the same for all.
  void add_input(const Value& value, bool is_single) {
    const Array& array = array_for(arrays, shown, value.name, is_single);
    Input input{value.name, place(array.name), value.type, array};
    check_type(input);
    count_samples(input);
    if (any_batch && !input.takes_any_batch() && input.samples != 1)
      throw Error(ErrorKind::kInvalid,
                  text(input.place, ": is ", to_string(array.type.shape), ", model input ", input.name,
                       " wants ", to_string(input.type.shape), " for all samples"));
    const bool may_serve_all = !input.takes_any_batch() && input.samples == 1;
    if (!may_serve_all) {
      if (samples != 0 && input.samples != samples)
        throw Error(ErrorKind::kInvalid,
                    text(input.place, ": ", input.samples, " samples, ", counted, " has ", samples));
      samples = input.samples;
      counted = array.name;
    }
    inputs.push_back(std::move(input));
  }

  // An input that is the same for all samples is taken as it is.
  void set_normalisation(const InputSpec& normalisation) {
    samples = std::max<int64_t>(samples, 1);
    for (Input& input : inputs) {
      if (!input.takes_any_batch() && (any_batch || input.samples < samples)) {
        input.for_all = input.read(0, 1);
      } else if (!input.is_plain_integer()) {
        input.mean = factors(normalisation.mean, "mean", false, input);
        input.std = factors(normalisation.std, "std", true, input);
      }
    }
  }
};

DataSet::DataSet(const std::string& spec, const Graph& model, const InputSpec& normalisation,
                 const std::string& shown)
    : source_(std::make_unique<Source>()) {
  const Spec parsed = parse_spec(spec);
  Source& source = *source_;
  source.shown = shown.empty() ? parsed.path : shown;
  if (parsed.group.size() > 1) source.prefix = parsed.group.substr(1) + "/";
  source.arrays = open_arrays(parsed.path, source.shown, parsed.group);
  source.any_batch = q::takes_any_batch(model);
  bool y_is_input = false;
  for (ValueId id : model.inputs) {
    const Value& value = model.values[static_cast<size_t>(id)];
    source.add_input(value, model.inputs.size() == 1);
    y_is_input = y_is_input || source.inputs.back().array.name == "y";
  }
  if (source.inputs.empty()) throw Error(ErrorKind::kInvalid, "the model has no inputs");
  source.set_normalisation(normalisation);
  if (!y_is_input) source.labels = source.find("y");
}
DataSet::DataSet(DataSet&&) noexcept = default;
DataSet::~DataSet() = default;

int64_t DataSet::samples() const { return source_->samples; }
bool DataSet::has_labels() const {
  if (source_->labels == nullptr) return false;
  const Shape& shape = source_->labels->type.shape;
  return shape.rank == 1 || (shape.rank == 2 && shape[1] == 1);
}

std::vector<Tensor> DataSet::read(int64_t first, int64_t count) {
  if (first < 0 || count < 0 || first > source_->samples - count)
    throw Error(ErrorKind::kUsage, text(source_->shown, ": samples ", first, " to ", first + count,
                                        ", wanted some of ", source_->samples));
  std::vector<Tensor> out;
  if (!source_->any_batch && count != 1)
    throw Error(ErrorKind::kUsage, text(count, " samples of a model that takes one at a time"));
  for (const Input& input : source_->inputs)
    out.push_back(input.for_all ? *input.for_all : input.read(first, count));
  return out;
}

std::vector<int64_t> DataSet::labels(int64_t first, int64_t count) {
  const std::string place = source_->place("y");
  const auto fail = [&](const std::string& what) {
    throw Error(ErrorKind::kInvalid, text(place, ": ", what));
  };
  if (source_->labels == nullptr) fail("no labels");
  const Array& array = *source_->labels;
  if (!array.unfit.empty()) fail(text("holds ", array.unfit, ", wanted integers"));
  const Shape& shape = array.type.shape;
  if (shape.rank == 0 || shape[0] != source_->samples)
    fail(text("has shape ", to_string(shape), ", wanted one label for each of ", source_->samples,
              " samples"));
  if (elements(shape) != shape[0])
    fail(text("labels are ", sample_text(shape), ", wanted one integer per sample"));
  if (first < 0 || count < 0 || first > shape[0] - count)
    fail(text("labels ", first, " to ", first + count, ", wanted some of ", shape[0]));
  const Tensor rows = read_rows(array, place, first, count);
  std::vector<int64_t> out(static_cast<size_t>(count));
  if (holds_integers(array)) {
    convert(rows, out.data());
    return out;
  }
  std::vector<double> reals(out.size());
  convert(rows, reals.data());
  for (size_t i = 0; i < reals.size(); ++i) {
    if (!(std::abs(reals[i]) < 0x1p53) || reals[i] != std::floor(reals[i]))
      fail(text("label ", first + static_cast<int64_t>(i), " is ", number(reals[i]), ", wanted an integer"));
    out[i] = static_cast<int64_t>(reals[i]);
  }
  return out;
}

std::string data_file(const std::string& spec) { return parse_spec(spec).path; }

Shape data_shape(const std::string& spec, const std::string& input, bool is_only, const std::string& shown) {
  const Spec parsed = parse_spec(spec);
  const std::string& place = shown.empty() ? parsed.path : shown;
  const std::vector<Array> arrays = open_arrays(parsed.path, place, parsed.group);
  return array_for(arrays, place, input, is_only).type.shape;
}

}  // namespace q
