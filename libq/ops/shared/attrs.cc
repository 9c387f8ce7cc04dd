// Attributes of operators: access, defaults, checks and their text form.
#include <charconv>
#include <cmath>
#include <limits>

#include "base/text.h"
#include "q/op.h"

namespace q {

namespace {

constexpr std::string_view kKindNames[] = {"an integer", "a number", "a string", "integers", "numbers"};

template <typename T>
const T& get(const Attrs& attrs, std::string_view name) {
  const auto found = attrs.find(name);
  if (found == attrs.end()) throw Error(ErrorKind::kInvalid, text("attribute ", name, " is missing"));
  const T* value = std::get_if<T>(&found->second);
  if (value == nullptr)
    throw Error(ErrorKind::kInvalid, text("attribute ", name, " is ", kKindNames[found->second.index()],
                                          ", wanted ", kKindNames[Attr(T{}).index()]));
  return *value;
}

[[noreturn]] void refuse(const AttrSpec& spec, std::string_view found) {
  throw Error(ErrorKind::kInvalid, text("attribute ", spec.name, " is \"", found, "\", wanted ",
                                        kKindNames[static_cast<size_t>(spec.kind)]));
}

double parse_double(const AttrSpec& spec, std::string_view word) {
  double value = 0;
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
  if (error != std::errc() || end != word.data() + word.size()) refuse(spec, word);
  return value;
}

int64_t parse_int(const AttrSpec& spec, std::string_view word) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
  if (error != std::errc() || end != word.data() + word.size()) refuse(spec, word);
  return value;
}

template <typename T, typename Parse>
std::vector<T> parse_list(const AttrSpec& spec, std::string_view words, const Parse& parse) {
  std::vector<T> out;
  while (!words.empty()) {
    const size_t comma = words.find(',');
    out.push_back(parse(spec, words.substr(0, comma)));
    if (comma == std::string_view::npos) break;
    words.remove_prefix(comma + 1);
  }
  return out;
}

// "none" is the empty list, so that an empty default can mean "must be given".
Attr parse_attr(const AttrSpec& spec, std::string_view word) {
  switch (spec.kind) {
    case AttrKind::kInt:
      return parse_int(spec, word);
    case AttrKind::kFloat:
      return parse_double(spec, word);
    case AttrKind::kString:
      return std::string(word);
    case AttrKind::kInts:
      return word == "none" ? Ints{} : parse_list<int64_t>(spec, word, parse_int);
    case AttrKind::kFloats:
      return word == "none" ? Floats{} : parse_list<double>(spec, word, parse_double);
  }
  return {};
}

const AttrSpec& spec_of(const OpDef& op, std::string_view name) {
  for (const AttrSpec& spec : op.attrs)
    if (spec.name == name) return spec;
  throw Error(ErrorKind::kInvalid, text("unknown attribute ", name));
}

}  // namespace

int64_t attr_int(const Attrs& attrs, std::string_view name) { return get<int64_t>(attrs, name); }
double attr_float(const Attrs& attrs, std::string_view name) { return get<double>(attrs, name); }
const std::string& attr_string(const Attrs& attrs, std::string_view name) {
  return get<std::string>(attrs, name);
}
const Ints& attr_ints(const Attrs& attrs, std::string_view name) { return get<Ints>(attrs, name); }
const Floats& attr_floats(const Attrs& attrs, std::string_view name) { return get<Floats>(attrs, name); }

Attrs complete_attrs(const OpDef& op, const Attrs& attrs) {
  Attrs out = attrs;
  for (const auto& [name, value] : attrs) {
    const AttrSpec& spec = spec_of(op, name);
    if (value.index() != static_cast<size_t>(spec.kind))
      throw Error(ErrorKind::kInvalid, text("attribute ", name, " is ", kKindNames[value.index()],
                                            ", wanted ", kKindNames[static_cast<size_t>(spec.kind)]));
    const auto* real = std::get_if<double>(&value);
    if (real != nullptr && std::isnan(*real))
      throw Error(ErrorKind::kInvalid, text("attribute ", name, " is NaN"));
  }
  for (const AttrSpec& spec : op.attrs) {
    if (out.contains(spec.name)) continue;
    if (spec.fallback.empty()) throw Error(ErrorKind::kInvalid, text("attribute ", spec.name, " is missing"));
    out.emplace(spec.name, parse_attr(spec, spec.fallback));
  }
  return out;
}

Attrs parse_attrs(const OpDef& op, std::string_view words) {
  Attrs out;
  while (!words.empty()) {
    const size_t end = words.find(';');
    const std::string_view word = words.substr(0, end);
    const size_t equals = word.find('=');
    if (equals == std::string_view::npos)
      throw Error(ErrorKind::kUsage, text("attribute \"", word, "\", wanted NAME=VALUE"));
    const AttrSpec& spec = spec_of(op, word.substr(0, equals));
    out.insert_or_assign(std::string(spec.name), parse_attr(spec, word.substr(equals + 1)));
    if (end == std::string_view::npos) break;
    words.remove_prefix(end + 1);
  }
  return complete_attrs(op, out);
}

bool is_weight(const OpDef& op, size_t index) {
  const int i = static_cast<int>(index);
  return op.weight != kNone && i >= op.weight && i < op.weight + op.weights;
}

bool is_parameter(const OpDef& op, size_t index) {
  const int i = static_cast<int>(index);
  return is_weight(op, index) || i == op.bias ||
         (i >= op.parameters_from && i < op.parameters_from + op.parameters);
}

bool is_activation(const OpDef& op, size_t index) {
  return !is_parameter(op, index) && static_cast<int>(index) != op.indices;
}

bool has_integer_form(const OpDef& op) { return op.quant != nullptr || op.unary != nullptr; }

}  // namespace q
