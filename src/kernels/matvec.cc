#include "kernels/matvec.h"

#include <algorithm>
#include <cstdint>

#include "numerics/codec.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/matvec.cc"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace sluice::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using FloatTag = hn::ScalableTag<float>;
using WordTag = hn::RebindToUnsigned<FloatTag>;  // 32 bits a lane
using Floats = hn::Vec<FloatTag>;
using Words = hn::Vec<WordTag>;

constexpr size_t kRows = 4;  // at once: as many chains of additions, and each value of x loaded once for all

// ---- one vector of consecutive weights

Floats weights_of_bf16(const uint8_t* codes) {
  const hn::Rebind<uint16_t, FloatTag> halves;
  const auto words = hn::PromoteTo(WordTag(), hn::LoadU(halves, reinterpret_cast<const uint16_t*>(codes)));
  return hn::BitCast(FloatTag(), hn::ShiftLeft<16>(words));
}

// The values of E2M1 codes times `scale`, looked up in a register.
class E2M1Table {
 public:
  explicit E2M1Table(float scale) {
    alignas(64) static constexpr float kValues[16] = {0.0F,  0.5F,  1.0F,  1.5F,  2.0F,  3.0F,  4.0F,  6.0F,
                                                      -0.0F, -0.5F, -1.0F, -1.5F, -2.0F, -3.0F, -4.0F, -6.0F};
    table_ = hn::Mul(hn::LoadU(FloatTag(), kValues), hn::Set(FloatTag(), scale));
  }

  Floats operator[](Words codes) const {
    const FloatTag floats;
    const WordTag words;
    if constexpr (hn::MaxLanes(floats) >= 16) {
      return hn::TableLookupLanes(table_, hn::IndicesFromVec(floats, codes));
    } else {  // eight lanes hold the magnitudes
      const auto magnitude = hn::And(codes, hn::Set(words, 7U));
      const auto sign = hn::ShiftLeft<28>(hn::Xor(codes, magnitude));
      const auto value = hn::TableLookupLanes(table_, hn::IndicesFromVec(floats, magnitude));
      return hn::Xor(value, hn::BitCast(floats, sign));
    }
  }

 private:
  Floats table_;
};

// ---- rows: sums[r] gains the products of some columns, lane by lane as product_of_decoded_rows does

template <size_t kCount>
void add_bf16(const uint8_t* codes, size_t row_bytes, size_t cols, const float* HWY_RESTRICT x,
              Floats (&sums)[kCount]) {
  const FloatTag floats;
  for (size_t c = 0; c < cols; c += hn::Lanes(floats)) {
    const auto input = hn::LoadU(floats, x + c);
    for (size_t r = 0; r < kCount; ++r) {
      sums[r] = hn::MulAdd(weights_of_bf16(codes + r * row_bytes + 2 * c), input, sums[r]);
    }
  }
}

#if HWY_TARGET == HWY_SCALAR  // has no vectors to take apart, and says so in has_product_of_rows
template <size_t kCount>
bool add_fp8(const uint8_t*, const uint8_t*, size_t, const float*, Floats (&)[kCount]) {
  return false;
}
template <size_t kCount>
void add_mxfp4(const uint8_t*, const uint8_t*, size_t, const float*, Floats (&)[kCount]) {}
#else
// Two vectors of consecutive E4M3 weights, by way of half floats: there the seven bits of a magnitude mean
// 2^-8 of what they mean here, subnormals included, and the machine widens them. NaN alone, all seven bits,
// does not come out: `smallest` keeps the complement's minimum, 0 once there was one.
class E4M3Pair {
 public:
  using HalfTag = hn::Repartition<int16_t, FloatTag>;
  using Halves = hn::Vec<HalfTag>;

  E4M3Pair(const uint8_t* codes, Halves& smallest) {
    const HalfTag halves;
    const hn::Rebind<int8_t, HalfTag> bytes;
    // The sign is extended into bit 15 and into bit 14, where it is masked out.
    const auto extended = hn::PromoteTo(halves, hn::LoadU(bytes, reinterpret_cast<const int8_t*>(codes)));
    const auto magnitude = hn::Set(halves, 0x3f80);
    bits_ = hn::And(hn::ShiftLeft<7>(extended), hn::Set(halves, static_cast<int16_t>(0xbf80)));
    smallest = hn::Min(smallest, hn::AndNot(bits_, magnitude));
  }

  Floats lower() const { return widen(hn::LowerHalf(hn::Half<HalfTag>(), bits_)); }
  Floats upper() const { return widen(hn::UpperHalf(hn::Half<HalfTag>(), bits_)); }

 private:
  static Floats widen(hn::Vec<hn::Half<HalfTag> > bits) {
    const hn::Rebind<hwy::float16_t, FloatTag> halves;
    return hn::PromoteTo(FloatTag(), hn::BitCast(halves, bits));
  }

  Halves bits_;
};

// All rows lie in one row of scale blocks. False when a weight is NaN: sums are then meaningless.
template <size_t kCount>
bool add_fp8(const uint8_t* codes, const uint8_t* scales, size_t cols, const float* HWY_RESTRICT x,
             Floats (&sums)[kCount]) {
  const FloatTag floats;
  const E4M3Pair::HalfTag halves;
  const size_t lanes = hn::Lanes(floats);
  auto smallest = hn::Set(halves, 0x3f80);
  for (size_t begin = 0; begin < cols; begin += kFP8BlockSize) {
    const auto scale = hn::Set(floats, 0x1p8F * e8m0_to_float(scales[begin / kFP8BlockSize]));
    const size_t end = std::min<size_t>(cols, begin + kFP8BlockSize);
    for (size_t c = begin; c < end; c += 2 * lanes) {
      const auto first = hn::LoadU(floats, x + c);
      const auto second = hn::LoadU(floats, x + c + lanes);
      for (size_t r = 0; r < kCount; ++r) {
        const E4M3Pair weights(codes + r * cols + c, smallest);
        sums[r] = hn::MulAdd(hn::Mul(weights.lower(), scale), first, sums[r]);
        sums[r] = hn::MulAdd(hn::Mul(weights.upper(), scale), second, sums[r]);
      }
    }
  }
  return hn::AllFalse(halves, hn::Eq(smallest, hn::Zero(halves)));
}

