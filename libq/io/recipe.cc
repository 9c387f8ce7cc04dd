// Recipes from YAML, every value checked where it stands.
#include "q/recipe.h"

#include <yaml-cpp/depthguard.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <sstream>

#include "base/stream.h"
#include "base/text.h"
#include "io/recipe_source.h"
#include "q/op.h"

namespace q {

namespace {

// More than any recipe needs; aliases can repeat a part of the text without end.
constexpr int kMaxNodes = 1 << 16, kMaxFiles = 64, kMaxDepth = 16;

// One document: its nodes with their places in messages.
class Document {
 public:
  // quotes: messages may say what is in it.
  Document(std::string shown, bool quotes) : shown_(std::move(shown)), quotes_(quotes) {}

  std::string place(const YAML::Mark& mark) const {
    if (mark.is_null()) return shown_;
    return text(shown_, ':', mark.line + 1, ':', mark.column + 1);
  }
  std::string place(const YAML::Node& node) const { return place(node.Mark()); }
  [[noreturn]] void refuse(const YAML::Node& node, const std::string& what) const {
    throw Error(ErrorKind::kInvalid, text(place(node), ": ", what));
  }

  // Calls take(key, value) for each entry of the map `what`. Throws on another type, a key twice or not in
  // `keys`.
  template <typename Take>
  void for_entries(const YAML::Node& map, std::string_view what, std::span<const std::string_view> keys,
                   const Take& take) {
    count(map);
    if (!map.IsMap()) refuse(map, text(what, " is ", kind_of(map), ", wanted a map with keys ", list(keys)));
    std::vector<std::string> seen;
    for (const auto& entry : map) {
      count(entry.first);
      if (!entry.first.IsScalar())
        refuse(entry.first, text("a key is ", kind_of(entry.first), ", wanted one of ", list(keys)));
      const std::string& key = entry.first.Scalar();
      if (std::ranges::find(keys, key) == keys.end())
        refuse(entry.first, text("unknown key ", quoted(key), " in ", what, ", wanted one of ", list(keys)));
      if (std::ranges::find(seen, key) != seen.end())
        refuse(entry.first, text("key ", key, " is given twice"));
      seen.push_back(key);
      take(key, entry.second);
    }
  }

  // Calls take(item) for each item of a list. Throws on another type.
  template <typename Take>
  void for_items(const YAML::Node& items, std::string_view what, const Take& take) {
    count(items);
    if (!items.IsSequence()) refuse(items, text(what, " is ", kind_of(items), ", wanted a list"));
    for (const auto& item : items) take(item);
  }

  std::string string(const YAML::Node& node, std::string_view what) {
    count(node);
    if (!node.IsScalar() || node.Scalar().empty())
      refuse(node, text(what, " is ", kind_of(node), ", wanted a text"));
    return node.Scalar();
  }

  bool boolean(const YAML::Node& node, std::string_view what) {
    const std::string word = plain(node, what, "true or false");
    if (word != "true" && word != "false")
      refuse(node, text(what, " is ", quoted(word), ", wanted true or false"));
    return word == "true";
  }

  int64_t integer(const YAML::Node& node, std::string_view what) {
    int64_t value;
    read_number(plain(node, what, "an integer"), &value, node, what, "an integer");
    return value;
  }

  double real(const YAML::Node& node, std::string_view what) {
    double value;
    read_number(plain(node, what, "a number"), &value, node, what, "a number");
    if (!std::isfinite(value))
      refuse(node, text(what, " is ", quoted(number(value)), ", wanted a finite number"));
    return value;
  }

  // A part of the document for messages, cut when it is long.
  std::string quoted(const std::string& found) const {
    constexpr size_t kLength = 60;
    if (!quotes_) return "...";
    return found.size() > kLength ? printable(found.substr(0, kLength)) + "..." : printable(found);
  }
  // What is wrong with its form, in the words of the parser.
  std::string quoted(const YAML::Exception& error) const { return quotes_ ? error.msg : "not valid YAML"; }

