#include "kernels/attend.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <span>
#include <vector>

#include "kernels/vector_ops.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/attend.cc"
#include "hwy/foreach_target.h"
// After foreach_target.h, which includes this file once per target.
#include "hwy/contrib/math/math-inl.h"
#include "hwy/highway.h"
#include "kernels/score_rows-inl.h"
#include "kernels/widen_row-inl.h"

HWY_BEFORE_NAMESPACE();
namespace sluice::HWY_NAMESPACE {
namespace {

// Rows that stay in a core's cache until all heads have scored them and added them up: 64 KB at 512 columns.
constexpr size_t kBlockRows = 32;

// Softmax over what has been seen so far, of one head.
struct HeadSoftmax {
  float largest;  // of the scores
  float total;    // sum of exp(score - largest)
};

// Turns the scores of a block (padded with -infinity to kBlockRows) into weights against the new largest
// score. Returns what everything that was added before must be multiplied by.
float weigh_block(float scale, float* HWY_RESTRICT scores, HeadSoftmax& softmax) {
  const ScoreTag tag;
  const size_t lanes = hn::Lanes(tag);
  auto largest = hn::Set(tag, softmax.largest);
  for (size_t r = 0; r < kBlockRows; r += lanes) {
    const auto score = hn::Mul(hn::LoadU(tag, scores + r), hn::Set(tag, scale));
    hn::StoreU(score, tag, scores + r);
    largest = hn::Max(largest, score);
  }
  const float new_largest = hn::GetLane(hn::MaxOfLanes(tag, largest));
  const float kept = std::exp(softmax.largest - new_largest);
  auto total = hn::Zero(tag);
  for (size_t r = 0; r < kBlockRows; r += lanes) {
    const auto weight = hn::Exp(tag, hn::Sub(hn::LoadU(tag, scores + r), hn::Set(tag, new_largest)));
    hn::StoreU(weight, tag, scores + r);
    total = hn::Add(total, weight);
  }
  softmax = {new_largest, softmax.total * kept + hn::GetLane(hn::SumOfLanes(tag, total))};
  return kept;
}

// Columns [first, first + count) of rows and outputs; count < lanes.
struct SomeColumns {
  size_t first, count;
  ScoreVector load(const float* row) const { return load_some(row + first, count); }
  void store(ScoreVector values, float* row) const { store_some(values, row + first, count); }
};
// Those of a whole vector.
struct VectorColumns {
  size_t first;
  ScoreVector load(const float* row) const { return hn::LoadU(ScoreTag(), row + first); }
  void store(ScoreVector values, float* row) const { hn::StoreU(values, ScoreTag(), row + first); }
};

// out[h] = out[h] * kept[h] + sum over rows of weights[h][r] * row, at some columns.
template <size_t kHeads, class Columns>
void add_columns(std::span<const float* const> rows, const float (&weights)[kHeads][kBlockRows],
                 const float (&kept)[kHeads], Columns columns, size_t width, float* HWY_RESTRICT out) {
  const ScoreTag tag;
  ScoreVector sums[kHeads];
  for (size_t h = 0; h < kHeads; ++h) sums[h] = hn::Mul(columns.load(out + h * width), hn::Set(tag, kept[h]));
  for (size_t r = 0; r < rows.size(); ++r) {
    const auto values = columns.load(rows[r]);
    for (size_t h = 0; h < kHeads; ++h) sums[h] = hn::MulAdd(hn::Set(tag, weights[h][r]), values, sums[h]);
  }
  for (size_t h = 0; h < kHeads; ++h) columns.store(sums[h], out + h * width);
}

// What kHeads heads make of a block of rows, in addition to those before it.
template <size_t kHeads>
void attend_block(const float* q, std::span<const float* const> block, size_t width, float scale,
                  HeadSoftmax* softmax, float* out) {
  const size_t lanes = hn::Lanes(ScoreTag());
  float weights[kHeads][kBlockRows];
  float kept[kHeads];
  score_rows_on_target(q, kHeads, block, width, weights[0], kBlockRows);
  for (size_t h = 0; h < kHeads; ++h) {
    std::fill(weights[h] + block.size(), weights[h] + kBlockRows, -INFINITY);
    kept[h] = weigh_block(scale, weights[h], softmax[h]);
  }
  size_t c = 0;
  for (; c + lanes <= width; c += lanes) add_columns(block, weights, kept, VectorColumns{c}, width, out);
  if (c < width) add_columns(block, weights, kept, SomeColumns{c, width - c}, width, out);
}

void attend_on_target(const float* q, size_t heads, const Rows& rows, size_t width, float scale,
                      const float* sinks, float* out) {
  std::vector<HeadSoftmax> softmax(heads);
  for (size_t h = 0; h < heads; ++h) softmax[h] = {sinks[h], 1};
  const size_t scratch_floats = rows.format == RowFormat::kF32 ? 0 : kBlockRows * width;
  const auto scratch = std::make_unique_for_overwrite<float[]>(scratch_floats);
  std::fill_n(out, heads * width, 0.0F);
  for (size_t begin = 0; begin < rows.size(); begin += kBlockRows) {
    const float* widened[kBlockRows];
    const size_t count = std::min(kBlockRows, rows.size() - begin);
    for (size_t r = 0; r < count; ++r)
      widened[r] = widen_row(rows.format, rows.rows[begin + r], width, scratch.get() + r * width);
    const std::span<const float* const> block(widened, count);
    size_t h = 0;
    for (; h + kAttendHeads <= heads; h += kAttendHeads)
      attend_block<kAttendHeads>(q + h * width, block, width, scale, &softmax[h], out + h * width);
    for (; h < heads; ++h) attend_block<1>(q + h * width, block, width, scale, &softmax[h], out + h * width);
  }
  for (size_t h = 0; h < heads; ++h) scale_in_place(1 / softmax[h].total, width, out + h * width);
}

}  // namespace
}  // namespace sluice::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace sluice {
namespace {
HWY_EXPORT(attend_on_target);
}

void attend(const float* q, size_t heads, const Rows& rows, size_t width, float scale, const float* sinks,
            float* out) {
  HWY_DYNAMIC_DISPATCH(attend_on_target)(q, heads, rows, width, scale, sinks, out);
}

}  // namespace sluice
#endif  // HWY_ONCE
