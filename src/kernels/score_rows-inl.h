// Dot products of several queries with several rows, for one SIMD target; included once per target by what
// uses them.
#if defined(SLUICE_KERNELS_SCORE_ROWS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef SLUICE_KERNELS_SCORE_ROWS_INL_H_
#undef SLUICE_KERNELS_SCORE_ROWS_INL_H_
#else
#define SLUICE_KERNELS_SCORE_ROWS_INL_H_
#endif

#include <algorithm>
#include <cstddef>
#include <span>

#include "hwy/highway.h"
#include "kernels/partial_vectors-inl.h"

HWY_BEFORE_NAMESPACE();
namespace sluice::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using ScoreTag = hn::ScalableTag<float>;
using ScoreVector = hn::Vec<ScoreTag>;

constexpr size_t kTileQueries = 4;
constexpr size_t kTileRows = 4;

// The sums of the lanes of four vectors, added up pairwise: neighbours first, so that each sum's order is the
// same wherever it stands.
inline void sums_of_four(ScoreVector a, ScoreVector b, ScoreVector c, ScoreVector d, float* sums) {
  const ScoreTag tag;
  const size_t lanes = hn::Lanes(tag);
  HWY_ALIGN float values[4][HWY_MAX_BYTES / sizeof(float)];
#if HWY_TARGET != HWY_SCALAR
  if (lanes >= 4) {
    // Twice: each half of a vector holds the sums of neighbours of one of two.
    const auto ab = hn::Add(hn::ConcatEven(tag, b, a), hn::ConcatOdd(tag, b, a));
    const auto cd = hn::Add(hn::ConcatEven(tag, d, c), hn::ConcatOdd(tag, d, c));
    const auto all = hn::Add(hn::ConcatEven(tag, cd, ab), hn::ConcatOdd(tag, cd, ab));
    hn::Store(all, tag, values[0]);
    const size_t quarter = lanes / 4;
    for (size_t i = 0; i < 4; ++i) {
      float* const part = values[0] + i * quarter;
      for (size_t left = quarter; left > 1; left /= 2) {
        for (size_t j = 0; j < left / 2; ++j) part[j] = part[2 * j] + part[2 * j + 1];
      }
      sums[i] = part[0];
    }
    return;
  }
#endif
  const ScoreVector vectors[4] = {a, b, c, d};
  for (size_t i = 0; i < 4; ++i) {
    hn::Store(vectors[i], tag, values[i]);
    for (size_t left = lanes; left > 1; left /= 2) {
      for (size_t j = 0; j < left / 2; ++j) values[i][j] = values[i][2 * j] + values[i][2 * j + 1];
    }
    sums[i] = values[i][0];
  }
}

// kTileQueries x kTileRows scores at once; a tile that is not full computes its last query or row again.
inline void score_tile(const float* const* HWY_RESTRICT queries, const float* const* HWY_RESTRICT rows,
                       size_t width, float (&scores)[kTileQueries][kTileRows]) {
  const ScoreTag tag;
  const size_t lanes = hn::Lanes(tag);
  ScoreVector sums[kTileQueries][kTileRows];
  for (auto& query_sums : sums) {
    for (auto& sum : query_sums) sum = hn::Zero(tag);
  }
  const auto add = [&](auto load) {
    ScoreVector values[kTileRows];
    for (size_t r = 0; r < kTileRows; ++r) values[r] = load(rows[r]);
    for (size_t q = 0; q < kTileQueries; ++q) {
      const auto query = load(queries[q]);
      for (size_t r = 0; r < kTileRows; ++r) sums[q][r] = hn::MulAdd(query, values[r], sums[q][r]);
    }
  };
  size_t c = 0;
  for (; c + lanes <= width; c += lanes) add([&](const float* from) { return hn::LoadU(tag, from + c); });
  if (c < width) add([&](const float* from) { return load_some(from + c, width - c); });
  for (size_t q = 0; q < kTileQueries; ++q)
    sums_of_four(sums[q][0], sums[q][1], sums[q][2], sums[q][3], scores[q]);
}

// scores[q * stride + r] = sum over c of queries[q * width + c] * rows[r][c], for q < query_count; every
// score is summed in an order that depends on `width` alone. scores: stride >= rows.size().
inline void score_rows_on_target(const float* queries, size_t query_count, std::span<const float* const> rows,
                                 size_t width, float* scores, size_t stride) {
  for (size_t r = 0; r < rows.size(); r += kTileRows) {
    const float* tile_rows[kTileRows];
    for (size_t i = 0; i < kTileRows; ++i) tile_rows[i] = rows[std::min(r + i, rows.size() - 1)];
    for (size_t q = 0; q < query_count; q += kTileQueries) {
      const float* tile_queries[kTileQueries];
      for (size_t i = 0; i < kTileQueries; ++i)
        tile_queries[i] = queries + std::min(q + i, query_count - 1) * width;
      float tile[kTileQueries][kTileRows];
      score_tile(tile_queries, tile_rows, width, tile);
      for (size_t i = 0; i < kTileQueries && q + i < query_count; ++i) {
        std::copy_n(tile[i], std::min(kTileRows, rows.size() - r), scores + (q + i) * stride + r);
      }
    }
  }
}

}  // namespace sluice::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // include guard that opens once per target
