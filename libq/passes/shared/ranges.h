// From the record of a value to its scale, and what is to be said of it.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "q/graph.h"
#include "q/observer.h"
#include "q/pass.h"

namespace q {

// A number that a value holds beside what was observed: the border that a pad puts around it.
struct Border {
  float value = 0;
  bool shows_low = true;  // false: nobody sees it when it is below the range
};

// The observer of that name. Throws, naming `place`, when there is none.
const ObserverDef& observer_of(const std::string& name, const std::string& place);

// The ranges of a record, one or one for each channel, with the borders in them. Throws, naming the value,
// when it saw nothing.
std::vector<Range> ranges_of(const std::string& value, const Observation& observation, const ObserverDef& def,
                             const ObserverState& state, const std::vector<Border>& borders);

// The parameters of an activation for its range. One that was only ever 0 gets scale 1. What cannot be
// quantized well is told with a warning: nothing but zeros or one number, a range far from zero, a scale at
// the floor.
QParams activation_qparams(const std::string& value, const QuantSpec& spec, const Range& range,
                           Changes& changes);

}  // namespace q
