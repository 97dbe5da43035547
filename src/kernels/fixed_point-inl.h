// Included once per SIMD target: groups of columns in fixed point (fixed_point.h) as vectors.
#if !defined(SLUICE_KERNELS_FIXED_POINT_INL_H_) == !defined(HWY_TARGET_TOGGLE)
#ifdef SLUICE_KERNELS_FIXED_POINT_INL_H_
#undef SLUICE_KERNELS_FIXED_POINT_INL_H_
#else
#define SLUICE_KERNELS_FIXED_POINT_INL_H_
#endif

#include "kernels/fixed_point.h"
#include "kernels/lanes-inl.h"

#ifndef SLUICE_KERNELS_FIXED_POINT_ONCE_
#define SLUICE_KERNELS_FIXED_POINT_ONCE_
namespace sluice {

inline constexpr size_t kMXFP4GroupBytes = 64;

// A group's codes and its four scales' codes; beyond the last column of a row, zeros.
struct MXFP4Group {
  const uint8_t* codes;
  uint32_t scales;
};

}  // namespace sluice
#endif

HWY_BEFORE_NAMESPACE();
namespace sluice::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

#if HWY_TARGET == HWY_SCALAR

using Sums = int32_t;
struct FixedPart {
  int16_t values[8];
  Floats scales;
};

inline FixedPart load_fixed(const FixedGroup& group, size_t h) {
  FixedPart part;
  for (size_t i = 0; i < 8; ++i) part.values[i] = group.values[i % 4][2 * h + i / 4];
  part.scales = hn::Set(FloatTag(), group.scales[h]);
  return part;
}

inline void store_fixed(const FixedPart& part, size_t h, FixedGroup& group) {
  for (size_t i = 0; i < 8; ++i) group.values[i % 4][2 * h + i / 4] = part.values[i];
  group.scales[h] = hn::GetLane(part.scales);
}

inline FixedPart decode_fixed(const MXFP4Group& group, size_t h) {
  FixedPart part;
  for (size_t i = 0; i < 8; ++i) {
    const auto code = static_cast<uint8_t>(group.codes[4 * h + i / 2] >> i % 2 * 4 & 15);
    part.values[i] = static_cast<int16_t>(e2m1_to_float(code) * kMXFP4One);
  }
  const uint32_t code = group.scales >> h / 4 * 8 & 0xff;
  part.scales = hn::Set(FloatTag(), std::bit_cast<float>(std::max(code << 23, 0x00400000U)));
  return part;
}

inline Floats dot_fixed(const FixedPart& weights, const FixedPart& inputs) {
  int32_t sum = 0;
  for (size_t i = 0; i < 8; ++i) sum += int32_t{weights.values[i]} * inputs.values[i];
  return hn::Set(FloatTag(), static_cast<float>(sum));
}

#else

using ShortTag = hn::Repartition<int16_t, FloatTag>;
using Shorts = hn::Vec<ShortTag>;

// One part of a group: columns 8 l ... 8 l + 7 of its lanes.
struct FixedPart {
  Shorts values[4];
  Floats scales;
};

HWY_INLINE FixedPart load_fixed(const FixedGroup& group, size_t h) {
  const ShortTag shorts;
  const size_t at = 2 * kPartLanes * h;
  return {{hn::Load(shorts, group.values[0] + at), hn::Load(shorts, group.values[1] + at),
           hn::Load(shorts, group.values[2] + at), hn::Load(shorts, group.values[3] + at)},
          hn::Load(FloatTag(), group.scales + kPartLanes * h)};
}

HWY_INLINE void store_fixed(const FixedPart& part, size_t h, FixedGroup& group) {
  for (size_t k = 0; k < 4; ++k) hn::Store(part.values[k], ShortTag(), group.values[k] + 2 * kPartLanes * h);
  hn::Store(part.scales, FloatTag(), group.scales + kPartLanes * h);
}

