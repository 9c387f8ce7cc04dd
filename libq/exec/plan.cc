#include "exec/plan.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <set>

#include "base/text.h"
#include "exec/layout.h"
#include "ops/shared/evaluate.h"
#include "ops/shared/unary.h"

namespace q {

namespace {

enum class Order : uint8_t { kRowMajor, kChannelsLast };

// i8 activations live as u8 inside: 128 is added to data and zero points alike.
constexpr int32_t kSignShift = 128;

constexpr size_t kMostJoinedInputs = 4;

QParams as_u8(QParams qparams) {
  for (int32_t& zero_point : qparams.zero_points) zero_point += kSignShift;
  qparams.quant_min += kSignShift;
  qparams.quant_max += kSignShift;
  return qparams;
}

void flip_sign_bits(Tensor& tensor) {
  const size_t size = bytes(tensor.type.dtype, tensor.type.shape);
  for (size_t i = 0; i < size; ++i) tensor.as<uint8_t>()[i] ^= 0x80;
}

class Compiler {
 public:
  Compiler(const Graph& graph, const ExecOptions& options)
      : graph_(graph), options_(options), kernels_(kernels_for(options.isa)) {
    sort_nodes(graph_);
    set_batch(graph_, options.batch);
  }

  Compiled compile() {
    places_.resize(graph_.values.size());
    for (const Value& value : graph_.values) types_.push_back(inside_type(value.type));
    for (ValueId id : graph_.inputs) add_intake(id);
    deliver(graph_.inputs);
    find_readers();
    for (const Node& node : graph_.nodes) {
      if (joined_.contains(&node)) continue;
      const Node* last = &node;
      try {
        last = add_node(node);
      } catch (const Error& error) {
        throw Error(error.kind(), text("/graph/", node.name, " (", node.op, "): ", error.what()));
      }
      deliver(last->outputs);
    }
    out_.arena_bytes = plan_arena(out_.buffers);
    return std::move(out_);
  }

 private:
  // Where a value's elements are, once per order in which somebody wanted them.
  struct Places {
    int buffer[2] = {kNone, kNone};
  };

  Value& value(ValueId id) { return graph_.values[static_cast<size_t>(id)]; }
  const TensorType& type(ValueId id) const { return types_[static_cast<size_t>(id)]; }

  static TensorType inside_type(TensorType type) {
    if (type.dtype == DType::kI8 && type.qparams) return {DType::kU8, type.shape, as_u8(*type.qparams)};
    return type;
  }

  const QParams* keep(const std::optional<QParams>& qparams) {
    if (!qparams) return nullptr;
    out_.qparams.push_back(std::make_unique<QParams>(*qparams));
    return out_.qparams.back().get();
  }

  int step_count() const { return static_cast<int>(out_.steps.size()); }

  int new_buffer(const TensorType& type, int first) {
    out_.buffers.push_back({bytes(type.dtype, type.shape), first, first, 0});
    return static_cast<int>(out_.buffers.size()) - 1;
  }

  void touch(int buffer) { out_.buffers[static_cast<size_t>(buffer)].last = step_count(); }

  // The order in which an input's first reader wants it, so that the copy at the door is the only one.
  Order wanted_order(ValueId id) const {
    for (const Node& node : graph_.nodes)
      for (ValueId input : node.inputs)
        if (input == id) {
          const Layout layout = find_op(node.op)->layout;
          const int rank = type(id).shape.rank;
          if (layout == Layout::kChannelsLast)
            return has_channels(rank) ? Order::kChannelsLast : Order::kRowMajor;
          if (layout == Layout::kPlain) return Order::kRowMajor;
          for (ValueId output : node.outputs)
            if (has_channels(rank) && type(output).shape.rank == rank) return wanted_order(output);
        }
    return Order::kRowMajor;
  }

  void add_intake(ValueId id) {
    const TensorType& inside = type(id);
    const Order order = wanted_order(id);
    const int buffer = new_buffer(inside, -1);
    places_[static_cast<size_t>(id)].buffer[static_cast<int>(order)] = buffer;
    out_.intakes.push_back({value(id).name, value(id).type, buffer,
                            order == Order::kChannelsLast && !same_bytes(inside.shape),
                            value(id).type.dtype != inside.dtype});
  }

