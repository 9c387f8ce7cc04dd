// Data sets: whatever the container, the same float32 samples; what does not fit the model is refused.
#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <cstring>
#include <functional>
#include <limits>

#include "build_graph.h"
#include "io/h5.h"
#include "io/h5_dataset.h"
#include "q/file.h"
#include "scratch_folder.h"

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

// Inputs are all that a data set asks of a model.
Graph model_of(const std::vector<std::pair<std::string, Shape>>& inputs, DType dtype = DType::kF32) {
  Graph graph;
  for (const auto& [name, shape] : inputs)
    graph.inputs.push_back(add_value(graph, {name, {dtype, shape, std::nullopt}, std::nullopt, {}}));
  return graph;
}

template <typename T>
Tensor tensor_of(DType dtype, const Shape& shape, const std::vector<T>& values) {
  Tensor out = make_tensor(dtype, shape);
  std::copy(values.begin(), values.end(), out.as<T>());
  return out;
}

void write_datasets(const std::string& path, const std::vector<std::pair<std::string, Tensor>>& tensors,
                    const std::string& group = "") {
  h5::Object root = h5::create_file(path, path);
  {
    const h5::Object parent = group.empty() ? root : h5::create_group(root, group);
    for (const auto& [name, tensor] : tensors)
      h5::write_all(h5::create_dataset(parent, name, tensor.type.dtype, tensor.type.shape), tensor.type.dtype,
                    tensor.data.get());
  }
  h5::close_file(std::move(root));
}

std::vector<float> values_of(const Tensor& tensor) {
  EXPECT_EQ(tensor.type.dtype, DType::kF32);
  return {tensor.as<float>(), tensor.as<float>() + elements(tensor.type.shape)};
}

const Tensor kImages =
    tensor_of<uint8_t>(DType::kU8, Shape{3, 2, 2}, {0, 1, 2, 3, 4, 5, 6, 7, 250, 251, 252, 255});
const Tensor kLabels = tensor_of<int64_t>(DType::kI64, Shape{3}, {7, 0, 9});

TEST(DataSet, ReadsAnyRangeOfSamplesAsFloats) {
  const ScratchFolder folder;
  write_datasets(folder / "d.h5", {{"x", kImages}, {"y", kLabels}});
  DataSet data(folder / "d.h5", model_of({{"image", {kFree, 2, 2}}}), {});
  EXPECT_EQ(data.samples(), 3);
  ASSERT_TRUE(data.has_labels());
  EXPECT_EQ(data.labels(1, 2), (std::vector<int64_t>{0, 9}));
  const std::vector<Tensor> read = data.read(1, 2);
  ASSERT_EQ(read.size(), 1u);
  EXPECT_EQ(read[0].type.shape, (Shape{2, 2, 2}));
  EXPECT_EQ(values_of(read[0]), (std::vector<float>{4, 5, 6, 7, 250, 251, 252, 255}));
}

TEST(DataSet, TakesTheSameFromEveryElementType) {
  const ScratchFolder folder;
  const std::vector<float> expected = {0, 1, 1, 0, 1, 1};
  const Shape shape{2, 3};
  const std::vector<Tensor> all = {
      tensor_of<float>(DType::kF32, shape, {0, 1, 1, 0, 1, 1}),
      tensor_of<double>(DType::kF64, shape, {0, 1, 1, 0, 1, 1}),
      tensor_of<int64_t>(DType::kI64, shape, {0, 1, 1, 0, 1, 1}),
      tensor_of<int32_t>(DType::kI32, shape, {0, 1, 1, 0, 1, 1}),
      tensor_of<int16_t>(DType::kI16, shape, {0, 1, 1, 0, 1, 1}),
      tensor_of<int8_t>(DType::kI8, shape, {0, 1, 1, 0, 1, 1}),
      tensor_of<uint8_t>(DType::kU8, shape, {0, 1, 1, 0, 1, 1}),
      tensor_of<uint8_t>(DType::kBool, shape, {0, 1, 1, 0, 1, 1}),
  };
  for (const Tensor& tensor : all) {
    write_datasets(folder / "d.h5", {{"x", tensor}});
    DataSet data(folder / "d.h5", model_of({{"x", {kFree, 3}}}), {});
    EXPECT_EQ(values_of(data.read(0, 2)[0]), expected) << name_of(tensor.type.dtype);
  }
}