// Nibbles are looked up byte by byte, two to a word; each then gets a word of its own, in the upper byte.
HWY_INLINE FixedPart decode_fixed(const MXFP4Group& group, size_t h) {
  alignas(16) static constexpr int8_t kTwice[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};
  const ShortTag shorts;
  const hn::Repartition<uint16_t, FloatTag> codes_tag;
  const hn::Repartition<int8_t, FloatTag> bytes;
  const auto table = hn::LoadDup128(bytes, kTwice);
  const auto nibbles = hn::Set(codes_tag, uint16_t{0x0f0f});
  const auto upper = hn::Set(shorts, static_cast<int16_t>(0xff00));
  const auto codes = hn::BitCast(codes_tag, load_once(group.codes + 4 * kPartLanes * h));
  const auto look_up = [&](auto indices) {
    return hn::BitCast(shorts, hn::TableLookupBytes(table, hn::BitCast(bytes, indices)));
  };
  const auto even = look_up(hn::And(codes, nibbles));
  const auto odd = look_up(hn::And(hn::ShiftRight<4>(codes), nibbles));
  return {{hn::ShiftLeft<8>(even), hn::ShiftLeft<8>(odd), hn::And(even, upper), hn::And(odd, upper)},
          mxfp4_scales(group.scales, h)};
}

// The integer sums of a part's lanes.
HWY_INLINE Floats dot_fixed(const FixedPart& weights, const FixedPart& inputs) {
  const hn::RebindToSigned<FloatTag> integers;
  auto sums = hn::Zero(integers);
  auto other_sums = hn::Zero(integers);
  for (size_t k = 0; k < 4; ++k) {
    sums = hn::ReorderWidenMulAccumulate(integers, weights.values[k], inputs.values[k], sums, other_sums);
  }
  return hn::ConvertTo(FloatTag(), hn::RearrangeToOddPlusEven(sums, other_sums));
}

#endif

HWY_INLINE Floats add_fixed(const FixedPart& weights, const FixedPart& inputs, Floats sums) {
  return hn::MulAdd(dot_fixed(weights, inputs), hn::Mul(weights.scales, inputs.scales), sums);
}

// A row of MXFP4 weights, group by group.
class MXFP4Groups {
 public:
  MXFP4Groups(const WeightMatrix& w, size_t row)
      : codes_(reinterpret_cast<const uint8_t*>(w.values) + row * w.cols / 2),
        scales_(reinterpret_cast<const uint8_t*>(w.scales) + row * (w.cols / kMXFP4BlockSize)),
        cols_to_end_((w.rows - row) * size_t{w.cols}) {}

  HWY_INLINE MXFP4Group whole(size_t g) const {
    uint32_t scales;
    std::memcpy(&scales, scales_ + 4 * g, sizeof(scales));
    return {codes_ + g * kMXFP4GroupBytes, scales};
  }

  // The row's last `blocks` < 4 blocks. What is behind them are the next rows' codes, which meet activations
  // that are zeros; but a scale there could be NaN. At the end of the matrix they are copied to `codes`, with
  // zeros behind them: for all rows that took a third of the time of products with 64 columns.
  HWY_INLINE MXFP4Group rest(size_t g, size_t blocks, uint8_t (&codes)[kMXFP4GroupBytes]) const {
    if (kGroupCols * (g + 1) <= cols_to_end_) {
      const MXFP4Group group = whole(g);
      return {group.codes, group.scales & ((uint32_t{1} << 8 * blocks) - 1)};
    }
    return copied(g, blocks, codes);
  }

 private:
  HWY_NOINLINE MXFP4Group copied(size_t g, size_t blocks, uint8_t (&codes)[kMXFP4GroupBytes]) const {
    uint32_t scales = 0;
    std::memset(codes, 0, sizeof(codes));
    std::memcpy(codes, codes_ + g * kMXFP4GroupBytes, blocks * kMXFP4BlockSize / 2);
    std::memcpy(&scales, scales_ + 4 * g, blocks);
    return {codes, scales};
  }

  const uint8_t* codes_;
  const uint8_t* scales_;
  size_t cols_to_end_;  // of the matrix, from the row's first
};

}  // namespace sluice::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
