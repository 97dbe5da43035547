// Included once per SIMD target: stored weights and activations as vectors, in the one order in which all
// products add.
//
// The order: columns are taken in blocks of 32, the last filled up with zeros. Of sixteen partial sums
// ("lanes"), lane j gains the products of columns 2j and 2j + 1 of each block, one fused multiply-add each,
// blocks ascending. At the end lane j gains lane j + 8, then j + 4, j + 2, j + 1. A target with fewer lanes
// keeps the sixteen in several vectors ("parts"), so that targets with fused multiply-add agree to the bit.
// Even and odd columns lie in separate vectors because that is how they come out of what is stored: two
// nibbles to a byte, two E4M3 to a half word, two bf16 to a word.
//
// Sources that include this keep what is theirs in an anonymous namespace: all of them open the same
// namespace per target, where two classes of one name are one class for the linker, and the wrong functions
// are called.

#include <array>
#include <cstddef>
#include <cstdint>

#include "numerics/codec.h"
#include "numerics/weight_matrix.h"

#if !defined(SLUICE_KERNELS_LANES_INL_H_) == !defined(HWY_TARGET_TOGGLE)
#ifdef SLUICE_KERNELS_LANES_INL_H_
#undef SLUICE_KERNELS_LANES_INL_H_
#else
#define SLUICE_KERNELS_LANES_INL_H_
#endif

#include "hwy/highway.h"

#ifndef SLUICE_KERNELS_LANES_ONCE_
#define SLUICE_KERNELS_LANES_ONCE_
namespace sluice {

inline constexpr size_t kBlockCols = 32;
inline constexpr size_t kDotLanes = 16;

// 2^(code - 127), and NaN: what e8m0_to_float says, looked up.
inline constexpr auto kE8M0Values = [] {
  std::array<float, 256> values{};
  for (size_t code = 0; code < values.size(); ++code)
    values[code] = e8m0_to_float(static_cast<uint8_t>(code));
  return values;
}();

inline constexpr size_t blocks_of(size_t cols) {
  return (cols + kBlockCols - 1) / kBlockCols;
}

}  // namespace sluice
#endif

HWY_BEFORE_NAMESPACE();
namespace sluice::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using FloatTag = hn::CappedTag<float, kDotLanes>;
using WordTag = hn::RebindToUnsigned<FloatTag>;  // 32 bits a lane
using Floats = hn::Vec<FloatTag>;
using Words = hn::Vec<WordTag>;

constexpr size_t kPartLanes = hn::MaxLanes(FloatTag());
constexpr size_t kParts = kDotLanes / kPartLanes;

// One part of a block: columns 2j and 2j + 1 of its lanes.
struct Pair {
  Floats even;
  Floats odd;
};

// A part from 2 * kPartLanes consecutive floats.
HWY_INLINE Pair load_pair(const float* HWY_RESTRICT x) {
  const FloatTag floats;
#if HWY_TARGET == HWY_SCALAR
  return {hn::LoadU(floats, x), hn::LoadU(floats, x + 1)};
#else
  const auto lower = hn::LoadU(floats, x);
  const auto upper = hn::LoadU(floats, x + kPartLanes);
  return {hn::ConcatEven(floats, upper, lower), hn::ConcatOdd(floats, upper, lower)};
#endif
}

#if HWY_TARGET == HWY_SCALAR
HWY_INLINE float sum_of_halves(FloatTag, Floats v) {
  return hn::GetLane(v);
}
#else
template <class D, class V>
HWY_INLINE float sum_of_halves(D, V v) {
  if constexpr (hn::MaxLanes(D()) == 1) {
    return hn::GetLane(v);
  } else {
    const hn::Half<D> half;
    return sum_of_halves(half, hn::Add(hn::LowerHalf(half, v), hn::UpperHalf(half, v)));
  }
}
#endif

HWY_INLINE float sum_of_lanes(Floats (&parts)[kParts]) {
  for (size_t stride = kParts / 2; stride > 0; stride /= 2) {
    for (size_t i = 0; i < stride; ++i) parts[i] = hn::Add(parts[i], parts[i + stride]);
  }
  return sum_of_halves(FloatTag(), parts[0]);
}

