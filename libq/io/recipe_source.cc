#include "io/recipe_source.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <memory>
#include <vector>

#include "base/text.h"

namespace q {

namespace fs = std::filesystem;

namespace {

constexpr size_t kMaxBytes = 1 << 20;

bool is_file(const fs::path& path) {
  std::error_code error;
  const fs::file_type type = fs::status(path, error).type();
  return fs::exists(fs::file_status(type)) && type != fs::file_type::directory;  // a pipe will do
}

// $Q_RECIPE_PATH, then share/q/recipes beside the bin folder of the running program.
std::vector<fs::path> recipe_folders() {
  std::vector<fs::path> folders;
  const char* listed = std::getenv("Q_RECIPE_PATH");
  std::string_view rest = listed != nullptr ? listed : "";
  while (!rest.empty()) {
    const std::string_view folder = rest.substr(0, rest.find(':'));
    if (!folder.empty()) folders.emplace_back(folder);
    rest.remove_prefix(std::min(rest.size(), folder.size() + 1));
  }
  std::error_code error;
  const fs::path program = fs::read_symlink("/proc/self/exe", error);
  if (!error) folders.push_back(program.parent_path().parent_path() / "share/q/recipes");
  return folders;
}

[[noreturn]] void not_found(const std::string& name, const std::string& places) {
  throw Error(ErrorKind::kSystem, text("recipe ", name, ": not found in ", places));
}

}  // namespace

std::string find_recipe(const std::string& name, const std::string& folder) {
  const fs::path beside = fs::path(folder) / name;
  if (name.find('/') != std::string::npos) {
    if (is_file(beside)) return beside;
    std::error_code error;
    throw Error(
        ErrorKind::kSystem,
        text(beside.native(), fs::is_directory(beside, error) ? ": is a directory" : ": no such file"));
  }
  const bool has_suffix = name.ends_with(".yaml");
  std::string places;
  if (has_suffix) {
    if (is_file(beside)) return beside;
    places = folder.empty() ? "." : folder;
  }
  for (const fs::path& path : recipe_folders()) {
    if (is_file(path / name)) return path / name;
    if (!has_suffix && is_file(path / (name + ".yaml"))) return path / (name + ".yaml");
    places += text(places.empty() ? "" : ", ", path.native());
  }
  not_found(name, places);
}

std::string read_recipe(const std::string& path) {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "rb"), std::fclose);
  if (!file) throw Error(ErrorKind::kSystem, text(path, ": ", std::strerror(errno)));
  std::string bytes(kMaxBytes + 1, '\0');
  bytes.resize(std::fread(bytes.data(), 1, bytes.size(), file.get()));
  if (std::ferror(file.get())) throw Error(ErrorKind::kSystem, text(path, ": ", std::strerror(errno)));
  if (bytes.size() > kMaxBytes)
    throw Error(ErrorKind::kInvalid, text(path, ": more than ", kMaxBytes, " bytes, wanted a recipe"));
  return bytes;
}

std::string folder_of(const std::string& path) { return fs::path(path).parent_path(); }

std::string identity_of(const std::string& path) {
  std::error_code error;
  const fs::path canonical = fs::canonical(path, error);
  return error ? path : canonical.native();
}

}  // namespace q
