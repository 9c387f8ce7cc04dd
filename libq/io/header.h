// What stands at the root of every file that q-tools write: format, version and history.
#pragma once

#include <vector>

#include "io/h5_attribute.h"
#include "q/file.h"

namespace q {

struct Header {
  Format format = Format::kModel;
  std::vector<HistoryRecord> history;
};

void write_header(const h5::Object& root, const Header& header);
// Throws when the file is of another kind, or newer than this version.
Header read_header(const h5::Object& root);

}  // namespace q