// ---- rows of weights. block(b) reads block b; block_at(codes, b) reads it where it was copied to, with
// zeros where the row has ended. A block's part(h) decodes, exactly: value times scale, as codec.h has both.

class F32Row {
 public:
  static constexpr size_t kBlockBytes = 128;
  struct Block {
    const uint8_t* codes;
    HWY_INLINE Pair part(size_t h) const {
      return load_pair(reinterpret_cast<const float*>(codes) + 2 * kPartLanes * h);
    }
  };

  F32Row(const WeightMatrix& w, size_t row)
      : codes_(reinterpret_cast<const uint8_t*>(w.values) + row * w.cols * 4) {}
  const uint8_t* codes(size_t b) const { return codes_ + b * kBlockBytes; }
  HWY_INLINE Block block_at(const uint8_t* codes, size_t) const { return {codes}; }

 private:
  const uint8_t* codes_;
};

class BF16Row {
 public:
  static constexpr size_t kBlockBytes = 64;
  struct Block {
    const uint8_t* codes;
    HWY_INLINE Pair part(size_t h) const {
      const FloatTag floats;
      const WordTag words;
      const auto both = hn::LoadU(words, reinterpret_cast<const uint32_t*>(codes) + kPartLanes * h);
      return {hn::BitCast(floats, hn::ShiftLeft<16>(both)),
              hn::BitCast(floats, hn::And(both, hn::Set(words, 0xffff0000U)))};
    }
  };

  BF16Row(const WeightMatrix& w, size_t row)
      : codes_(reinterpret_cast<const uint8_t*>(w.values) + row * w.cols * 2) {}
  const uint8_t* codes(size_t b) const { return codes_ + b * kBlockBytes; }
  HWY_INLINE Block block_at(const uint8_t* codes, size_t) const { return {codes}; }

 private:
  const uint8_t* codes_;
};

// E4M3 by way of half floats, which machines widen: there the seven bits of a magnitude mean 2^-8 of what
// they mean here, subnormals included. NaN alone, all seven bits, has to be put in.
class FP8Row {
 public:
  static constexpr size_t kBlockBytes = 32;
  struct Block {
    using HalfTag = hn::Rebind<int16_t, FloatTag>;
    const uint8_t* codes;
    Floats scale;

    HWY_INLINE Pair part(size_t h) const {
      const HalfTag halves;
      const auto both = hn::LoadU(halves, reinterpret_cast<const int16_t*>(codes) + kPartLanes * h);
      const auto even = bits_of(hn::ShiftLeft<8>(both));
      const auto odd = bits_of(both);
      if (HWY_UNLIKELY(has_nan(both))) return {widen(with_nan(even)), widen(with_nan(odd))};
      return {widen(even), widen(odd)};
    }

   private:
    using Halves = hn::Vec<HalfTag>;

    // Of the codes in the upper bytes. Shifting extends the sign into bit 14, where it is masked out.
    static HWY_INLINE Halves bits_of(Halves codes_above) {
      return hn::And(hn::ShiftRight<1>(codes_above), hn::Set(HalfTag(), static_cast<int16_t>(0xbf80)));
    }

    HWY_INLINE Floats widen(Halves bits) const {
      const hn::Rebind<hwy::float16_t, FloatTag> half_floats;
      return hn::Mul(hn::PromoteTo(FloatTag(), hn::BitCast(half_floats, bits)), scale);
    }

    static HWY_INLINE bool has_nan([[maybe_unused]] Halves both) {
#if HWY_TARGET == HWY_SCALAR
      return true;  // one by one, then
#else
      const hn::Repartition<uint8_t, HalfTag> bytes;
      const auto magnitude = hn::Set(bytes, 0x7f);
      return !hn::AllFalse(bytes, hn::Eq(hn::And(hn::BitCast(bytes, both), magnitude), magnitude));
#endif
    }

    static Halves with_nan(Halves bits) {
      const HalfTag halves;
      const auto magnitude = hn::Set(halves, 0x3f80);
      return hn::IfThenElse(hn::Eq(hn::And(bits, magnitude), magnitude), hn::Set(halves, 0x7e00), bits);
    }
  };

