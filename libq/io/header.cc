#include "io/header.h"

#include "base/text.h"

namespace q {

namespace {

constexpr int64_t kVersion = 1;
constexpr std::string_view kFormats[] = {"q-model", "q-stats", "q-tensors"};
constexpr const char* kFields[] = {"tool", "version", "recipe", "arguments"};

Format format_of(const h5::Object& root) {
  if (!h5::has_attribute(root, "format")) h5::refuse(root, "no attribute \"format\": not a q-tools file");
  const std::string name = h5::read_string(root, "format");
  for (size_t i = 0; i < std::size(kFormats); ++i)
    if (kFormats[i] == name) return static_cast<Format>(i);
  h5::refuse(root, text("format \"", name, "\", wanted q-model, q-stats or q-tensors"));
}

}  // namespace

std::string_view name_of(Format format) { return kFormats[static_cast<size_t>(format)]; }

void write_header(const h5::Object& root, const Header& header) {
  h5::write_attribute(root, "format", std::string(name_of(header.format)));
  h5::write_attribute(root, "format_version", kVersion);
  if (header.history.empty()) return;
  std::vector<h5::Strings> records;
  for (const HistoryRecord& each : header.history)
    records.push_back({each.tool, each.version, each.recipe, each.arguments});
  h5::write_records(root, "history", kFields, records);
}

Header read_header(const h5::Object& root) {
  Header header;
  header.format = format_of(root);
  const int64_t version = h5::read_int(root, "format_version");
  if (version > kVersion)
    throw Error(ErrorKind::kUnsupported, text(h5::place_of(root), ": format version ", version,
                                              ", this version of q-tools reads up to ", kVersion));
  if (version < 1) h5::refuse(root, text("format version ", version, ", wanted 1"));
  if (!h5::has_attribute(root, "history")) return header;
  for (h5::Strings& record : h5::read_records(root, "history", kFields))
    header.history.push_back(
        {std::move(record[0]), std::move(record[1]), std::move(record[2]), std::move(record[3])});
  return header;
}

}  // namespace q
