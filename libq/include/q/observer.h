// Observers: what is remembered of a tensor's values. One file in libq/observers is one ObserverDef.
#pragma once

#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "q/quant.h"
#include "q/tensor.h"

namespace q {

struct Kernels;

// How a value shall be observed and quantized: the recipe's decision, written beside the value by q-observe.
struct Observation {
  QuantSpec spec;
  std::string
      observer;  // name of the ObserverDef that records it; empty for a value that only shares another's
  std::string method;         // how q-calibrate turns its record into a range
  double percentile = 99.99;  // for method "percentile": per cent of the values inside
  std::string shares;         // name of the value whose parameters it takes; empty for its own
  bool operator==(const Observation&) const = default;
};

// A bundle of small tensors, named by the observer's `fields`. It depends only on the multiset of values
// seen.
using ObserverState = std::vector<Tensor>;

struct ObserverDef {
  std::string_view name, doc;
  std::span<const std::string_view> fields;
  std::span<const std::string_view> methods;  // what q-calibrate may ask; the first is the default
  bool per_channel = false;
  // A state that has seen nothing. channels: extent of the channel axis, 1 for per-tensor observers.
  ObserverState (*init)(int64_t channels) = nullptr;
  // values: float32, any shape, `axis` its channel axis (row-major). NaN and infinities are counted, not
  // recorded.
  void (*update)(ObserverState&, View values, int axis, const Kernels&) = nullptr;
  // Associative and commutative. Throws when the other state is of another form.
  void (*merge)(ObserverState& into, const ObserverState& from) = nullptr;
  // Throws unless the tensors have the types, shapes and consistency this observer writes: states come from
  // files.
  void (*check)(const ObserverState&) = nullptr;
  int64_t (*count)(const ObserverState&) = nullptr;       // finite values seen
  int64_t (*non_finite)(const ObserverState&) = nullptr;  // NaN and infinities seen
  // The range (per channel) to quantize for. Precondition: count > 0.
  std::vector<Range> (*finish)(const ObserverState&, const Observation&) = nullptr;
  // How many of the values recorded are certainly outside a range: a lower bound, of whole bins. Null for
  // observers that cannot tell.
  int64_t (*outside)(const ObserverState&, const Range&) = nullptr;
};

Q_API std::span<const ObserverDef* const> observers();
// The observer of that name, null when there is none.
Q_API const ObserverDef* find_observer(std::string_view name);

// Per observed value its state, by value name.
struct Stats {
  struct Entry {
    std::string observer;
    ObserverState state;
  };
  std::map<std::string, Entry, std::less<>> entries;
  int64_t samples = 0;
};

// Adds `from` to `into`; order and grouping do not matter. Throws when they hold different observers for a
// value.
Q_API void merge(Stats& into, const Stats& from);

}  // namespace q