  bool lies(ValueId id, Order order) const {
    return places_[static_cast<size_t>(id)].buffer[static_cast<int>(order)] != kNone;
  }

  // The buffer that holds the value in this order; a conversion step is added when there is none yet.
  int buffer_of(ValueId id, Order order) {
    Places& places = places_[static_cast<size_t>(id)];
    int& here = places.buffer[static_cast<int>(order)];
    if (here == kNone) {
      const int other = places.buffer[1 - static_cast<int>(order)];
      const TensorType& inside = type(id);
      if (same_bytes(inside.shape)) {
        here = other;
      } else {
        here = new_buffer(inside, step_count());
        add_conversion(id, other, here, order);
      }
    }
    touch(here);
    return here;
  }

  void add_conversion(ValueId id, int from, int to, Order order) {
    touch(from);
    const TensorType& inside = type(id);
    const size_t element_bytes = static_cast<size_t>(bits_of(inside.dtype) / 8);
    PlanStep step;
    step.in.push_back({from, {inside.dtype, inside.shape, nullptr, nullptr}});
    step.out.push_back({to, {inside.dtype, inside.shape, nullptr, nullptr}});
    step.run = [element_bytes, order](const RunCall& call) {
      const auto convert = order == Order::kChannelsLast ? to_channels_last : to_row_major;
      convert(call.in[0].data, call.out[0].data, call.in[0].shape, element_bytes);
    };
    out_.steps.push_back(std::move(step));
    out_.info.push_back({value(id).name, order == Order::kChannelsLast ? "to_channels_last" : "to_row_major",
                         "convert", 0, 0});
  }

  // The order all operands of an elementwise operator take: that of its first operand of full rank, where
  // every other operand of lower rank is a constant that can be rearranged.
  Order order_of_any(const Node& node, int rank) {
    if (!has_channels(rank)) return Order::kRowMajor;
    Order order = Order::kRowMajor;
    bool decided = false;
    for (ValueId id : node.inputs) {
      if (value(id).constant) continue;
      if (type(id).shape.rank != rank) return Order::kRowMajor;
      if (!decided) order = lies(id, Order::kChannelsLast) ? Order::kChannelsLast : Order::kRowMajor;
      decided = true;
    }
    return order;
  }

  // What an operator's order is for an operand of this type.
  static Order own_order(const TensorType& operand, Order order) {
    return has_channels(operand.shape.rank) ? order : Order::kRowMajor;
  }

  Order order_of(const Node& node, const OpDef& op, int rank) {
    switch (op.layout) {
      case Layout::kPlain:
        return Order::kRowMajor;
      case Layout::kChannelsLast:
        return Order::kChannelsLast;
      case Layout::kAny:
        return order_of_any(node, rank);
    }
    return Order::kRowMajor;
  }

  // A constant operand as the step reads it. Weights stay as they are: packing brings them into order.
  View constant_operand(const OpDef& op, ValueId id, bool is_packed, Order order, int rank) {
    Tensor tensor = value(id).constant();
    if (is_packed) {
      // held only until the operator has packed it
      packing_.push_back(tensor);
      return {tensor.type.dtype, tensor.type.shape, tensor.data.get(), keep(tensor.type.qparams)};
    }
    if (tensor.type.dtype == DType::kI8 && tensor.type.qparams) {
      flip_sign_bits(tensor = copy(tensor));
      tensor.type = inside_type(tensor.type);
    }
    if (op.layout == Layout::kAny) {
      tensor.type.shape = unsqueezed(tensor.type.shape, rank);
      if (order == Order::kChannelsLast) tensor = in_channels_last(tensor);
    }
    out_.constants.push_back(tensor);
    return {tensor.type.dtype, tensor.type.shape, tensor.data.get(), keep(tensor.type.qparams)};
  }

  static Tensor copy(const Tensor& tensor) {
    Tensor out = make_tensor(tensor.type);
    std::memcpy(out.data.get(), tensor.data.get(), bytes(tensor.type.dtype, tensor.type.shape));
    return out;
  }

  static Tensor in_channels_last(const Tensor& tensor) {
    Tensor out = make_tensor(tensor.type);
    to_channels_last(tensor.data.get(), out.data.get(), tensor.type.shape,
                     static_cast<size_t>(bits_of(tensor.type.dtype) / 8));
    out.type.shape = stored_shape(tensor.type.shape);
    return out;
  }

