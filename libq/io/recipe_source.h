// Where recipes lie: files by path, and names along $Q_RECIPE_PATH and in the installed folder.
#pragma once

#include <string>

namespace q {

// The file that a recipe's name stands for: with a '/', that path; ending in .yaml, that file when there is
// one; otherwise NAME or NAME.yaml in the first folder of the path that has it. Relative paths start at
// `folder` ("" is the current one). Throws when there is none, telling where it looked.
std::string find_recipe(const std::string& name, const std::string& folder);
// The text of the file, at most 1 MiB. Throws when it cannot be read or is longer.
std::string read_recipe(const std::string& path);
// The folder a file lies in, as find_recipe takes it.
std::string folder_of(const std::string& path);
// Another name of the same file gives the same text.
std::string identity_of(const std::string& path);

}  // namespace q
