#include "ops/shared/join.h"

#include <algorithm>
#include <cstring>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "base/parallel.h"
#include "base/text.h"
#include "kernels/kernels.h"
#include "ops/shared/move.h"
#include "ops/shared/u8.h"

namespace q {

namespace {

// One input: its part of every row of the output.
struct Piece {
  size_t bytes;
  std::optional<Table> table;  // when its integers mean something else in the output
  int64_t rows = 0;            // its own, which are repeated
};

Run compile(const CompileCall& call, int axis, std::vector<Piece> pieces) {
  size_t row_bytes = 0;
  for (size_t i = 0; i < pieces.size(); ++i) {
    pieces[i].bytes =
        static_cast<size_t>(product(call.in[i].shape, axis, call.in[i].shape.rank)) * pieces[i].bytes;
    pieces[i].rows = std::max<int64_t>(1, product(call.in[i].shape, 0, axis));
    row_bytes += pieces[i].bytes;
  }
  constexpr size_t kGrainBytes = 1 << 15;
  const int64_t grain =
      static_cast<int64_t>(std::max<size_t>(1, kGrainBytes / std::max<size_t>(1, row_bytes)));
  return [rows = product(call.out[0].shape, 0, axis), grain, row_bytes, lookup = call.kernels.lut_u8,
          shared = std::make_shared<const std::vector<Piece>>(std::move(pieces))](const RunCall& run) {
    parallel_blocks(rows, grain, [&](int64_t first, int64_t end) {
      for (int64_t row = first; row < end; ++row) {
        std::byte* to = run.out[0].data + static_cast<size_t>(row) * row_bytes;
        for (size_t i = 0; i < shared->size(); ++i) {
          const Piece& piece = (*shared)[i];
          const std::byte* from = run.in[i].data + static_cast<size_t>(row % piece.rows) * piece.bytes;
          if (piece.table)
            lookup(reinterpret_cast<const uint8_t*>(from), piece.bytes, piece.table->data(),
                   reinterpret_cast<uint8_t*>(to));
          else
            std::memcpy(to, from, piece.bytes);
          to += piece.bytes;
        }
      }
    });
  };
}

}  // namespace

Run compile_join_f32(const CompileCall& call, int axis) {
  for (const TensorType& type : call.in) {
    if (type.dtype != DType::kF32)
      throw Error(ErrorKind::kUnsupported, text("an input is ", name_of(type.dtype), ", wanted f32"));
  }
  return compile(call, axis, std::vector<Piece>(call.in.size(), Piece{sizeof(float), {}, 0}));
}

Run compile_join_u8(const CompileCall& call, int axis) {
  std::vector<Piece> pieces;
  for (const TensorType& type : call.in) {
    Piece piece{1, {}, 0};
    if (!same_integers(type, call.out[0]))
      piece.table = table_of(type, call.out[0], [](float x) { return x; });
    pieces.push_back(piece);
  }
  return compile(call, axis, std::move(pieces));
}

}  // namespace q
