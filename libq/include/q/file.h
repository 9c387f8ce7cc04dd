// Files: models with their statistics, data sets read batch by batch, tensors written batch by batch. All are
// HDF5 (q-model(5)).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "q/graph.h"
#include "q/observer.h"
#include "q/recipe.h"

namespace q {

// One step of a file's making: nothing in it differs between two runs with the same input.
struct HistoryRecord {
  std::string tool, version, recipe, arguments;  // recipe: digest, empty without one
};

enum class Format { kModel, kStats, kTensors };
Q_API std::string_view name_of(Format format);  // "q-model" "q-stats" "q-tensors"

// A model file holds a graph and perhaps statistics; a stats file only those; of a tensor file only the
// history is here.
struct File {
  Format format = Format::kModel;
  Graph graph;
  Stats stats;
  std::vector<HistoryRecord> history;
};

// Reads and validates. `shown` names the file in messages. Constants keep the file open and are read when
// used. Throws on anything that is not such a file, is newer than this version, or does not validate.
Q_API File read_file(const std::string& path, const std::string& shown);
// The same of any file with tensors in it: plain HDF5 without our attribute, .npy and .npz too are kTensors.
Q_API File read_any_file(const std::string& path, const std::string& shown);
// Writes a model or stats file, constant by constant; the same content gives the same bytes. Throws when the
// system refuses, or a float constant holds NaN or infinity. `shown` names the file in messages, where path
// is a temporary.
Q_API void write_file(const std::string& path, const File& file, const std::string& shown = {});

// The samples of a data set, as the float32 inputs a model takes.
class Q_API DataSet {
 public:
  // spec: FILE[:/group], HDF5 with datasets by input name (a single input may be called x) and perhaps labels
  // y; or a .npy file (one input), or .npz (by name). Of a model that takes any number of samples, the
  // entries along the first axis are the samples, and an input of fixed extents is the same for all. Of
  // another model a sample is all inputs together: each dataset has one more axis at its front, or as many
  // entries along the first as a sample needs for each, or is one sample, which serves all when other inputs
  // have several. Throws when a dataset is missing, its extents or type do not fit, or it has no samples.
  // `shown` names the file in messages, where spec is a temporary.
  DataSet(const std::string& spec, const Graph& model, const InputSpec& normalisation,
          const std::string& shown = {});
  DataSet(DataSet&&) noexcept;
  ~DataSet();

  int64_t samples() const;
  // Samples [first, first + count) of every input, normalised float32 with the model's type where it is not
  // float32; count is 1 where the model takes one at a time. What is the same for all samples is not
  // normalised.
  std::vector<Tensor> read(int64_t first, int64_t count);
  // True when there is a dataset y with one element per sample.
  bool has_labels() const;
  // The class of each sample. Throws when a label is not an integer.
  std::vector<int64_t> labels(int64_t first, int64_t count);

 private:
  struct Source;
  std::unique_ptr<Source> source_;
};

// The file of a spec FILE[:/group].
Q_API std::string data_file(const std::string& spec);
// The shape of the dataset that DataSet takes for the input of that name. is_only: the model has no other.
// Throws as DataSet does when there is none, or it holds no numbers.
Q_API Shape data_shape(const std::string& spec, const std::string& input, bool is_only,
                       const std::string& shown = {});

// A tensor file that grows along its first dimension.
class Q_API TensorWriter {
 public:
  // `shown` names the file in messages, where path is a temporary.
  TensorWriter(const std::string& path, std::vector<HistoryRecord> history, const std::string& shown = {});
  TensorWriter(TensorWriter&&) noexcept;
  ~TensorWriter();
  // Appends rows to the dataset `name`, made when first seen. Throws when type or further extents differ.
  void append(const std::string& name, View rows);
  // Completes the file. Throws when the system refuses; without it the file is not valid.
  void close();

 private:
  struct Sink;
  std::unique_ptr<Sink> sink_;
};

// All datasets of a tensor file (also plain HDF5 and .npy/.npz): names in byte order, read one at a time.
class Q_API TensorReader {
 public:
  TensorReader(const std::string& path, const std::string& shown);
  TensorReader(TensorReader&&) noexcept;
  ~TensorReader();
  struct Entry {
    std::string name;
    TensorType type;
  };
  const std::vector<Entry>& entries() const;
  // Rows [first, first + count) of a dataset along its first dimension.
  Tensor read(size_t entry, int64_t first, int64_t count);

 private:
  struct Source;
  std::unique_ptr<Source> source_;
};

}  // namespace q
