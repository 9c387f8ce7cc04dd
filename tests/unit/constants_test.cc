// Constants that nothing has changed go from file to file in pieces: nobody can tell from the bytes.
#include "io/constants.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>

#include "build_graph.h"
#include "q/file.h"
#include "scratch_folder.h"

namespace q {
namespace {

// Bytes that are different in every piece, and no NaN or infinity in any float type: no exponent is full.
Tensor patterned(TensorType type) {
  const size_t size = bytes(type.dtype, type.shape);
  const bool is_bool = type.dtype == DType::kBool;
  Tensor out = make_tensor(std::move(type));
  for (size_t i = 0; i < size; ++i)
    out.data.get()[i] = static_cast<std::byte>((i * 37 + i / 65536) & (is_bool ? 1 : 0x3b));
  return out;
}

// A small graph with these constants beside it, called c0, c1, ...
File model_with(const std::vector<TensorType>& constants) {
  GraphBuilder b;
  b.output(b.node("relu", {b.input("x", {kFree, 4})}, "y"));
  File file{.graph = b.graph()};
  for (const TensorType& type : constants)
    add_value(file.graph, {"c" + std::to_string(file.graph.values.size() - 2), type, std::nullopt,
                           constant_of(patterned(type))});
  return file;
}

// A piece is a megabyte: shapes of less and more, with pieces along every axis and with a rest.
std::vector<TensorType> all_kinds() {
  const QParams per_channel{QScheme::kPerChannelSymmetric, 0, -128, 127, {0.5, 0.25}, {0, 0}};
  std::vector<TensorType> out = {
      {DType::kF32, {}, {}},
      {DType::kF32, {1, 1, 1}, {}},
      {DType::kF32, {300001}, {}},
      {DType::kF32, {2, 600000}, {}},
      {DType::kF32, {3, 500, 700}, {}},
      {DType::kF32, {2, 3, 300000}, {}},
      {DType::kF32, {1, 1, 262144}, {}},  // exactly a piece
      {DType::kF64, {150000}, {}},
      {DType::kF16, {700, 1000}, {}},
      {DType::kBF16, {3, 200000}, {}},
      {DType::kI64, {140000}, {}},
      {DType::kI32, {2, 270000}, {}},
      {DType::kI16, {530000}, {}},
      {DType::kI8, {2, 600000}, per_channel},
      {DType::kU8, {1100000}, {}},
      {DType::kBool, {1100000}, {}},
      {DType::kI4, {3, 1000001}, {}},
      {DType::kU2, {4300001}, {}},
  };
  return out;
}

std::string refusal_of(const std::string& path, const std::string& to) {
  try {
    write_file(to, read_file(path, "m.h5"));
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

TEST(StoredConstant, IsWrittenAsIfItWereInMemory) {
  const ScratchFolder folder;
  write_file(folder / "made.h5", model_with(all_kinds()));
  File stored = read_file(folder / "made.h5", "made.h5");
  write_file(folder / "stored.h5", stored);
  for (Value& value : stored.graph.values)
    if (value.constant) value.constant = constant_of(value.constant());
  write_file(folder / "held.h5", stored);
  EXPECT_EQ(content_of(folder / "made.h5").size(), content_of(folder / "stored.h5").size());
  EXPECT_TRUE(content_of(folder / "made.h5") == content_of(folder / "stored.h5"));
  EXPECT_TRUE(content_of(folder / "made.h5") == content_of(folder / "held.h5"));
}

TEST(StoredConstant, HoldsWhatWasWritten) {
  const ScratchFolder folder;
  const std::vector<TensorType> types = all_kinds();
  write_file(folder / "made.h5", model_with(types));
  write_file(folder / "stored.h5", read_file(folder / "made.h5", "made.h5"));
  const File file = read_file(folder / "stored.h5", "stored.h5");
  for (size_t i = 0; i < types.size(); ++i) {
    const ValueId id = find_value(file.graph, "c" + std::to_string(i));
    ASSERT_NE(id, kNone);
    EXPECT_TRUE(equal(file.graph.values[static_cast<size_t>(id)].constant(), patterned(types[i]))) << i;
  }
}

TEST(StoredConstant, IsRefusedWhereverItHoldsNaNOrInfinity) {
  const ScratchFolder folder;
  const Shape shape{3, 500, 700};
  const size_t count = static_cast<size_t>(elements(shape));
  write_file(folder / "good.h5", model_with({{DType::kF32, shape, {}}}));
  const std::string good = content_of(folder / "good.h5");
  const Tensor values = patterned({DType::kF32, shape, {}});
  const size_t begin = good.find(std::string(reinterpret_cast<const char*>(values.data.get()), 4096));
  ASSERT_NE(begin, std::string::npos);
  EXPECT_EQ(refusal_of(folder / "good.h5", folder / "out.h5"), "");

  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  for (const size_t index : {size_t{0}, size_t{255}, size_t{256}, count / 2, count - 257, count - 1})
    for (const float bad : {kInfinity, -kInfinity, std::nanf("")}) {
      std::string content = good;
      std::memcpy(content.data() + begin + 4 * index, &bad, 4);
      write_content(folder / "bad.h5", content);
      EXPECT_EQ(refusal_of(folder / "bad.h5", folder / "out.h5"),
                "m.h5: /constants/c0: holds NaN or infinity")
          << index << ' ' << bad;
    }
}

}  // namespace
}  // namespace q
