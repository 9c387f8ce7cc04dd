// The shapes that a model is imported for: extents that its file leaves open, and the batch.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "onnx/model.h"
#include "q/onnx.h"

namespace q {

// Gives the inputs the extents that the user states. Throws on an input that is not there, and on extents
// that the file has otherwise.
void give_shapes(OnnxModel& model, const ImportOptions& options);
// Gives the inputs what data has for their open extents: all of them, or those behind the first. False when
// there are no data. Throws when the data are of another rank.
enum class Extents { kAll, kInner };
bool give_data_extents(OnnxModel& model, const ImportOptions& options, Extents which);
// Throws when an extent behind the first is still open.
void check_inner_extents(const OnnxModel& model);

// True when the user gives all first extents: those that the file leaves open, or by a shape.
bool states_batch(const OnnxModel& model, const ImportOptions& options);
// "input x: extent 0 (N)", the first input whose first extent is open; empty when none is.
std::string open_batch(const OnnxModel& model);
// The first extent that all inputs have, scalars apart; nothing when they differ or all are scalars.
std::optional<int64_t> common_batch(const OnnxModel& model);
// First extents made open, or open ones that.
void set_first_extents(OnnxModel& model, int64_t extent);
// "x [2,3], y [4]"
std::string input_shapes(const OnnxModel& model);

}  // namespace q