TEST(DataSet, NormalisesPerChannel) {
  const ScratchFolder folder;
  write_datasets(folder / "d.h5", {{"x", kImages}});
  const Graph model = model_of({{"x", {kFree, 2, 2}}});
  const std::string file = folder / "d.h5";
  EXPECT_EQ(values_of(DataSet(file, model, {{1}, {2}}).read(0, 1)[0]),
            (std::vector<float>{-0.5f, 0, 0.5f, 1}));
  EXPECT_EQ(values_of(DataSet(file, model, {{0, 2}, {1, 4}}).read(0, 1)[0]),
            (std::vector<float>{0, 1, 0, 0.25f}));
  EXPECT_EQ(values_of(DataSet(file, model, {{}, {1, 4}}).read(0, 1)[0]),
            (std::vector<float>{0, 1, 0.5f, 0.75f}));
  EXPECT_EQ(refusal([&] {
              DataSet(file, model, {{1, 2, 3}, {}});
            }),
            "normalisation: 3 values of mean, wanted 1 or 2, the channels of model input x");
  EXPECT_EQ(refusal([&] {
              DataSet(file, model, {{}, {0}});
            }),
            "normalisation: std is 0, wanted a finite number other than 0");
}

TEST(DataSet, FindsTheDatasetOfAnInput) {
  const ScratchFolder folder;
  const std::string file = folder / "d.h5";
  const Graph model = model_of({{"image", {kFree, 2, 2}}});
  const auto said = [&](const std::vector<std::pair<std::string, Tensor>>& tensors) {
    write_datasets(file, tensors);
    return refusal([&] { DataSet(file, model, {}, "d.h5"); });
  };
  EXPECT_EQ(said({{"image", kImages}, {"x", kLabels}}), "");
  EXPECT_EQ(said({{"x", kImages}, {"other", kLabels}}), "");
  EXPECT_EQ(said({{"pictures", kImages}, {"y", kLabels}}), "");
  EXPECT_EQ(said({{"a", kImages}, {"b", kImages}}), "d.h5: no dataset \"image\" or \"x\", found a, b");
  EXPECT_EQ(said({}), "d.h5: no dataset \"image\" or \"x\", found nothing");
  write_datasets(file, {{"image", kImages}, {"x", kImages}});
  EXPECT_EQ(refusal([&] {
              DataSet(file, model_of({{"image", {kFree, 2, 2}}, {"mask", {kFree, 2, 2}}}), {}, "d.h5");
            }),
            "d.h5: no dataset \"mask\", found image, x");
}

TEST(DataSet, LooksIntoAGroup) {
  const ScratchFolder folder;
  const std::string file = folder / "d.h5";
  const Graph model = model_of({{"image", {kFree, 2, 2}}});
  write_datasets(file, {{"x", kImages}, {"y", kLabels}}, "test");
  EXPECT_EQ(DataSet(file + ":/test", model, {}).samples(), 3);
  EXPECT_EQ(refusal([&] { DataSet(file + ":/train", model, {}, "d.h5"); }), "d.h5: no group /train");
  EXPECT_EQ(refusal([&] { DataSet(file, model, {}, "d.h5"); }),
            "d.h5: no dataset \"image\" or \"x\", found test/x, test/y");
  EXPECT_EQ(refusal([&] {
              DataSet(file + ":/test", model_of({{"x", {kFree, 5}}}), {}, "d.h5");
            }),
            "d.h5: test/x: samples are [2,2], model input x wants [5]");
}

TEST(DataSet, RefusesWhatDoesNotFit) {
  const ScratchFolder folder;
  const std::string file = folder / "d.h5";
  const auto said = [&](const std::vector<std::pair<std::string, Tensor>>& tensors, const Graph& model) {
    write_datasets(file, tensors);
    return refusal([&] { DataSet(file, model, {}, "d.h5"); });
  };
  EXPECT_EQ(said({{"x", kImages}}, model_of({{"image", {kFree, 3, 224, 224}}})),
            "d.h5: x: samples are [2,2], model input image wants [3,224,224]");
  EXPECT_EQ(said({{"x", make_tensor(DType::kF32, Shape{0, 2})}}, model_of({{"x", {kFree, 2}}})),
            "d.h5: x: no samples");
  EXPECT_EQ(said({{"x", make_tensor(DType::kF32, Shape{})}}, model_of({{"x", {kFree, 2}}})),
            "d.h5: x: is a scalar, wanted samples");
  EXPECT_EQ(said({{"a", kImages}, {"b", kLabels}}, model_of({{"b", {kFree}}, {"a", {kFree, 2, 2}}})), "");
  EXPECT_EQ(said({{"a", kImages}, {"b", make_tensor(DType::kF32, Shape{4})}},
                 model_of({{"a", {kFree, 2, 2}}, {"b", {kFree}}})),
            "d.h5: b: 4 samples, a has 3");
  EXPECT_EQ(refusal([&] {
              DataSet(folder / "none.h5", model_of({{"x", {kFree}}}), {}, "none.h5");
            }),
            "none.h5: No such file or directory");
  write_content(folder / "a.csv", "1,2,3\n");
  EXPECT_EQ(refusal([&] {
              DataSet(folder / "a.csv", model_of({{"x", {kFree}}}), {}, "a.csv");
            }),
            "a.csv: not an HDF5 file");
}

