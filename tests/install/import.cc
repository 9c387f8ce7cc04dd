// Links the importer of an installed q; a file that does not exist is refused.
#include <cstdio>

#include "q/onnx.h"

int main() {
  q::Changes changes;
  try {
    q::import_onnx("no-such-file.onnx", "no-such-file.onnx", changes);
  } catch (const q::Error& error) {
    std::puts("refused");
  }
}
