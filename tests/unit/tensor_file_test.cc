// Tensor files: rows come in any portions, the bytes are the same.
#include <gtest/gtest.h>

#include <cstring>
#include <functional>
#include <random>

#include "q/file.h"
#include "scratch_folder.h"
#include "seed.h"

namespace q {
namespace {

std::string refusal(const std::function<void()>& act) {
  try {
    act();
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

Tensor random_rows(DType dtype, const Shape& shape, std::mt19937_64& random) {
  Tensor out = make_tensor(dtype, shape);
  const size_t size = bytes(dtype, shape);
  for (size_t i = 0; i < size; ++i) out.data.get()[i] = static_cast<std::byte>(random());
  if (dtype == DType::kBool)
    for (size_t i = 0; i < size; ++i) out.data.get()[i] &= std::byte{1};
  return out;
}

View rows_of(const Tensor& tensor, int64_t first, int64_t count) {
  View view = tensor.view();
  const size_t row_bytes = bytes(view.dtype, view.shape) / static_cast<size_t>(view.shape[0]);
  view.data += static_cast<size_t>(first) * row_bytes;
  view.shape[0] = count;
  return view;
}

const std::vector<HistoryRecord> kHistory = {{"q-run", "1", "", ""}};

// Rows of two tensors in portions of `step`, one tensor after the other as a model computes them.
void write_in_steps(const std::string& path, const Tensor& wide, const Tensor& narrow, int64_t step) {
  TensorWriter writer(path, kHistory);
  const int64_t rows = wide.type.shape[0];
  for (int64_t first = 0; first < rows; first += step) {
    const int64_t count = std::min(step, rows - first);
    writer.append("wide/inner", rows_of(wide, first, count));
    writer.append("narrow", rows_of(narrow, first, count));
  }
  writer.close();
}

TEST(TensorFile, HasTheSameBytesForEveryBatchSize) {
  const ScratchFolder folder;
  std::mt19937_64 random(1);
  // rows of 3 kB and 100 of them: several spilled blocks, the last of them partly filled
  const Tensor wide = random_rows(DType::kF32, Shape{100, 7, 107}, random);
  const Tensor narrow = random_rows(DType::kU8, Shape{100, 10}, random);
  write_in_steps(folder / "100.h5", wide, narrow, 100);
  const std::string expected = content_of(folder / "100.h5");
  EXPECT_GT(expected.size(), 100u * 7 * 107 * 4);
  for (int64_t step : {1, 7, 32}) {
    write_in_steps(folder / "step.h5", wide, narrow, step);
    EXPECT_TRUE(content_of(folder / "step.h5") == expected) << "portions of " << step;
  }
}

TEST(TensorFile, IsReadBackAsItWasWritten) {
  const ScratchFolder folder;
  const uint64_t seed = test_seed();
  SCOPED_TRACE(testing::Message() << "Q_TEST_SEED=" << seed);
  std::mt19937_64 random(seed);
  const DType types[] = {DType::kF32, DType::kF64, DType::kI64, DType::kI32,
                         DType::kI16, DType::kI8,  DType::kU8,  DType::kBool};
  std::vector<Tensor> tensors;
  TensorWriter writer(folder / "t.h5", kHistory);
  for (DType type : types) {
    tensors.push_back(random_rows(type, Shape{5, 3}, random));
    writer.append(std::string(name_of(type)), tensors.back().view());
  }
  writer.close();
  TensorReader reader(folder / "t.h5", "t.h5");
  ASSERT_EQ(reader.entries().size(), tensors.size());
  for (size_t i = 0; i < tensors.size(); ++i) {
    const std::string name(name_of(tensors[i].type.dtype));
    for (size_t entry = 0; entry < tensors.size(); ++entry) {
      if (reader.entries()[entry].name != name) continue;
      EXPECT_EQ(reader.entries()[entry].type, tensors[i].type);
      EXPECT_TRUE(equal(reader.read(entry, 0, 5), tensors[i])) << name;
      const View two = rows_of(tensors[i], 2, 2);
      const Tensor part = reader.read(entry, 2, 2);
      EXPECT_EQ(part.type.shape, two.shape);
      EXPECT_EQ(std::memcmp(part.data.get(), two.data, bytes(two.dtype, two.shape)), 0) << name;
    }
  }
  const File file = read_file(folder / "t.h5", "t.h5");
  EXPECT_EQ(file.format, Format::kTensors);
  ASSERT_EQ(file.history.size(), 1u);
  EXPECT_EQ(file.history[0].tool, "q-run");
}

TEST(TensorFile, KeepsNamesAndParameters) {
  const ScratchFolder folder;
  std::mt19937_64 random(1);
  Tensor rows = random_rows(DType::kU8, Shape{2, 3}, random);
  rows.type.qparams = QParams{QScheme::kPerTensorAffine, 0, 0, 127, {0.25}, {7}};
  TensorWriter writer(folder / "t.h5", {});
  writer.append("b", rows.view());
  writer.append("a/b%", rows.view());
  writer.close();
  TensorReader reader(folder / "t.h5", "t.h5");
  ASSERT_EQ(reader.entries().size(), 2u);
  EXPECT_EQ(reader.entries()[0].name, "a/b%");
  EXPECT_EQ(reader.entries()[1].name, "b");
  EXPECT_TRUE(equal(reader.read(0, 0, 2), rows));
}

TEST(TensorFile, RefusesRowsThatDiffer) {
  const ScratchFolder folder;
  TensorWriter writer(folder / "t.h5", {}, "out.h5");
  writer.append("a", make_tensor(DType::kF32, Shape{1, 2}).view());
  EXPECT_EQ(refusal([&] {
              writer.append("a", make_tensor(DType::kF32, Shape{1, 3}).view());
            }),
            "out.h5: a: rows of f32 [1,3] come after others of f32 [1,2]");
  EXPECT_EQ(refusal([&] {
              writer.append("a", make_tensor(DType::kI32, Shape{4, 2}).view());
            }),
            "out.h5: a: rows of i32 [4,2] come after others of f32 [1,2]");
  EXPECT_EQ(refusal([&] { writer.append("b", make_tensor(DType::kF32, Shape{}).view()); }),
            "out.h5: b: is a scalar, wanted rows");
}

TEST(TensorFile, IsNothingUntilItIsClosed) {
  const ScratchFolder folder;
  {
    TensorWriter writer(folder / "t.h5", {});
    writer.append("a", make_tensor(DType::kF32, Shape{70000, 2}).view());
  }
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
}

TEST(TensorReader, RefusesRowsThatAreNotThere) {
  const ScratchFolder folder;
  TensorWriter writer(folder / "t.h5", {});
  writer.append("a", make_tensor(DType::kF32, Shape{4, 2}).view());
  writer.close();
  TensorReader reader(folder / "t.h5", "t.h5");
  EXPECT_EQ(refusal([&] { reader.read(0, 2, 3); }), "t.h5: a: rows 2 to 5, wanted some of 4");
}

}  // namespace
}  // namespace q
