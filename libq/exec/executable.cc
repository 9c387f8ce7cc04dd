#include <chrono>
#include <cstdlib>
#include <cstring>

#include "base/parallel.h"
#include "base/text.h"
#include "exec/layout.h"
#include "exec/plan.h"
#include "kernels/dispatch.h"
#include "q/exec.h"

namespace q {

struct Executable::Plan {
  Compiled compiled;
  Tensor arena, scratch;
  bool profiled = false;
};

namespace {

std::byte* place(const Tensor& arena, const Compiled& compiled, int buffer) {
  return arena.data.get() + compiled.buffers[static_cast<size_t>(buffer)].offset;
}

void resolve_views(Compiled& compiled, const Tensor& arena) {
  for (PlanStep& step : compiled.steps) {
    for (const Operand& operand : step.in) {
      View view = operand.view;
      if (operand.buffer != kNone) view.data = place(arena, compiled, operand.buffer);
      step.in_views.push_back(view);
    }
    for (const Operand& operand : step.out)
      step.out_views.push_back({operand.view.dtype, operand.view.shape,
                                place(arena, compiled, operand.buffer), operand.view.qparams});
  }
}

size_t element_bytes(DType dtype) { return static_cast<size_t>(bits_of(dtype) / 8); }

void flip_sign_bits(const std::byte* from, std::byte* to, size_t count) {
  for (size_t i = 0; i < count; ++i) to[i] = from[i] ^ std::byte{0x80};
}

void take_in(const Intake& intake, View input, std::byte* to) {
  if (input.dtype != intake.type.dtype || input.shape != intake.type.shape)
    throw Error(ErrorKind::kInvalid,
                text("input ", intake.name, " is ", name_of(input.dtype), " ", to_string(input.shape),
                     ", wanted ", name_of(intake.type.dtype), " ", to_string(intake.type.shape)));
  const size_t size = bytes(input.dtype, input.shape);
  if (intake.transposed)
    to_channels_last(input.data, to, input.shape, element_bytes(input.dtype));
  else
    std::memcpy(to, input.data, size);
  if (intake.flip_sign) flip_sign_bits(to, to, size);
}

View reorder(const Delivery& delivery, View stored, std::byte* scratch) {
  const size_t size = bytes(delivery.type.dtype, delivery.type.shape);
  if (delivery.transposed) {
    to_row_major(stored.data, scratch, delivery.type.shape, element_bytes(delivery.type.dtype));
    stored.data = scratch;
    scratch += size;
  }
  if (delivery.flip_sign) {
    flip_sign_bits(stored.data, scratch, size);
    stored.data = scratch;
  }
  return stored;
}

void run_step(const PlanStep& step, Executable::Step& info, bool is_timed) try {
  if (!is_timed) return step.run({step.in_views, step.out_views});
  const auto start = std::chrono::steady_clock::now();
  step.run({step.in_views, step.out_views});
  info.seconds += std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
} catch (const Error& error) {
  throw Error(error.kind(), text("/graph/", info.node, " (", info.op, "): ", error.what()));
}

}  // namespace

Executable::Executable(const Graph& graph, const ExecOptions& options) : plan_(std::make_unique<Plan>()) {
  if (options.batch < 1)
    throw Error(ErrorKind::kUsage, text("batch of ", options.batch, ", wanted at least 1"));
  plan_->compiled = compile(graph, options);
  plan_->arena = make_tensor(DType::kU8, Shape{static_cast<int64_t>(plan_->compiled.arena_bytes)});
  plan_->scratch = make_tensor(DType::kU8, Shape{static_cast<int64_t>(plan_->compiled.scratch_bytes)});
  resolve_views(plan_->compiled, plan_->arena);
}

Executable::Executable(Executable&&) noexcept = default;
Executable& Executable::operator=(Executable&&) noexcept = default;
Executable::~Executable() = default;

void Executable::run(std::span<const View> inputs, const Sink& sink) {
  Compiled& compiled = plan_->compiled;
  if (inputs.size() != compiled.intakes.size())
    throw Error(ErrorKind::kInvalid, text(inputs.size(), " inputs, wanted ", compiled.intakes.size()));
  for (size_t i = 0; i < inputs.size(); ++i)
    take_in(compiled.intakes[i], inputs[i], place(plan_->arena, compiled, compiled.intakes[i].buffer));

  size_t next = 0;
  const auto deliver = [&](int after) {
    for (; next < compiled.deliveries.size() && compiled.deliveries[next].after == after; ++next) {
      const Delivery& delivery = compiled.deliveries[next];
      View stored = delivery.type;
      stored.data = place(plan_->arena, compiled, delivery.source.buffer);
      sink(delivery.value, reorder(delivery, stored, plan_->scratch.data.get()));
    }
  };
  deliver(-1);
  for (size_t i = 0; i < compiled.steps.size(); ++i) {
    run_step(compiled.steps[i], compiled.info[i], plan_->profiled);
    deliver(static_cast<int>(i));
  }
}

void Executable::profile(bool on) { plan_->profiled = on; }
const std::vector<Executable::Step>& Executable::steps() const { return plan_->compiled.info; }
size_t Executable::arena_bytes() const { return plan_->compiled.arena_bytes; }

void set_threads(int count) {
  if (count < 0) throw Error(ErrorKind::kUsage, text(count, " threads, wanted 0 or more"));
  set_thread_count(count);
}

int threads() { return thread_count(); }

const Kernels& kernels_for(const std::string& isa) {
  const Kernels* kernels = kernels_up_to(isa);
  if (kernels != nullptr) return *kernels;
  std::string names;
  for (const std::string& name : available_isas()) names += (names.empty() ? "" : ", ") + name;
  const char* environment = std::getenv("Q_ISA");
  throw Error(ErrorKind::kUsage,
              text("instruction set \"", isa.empty() && environment != nullptr ? environment : isa,
                   "\" is not one of this machine's: ", names));
}

std::string row_name(const std::string& isa) { return kernels_for(isa).name; }

std::vector<std::string> available_isas() {
  std::vector<std::string> names;
  for (const Isa* isa : isas())
    if (supported(*isa)) names.emplace_back(isa->name);
  return names;
}

}  // namespace q