// One block of 32 columns of one row, from its 16 bytes.
Floats add_mxfp4_block(const uint8_t* pairs, float scale, const float* HWY_RESTRICT x, Floats sum) {
  const FloatTag floats;
  const WordTag words;
  const hn::FixedTag<uint8_t, 16> bytes;
  const hn::Rebind<uint8_t, FloatTag> part;
  const E2M1Table table(scale);
  const auto both = hn::LoadU(bytes, pairs);
  const auto even = hn::And(both, hn::Set(bytes, 15));
  const auto odd = hn::ShiftRight<4>(both);
  alignas(16) uint8_t codes[32];
  hn::Store(hn::InterleaveLower(bytes, even, odd), bytes, codes);
  hn::Store(hn::InterleaveUpper(bytes, even, odd), bytes, codes + 16);
  for (size_t c = 0; c < kMXFP4BlockSize; c += hn::Lanes(floats)) {
    const auto weights = table[hn::PromoteTo(words, hn::LoadU(part, codes + c))];
    sum = hn::MulAdd(weights, hn::LoadU(floats, x + c), sum);
  }
  return sum;
}

template <size_t kCount>
void add_mxfp4(const uint8_t* pairs, const uint8_t* scales, size_t cols, const float* HWY_RESTRICT x,
               Floats (&sums)[kCount]) {
  const size_t blocks = cols / kMXFP4BlockSize;
  for (size_t block = 0; block < blocks; ++block) {
    for (size_t r = 0; r < kCount; ++r) {
      const float scale = e8m0_to_float(scales[r * blocks + block]);
      const uint8_t* codes = pairs + r * cols / 2 + block * kMXFP4BlockSize / 2;
      sums[r] = add_mxfp4_block(codes, scale, x + block * kMXFP4BlockSize, sums[r]);
    }
  }
}

#endif

// False when this cannot be done, as add_fp8 has it; y is then untouched.
template <size_t kCount>
bool products_of_rows(const WeightMatrix& w, size_t row, const float* x, float* y) {
  const FloatTag floats;
  const size_t cols = w.cols;
  const auto* codes = reinterpret_cast<const uint8_t*>(w.values);
  const auto* scales = reinterpret_cast<const uint8_t*>(w.scales);
  Floats sums[kCount];
  for (auto& sum : sums) sum = hn::Zero(floats);
  if (w.format == WeightFormat::kBF16) {
    add_bf16<kCount>(codes + 2 * row * cols, 2 * cols, cols, x, sums);
  } else if (w.format == WeightFormat::kFP8) {
    const size_t blocks = (cols + kFP8BlockSize - 1) / kFP8BlockSize;
    const uint8_t* row_scales = scales + row / kFP8BlockSize * blocks;
    if (!add_fp8<kCount>(codes + row * cols, row_scales, cols, x, sums)) return false;
  } else {
    add_mxfp4<kCount>(codes + row * cols / 2, scales + row * (cols / kMXFP4BlockSize), cols, x, sums);
  }
  for (size_t r = 0; r < kCount; ++r) y[r] = hn::GetLane(hn::SumOfLanes(floats, sums[r]));
  return true;
}

// The first row of [row_begin, row_end) that could not be done; row_end when all were.
size_t product_of_rows(const WeightMatrix& w, size_t row_begin, size_t row_end, const float* x, float* y) {
  size_t row = row_begin;
  while (row < row_end) {
    // From multiples on, so that four rows never straddle two rows of FP8's scale blocks.
    const bool is_group = row % kRows == 0 && row + kRows <= row_end;
    const bool is_done =
        is_group ? products_of_rows<kRows>(w, row, x, y + row) : products_of_rows<1>(w, row, x, y + row);
    if (!is_done) return row;
    row += is_group ? kRows : 1;
  }
  return row_end;
}

// Whole vectors only (FP8: pairs of them), of a width that a block is a multiple of; for MXFP4 with room for
// eight magnitudes.
bool has_product_of_rows(const WeightMatrix& w) {
  constexpr size_t kLeastLanes = 8;
  const size_t lanes = hn::Lanes(FloatTag());
  switch (w.format) {
    case WeightFormat::kF32:
      return false;
    case WeightFormat::kBF16:
      return w.cols % lanes == 0;
    case WeightFormat::kFP8:
      return HWY_TARGET != HWY_SCALAR && w.cols % (2 * lanes) == 0 && 2 * lanes <= kFP8BlockSize;
    case WeightFormat::kMXFP4:
      return lanes >= kLeastLanes && lanes <= kMXFP4BlockSize;
  }
  return false;
}

}  // namespace sluice::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace sluice {

HWY_EXPORT(product_of_rows);
HWY_EXPORT(has_product_of_rows);

size_t matvec_rows(const WeightMatrix& w, size_t row_begin, size_t row_end, const float* x, float* y) {
  if (!HWY_DYNAMIC_DISPATCH(has_product_of_rows)(w)) return row_begin;
  return HWY_DYNAMIC_DISPATCH(product_of_rows)(w, row_begin, row_end, x, y);
}

}  // namespace sluice
#endif  // HWY_ONCE