  static std::string list(std::span<const std::string_view> words) {
    std::string out;
    for (std::string_view word : words) out += text(out.empty() ? "" : " ", word);
    return out;
  }

 private:
  void count(const YAML::Node& node) {
    if (++nodes_ > kMaxNodes) refuse(node, text("more than ", kMaxNodes, " values, wanted a recipe"));
  }

  std::string kind_of(const YAML::Node& node) const {
    if (node.IsMap()) return "a map";
    if (node.IsSequence()) return "a list";
    return node.IsScalar() && !node.Scalar().empty() ? quoted(node.Scalar()) : "empty";
  }

  // A scalar without quotes and without a tag.
  std::string plain(const YAML::Node& node, std::string_view what, std::string_view wanted) {
    count(node);
    if (!node.IsScalar()) refuse(node, text(what, " is ", kind_of(node), ", wanted ", wanted));
    if (node.Tag() != "?")
      refuse(node, text(what, " is the text '", quoted(node.Scalar()), "', wanted ", wanted));
    return node.Scalar();
  }

  template <typename T>
  void read_number(const std::string& digits, T* value, const YAML::Node& node, std::string_view what,
                   std::string_view wanted) {
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), *value);
    if (error != std::errc() || end != digits.data() + digits.size())
      refuse(node, text(what, " is ", quoted(digits), ", wanted ", wanted));
  }

  std::string shown_;
  bool quotes_;
  int nodes_ = 0;
};

constexpr std::string_view kTopKeys[] = {"extends", "input", "activations", "weights", "rules"};
constexpr std::string_view kInputKeys[] = {"mean", "std"};
constexpr std::string_view kSpecKeys[] = {"dtype",    "scheme", "quant_min",  "quant_max", "eps",
                                          "observer", "method", "percentile", "concat"};
constexpr std::string_view kRuleKeys[] = {"op", "name", "quantize", "activations", "weights"};
constexpr std::string_view kActivationSchemes[] = {"per_tensor_affine", "per_tensor_symmetric"};
constexpr std::string_view kWeightSchemes[] = {"per_tensor_affine", "per_tensor_symmetric",
                                               "per_channel_affine", "per_channel_symmetric"};

enum class Role { kActivations, kWeights };
constexpr std::string_view name_of(Role role) { return role == Role::kWeights ? "weights" : "activations"; }

DType read_dtype(Document& document, const YAML::Node& node, Role role) {
  const std::string name = document.string(node, "dtype");
  if (name == "i8" || name == "qint8") return DType::kI8;
  if (role == Role::kActivations && (name == "u8" || name == "quint8")) return DType::kU8;
  document.refuse(node,
                  text("dtype ", document.quoted(name), ", wanted ",
                       role == Role::kWeights ? "" : "quint8 (u8) or ", "qint8 (i8) for ", name_of(role)));
}

QScheme read_scheme(Document& document, const YAML::Node& node, Role role) {
  const std::string name = document.string(node, "scheme");
  const std::span<const std::string_view> known =
      role == Role::kWeights ? kWeightSchemes : std::span<const std::string_view>(kActivationSchemes);
  if (std::ranges::find(known, name) == known.end())
    document.refuse(node, text("scheme ", document.quoted(name), ", wanted one of ", Document::list(known),
                               " for ", name_of(role)));
  return *parse_qscheme(name);
}

std::string read_observer(Document& document, const YAML::Node& node) {
  const std::string name = document.string(node, "observer");
  std::vector<std::string_view> known;
  for (const ObserverDef* observer : observers()) known.push_back(observer->name);
  if (std::ranges::find(known, name) == known.end())
    document.refuse(node, text("no observer is called ", document.quoted(name), ", wanted one of ",
                               Document::list(known)));
  return name;
}