  // The extents a step sees: elementwise operators see the stored order.
  Shape seen_shape(const OpDef& op, const Shape& logical, Order order, int rank) {
    if (op.layout != Layout::kAny) return logical;
    const Shape full = unsqueezed(logical, rank);
    return order == Order::kChannelsLast && full.rank == rank ? stored_shape(full) : full;
  }

  Attrs seen_attrs(const OpDef& op, const Node& node, Order order, int rank) {
    Attrs attrs = complete_attrs(op, node.attrs);
    if (op.layout != Layout::kAny || order == Order::kRowMajor) return attrs;
    const auto seen = [&](const AttrSpec& spec, int64_t axis) {
      return int64_t{stored_axis(normalize_axis(axis, rank, spec.name), rank)};
    };
    for (const AttrSpec& spec : op.attrs) {
      if (!spec.is_axis) continue;
      Attr& attr = attrs.find(spec.name)->second;
      if (auto* axes = std::get_if<Ints>(&attr))
        for (int64_t& axis : *axes) axis = seen(spec, axis);
      else
        attr = seen(spec, attr_int(attrs, spec.name));
    }
    return attrs;
  }

  // ---- elementwise operators computed on what a weighted one has just made ----

  void find_readers() {
    readers_.resize(graph_.values.size());
    for (const Node& node : graph_.nodes)
      for (ValueId id : node.inputs) readers_[static_cast<size_t>(id)].push_back(&node);
  }

  bool is_delivered(ValueId id) const {
    const auto in = [&](const std::vector<ValueId>& list) {
      return std::find(list.begin(), list.end(), id) != list.end();
    };
    return in(graph_.outputs) || in(options_.keep);
  }

  // The only reader of a value nobody else wants to see, if it has one output of the same type of elements
  // and all its operands have the shape of the value and lie in this order. Null when there is none.
  const Node* joinable_reader(ValueId id, Order order) {
    const std::vector<const Node*>& readers = readers_[static_cast<size_t>(id)];
    if (readers.size() != 1 || is_delivered(id)) return nullptr;
    const Node& reader = *readers[0];
    const TensorType& made = type(id);
    if (find_op(reader.op)->layout != Layout::kAny || reader.outputs.size() != 1 ||
        reader.inputs.size() > kMostJoinedInputs)
      return nullptr;
    const auto fits = [&](ValueId other) {
      return type(other).dtype == made.dtype && type(other).shape == made.shape;
    };
    if (!fits(reader.outputs[0])) return nullptr;
    for (ValueId input : reader.inputs) {
      if (input == id) continue;
      if (value(input).constant || !fits(input)) return nullptr;
      const bool either = !has_channels(made.shape.rank) || same_bytes(made.shape);
      const Order other = order == Order::kRowMajor ? Order::kChannelsLast : Order::kRowMajor;
      if (!lies(input, order) && !(either && lies(input, other))) return nullptr;
    }
    return &reader;
  }

  // Adds readers of what `node` makes, one after the other, to its step: their other operands to the step's
  // own, and to the epilogue what computes them. Returns the node whose output the step then has.
  const Node* join_readers(const Node& node, Order order, PlanStep& step, RunPart& epilogue,
                           std::string& ops) {
    const Node* last = &node;
    while (const Node* reader = joinable_reader(last->outputs[0], order)) {
      const OpDef& op = *find_op(reader->op);
      const int rank = type(reader->outputs[0]).shape.rank;
      std::vector<TensorType> in, out;
      const auto seen_type = [&](ValueId id) {
        TensorType seen = type(id);
        seen.shape = seen_shape(op, seen.shape, order, rank);
        return seen;
      };
      for (ValueId id : reader->inputs) in.push_back(seen_type(id));
      out.push_back(seen_type(reader->outputs[0]));
      const Attrs attrs = seen_attrs(op, *reader, order, rank);
      const std::vector<View> constants(in.size());
      std::string kernel;
      RunPart part;
      try {
        part = choose_form(op, {attrs, in, out, constants, kernels_}, &kernel).part;
      } catch (const Error&) {  // thrown again, and named after the reader, when it gets a step of its own
      }
      if (!part) break;

      std::vector<int> sources;  // operand of the step; kNone: what the step makes
      for (size_t i = 0; i < in.size(); ++i) {
        const ValueId id = reader->inputs[i];
        if (id == last->outputs[0]) {
          sources.push_back(kNone);
          continue;
        }
        sources.push_back(static_cast<int>(step.in.size()));
        step.in.push_back({buffer_of(id, order), {in[i].dtype, in[i].shape, nullptr, keep(in[i].qparams)}});
      }
      epilogue = [first = std::move(epilogue), part = std::move(part), sources](const RunCall& run,
                                                                                const Part& elements) {
        if (first) first(run, elements);
        std::array<View, kMostJoinedInputs> operands;
        for (size_t i = 0; i < sources.size(); ++i)
          operands[i] = sources[i] == kNone
                            ? View{run.out[0].dtype, run.out[0].shape, run.out[0].data, run.out[0].qparams}
                            : run.in[static_cast<size_t>(sources[i])];
        part({std::span(operands).first(sources.size()), run.out}, elements);
      };
      ops += text("+", reader->op);
      joined_.insert(reader);
      last = reader;
    }
    return last;
  }

