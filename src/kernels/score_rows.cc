#include "kernels/score_rows.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/score_rows.cc"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "kernels/score_rows-inl.h"

#if HWY_ONCE
namespace sluice {
namespace {
HWY_EXPORT(score_rows_on_target);
}

void score_rows(const float* queries, size_t query_count, std::span<const float* const> rows, size_t width,
                float* scores, size_t stride) {
  HWY_DYNAMIC_DISPATCH(score_rows_on_target)(queries, query_count, rows, width, scores, stride);
}

}  // namespace sluice
#endif  // HWY_ONCE
