#include "exec/plan.h"

#include <algorithm>
#include <cstring>

#include "base/text.h"
#include "exec/layout.h"
#include "ops/shared/evaluate.h"
#include "ops/shared/unary.h"

namespace q {

namespace {

enum class Order : uint8_t { kRowMajor, kChannelsLast };

// i8 activations live as u8 inside: 128 is added to data and zero points alike.
constexpr int32_t kSignShift = 128;

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
    set_batch();
    sort_nodes(graph_);
    infer_shapes(graph_);
  }

  Compiled compile() {
    places_.resize(graph_.values.size());
    for (const Value& value : graph_.values) types_.push_back(inside_type(value.type));
    for (ValueId id : graph_.inputs) add_intake(id);
    deliver(graph_.inputs);
    for (const Node& node : graph_.nodes) {
      try {
        add_node(node);
      } catch (const Error& error) {
        throw Error(error.kind(), text("/graph/", node.name, " (", node.op, "): ", error.what()));
      }
      deliver(node.outputs);
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

  void set_batch() {
    for (ValueId id : graph_.inputs)
      for (int axis = 0; axis < value(id).type.shape.rank; ++axis)
        if (value(id).type.shape[axis] == kFree) value(id).type.shape[axis] = options_.batch;
  }

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
  View constant_operand(const OpDef& op, ValueId id, bool is_weight, Order order, int rank) {
    Tensor tensor = value(id).constant();
    if (is_weight) {
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
    for (const AttrSpec& spec : op.attrs)
      if (spec.is_axis) {
        const int axis = normalize_axis(attr_int(attrs, spec.name), rank, spec.name);
        attrs.insert_or_assign(std::string(spec.name), int64_t{stored_axis(axis, rank)});
      }
    return attrs;
  }

  void add_node(const Node& node) {
    const OpDef& op = *find_op(node.op);
    int rank = 0;
    for (ValueId id : node.inputs) rank = std::max(rank, type(id).shape.rank);
    const Order order = order_of(node, op, rank);

    PlanStep step;
    std::vector<TensorType> in, out;
    std::vector<View> constants;
    for (size_t i = 0; i < node.inputs.size(); ++i) {
      const ValueId id = node.inputs[i];
      View constant;
      TensorType seen = type(id);
      if (value(id).constant) {
        const bool is_weight = static_cast<int>(i) == op.weight || static_cast<int>(i) == op.bias;
        constant = constant_operand(op, id, is_weight, order, rank);
        seen.dtype = constant.dtype;
        seen.shape = constant.shape;
        if (constant.qparams != nullptr) seen.qparams = *constant.qparams;
        step.in.push_back(
            {kNone, is_weight ? View{constant.dtype, constant.shape, nullptr, nullptr} : constant});
      } else {
        const Order own = has_channels(seen.shape.rank) ? order : Order::kRowMajor;
        const int buffer = buffer_of(id, own);
        seen.shape = seen_shape(op, seen.shape, order, rank);
        step.in.push_back({buffer, {seen.dtype, seen.shape, nullptr, keep(seen.qparams)}});
      }
      in.push_back(seen);
      constants.push_back(constant);
    }
    // a conversion added for a later operand must not overtake the life of an earlier one
    for (const Operand& operand : step.in)
      if (operand.buffer != kNone) touch(operand.buffer);
    for (ValueId id : node.outputs) {
      TensorType seen = type(id);
      const Order own = has_channels(seen.shape.rank) ? order : Order::kRowMajor;
      const int buffer = new_buffer(seen, step_count());
      places_[static_cast<size_t>(id)].buffer[static_cast<int>(own)] = buffer;
      if (own == order) seen.shape = seen_shape(op, seen.shape, order, seen.shape.rank);
      step.out.push_back({buffer, {seen.dtype, seen.shape, nullptr, keep(seen.qparams)}});
      out.push_back(seen);
    }

    const Attrs attrs = seen_attrs(op, node, order, rank);
    std::string kernel;
    step.run = choose_form(op, {attrs, in, out, constants, kernels_}, &kernel);
    packing_.clear();
    const int64_t macs = op.macs != nullptr ? op.macs(attrs, in, type(node.outputs[0]).shape) : 0;
    out_.steps.push_back(std::move(step));
    out_.info.push_back({node.name, node.op, kernel, macs, 0});
  }

  static Run choose_form(const OpDef& op, const CompileCall& call, std::string* kernel) {
    const bool mixes_types = op.f32 == nullptr && op.unary == nullptr;  // quantize, dequantize
    if (mixes_types) {
      *kernel = "convert";
      return op.quant(call);
    }
    const bool to_integers = call.out[0].dtype == DType::kU8;
    if (to_integers && op.weight != kNone && call.in[static_cast<size_t>(op.weight)].dtype != DType::kI8)
      throw Error(ErrorKind::kUnsupported,
                  text("weight is ", name_of(call.in[static_cast<size_t>(op.weight)].dtype), ", wanted i8"));
    const DType wanted = to_integers ? DType::kU8 : DType::kF32;
    if (call.in[0].dtype != wanted || call.out[0].dtype != wanted)
      throw Error(ErrorKind::kUnsupported, text("no kernel takes ", name_of(call.in[0].dtype), " and gives ",
                                                name_of(call.out[0].dtype)));
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

  void deliver(const std::vector<ValueId>& made) {
    for (ValueId id : made) {
      const auto wanted = [&](const std::vector<ValueId>& list) {
        return std::find(list.begin(), list.end(), id) != list.end();
      };
      if (!wanted(graph_.outputs) && !wanted(options_.keep)) continue;
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
  Compiled out_;
};

}  // namespace

Compiled compile(const Graph& graph, const ExecOptions& options) {
  return Compiler(graph, options).compile();
}

}  // namespace q