  FP8Row(const WeightMatrix& w, size_t row)
      : codes_(reinterpret_cast<const uint8_t*>(w.values) + row * w.cols),
        scales_(reinterpret_cast<const uint8_t*>(w.scales) +
                weight_scales_bytes(w.format, row / kFP8BlockSize * kFP8BlockSize, w.cols)) {}
  const uint8_t* codes(size_t b) const {
    return codes_ + b * kBlockBytes;
  }
  HWY_INLINE Block block_at(const uint8_t* codes, size_t b) const {
    const float scale = kE8M0Values[scales_[b * kBlockCols / kFP8BlockSize]];
    return {codes, hn::Set(FloatTag(), 0x1p8F * scale)};
  }

 private:
  const uint8_t* codes_;
  const uint8_t* scales_;
};

class MXFP4Row {
 public:
  static constexpr size_t kBlockBytes = 16;
  struct Block {
    const uint8_t* codes;
    Floats table;  // values of the codes, or as many as there are lanes, times the scale; below 8: the scale

    HWY_INLINE Pair part(size_t h) const {
      const WordTag words;
      const hn::Rebind<uint8_t, FloatTag> bytes;
      const auto both = hn::PromoteTo(words, hn::LoadU(bytes, codes + kPartLanes * h));
      return {value(both), value(hn::ShiftRight<4>(both))};
    }

   private:
    // The machine looks at no more than the index bits; Highway's assertions do.
    static HWY_INLINE auto indices(Words code, uint32_t mask) {
      if constexpr (HWY_IS_DEBUG_BUILD) code = hn::And(code, hn::Set(WordTag(), mask));
      return hn::IndicesFromVec(FloatTag(), code);
    }

    // Of the code in a lane's lowest four bits; what lies above them is ignored.
    HWY_INLINE Floats value(Words code) const {
      const FloatTag floats;
      const WordTag words;
      if constexpr (kPartLanes == 16) {
        return hn::TableLookupLanes(table, indices(code, 15U));
      } else {
        const auto sign = hn::BitCast(floats, hn::And(hn::ShiftLeft<28>(code), hn::Set(words, 0x80000000U)));
        if constexpr (kPartLanes == 8) {
          return hn::Xor(hn::TableLookupLanes(table, indices(code, 7U)), sign);
        } else {  // two exponent bits and one of mantissa: 2^-126 of what they mean in a float's fields
          const auto bits = hn::ShiftLeft<22>(hn::And(code, hn::Set(words, 7U)));
          const auto magnitude = hn::Mul(hn::BitCast(floats, bits), hn::Set(floats, 0x1p126F));
          return hn::Xor(hn::Mul(magnitude, table), sign);
        }
      }
    }
  };

  MXFP4Row(const WeightMatrix& w, size_t row)
      : codes_(reinterpret_cast<const uint8_t*>(w.values) + row * w.cols / 2),
        scales_(reinterpret_cast<const uint8_t*>(w.scales) + row * (w.cols / kMXFP4BlockSize)) {}
  const uint8_t* codes(size_t b) const { return codes_ + b * kBlockBytes; }
  HWY_INLINE Block block_at(const uint8_t* codes, size_t b) const {
    alignas(64) static constexpr float kValues[16] = {0.0F,  0.5F,  1.0F,  1.5F,  2.0F,  3.0F,  4.0F,  6.0F,
                                                      -0.0F, -0.5F, -1.0F, -1.5F, -2.0F, -3.0F, -4.0F, -6.0F};
    const FloatTag floats;
    const auto scale = hn::Set(floats, kE8M0Values[scales_[b]]);
    if constexpr (kPartLanes < 8) return {codes, scale};
    return {codes, hn::Mul(hn::Load(floats, kValues), scale)};
  }

 private:
  const uint8_t* codes_;
  const uint8_t* scales_;
};

// Calls `body` with the row type of a format: body.template operator()<BF16Row>().
template <class Body>
void with_row_type(WeightFormat format, const Body& body) {
  switch (format) {
    case WeightFormat::kF32:
      return body.template operator()<F32Row>();
    case WeightFormat::kBF16:
      return body.template operator()<BF16Row>();
    case WeightFormat::kFP8:
      return body.template operator()<FP8Row>();
    case WeightFormat::kMXFP4:
      return body.template operator()<MXFP4Row>();
  }
}

}  // namespace sluice::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
