// The indexer's scores: how well each of many keys answers all heads' queries together.
#pragma once

#include <cstddef>

#include "numerics/rows.h"

namespace sluice {

// Floats of one token's packed queries.
size_t packed_queries_floats(size_t heads, size_t width);

// Queries as index_scores takes them: the heads beside each other, column after column, so that a column of a
// key meets a vector of heads. queries [heads, width], weights [heads]; packed [packed_queries_floats].
void pack_queries(const float* queries, const float* weights, size_t heads, size_t width, float* packed);

// scores[i] = sum over h of weights[h] * max(queries[h] . keys[i], 0). A score's bits depend on queries and
// key alone: every product adds up column by column, heads in sixteen partial sums.
//   keys [width] each; scores [keys.size()].
void index_scores(const float* packed, size_t heads, size_t width, const Rows& keys, float* scores);

}  // namespace sluice
