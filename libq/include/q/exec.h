// Execution: a graph is compiled once for a batch size and run many times.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "q/graph.h"

namespace q {

struct Kernels;

struct ExecOptions {
  int64_t batch = 1;               // extent of the free dimension
  std::string isa = {};            // row of kernels: empty = Q_ISA, else the best this machine has
  std::vector<ValueId> keep = {};  // values to deliver beside the outputs
  bool stored_order =
      false;  // deliver elements in the order they are stored: cheaper, for who only counts them
};

// A compiled graph: packed constants, one arena, a list of steps. Move-only; one run at a time.
class Q_API Executable {
 public:
  struct Step {
    // op: with what was joined to it, "conv2d+add"; kernel: "f32", "int8", "table", "convert"
    std::string node, op, kernel;
    int64_t macs = 0;
    double seconds = 0;  // summed over profiled runs
  };

  // Packs all constants; throws when an operator refuses its operands. Precondition: validate(graph) passed.
  Executable(const Graph& graph, const ExecOptions& options);
  Executable(Executable&&) noexcept;
  Executable& operator=(Executable&&) noexcept;
  ~Executable();

  // inputs: row-major tensors of the model's input types with the batch as first extent, in the graph's
  // order. sink: called once for each output and kept value, as they are computed, with a row-major view that
  // is valid only during the call. Throws when an input does not fit, and what sink throws.
  using Sink = std::function<void(ValueId, View)>;
  void run(std::span<const View> inputs, const Sink& sink);

  // Times each step from now on.
  void profile(bool on);
  const std::vector<Step>& steps() const;
  size_t arena_bytes() const;

 private:
  struct Plan;
  std::unique_ptr<Plan> plan_;
};

// Threads used by all work of the library from now on; 0: as many as the machine has cores.
Q_API void set_threads(int threads);
Q_API int threads();
// The kernels of a row, as operators and observers take them. isa: its name; empty: $Q_ISA, else the best
// this machine has. Throws when there is no such row or the machine cannot run it.
Q_API const Kernels& kernels_for(const std::string& isa);
// Multiply-adds per second that one thread reaches at most with the products of this row, measured on
// operands in the first-level cache in some milliseconds. kernel: "f32" or "int8", as in Executable::Step.
// Throws as kernels_for does, and for another kernel.
Q_API double peak_rate(const std::string& isa, std::string_view kernel);
// The name of the row that kernels_for gives.
Q_API std::string row_name(const std::string& isa);
// Names of the kernel rows this machine can run, slowest first.
Q_API std::vector<std::string> available_isas();

}  // namespace q
