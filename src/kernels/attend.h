// Softmax attention of one query head over a list of rows that are key and value at once, with a sink.
#pragma once

#include <cstddef>
#include <span>

namespace sluice {

// out[width] = sum over rows of p(row) * row, where p is the softmax of {scale * q.row for each row, sink}
// and the sink's share adds no value (deepseek-v4.md, Attention). Rows are summed in the order given.
//   q [width]; rows: pointers to [width] each; scores: scratch, one float per row; out must not overlap q.
void attend(const float* q, std::span<const float* const> rows, size_t width, float scale, float sink,
            float* scores, float* out);

}  // namespace sluice
