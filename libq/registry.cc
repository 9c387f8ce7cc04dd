// The lists of operators, observers and passes, made from the folders' contents by the build.
#include <algorithm>
#include <array>

#include "base/text.h"
#include "q/observer.h"
#include "q/op.h"
#include "q/pass.h"

namespace q {

#define Q_OP(name) extern const OpDef op_##name;
#include "ops.inc"
#undef Q_OP
#define Q_OBSERVER(name) extern const ObserverDef observer_##name;
#include "observers.inc"
#undef Q_OBSERVER
#define Q_PASS(name) extern const PassDef pass_##name;
#include "passes.inc"
#undef Q_PASS

namespace {

#define Q_OP(name) &op_##name,
constexpr const OpDef* kOps[] = {
#include "ops.inc"
};
#undef Q_OP

#define Q_OBSERVER(name) &observer_##name,
constexpr const ObserverDef* kObservers[] = {
#include "observers.inc"
};
#undef Q_OBSERVER

#define Q_PASS(name) &pass_##name,
constexpr const PassDef* kPasses[] = {
#include "passes.inc"
};
#undef Q_PASS

// Null when there is none of that name.
template <typename Def>
const Def* find_by_name(std::span<const Def* const> list, std::string_view name) {
  const auto found =
      std::find_if(list.begin(), list.end(), [&](const Def* def) { return def->name == name; });
  return found == list.end() ? nullptr : *found;
}

}  // namespace

std::span<const OpDef* const> ops() { return kOps; }
const OpDef* find_op(std::string_view name) { return find_by_name(ops(), name); }

std::span<const ObserverDef* const> observers() { return kObservers; }
const ObserverDef* find_observer(std::string_view name) { return find_by_name(observers(), name); }

std::span<const PassDef* const> passes() { return kPasses; }
const PassDef* find_pass(std::string_view name) { return find_by_name(passes(), name); }

Graph run_pass(std::string_view name, Graph graph, const PassContext& context, Changes& changes) {
  const PassDef* pass = find_pass(name);
  if (pass == nullptr) throw Error(ErrorKind::kUsage, text("no pass is called ", name));
  return pass->apply(std::move(graph), context, changes);
}

}  // namespace q
