// Any bytes as a .npy or .npz file: all its arrays are read, and it serves as the data of a model; or it is
// refused with a q::Error in one line.
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <string>

#include "base/text.h"
#include "q/file.h"
#include "q/graph.h"

namespace {

using namespace q;

constexpr int64_t kMostRows = 1000;

Graph model() {
  Graph graph;
  for (const char* name : {"x", "h"})
    graph.inputs.push_back(
        add_value(graph, {name, {DType::kF32, {kFree, 4}, std::nullopt}, std::nullopt, {}}));
  return graph;
}

template <typename Work>
void in_one_line(const Work& work) {
  try {
    work();
  } catch (const Error& error) {
    if (!std::string_view(error.what()).starts_with("data")) std::abort();
  } catch (const std::bad_alloc&) {  // the sanitizer's limit
  }
}

void read_arrays(const std::string& path) {
  TensorReader reader(path, "data");
  for (size_t i = 0; i < reader.entries().size(); ++i) {
    const Shape& shape = reader.entries()[i].type.shape;
    if (elements(shape) > (1 << 20)) continue;
    reader.read(i, 0, shape.rank == 0 ? 1 : std::min(shape[0], kMostRows));
  }
}

void read_samples(const std::string& path) {
  DataSet data(path, model(), {}, "data");
  const int64_t count = std::min(data.samples(), kMostRows);
  data.read(0, count);
  if (data.has_labels()) data.labels(0, count);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  // HDF5 itself fails on what has none of these heads: tools.sh is for that
  const std::string_view head(reinterpret_cast<const char*>(bytes), size);
  if (!head.starts_with("\x93NUMPY") && !head.starts_with("PK")) return -1;
  static const int file = memfd_create("data_fuzz", 0);
  if (ftruncate(file, 0) != 0 || pwrite(file, bytes, size, 0) != static_cast<ssize_t>(size)) std::abort();
  const std::string path = text("/proc/self/fd/", file);
  in_one_line([&] { read_arrays(path); });
  in_one_line([&] { read_samples(path); });
  return 0;
}
