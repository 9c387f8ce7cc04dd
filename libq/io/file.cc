// Model and stats files as a whole.
#include "q/file.h"

#include "io/array_file.h"
#include "io/graph_file.h"
#include "io/h5_attribute.h"
#include "io/header.h"
#include "io/stats_file.h"

namespace q {

namespace {

void write_parts(const h5::Object& root, const File& file) {
  write_header(root, {file.format, file.history});
  if (file.format == Format::kModel) write_graph(root, file.graph);
  if (file.format == Format::kStats || !file.stats.entries.empty()) write_stats(root, file.stats);
}

File read_parts(const h5::Object& root) {
  File file;
  Header header = read_header(root);
  file.format = header.format;
  file.history = std::move(header.history);
  if (file.format == Format::kModel) file.graph = read_graph(root);
  if (file.format != Format::kTensors) file.stats = read_stats(root);
  return file;
}

}  // namespace

File read_file(const std::string& path, const std::string& shown) {
  return read_parts(h5::open_file(path, shown));
}

File read_any_file(const std::string& path, const std::string& shown) {
  const File tensors{.format = Format::kTensors};
  if (is_numpy(path)) return tensors;
  const h5::Object root = h5::open_file(path, shown);
  return h5::has_attribute(root, "format") ? read_parts(root) : tensors;
}

void write_file(const std::string& path, const File& file, const std::string& shown) {
  h5::Object root = h5::create_file(path, shown.empty() ? path : shown);
  write_parts(root, file);
  h5::close_file(std::move(root));
}

}  // namespace q
