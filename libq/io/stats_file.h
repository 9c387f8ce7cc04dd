// Statistics in a file: the group /stats of a model or stats file (q-stats(5)).
#pragma once

#include "io/h5.h"
#include "q/observer.h"

namespace q {

void write_stats(const h5::Object& root, const Stats& stats);
// Empty when there is no group /stats. Throws when an observer is unknown or refuses what is stored as its
// record.
Stats read_stats(const h5::Object& root);

}  // namespace q
