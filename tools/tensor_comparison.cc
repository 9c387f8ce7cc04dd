// Two files of tensors compared, a block of rows at a time.
#include <algorithm>

#include "base/text.h"
#include "comparison.h"
#include "q/file.h"

namespace q {

namespace {

constexpr int64_t kBlockElements = 1 << 20;

// The index of the entry of that name.
std::optional<size_t> find_entry(const TensorReader& reader, const std::string& name) {
  for (size_t i = 0; i < reader.entries().size(); ++i)
    if (reader.entries()[i].name == name) return i;
  return std::nullopt;
}

Difference compare_entries(TensorReader& a, size_t in_a, TensorReader& b, size_t in_b, const Shape& shape) {
  Difference out;
  const int64_t rows = shape.rank == 0 ? 1 : shape[0], row_elements = rows == 0 ? 0 : elements(shape) / rows;
  const int64_t step = std::max<int64_t>(1, kBlockElements / std::max<int64_t>(1, row_elements));
  for (int64_t first = 0; first < rows; first += step) {
    const int64_t count = std::min(step, rows - first);
    const Tensor x = reals(a.read(in_a, first, count).view()), y = reals(b.read(in_b, first, count).view());
    out.add(x.as<float>(), y.as<float>(), elements(x.type.shape));
  }
  return out;
}

}  // namespace

Comparison compare_tensors(const NamedPath& first, const NamedPath& second) {
  TensorReader a(first.path, first.shown), b(second.path, second.shown);
  Comparison out;
  for (const TensorReader::Entry& entry : b.entries())
    if (!find_entry(a, entry.name)) out.unmatched.push_back(text(entry.name, " is only in ", second.shown));
  for (size_t i = 0; i < a.entries().size(); ++i) {
    const TensorReader::Entry& entry = a.entries()[i];
    const std::optional<size_t> j = find_entry(b, entry.name);
    if (!j) {
      out.unmatched.push_back(text(entry.name, " is only in ", first.shown));
      continue;
    }
    const Shape& other = b.entries()[*j].type.shape;
    if (entry.type.shape != other)
      throw Error(ErrorKind::kInvalid, text(second.shown, ": ", entry.name, " is ", to_string(other),
                                            ", wanted ", to_string(entry.type.shape)));
    out.rows.push_back(
        {entry.name, "", "", compare_entries(a, i, b, *j, entry.type.shape), std::nullopt, true});
  }
  if (out.rows.empty())
    throw Error(ErrorKind::kInvalid,
                text(first.shown, " and ", second.shown, " have no tensor of the same name"));
  return out;
}

}  // namespace q