TEST(DataSet, RefusesLabelsThatAreNoClasses) {
  const ScratchFolder folder;
  const std::string file = folder / "d.h5";
  const auto said = [&](const Tensor& labels) {
    write_datasets(file, {{"x", kImages}, {"y", labels}});
    DataSet data(file, model_of({{"x", {kFree, 2, 2}}}), {}, "d.h5");
    return refusal([&] { EXPECT_EQ(data.labels(0, 3), (std::vector<int64_t>{7, 0, 9})); });
  };
  EXPECT_EQ(said(kLabels), "");
  EXPECT_EQ(said(tensor_of<float>(DType::kF32, Shape{3}, {7, 0, 9})), "");
  EXPECT_EQ(said(tensor_of<uint8_t>(DType::kU8, Shape{3, 1}, {7, 0, 9})), "");
  EXPECT_EQ(said(tensor_of<float>(DType::kF32, Shape{3}, {7, 0.5f, 9})),
            "d.h5: y: label 1 is 0.5, wanted an integer");
  EXPECT_EQ(said(make_tensor(DType::kI64, Shape{2})),
            "d.h5: y: has shape [2], wanted one label for each of 3 samples");
  EXPECT_EQ(said(make_tensor(DType::kI64, Shape{3, 10})),
            "d.h5: y: labels are [10], wanted one integer per sample");
  write_datasets(file, {{"x", kImages}});
  EXPECT_FALSE(DataSet(file, model_of({{"x", {kFree, 2, 2}}}), {}).has_labels());
}

TEST(DataSet, FeedsIndicesToInputsOfIntegers) {
  const ScratchFolder folder;
  const std::string file = folder / "d.h5";
  write_datasets(file, {{"x", kLabels}});
  const std::vector<Tensor> read =
      DataSet(file, model_of({{"x", {kFree}}}, DType::kI32), {{5}, {}}).read(0, 3);
  EXPECT_TRUE(equal(read[0], tensor_of<int32_t>(DType::kI32, Shape{3}, {7, 0, 9})));
  write_datasets(file, {{"x", tensor_of<int64_t>(DType::kI64, Shape{1}, {int64_t{1} << 40})}});
  EXPECT_EQ(refusal([&] {
              DataSet(file, model_of({{"x", {kFree}}}, DType::kI32), {}, "d.h5").read(0, 1);
            }),
            "d.h5: x: holds 1099511627776, model input x wants i32");
  write_datasets(file, {{"x", make_tensor(DType::kF32, Shape{1})}});
  EXPECT_EQ(refusal([&] {
              DataSet(file, model_of({{"x", {kFree}}}, DType::kI32), {}, "d.h5");
            }),
            "d.h5: x: holds f32, model input x wants i32");
}

// Chunked and compressed, as h5py writes it.
TEST(DataSet, ReadsTheBundledExample) {
  DataSet data(std::string(Q_SOURCE_DIR) + "/examples/glyphs/test.h5",
               model_of({{"image", {kFree, 1, 28, 28}}}), {});
  EXPECT_GT(data.samples(), 100);
  EXPECT_TRUE(data.has_labels());
  const std::vector<Tensor> together = data.read(90, 10);
  for (int64_t i = 0; i < 10; ++i) {
    const std::vector<Tensor> alone = data.read(90 + i, 1);
    EXPECT_EQ(std::memcmp(alone[0].as<float>(), together[0].as<float>() + i * 784, 784 * sizeof(float)), 0)
        << i;
  }
}

// ---- NumPy's files ----

std::string npy(const std::string& type, const std::string& shape, const std::string& elements,
                bool fortran = false, int version = 1) {
  std::string header = "{'descr': " + type + ", 'fortran_order': " + (fortran ? "True" : "False") +
                       ", 'shape': " + shape + ", }\n";
  std::string out = "\x93NUMPY";
  out += static_cast<char>(version);
  out += '\0';
  out += static_cast<char>(header.size() & 255);
  out += static_cast<char>(header.size() >> 8);
  if (version > 1) out += std::string(2, '\0');
  return out + header + elements;
}

template <typename T>
std::string bytes_of(const std::vector<T>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)};
}

template <typename T>
void append(std::string& out, T value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof(T));
}

