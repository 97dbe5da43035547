#include "kernels/mix_streams.h"

#include <algorithm>
#include <cassert>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/mix_streams.cc"
#include "hwy/foreach_target.h"
// After foreach_target.h, which includes this file once per target.
#include "hwy/highway.h"
#include "kernels/partial_vectors-inl.h"

HWY_BEFORE_NAMESPACE();
namespace sluice::HWY_NAMESPACE {
namespace {

constexpr size_t kMostStreams = 16;

void mix_streams_on_target(const float* post, const float* comb, size_t count, const float* y, size_t width,
                           size_t begin, size_t end, float* streams) {
  const hn::ScalableTag<float> tag;
  using Vector = hn::Vec<decltype(tag)>;
  const size_t lanes = hn::Lanes(tag);
  for (size_t c = begin; c < end; c += lanes) {
    const size_t columns = std::min(lanes, end - c);
    const auto load = [&](const float* from) {
      return columns == lanes ? hn::LoadU(tag, from) : load_some(from, columns);
    };
    Vector before[kMostStreams];
    for (size_t j = 0; j < count; ++j) before[j] = load(streams + j * width + c);
    const Vector output = load(y + c);
    for (size_t s = 0; s < count; ++s) {
      Vector sum = hn::Mul(hn::Set(tag, post[s]), output);
      for (size_t j = 0; j < count; ++j) sum = hn::MulAdd(hn::Set(tag, comb[j * count + s]), before[j], sum);
      if (columns == lanes) {
        hn::StoreU(sum, tag, streams + s * width + c);
      } else {
        store_some(sum, streams + s * width + c, columns);
      }
    }
  }
}

}  // namespace
}  // namespace sluice::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace sluice {
namespace {
HWY_EXPORT(mix_streams_on_target);
}

void mix_streams(const float* post, const float* comb, size_t count, const float* y, size_t width,
                 size_t begin, size_t end, float* streams) {
  assert(count <= 16);
  HWY_DYNAMIC_DISPATCH(mix_streams_on_target)(post, comb, count, y, width, begin, end, streams);
}

}  // namespace sluice
#endif  // HWY_ONCE
