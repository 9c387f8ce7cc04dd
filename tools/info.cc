#include "info.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "base/text.h"
#include "q/observer.h"
#include "q/op.h"
#include "report.h"

namespace q {

namespace {

using Json = nlohmann::ordered_json;

std::string describe(const Value& value) {
  return text(printable(value.name), ' ', name_of(value.type.dtype), ' ', to_string(value.type.shape));
}

// Columns of a line: the first word of a section stands on its first line only.
class Section {
 public:
  explicit Section(std::string title) : title_(std::move(title)) {}
  std::string line(const std::string& words) {
    std::string left = title_;
    title_.clear();
    left.resize(13, ' ');
    return left + words + "\n";
  }

 private:
  std::string title_;
};

struct Sizes {
  int64_t count = 0, bytes = 0;
};

Sizes constants_of(const Graph& graph) {
  Sizes out;
  for (const Value& value : graph.values)
    if (value.constant)
      ++out.count, out.bytes += static_cast<int64_t>(bytes(value.type.dtype, value.type.shape));
  return out;
}

std::string history_text(const std::vector<HistoryRecord>& history) {
  std::string out;
  Section section("history");
  for (const HistoryRecord& record : history)
    out += section.line(
        printable(text(record.tool, ' ', record.version, record.arguments.empty() ? "" : " ",
                       record.arguments, record.recipe.empty() ? "" : " recipe ", record.recipe)));
  return out;
}

Json history_json(const std::vector<HistoryRecord>& history) {
  Json out = Json::array();
  for (const HistoryRecord& record : history)
    out.push_back({{"tool", record.tool},
                   {"version", record.version},
                   {"arguments", record.arguments},
                   {"recipe", record.recipe}});
  return out;
}

std::string percent(int64_t part, int64_t whole) {
  return whole == 0 ? "-" : fixed(100.0 * static_cast<double>(part) / static_cast<double>(whole), 1);
}

std::string coverage_text(const Coverage& coverage) {
  if (!coverage.is_quantized)
    return Section("nodes").line(text(coverage.nodes.size(), ", all float")) +
           Section("MACs").line(text(coverage.macs, " per sample"));
  return Section("nodes").line(text(coverage.nodes.size(), ": ", coverage.integer, " integer, ",
                                    coverage.table, " table, ", coverage.floating, " float, ",
                                    coverage.conversions, " conversions")) +
         Section("MACs").line(text(coverage.macs, " per sample, ",
                                   percent(coverage.integer_macs, coverage.macs), " % integer"));
}

const Value& output_of(const Graph& graph, const Node& node) {
  return graph.values[static_cast<size_t>(node.outputs[0])];
}

std::string scale_text(const std::optional<QParams>& qparams) {
  if (!qparams) return "";
  if (qparams->scales.size() > 1)
    return text(" ", qparams->scales.size(), " scales along axis ", qparams->axis);
  return text(" scale ", number(qparams->scales[0]), " zero ", qparams->zero_points[0]);
}

std::string nodes_text(const Graph& graph, const Coverage& coverage) {
  std::string out = "\n";
  Graph ordered = graph;
  sort_nodes(ordered);
  for (size_t i = 0; i < ordered.nodes.size(); ++i) {
    const NodeForm& form = coverage.nodes[i];
    const Value& output = output_of(graph, ordered.nodes[i]);
    std::string left = text("  ", form.form);
    left.resize(11, ' ');
    left += form.op;
    left.resize(std::max<size_t>(left.size() + 1, 30), ' ');
    out += text(left, printable(form.node), " -> ", name_of(output.type.dtype), ' ',
                to_string(output.type.shape), scale_text(output.type.qparams),
                form.reason.empty() ? "" : ": ", printable(form.reason), '\n');
  }
  return out;
}

std::string graph_text(const File& file) {
  const Graph& graph = file.graph;
  const Coverage coverage = coverage_of(graph);
  const Sizes constants = constants_of(graph);
  std::string out;
  Section inputs("inputs"), outputs("outputs");
  for (ValueId id : graph.inputs) out += inputs.line(describe(graph.values[static_cast<size_t>(id)]));
  if (!takes_any_batch(graph)) out += Section("samples").line("one at a time: all inputs together");
  for (ValueId id : graph.outputs) out += outputs.line(describe(graph.values[static_cast<size_t>(id)]));
  out += Section("constants").line(text(constants.count, ", ", constants.bytes, " bytes"));
  return out + coverage_text(coverage) + nodes_text(graph, coverage);
}

std::string stats_text(const Stats& stats) {
  if (stats.entries.empty()) return "";
  std::string out =
      Section("statistics").line(text(stats.entries.size(), " tensors over ", stats.samples, " samples")) +
      "\n";
  for (const auto& [name, entry] : stats.entries) {
    const ObserverDef& def = *find_observer(entry.observer);
    out += text("  ", printable(name), ": ", entry.observer, ", ", def.count(entry.state), " values");
    if (!def.per_channel && def.count(entry.state) > 0) {
      Observation minmax;
      minmax.method = "minmax";
      const Range range = def.finish(entry.state, minmax)[0];
      out += text(" from ", number(range.lo), " to ", number(range.hi));
    }
    if (def.non_finite(entry.state) > 0) out += text(", ", def.non_finite(entry.state), " not finite");
    out += '\n';
  }
  return out;
}

Json value_json(const Value& value) {
  Json out;
  out["name"] = value.name;
  out["dtype"] = name_of(value.type.dtype);
  out["shape"] = std::vector<int64_t>(value.type.shape.extents().begin(), value.type.shape.extents().end());
  if (value.type.qparams) {
    out["scheme"] = name_of(value.type.qparams->scheme);
    out["scales"] = value.type.qparams->scales;
    out["zero_points"] = value.type.qparams->zero_points;
  }
  return out;
}

Json values_json(const Graph& graph, const std::vector<ValueId>& ids) {
  Json out = Json::array();
  for (ValueId id : ids) out.push_back(value_json(graph.values[static_cast<size_t>(id)]));
  return out;
}

Json attr_json(const Attr& attr) {
  return std::visit(
      [](const auto& value) -> Json {
        if constexpr (std::is_same_v<std::decay_t<decltype(value)>, double>)
          return std::isfinite(value) ? Json(value) : Json(number(value));
        else
          return Json(value);
      },
      attr);
}

Json nodes_json(const Graph& graph, const Coverage& coverage) {
  Json out = Json::array();
  Graph ordered = graph;
  sort_nodes(ordered);
  for (size_t i = 0; i < ordered.nodes.size(); ++i) {
    const Node& node = ordered.nodes[i];
    Json one;
    one["name"] = node.name;
    one["op"] = node.op;
    one["form"] = coverage.nodes[i].form;
    if (!node.float_reason.empty()) one["reason"] = node.float_reason;
    one["macs"] = coverage.nodes[i].macs;
    for (const auto& [name, attr] : node.attrs) one["attributes"][name] = attr_json(attr);
    for (ValueId id : node.inputs) one["inputs"].push_back(graph.values[static_cast<size_t>(id)].name);
    one["outputs"] = values_json(graph, node.outputs);
    out.push_back(std::move(one));
  }
  return out;
}

std::string dot_quoted(const std::string& words) {
  std::string out = "\"";
  for (char c : words) out += c == '"' || c == '\\' ? std::string("\\") + c : std::string(1, c);
  return out + "\"";
}

std::string_view color_of(const std::string& form) {
  if (form == "integer") return "palegreen";
  if (form == "table") return "lightyellow";
  if (form == "convert") return "lightgray";
  return "white";
}

}  // namespace

std::string info_text(const File& file) {
  std::string out = Section("format").line(std::string(name_of(file.format))) + history_text(file.history);
  if (file.format == Format::kModel) out += graph_text(file);
  return out + stats_text(file.stats);
}

Json info_json(const File& file) {
  Json out;
  out["format"] = name_of(file.format);
  out["history"] = history_json(file.history);
  if (file.format == Format::kModel) {
    const Coverage coverage = coverage_of(file.graph);
    const Sizes constants = constants_of(file.graph);
    out["inputs"] = values_json(file.graph, file.graph.inputs);
    out["any_batch"] = takes_any_batch(file.graph);
    out["outputs"] = values_json(file.graph, file.graph.outputs);
    out["constants"] = {{"count", constants.count}, {"bytes", constants.bytes}};
    out["coverage"] = {{"integer", coverage.integer},
                       {"table", coverage.table},
                       {"float", coverage.floating},
                       {"conversions", coverage.conversions}};
    out["macs"] = coverage.macs;
    out["integer_macs"] = coverage.integer_macs;
    out["nodes"] = nodes_json(file.graph, coverage);
  }
  for (const auto& [name, entry] : file.stats.entries) {
    const ObserverDef& def = *find_observer(entry.observer);
    out["statistics"][name] = {{"observer", entry.observer},
                               {"count", def.count(entry.state)},
                               {"non_finite", def.non_finite(entry.state)}};
  }
  return out;
}

std::string info_dot(const File& file) {
  Graph graph = file.graph;
  sort_nodes(graph);
  const Coverage coverage = coverage_of(graph);
  const std::vector<std::vector<NodeId>> readers = consumers(graph);
  std::string out = "digraph model {\n  node [shape=box, style=filled];\n";
  for (size_t i = 0; i < graph.nodes.size(); ++i)
    out += text("  n", i, " [label=", dot_quoted(printable(graph.nodes[i].name) + "\n" + graph.nodes[i].op),
                ", fillcolor=", color_of(coverage.nodes[i].form), "];\n");
  const auto edge = [&](const std::string& from, NodeId to, const Value& value) {
    out += text("  ", from, " -> n", to,
                " [label=", dot_quoted(text(name_of(value.type.dtype), " ", to_string(value.type.shape))),
                "];\n");
  };
  for (ValueId id : graph.inputs) {
    const Value& value = graph.values[static_cast<size_t>(id)];
    out += text("  i", id, " [label=", dot_quoted(printable(value.name)),
                ", shape=ellipse, fillcolor=white];\n");
    for (NodeId reader : readers[static_cast<size_t>(id)]) edge(text("i", id), reader, value);
  }
  for (size_t i = 0; i < graph.nodes.size(); ++i)
    for (ValueId id : graph.nodes[i].outputs)
      for (NodeId reader : readers[static_cast<size_t>(id)])
        edge(text("n", i), reader, graph.values[static_cast<size_t>(id)]);
  return out + "}\n";
}

std::string tensors_text(const TensorReader& reader) {
  std::string out = Section("format").line("tensors");
  for (const TensorReader::Entry& entry : reader.entries())
    out += text("  ", printable(entry.name), ' ', name_of(entry.type.dtype), ' ', to_string(entry.type.shape),
                scale_text(entry.type.qparams), '\n');
  return out;
}

Json tensors_json(const TensorReader& reader) {
  Json out;
  out["format"] = name_of(Format::kTensors);
  out["tensors"] = Json::array();
  for (const TensorReader::Entry& entry : reader.entries())
    out["tensors"].push_back(value_json({entry.name, entry.type, std::nullopt, {}}));
  return out;
}

}  // namespace q