uint32_t crc32_of(const std::string& content) {
  uint32_t crc = ~0u;
  for (unsigned char byte : content) {
    crc ^= byte;
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) * 0xEDB88320u);
  }
  return ~crc;
}

// A zip archive whose entries are stored, or deflated in the form of stored blocks.
std::string zip(const std::vector<std::pair<std::string, std::string>>& entries, bool deflated) {
  std::string out, directory;
  for (const auto& [name, content] : entries) {
    std::string packed = content;
    if (deflated) {
      packed = '\x01';
      append(packed, static_cast<uint16_t>(content.size()));
      append(packed, static_cast<uint16_t>(~content.size()));
      packed += content;
    }
    const uint32_t begin = static_cast<uint32_t>(out.size());
    std::string common;
    append<uint16_t>(common, 20);
    append<uint16_t>(common, 0);
    append<uint16_t>(common, deflated ? 8 : 0);
    append<uint32_t>(common, 0x00210000);
    append(common, crc32_of(content));
    append(common, static_cast<uint32_t>(packed.size()));
    append(common, static_cast<uint32_t>(content.size()));
    append(common, static_cast<uint16_t>(name.size()));
    append<uint16_t>(common, 0);
    out += "PK\x03\x04" + common + name + packed;
    directory += std::string("PK\x01\x02") + '\x14' + '\0' + common + std::string(10, '\0');
    append(directory, begin);
    directory += name;
  }
  const uint32_t begin = static_cast<uint32_t>(out.size());
  out += directory + "PK\x05\x06" + std::string(4, '\0');
  append(out, static_cast<uint16_t>(entries.size()));
  append(out, static_cast<uint16_t>(entries.size()));
  append(out, static_cast<uint32_t>(directory.size()));
  append(out, begin);
  return out + std::string(2, '\0');
}

TEST(NumpyFile, HoldsOneInput) {
  const ScratchFolder folder;
  const Graph model = model_of({{"image", {kFree, 3}}});
  const std::vector<float> expected = {3, 4, 5};
  const std::vector<std::pair<std::string, std::string>> files = {
      {"'<f4'", bytes_of<float>({0, 1, 2, 3, 4, 5})},   {"'<f8'", bytes_of<double>({0, 1, 2, 3, 4, 5})},
      {"'|i1'", bytes_of<int8_t>({0, 1, 2, 3, 4, 5})},  {"'|u1'", bytes_of<uint8_t>({0, 1, 2, 3, 4, 5})},
      {"'<i2'", bytes_of<int16_t>({0, 1, 2, 3, 4, 5})}, {"'<u2'", bytes_of<uint16_t>({0, 1, 2, 3, 4, 5})},
      {"'<i4'", bytes_of<int32_t>({0, 1, 2, 3, 4, 5})}, {"'<u4'", bytes_of<uint32_t>({0, 1, 2, 3, 4, 5})},
      {"'<i8'", bytes_of<int64_t>({0, 1, 2, 3, 4, 5})},
  };
  for (const auto& [type, elements] : files)
    for (int version : {1, 2}) {
      write_content(folder / "a.npy", npy(type, "(2, 3)", elements, false, version));
      EXPECT_EQ(values_of(DataSet(folder / "a.npy", model, {}).read(1, 1)[0]), expected)
          << type << " version " << version;
    }
  write_content(folder / "a.npy", npy("'|b1'", "(1, 3)", bytes_of<uint8_t>({0, 1, 2})));
  EXPECT_EQ(values_of(DataSet(folder / "a.npy", model, {}).read(0, 1)[0]), (std::vector<float>{0, 1, 1}));
}

TEST(NumpyFile, HoldsHalves) {
  const ScratchFolder folder;
  // the greatest, 1/3 rounded, the greatest and the smallest subnormal, a negative zero, infinity
  const std::vector<uint16_t> halves = {0x7bff, 0x3555, 0x03ff, 0x8001, 0x8000, 0xfc00};
  write_content(folder / "a.npy", npy("'<f2'", "(2, 3)", bytes_of(halves)));
  const std::vector<float> expected = {65504,     0x1.554p-2f, 0x1.ff8p-15f,
                                       -0x1p-24f, -0.0f,       -std::numeric_limits<float>::infinity()};
  const std::vector<float> found =
      values_of(DataSet(folder / "a.npy", model_of({{"x", {kFree, 3}}}), {}).read(0, 2)[0]);
  EXPECT_EQ(found, expected);
  EXPECT_TRUE(std::signbit(found[4]));
  write_content(folder / "a.npy", npy("'<f2'", "(1, 1)", bytes_of<uint16_t>({0x7e01})));
  EXPECT_TRUE(
      std::isnan(values_of(DataSet(folder / "a.npy", model_of({{"x", {kFree, 1}}}), {}).read(0, 1)[0])[0]));
}