  // Adds the step of a node and of the readers that join it. Returns the last of them.
  const Node* add_node(const Node& node) {
    const OpDef& op = *find_op(node.op);
    int rank = 0;
    for (ValueId id : node.inputs) rank = std::max(rank, type(id).shape.rank);
    const Order order = order_of(node, op, rank);

    PlanStep step;
    std::vector<TensorType> in, out;
    std::vector<View> constants;
    std::vector<size_t> late;  // parameters that are computed
    for (size_t i = 0; i < node.inputs.size(); ++i) {
      const ValueId id = node.inputs[i];
      View constant;
      TensorType seen = type(id);
      if (value(id).constant) {
        const bool is_packed = is_weight(op, i) || static_cast<int>(i) == op.bias;
        constant = constant_operand(op, id, is_packed, order, rank);
        seen.dtype = constant.dtype;
        seen.shape = constant.shape;
        if (constant.qparams != nullptr) seen.qparams = *constant.qparams;
        step.in.push_back(
            {kNone, is_packed ? View{constant.dtype, constant.shape, nullptr, nullptr} : constant});
      } else {
        const bool is_late = is_parameter(op, i);  // lies as a constant would
        if (is_late) late.push_back(i);
        const int buffer = buffer_of(id, is_late ? Order::kRowMajor : own_order(seen, order));
        if (!is_late) seen.shape = seen_shape(op, seen.shape, order, rank);
        step.in.push_back({buffer, {seen.dtype, seen.shape, nullptr, keep(seen.qparams)}});
      }
      in.push_back(seen);
      constants.push_back(constant);
    }
    for (ValueId id : node.outputs) {
      TensorType seen = type(id);
      if (own_order(seen, order) == order) seen.shape = seen_shape(op, seen.shape, order, seen.shape.rank);
      out.push_back(seen);
    }
    RunPart epilogue;
    std::string ops = node.op;
    const Node* last = &node;
    if (op.takes_epilogue) last = join_readers(node, own_order(out[0], order), step, epilogue, ops);

    // a conversion added for a later operand must not overtake the life of an earlier one
    for (const Operand& operand : step.in)
      if (operand.buffer != kNone) touch(operand.buffer);
    for (size_t i = 0; i < last->outputs.size(); ++i) {
      const ValueId id = last->outputs[i];
      const int buffer = new_buffer(type(id), step_count());
      places_[static_cast<size_t>(id)].buffer[static_cast<int>(own_order(type(id), order))] = buffer;
      step.out.push_back({buffer, {type(id).dtype, out[i].shape, nullptr, keep(type(id).qparams)}});
    }

    const Attrs attrs = seen_attrs(op, node, order, rank);
    std::string kernel;
    if (late.empty()) {
      step.run = choose_form(op, {attrs, in, out, constants, kernels_, std::move(epilogue)}, &kernel);
    } else {
      kernel = "f32";
      step.run = compiled_late(op, {attrs, in, out, constants, kernels_, std::move(epilogue)}, late);
    }
    packing_.clear();
    const int64_t macs = op.macs != nullptr ? op.macs(attrs, in, type(node.outputs[0]).shape) : 0;
    out_.steps.push_back(std::move(step));
    out_.info.push_back({node.name, ops, kernel, macs, 0});
    return last;
  }