// Whether the observer offers it is seen once all rules are applied.
std::string read_method(Document& document, const YAML::Node& node) {
  const std::string name = document.string(node, "method");
  std::vector<std::string_view> known;
  for (const ObserverDef* observer : observers())
    for (std::string_view method : observer->methods)
      if (std::ranges::find(known, method) == known.end()) known.push_back(method);
  if (std::ranges::find(known, name) == known.end())
    document.refuse(
        node, text("no method is called ", document.quoted(name), ", wanted one of ", Document::list(known)));
  return name;
}

double read_eps(Document& document, const YAML::Node& node) {
  const double eps = document.real(node, "eps");
  const float narrow = static_cast<float>(eps);
  if (!(narrow > 0) || !std::isfinite(narrow) || !std::isfinite(1 / narrow))
    document.refuse(node, text("eps is ", document.quoted(number(eps)),
                               ", wanted a positive binary32 number whose reciprocal is finite"));
  return eps;
}

std::string read_concat(Document& document, const YAML::Node& node, Role role) {
  const std::string name = document.string(node, "concat");
  if (role != Role::kActivations || (name != "auto" && name != "share" && name != "requantize"))
    document.refuse(node, text("concat is ", document.quoted(name),
                               ", wanted auto, share or requantize, of activations"));
  return name;
}

double read_percentile(Document& document, const YAML::Node& node) {
  const double percentile = document.real(node, "percentile");
  if (!(percentile > 0 && percentile <= 100))
    document.refuse(node, text("percentile is ", document.quoted(number(percentile)),
                               ", wanted more than 0, at most 100"));
  return percentile;
}

void read_spec(Document& document, const YAML::Node& section, Role role, SpecFields* fields) {
  document.for_entries(section, name_of(role), kSpecKeys,
                       [&](const std::string& key, const YAML::Node& node) {
                         if (key == "dtype")
                           fields->dtype = read_dtype(document, node, role);
                         else if (key == "scheme")
                           fields->scheme = read_scheme(document, node, role);
                         else if (key == "quant_min")
                           fields->quant_min = document.integer(node, key);
                         else if (key == "quant_max")
                           fields->quant_max = document.integer(node, key);
                         else if (key == "eps")
                           fields->eps = read_eps(document, node);
                         else if (key == "observer")
                           fields->observer = read_observer(document, node);
                         else if (key == "method")
                           fields->method = read_method(document, node);
                         else if (key == "concat")
                           fields->concat = read_concat(document, node, role);
                         else
                           fields->percentile = read_percentile(document, node);
                       });
  fields->place = document.place(section);
}

// A number, or a list of one per channel.
std::vector<double> read_channels(Document& document, const YAML::Node& node, const std::string& key) {
  std::vector<double> values;
  if (!node.IsSequence()) return {document.real(node, key)};
  document.for_items(node, key, [&](const YAML::Node& item) { values.push_back(document.real(item, key)); });
  if (values.empty()) document.refuse(node, text(key, " is empty, wanted a number or one per channel"));
  return values;
}

void read_input(Document& document, const YAML::Node& section, InputSpec* input) {
  document.for_entries(section, "input", kInputKeys, [&](const std::string& key, const YAML::Node& node) {
    (key == "mean" ? input->mean : input->std) = read_channels(document, node, key);
    if (key == "std" && std::ranges::any_of(input->std, [](double value) { return !(value > 0); }))
      document.refuse(node, "std is not positive, wanted what to divide by");
  });
  if (input->mean.size() > 1 && input->std.size() > 1 && input->mean.size() != input->std.size())
    document.refuse(section, text("mean has ", input->mean.size(), " entries and std ", input->std.size(),
                                  ", wanted as many"));
}

