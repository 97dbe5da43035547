// Softmax attention of several query heads over rows that are key and value at once, with sinks.
#pragma once

#include <cstddef>

#include "numerics/rows.h"

namespace sluice {

// Heads that share one load of a row's values.
inline constexpr size_t kAttendHeads = 8;

// out[h] = sum over rows of p(h, row) * row, where p is the softmax of {scale * q[h].row for each row,
// sinks[h]} and the sink's share adds no value (deepseek-v4.md, Attention). One pass: blocks of rows are
// scored, weighted against the largest score so far, and added up, with what was added before rescaled when a
// larger one comes (Milakov and Gimelshein, "Online normalizer calculation for softmax", 2018). All heads see
// a block before the next one is fetched, so that rows come from memory once. A head's bits depend on its
// query and the rows, in their order, alone.
//   q [heads, width], fastest with multiples of kAttendHeads; rows [width] each; sinks [heads];
//   out [heads, width] must not overlap q or rows.
void attend(const float* q, size_t heads, const Rows& rows, size_t width, float scale, const float* sinks,
            float* out);

}  // namespace sluice
