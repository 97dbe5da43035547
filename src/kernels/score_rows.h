// Dot products of several queries with several rows: the scores of attention and of the indexer.
#pragma once

#include <cstddef>
#include <span>

namespace sluice {

// scores[q * stride + r] = sum over c of queries[q * width + c] * rows[r][c], for q < query_count; float32.
// Every score is summed in an order that depends on `width` alone.
//   queries [query_count, width]; rows: pointers to [width] each; scores: stride >= rows.size().
void score_rows(const float* queries, size_t query_count, std::span<const float* const> rows, size_t width,
                float* scores, size_t stride);

}  // namespace sluice
