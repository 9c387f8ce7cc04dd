// Recipes: any text is a recipe or one Error.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "q/recipe.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  // What it extends would be files of this machine.
  if (text.find("extends") != std::string_view::npos) return 0;
  try {
    const q::Recipe recipe = q::parse_recipe(text, "fuzz.yaml");
    q::Node node;
    node.op = "conv2d";
    node.name = "/block/conv";
    q::resolve(recipe, node, nullptr);
  } catch (const q::Error&) {
  }
  return 0;
}
