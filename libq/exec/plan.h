// A graph made ready to run: steps with resolved operands, one arena, constants in the order the kernels
// want.
#pragma once

#include <string>
#include <vector>

#include "exec/arena.h"
#include "q/exec.h"
#include "q/op.h"

namespace q {

// What a step reads or writes: a place in the arena, or a constant.
struct Operand {
  int buffer = kNone;  // kNone: the view is complete
  View view;
};

struct PlanStep {
  Run run;
  std::vector<Operand> in, out;
  std::vector<View> in_views;  // filled once the arena stands
  std::vector<MutableView> out_views;
};

// A value to hand out after a step.
struct Delivery {
  ValueId value = kNone;
  int after = 0;  // step; -1: before the first
  View type;      // logical shape and the graph's dtype and qparams
  Operand source;
  bool transposed = false;  // lies channels-last
  bool flip_sign = false;   // u8 inside, i8 in the graph
};

// A model input: copied into the arena in the order its readers want.
struct Intake {
  std::string name;
  TensorType type;
  int buffer = kNone;
  bool transposed = false, flip_sign = false;
};

struct Compiled {
  std::vector<PlanStep> steps;
  std::vector<Executable::Step> info;  // one per step
  std::vector<Intake> intakes;
  std::vector<Delivery> deliveries;  // by `after`
  std::vector<Tensor> constants;     // what views point into
  std::vector<std::unique_ptr<QParams>> qparams;
  std::vector<Buffer> buffers;
  size_t arena_bytes = 0;
  size_t scratch_bytes = 0;  // for the largest delivery that must be reordered
};

// Throws what operators throw, with the node's place in front.
Compiled compile(const Graph& graph, const ExecOptions& options);

}  // namespace q