RecipeRule read_rule(Document& document, const YAML::Node& item) {
  RecipeRule rule;
  rule.place = document.place(item);
  bool sets = false;
  document.for_entries(item, "a rule", kRuleKeys, [&](const std::string& key, const YAML::Node& node) {
    sets = sets || (key != "op" && key != "name");
    if (key == "op") {
      rule.op = document.string(node, key);
      if (find_op(rule.op) == nullptr)
        document.refuse(node,
                        text("no operator is called ", document.quoted(rule.op), ", wanted one of q-ops(7)"));
    } else if (key == "name") {
      rule.name = document.string(node, key);
    } else if (key == "quantize") {
      rule.quantize = document.boolean(node, key);
    } else if (key == "activations") {
      read_spec(document, node, Role::kActivations, &rule.activations);
    } else {
      read_spec(document, node, Role::kWeights, &rule.weights);
    }
  });
  if (!sets) document.refuse(item, "the rule sets nothing, wanted quantize, activations or weights");
  return rule;
}

// Where the documents of a stream start. YAML::LoadAll would tell as well, but never ends where a stray ','
// starts a document.
class DocumentStarts : public YAML::EventHandler {
 public:
  std::vector<YAML::Mark> starts;

  void OnDocumentStart(const YAML::Mark& mark) override { starts.push_back(mark); }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark&, YAML::anchor_t) override {}
  void OnAlias(const YAML::Mark&, YAML::anchor_t) override {}
  void OnScalar(const YAML::Mark&, const std::string&, YAML::anchor_t, const std::string&) override {}
  void OnSequenceStart(const YAML::Mark&, const std::string&, YAML::anchor_t,
                       YAML::EmitterStyle::value) override {}
  void OnSequenceEnd() override {}
  void OnMapStart(const YAML::Mark&, const std::string&, YAML::anchor_t, YAML::EmitterStyle::value) override {
  }
  void OnMapEnd() override {}
};

void refuse_second_document(const std::string& bytes, const Document& document) {
  std::istringstream stream(bytes);
  YAML::Parser parser(stream);
  DocumentStarts seen;
  if (parser.HandleNextDocument(seen) && parser.HandleNextDocument(seen))
    throw Error(ErrorKind::kInvalid,
                text(document.place(seen.starts.back()), ": a second document, wanted one"));
}

// The one document of a YAML stream.
YAML::Node parse_yaml(const std::string& bytes, const Document& document) {
  if (bytes.find('\0') != std::string::npos) document.refuse({}, "holds a zero byte, wanted YAML");
  try {
    refuse_second_document(bytes, document);
    const YAML::Node root = YAML::Load(bytes);
    if (root.IsNull())
      document.refuse({}, text("is empty, wanted a map with keys ", Document::list(kTopKeys)));
    return root;
  } catch (const YAML::DeepRecursion& error) {
    throw Error(ErrorKind::kInvalid, text(document.place(error.mark), ": nested too deep, wanted a recipe"));
  } catch (const YAML::Exception& error) {
    throw Error(ErrorKind::kInvalid, text(document.place(error.mark), ": ", document.quoted(error)));
  }
}

class Loader {
 public:
  // What the file found as `name` says is laid over what has been read. is_extended: a recipe names it, and
  // who writes a recipe has no right to read the other files of who uses it.
  void add_file(const std::string& name, const std::string& folder, bool is_extended) {
    const std::string path = find_recipe(name, folder);
    if (is_extended) check_is_file(path, path);
    const std::string identity = identity_of(path);
    if (std::ranges::find(open_, identity) != open_.end())
      throw Error(ErrorKind::kInvalid,
                  text(path, ": extends itself, by way of ", open_.size() - 1, " others"));
    if (open_.size() >= kMaxDepth || ++files_ > kMaxFiles)
      throw Error(ErrorKind::kInvalid,
                  text(path, ": more than ", kMaxDepth, " recipes deep or ", kMaxFiles, " in all"));
    open_.push_back(identity);
    add_text(read_recipe(path), path, folder_of(path), !is_extended);
    open_.pop_back();
  }