  static Run choose_form(const OpDef& op, const CompileCall& call, std::string* kernel) {
    const bool mixes_types = op.f32 == nullptr && op.unary == nullptr;  // quantize, dequantize
    if (mixes_types) {
      *kernel = "convert";
      return op.quant(call);
    }
    const DType given = call.in[data_input(op)].dtype;
    const bool only_reals = op.reals_from == 0;  // its integer form gives them too
    const bool to_integers = (only_reals ? given : call.out[0].dtype) == DType::kU8;
    if (to_integers && op.weight != kNone && call.in[static_cast<size_t>(op.weight)].dtype != DType::kI8)
      throw Error(ErrorKind::kUnsupported,
                  text("weight is ", name_of(call.in[static_cast<size_t>(op.weight)].dtype), ", wanted i8"));
    const DType wanted = to_integers ? DType::kU8 : DType::kF32;
    const bool fits = given == wanted || is_weight(op, data_input(op));
    if (!fits || call.out[0].dtype != (only_reals ? DType::kF32 : wanted))
      throw Error(ErrorKind::kUnsupported,
                  text("no kernel takes ", name_of(given), " and gives ", name_of(call.out[0].dtype)));
    if (to_integers) {
      if (op.quant != nullptr) {
        *kernel = "int8";
        return op.quant(call);
      }
      if (op.unary == nullptr) throw Error(ErrorKind::kUnsupported, "has no integer form");
      *kernel = "table";
      return compile_table(op, call);
    }
    *kernel = "f32";
    return op.f32 != nullptr ? op.f32(call) : compile_unary_f32(op, call);
  }

  // A node some of whose parameters are computed: it is compiled for every run, once they are known.
  Run compiled_late(const OpDef& op, const CompileCall& call, std::vector<size_t> late) {
    const auto is_float = [](const TensorType& type) { return type.dtype == DType::kF32; };
    if (!std::ranges::all_of(call.in, is_float) || !std::ranges::all_of(call.out, is_float))
      throw Error(ErrorKind::kUnsupported, "a weight or parameter is computed, wanted a constant");
    out_.constants.insert(out_.constants.end(), packing_.begin(), packing_.end());
    return [&op, attrs = call.attrs, in = std::vector(call.in.begin(), call.in.end()),
            out = std::vector(call.out.begin(), call.out.end()),
            known = std::vector(call.constants.begin(), call.constants.end()), &kernels = call.kernels,
            epilogue = call.epilogue, late = std::move(late)](const RunCall& run) {
      std::vector<View> constants = known;
      for (const size_t i : late) constants[i] = run.in[i];
      op.f32({attrs, in, out, constants, kernels, epilogue})(run);
    };
  }

  void deliver(const std::vector<ValueId>& made) {
    for (ValueId id : made) {
      if (!is_delivered(id)) continue;
      const Order order = lies(id, Order::kRowMajor) ? Order::kRowMajor : Order::kChannelsLast;
      const int buffer = places_[static_cast<size_t>(id)].buffer[static_cast<int>(order)];
      const TensorType& outside = value(id).type;
      Delivery delivery{id,
                        step_count() - 1,
                        {outside.dtype, outside.shape, nullptr, keep(outside.qparams)},
                        {buffer, {}},
                        order == Order::kChannelsLast && !same_bytes(outside.shape) && !options_.stored_order,
                        outside.dtype != type(id).dtype};
      if (delivery.transposed || delivery.flip_sign)
        out_.scratch_bytes = std::max(out_.scratch_bytes, 2 * bytes(outside.dtype, outside.shape));
      out_.deliveries.push_back(std::move(delivery));
    }
  }

  Graph graph_;
  const ExecOptions& options_;
  const Kernels& kernels_;
  std::vector<TensorType> types_;  // as stored inside
  std::vector<Places> places_;
  std::vector<Tensor> packing_;
  std::vector<std::vector<const Node*>> readers_;  // of every value, once for each time they read it
  std::set<const Node*> joined_;                   // readers that are part of an earlier step
  Compiled out_;
};

}  // namespace

Compiled compile(const Graph& graph, const ExecOptions& options) {
  return Compiler(graph, options).compile();
}

}  // namespace q
