// How a sublayer's output joins the residual streams (deepseek-v4.md, Hyper-connections).
#pragma once

#include <cstddef>

namespace sluice {

// streams[s][c] = post[s] * y[c] + sum over j of comb[j * count + s] * streams[j][c], for columns
// [begin, end) of `width`; every sum takes j in ascending order.
//   streams [count, width], count <= 16; post [count]; comb [count, count]; y [width].
// Calls on disjoint columns may run at once.
void mix_streams(const float* post, const float* comb, size_t count, const float* y, size_t width,
                 size_t begin, size_t end, float* streams);

}  // namespace sluice