  void add_text(const std::string& bytes, const std::string& shown, const std::string& folder, bool quotes) {
    Document document(shown, quotes);
    const YAML::Node root = parse_yaml(bytes, document);
    // What is extended comes first, wherever it is written.
    if (root.IsMap() && root["extends"].IsDefined()) extend(document, root["extends"], folder);
    document.for_entries(root, "the recipe", kTopKeys, [&](const std::string& key, const YAML::Node& node) {
      if (key == "input")
        read_input(document, node, &recipe_.input);
      else if (key == "activations")
        read_spec(document, node, Role::kActivations, &recipe_.activations);
      else if (key == "weights")
        read_spec(document, node, Role::kWeights, &recipe_.weights);
      else if (key == "rules")
        document.for_items(
            node, key, [&](const YAML::Node& item) { recipe_.rules.push_back(read_rule(document, item)); });
    });
  }

  Recipe finish(std::string name);

 private:
  void extend(Document& document, const YAML::Node& node, const std::string& folder) {
    const auto add = [&](const YAML::Node& item) {
      const std::string name = document.string(item, "extends");
      try {
        add_file(name, folder, true);
      } catch (const Error& error) {
        throw Error(error.kind(), text(document.place(item), ": ", error.what()));
      }
    };
    if (node.IsSequence())
      document.for_items(node, "extends", add);
    else
      add(node);
  }

  Recipe recipe_;
  std::vector<std::string> open_;  // the files being read, outermost first
  int files_ = 0;
};

template <typename T>
std::string shown(const T& value) {
  return text(value);
}
std::string shown(double value) { return number(value); }
std::string shown(DType value) { return std::string(q::name_of(value)); }
std::string shown(QScheme value) { return std::string(q::name_of(value)); }

template <typename T>
std::string canonical(std::string_view key, const std::optional<T>& value) {
  return value ? text(' ', key, '=', shown(*value)) : "";
}

std::string canonical(const SpecFields& f) {
  return text(canonical("dtype", f.dtype), canonical("scheme", f.scheme), canonical("quant_min", f.quant_min),
              canonical("quant_max", f.quant_max), canonical("eps", f.eps), canonical("observer", f.observer),
              canonical("method", f.method), canonical("percentile", f.percentile),
              f.concat ? canonical("concat", f.concat) : "", '\n');
}

std::string canonical(const std::vector<double>& values) {
  std::string out;
  for (double value : values) out += text(' ', number(value));
  return out + '\n';
}

// What the recipe means, without comments, order of keys and names of files.
std::string canonical(const Recipe& recipe) {
  std::string out = text("mean", canonical(recipe.input.mean), "std", canonical(recipe.input.std),
                         "activations", canonical(recipe.activations), "weights", canonical(recipe.weights));
  for (const RecipeRule& rule : recipe.rules)  // lengths, as names may hold anything
    out += text("rule ", rule.op, ' ', rule.name.size(), ' ', rule.name, canonical("quantize", rule.quantize),
                '\n', canonical(rule.activations), canonical(rule.weights));
  return out;
}

Recipe Loader::finish(std::string name) {
  Recipe defaults;
  defaults.activations = recipe_.activations;
  defaults.weights = recipe_.weights;
  resolve(defaults, {}, nullptr);  // throws where they contradict each other
  recipe_.name = std::move(name);
  recipe_.digest = digest(canonical(recipe_));
  return std::move(recipe_);
}

}  // namespace

Recipe load_recipe(std::span<const std::string> names) {
  Loader loader;
  std::string all;
  for (const std::string& name : names) {
    loader.add_file(name, "", false);
    all += text(all.empty() ? "" : " ", name);
  }
  return loader.finish(all);
}

Recipe parse_recipe(std::string_view text, std::string_view name) {
  Loader loader;
  loader.add_text(std::string(text), std::string(name), "", true);
  return loader.finish(std::string(name));
}

}  // namespace q
