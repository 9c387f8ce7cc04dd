// Statistics of several runs as one.
#include "base/text.h"
#include "q/observer.h"

namespace q {

void merge(Stats& into, const Stats& from) {
  int64_t samples;
  if (__builtin_add_overflow(into.samples, from.samples, &samples))
    throw Error(ErrorKind::kInvalid, "more samples than can be counted");
  for (const auto& [name, entry] : from.entries) {
    const auto [place, is_new] = into.entries.try_emplace(name, entry);
    if (is_new) continue;
    Stats::Entry& mine = place->second;
    if (mine.observer != entry.observer)
      throw Error(ErrorKind::kInvalid, text("/stats/", name, ": recorded by ", entry.observer, ", wanted ",
                                            mine.observer, " as before"));
    const ObserverDef* def = find_observer(mine.observer);
    if (def == nullptr)
      throw Error(ErrorKind::kInvalid, text("/stats/", name, ": no observer is called ", mine.observer));
    try {
      def->merge(mine.state, entry.state);
    } catch (const Error& error) {
      throw Error(error.kind(), text("/stats/", name, ": ", error.what()));
    }
  }
  into.samples = samples;
}

}  // namespace q
