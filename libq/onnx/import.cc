// Import of ONNX: with any number of samples where the model allows it.
#include <new>
#include <optional>
#include <utility>

#include "base/text.h"
#include "onnx/builder.h"
#include "onnx/inputs.h"
#include "onnx/model.h"
#include "q/onnx.h"

namespace q {

namespace {

// Of a model whose first extents are fixed: with any number of samples in place of those it was exported
// with; nothing, and the reason, where it mixes them.
std::optional<Graph> with_free_batch(OnnxModel model, Changes& changes, std::string& reason) {
  const std::optional<int64_t> batch = common_batch(model);
  if (!batch) {
    reason = text("all inputs are one sample: their first extents differ, ", input_shapes(model));
    return {};
  }
  set_first_extents(model, kFree);
  try {
    Changes made;
    Graph graph = built_graph(model, *batch, made);
    changes.insert(changes.end(), made.begin(), made.end());
    changes.push_back(
        {"free batch", model.inputs.front().name, text("the model's batch of ", *batch, " may be any")});
    return graph;
  } catch (const Error& error) {
    reason = text("batch kept at ", *batch, ": ", error.what());
    return {};
  }
}

// Of a model whose first extents are open in the file: the graph, or what is in the way of any number of
// samples.
std::optional<Graph> with_open_batch(const OnnxModel& model, Changes& changes, std::string& reason) {
  try {
    Changes made;
    Graph graph = built_graph(model, 0, made);
    changes.insert(changes.end(), made.begin(), made.end());
    return graph;
  } catch (const Error& error) {
    reason = error.what();
    return {};
  }
}

// The first node or output that a message names.
std::string_view place_of(std::string_view message) { return message.substr(0, message.find(": ")); }

// Any number of samples is in the way, or the model is wrong for every number.
[[noreturn]] void refuse_open_batch(OnnxModel model, const std::string& open, const std::string& reason) {
  set_first_extents(model, 1);
  try {
    Changes ignored;
    built_graph(model, 0, ignored);
  } catch (const Error& error) {
    const bool is_same = place_of(error.what()) == place_of(reason);
    throw Error(error.kind(), is_same ? reason : error.what());
  }
  throw Error(ErrorKind::kUnsupported, text(open, " is open and cannot count samples, ",
                                            "wanted a shape or data that give it: ", reason));
}

Graph build_graph(OnnxModel model, const ImportOptions& options, Changes& changes) {
  const bool is_stated = states_batch(model, options);
  give_shapes(model, options);
  give_data_extents(model, options, Extents::kInner);
  check_inner_extents(model);
  std::string reason;
  if (const std::string open = open_batch(model); !open.empty()) {
    if (std::optional<Graph> graph = with_open_batch(model, changes, reason)) return std::move(*graph);
    if (!give_data_extents(model, options, Extents::kAll)) refuse_open_batch(model, open, reason);
  }
  if (std::optional<Graph> graph = with_free_batch(model, changes, reason)) return std::move(*graph);
  Graph graph = built_graph(model, 0, changes);
  changes.push_back({"fixed batch", model.inputs.front().name, reason, !is_stated});
  return graph;
}

}  // namespace

Graph import_onnx(const std::string& path, const std::string& shown, Changes& changes,
                  const ImportOptions& options) {
  try {
    return build_graph(read_onnx_model(path, shown, changes), options, changes);
  } catch (const Error& error) {
    throw Error(error.kind(), text(shown, ": ", error.what()));
  } catch (const std::bad_alloc&) {
    throw Error(ErrorKind::kSystem, text(shown, ": out of memory"));
  } catch (const std::exception& error) {
    // libonnx and protobuf throw types of their own
    throw Error(ErrorKind::kInvalid, text(shown, ": ", error.what()));
  }
}

}  // namespace q
