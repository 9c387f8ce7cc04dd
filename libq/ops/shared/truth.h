// Results that are 0 or 1.
#pragma once

namespace q {

// The end of their range of integers, which begins at 0: so 1 is an integer of its own for any number of
// bits.
inline constexpr float kTruthEnd = 2;

}  // namespace q