TEST(NumpyArchive, HoldsInputsByName) {
  const ScratchFolder folder;
  for (bool deflated : {false, true}) {
    write_content(folder / "a.npz", zip({{"y.npy", npy("'<i8'", "(2,)", bytes_of<int64_t>({4, 5}))},
                                         {"x.npy", npy("'<f4'", "(2, 2)", bytes_of<float>({1, 2, 3, 4}))}},
                                        deflated));
    DataSet data(folder / "a.npz", model_of({{"image", {kFree, 2}}}), {});
    EXPECT_EQ(values_of(data.read(1, 1)[0]), (std::vector<float>{3, 4}));
    EXPECT_EQ(values_of(data.read(0, 2)[0]), (std::vector<float>{1, 2, 3, 4}));  // back to the beginning
    EXPECT_EQ(data.labels(0, 2), (std::vector<int64_t>{4, 5}));
  }
}

TEST(NumpyFile, IsRefusedWhenItIsNotWhatItSays) {
  const ScratchFolder folder;
  const auto said = [&](const std::string& content) {
    write_content(folder / "a.npy", content);
    return refusal([&] { DataSet(folder / "a.npy", model_of({{"x", {kFree, 3}}}), {}, "a.npy").read(0, 2); });
  };
  const std::string six = bytes_of<float>({0, 1, 2, 3, 4, 5});
  EXPECT_EQ(said(npy("'<f4'", "(2, 3)", six)), "");
  const std::string good = npy("'<f4'", "(2, 3)", six);
  for (size_t length = 6; length < good.size(); ++length)
    EXPECT_NE(said(good.substr(0, length)), "") << length;
  EXPECT_EQ(said(npy("'>f4'", "(2, 3)", six)), "a.npy: x: holds >f4 (big-endian), wanted integers or floats");
  EXPECT_EQ(said(npy("'<f4'", "(2, 3)", six, true)),
            "a.npy: x: holds columns first (fortran_order), wanted integers or floats");
  EXPECT_EQ(said(npy("[('a', '<f4')]", "(2, 3)", six)), "a.npy: x: holds records, wanted integers or floats");
  EXPECT_EQ(said(npy("'|O'", "(2, 3)", six)), "a.npy: x: holds |O, wanted integers or floats");
  EXPECT_EQ(said(npy("'<f4'", "(1, 1, 1, 1, 1, 1, 1, 2, 3)", six)), "a.npy: rank 9, wanted at most 8");
  EXPECT_EQ(said(npy("'<f4'", "(4611686018427387904, 4)", six)),
            "a.npy: shape [4611686018427387904,4] has more elements than can be counted");
  EXPECT_EQ(said(npy("'<f4'", "(-2, 3)", six)), "a.npy: the header is not one of .npy");
  EXPECT_EQ(said(npy("3", "(2, 3)", six)), "a.npy: the header is not one of .npy");
  EXPECT_EQ(said(npy("'<f4'", "(2, 3)", six, false, 9)), "a.npy: .npy version 9, wanted 1 to 3");
}

TEST(NumpyArchive, IsRefusedWhenItHoldsAnArrayTwice) {
  const ScratchFolder folder;
  const std::string array = npy("'<f4'", "(2, 2)", bytes_of<float>({1, 2, 3, 4}));
  std::string content = zip({{"x.npy", array}, {"w.npy", array}}, false);
  for (size_t at = 0; (at = content.find("w.npy", at)) != std::string::npos;) content[at] = 'x';
  write_content(folder / "a.npz", content);
  EXPECT_EQ(refusal([&] {
              DataSet(folder / "a.npz", model_of({{"x", {kFree, 2}}}), {}, "a.npz");
            }),
            "a.npz: holds x twice");
}

TEST(NumpyArchive, IsRefusedWhenItIsCutOff) {
  const ScratchFolder folder;
  const std::string good = zip({{"x.npy", npy("'<f4'", "(2, 2)", bytes_of<float>({1, 2, 3, 4}))}}, true);
  for (size_t length = 6; length < good.size(); ++length) {
    write_content(folder / "a.npz", good.substr(0, length));
    const std::string said = refusal([&] {
      DataSet(folder / "a.npz", model_of({{"x", {kFree, 2}}}), {}, "a.npz").read(0, 2);
    });
    EXPECT_TRUE(said.starts_with("a.npz: ")) << length << ": " << said;
  }
}

}  // namespace
}  // namespace q
