// Tensor files: written as they grow, read row by row.
#include <algorithm>
#include <filesystem>
#include <map>

#include "base/text.h"
#include "io/array_file.h"
#include "io/h5_dataset.h"
#include "io/header.h"
#include "io/names.h"
#include "io/spool.h"
#include "io/tensor_dataset.h"
#include "q/file.h"

namespace q {

namespace {

// Bytes that are copied at a time.
constexpr size_t kPiece = size_t{1} << 20;

// A file without a name lies where its link in /proc leads: "/there/#42 (deleted)".
std::string folder_of(const std::string& path) {
  std::error_code no_link;
  const std::filesystem::path target = std::filesystem::read_symlink(path, no_link);
  const std::filesystem::path folder =
      (target.is_absolute() ? target : std::filesystem::path(path)).parent_path();
  return folder.empty() ? "." : folder.string();
}

int64_t row_elements(const Shape& shape) {
  Shape row = shape;
  if (row.rank > 0) row[0] = 1;
  return elements(row);
}

}  // namespace

// Rows wait in a spool until their number is known: chunks that grew in place would lie in the file in an
// order that depends on how many rows came at a time.
struct TensorWriter::Sink {
  struct Growing {
    TensorType type;  // first extent: rows so far
    size_t stream = 0;
  };
  std::string path, shown;
  std::vector<HistoryRecord> history;
  Spool spool;
  std::map<std::string, Growing> tensors;

  Sink(const std::string& p, std::string s, std::vector<HistoryRecord> h)
      : path(p), shown(s), history(std::move(h)), spool(folder_of(p), std::move(s)) {}

  void write(const h5::Object& root, const std::string& name, const Growing& tensor) {
    const h5::Object dataset = create_tensor(root, escape_name(name), tensor.type);
    const DType dtype = tensor.type.dtype;
    const Shape& shape = tensor.type.shape;
    const int64_t elements_per_row = row_elements(shape);
    const size_t row_bytes = static_cast<size_t>(elements_per_row) * static_cast<size_t>(bits_of(dtype) / 8);
    if (row_bytes == 0) return;
    const int64_t step = static_cast<int64_t>(std::max<size_t>(1, kPiece / row_bytes));
    std::vector<std::byte> piece(static_cast<size_t>(std::min(step, shape[0])) * row_bytes);
    for (int64_t first = 0; first < shape[0]; first += step) {
      const int64_t count = std::min(step, shape[0] - first);
      spool.take(tensor.stream, static_cast<size_t>(count) * row_bytes, piece.data());
      h5::write_rows(dataset, dtype, first, count, piece.data());
    }
  }
};

TensorWriter::TensorWriter(const std::string& path, std::vector<HistoryRecord> history,
                           const std::string& shown)
    : sink_(std::make_unique<Sink>(path, shown.empty() ? path : shown, std::move(history))) {}
TensorWriter::TensorWriter(TensorWriter&&) noexcept = default;
TensorWriter::~TensorWriter() = default;

void TensorWriter::append(const std::string& name, View rows) {
  const auto fail = [&](const std::string& what) {
    throw Error(ErrorKind::kInvalid, text(sink_->shown, ": ", name, ": ", what));
  };
  if (rows.shape.rank == 0) fail("is a scalar, wanted rows");
  if (bits_of(rows.dtype) < 8) fail(text("type ", name_of(rows.dtype), ", wanted one of whole bytes"));
  auto found = sink_->tensors.find(name);
  if (found == sink_->tensors.end()) {
    TensorType type{rows.dtype, rows.shape, std::nullopt};
    type.shape[0] = 0;
    if (rows.qparams != nullptr) type.qparams = *rows.qparams;
    found = sink_->tensors.emplace(name, Sink::Growing{std::move(type), sink_->spool.add_stream()}).first;
  }
  TensorType& type = found->second.type;
  Shape expected = rows.shape;
  expected[0] = type.shape[0];
  const bool same_qparams =
      rows.qparams == nullptr ? !type.qparams : type.qparams && *type.qparams == *rows.qparams;
  if (rows.dtype != type.dtype || expected != type.shape || !same_qparams)
    fail(text("rows of ", name_of(rows.dtype), " ", to_string(rows.shape), " come after others of ",
              name_of(type.dtype), " ", to_string(type.shape)));
  sink_->spool.append(found->second.stream, {rows.data, bytes(rows.dtype, rows.shape)});
  type.shape[0] += rows.shape[0];
}

void TensorWriter::close() {
  h5::Object root = h5::create_file(sink_->path, sink_->shown);
  write_header(root, {Format::kTensors, sink_->history});
  for (const auto& [name, tensor] : sink_->tensors) sink_->write(root, name, tensor);
  h5::close_file(std::move(root));
}

struct TensorReader::Source {
  std::string shown;
  std::vector<Array> arrays;
  std::vector<Entry> entries;
};

TensorReader::TensorReader(const std::string& path, const std::string& shown)
    : source_(std::make_unique<Source>()) {
  source_->shown = shown;
  source_->arrays = open_arrays(path, shown, "");
  for (const Array& array : source_->arrays) {
    if (!array.unfit.empty())
      throw Error(ErrorKind::kInvalid,
                  text(shown, ": ", array.name, ": holds ", array.unfit, ", wanted a tensor"));
    source_->entries.push_back({array.name, array.type});
  }
}
TensorReader::TensorReader(TensorReader&&) noexcept = default;
TensorReader::~TensorReader() = default;

const std::vector<TensorReader::Entry>& TensorReader::entries() const { return source_->entries; }

Tensor TensorReader::read(size_t entry, int64_t first, int64_t count) {
  const Array& array = source_->arrays.at(entry);
  TensorType type = array.type;
  const int64_t rows = type.shape.rank == 0 ? 1 : type.shape[0];
  if (first < 0 || count < 0 || first > rows - count)
    throw Error(ErrorKind::kUsage, text(source_->shown, ": ", array.name, ": rows ", first, " to ",
                                        first + count, ", wanted some of ", rows));
  if (type.shape.rank > 0) type.shape[0] = count;
  Tensor tensor = make_tensor(std::move(type));
  array.read(first, count, tensor.data.get());
  return tensor;
}

}  // namespace q
