// Included once per SIMD target: stored weights and activations as vectors, in the one order in which all
// products add.
//
// The order: columns are taken in groups of 128, the last filled up with zeros, groups ascending. Of sixteen
// partial sums ("lanes") each has eight of a group's columns; their products are added up from zero, the
// first a multiplication, the others one fused multiply-add each. What comes of it, times the scale that the
// eight weights have in common, is added to the lane, with a fused multiply-add where weights have scales. At
// the end lane j gains lane j + 8, then j + 4, j + 2, j + 1.
//
// Which eight, and in which order ("slices"), is how they come out of what is stored, column_order() says it.
// A target with fewer lanes keeps the sixteen in several vectors ("parts"), so that targets with fused
// multiply-add agree to the bit.
//
// Why groups: what a lane adds in one of them needs nothing of the one before, so that one row alone keeps
// the machine's multipliers busy, and rows can be read as memory has them, one after the other, as fast as
// memory gives them. And the scale is applied once to eight products.
//
// Sources that include this keep what is theirs in an anonymous namespace: all of them open the same
// namespace per target, where two classes of one name are one class for the linker, and the wrong functions
// are called.

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include "kernels/groups.h"
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

inline constexpr size_t kDotLanes = 16;
inline constexpr size_t kSlices = kGroupCols / kDotLanes;

// Which column of a group is a lane's in slice s.
enum class ColumnOrder {
  kNatural,  // 16 s + lane
  kPairs,    // 32 (s / 2) + 2 lane + s % 2: two bf16 to a word, two E4M3 to a half word
  kNibbles,  // 8 lane + s: eight E2M1 to a word
};

constexpr size_t column_of(ColumnOrder order, size_t lane, size_t slice) {
  switch (order) {
    case ColumnOrder::kNatural:
      return kDotLanes * slice + lane;
    case ColumnOrder::kPairs:
      return 2 * (kDotLanes * (slice / 2) + lane) + slice % 2;
    default:
      return kSlices * lane + slice;
  }
}

constexpr ColumnOrder column_order(WeightFormat format) {
  switch (format) {
    case WeightFormat::kF32:
      return ColumnOrder::kNatural;
    case WeightFormat::kMXFP4:
      return ColumnOrder::kNibbles;
    default:
      return ColumnOrder::kPairs;
  }
}

// 2^(code - 127), and NaN: what e8m0_to_float says, looked up.
inline constexpr auto kE8M0Values = [] {
  std::array<float, 256> values{};
  for (size_t code = 0; code < values.size(); ++code)
    values[code] = e8m0_to_float(static_cast<uint8_t>(code));
  return values;
}();

// 2^-8 of what E4M3's magnitudes mean, as bf16, which all of them are.
struct BF16Bytes {
  uint8_t low[128];
  uint8_t high[128];
};
alignas(64) inline constexpr auto kBF16OfE4M3 = [] {
  BF16Bytes bytes{};
  for (uint8_t code = 0; code < 128; ++code) {
    const uint16_t bits = code == 0x7f ? uint16_t{0x7fc0} : float_to_bf16(0x1p-8F * e4m3_to_float(code));
    bytes.low[code] = static_cast<uint8_t>(bits & 0xff);
    bytes.high[code] = static_cast<uint8_t>(bits >> 8);
  }
  return bytes;
}();

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

// ---- activations

// A part of a group of x [kGroupCols] as slices.
#if HWY_TARGET == HWY_SCALAR
template <ColumnOrder kOrder>
HWY_INLINE void slice_part(const float* HWY_RESTRICT x, size_t h, Floats (&slices)[kSlices]) {
  for (size_t s = 0; s < kSlices; ++s) slices[s] = hn::Set(FloatTag(), x[column_of(kOrder, h, s)]);
}
#else
template <ColumnOrder kOrder>
HWY_INLINE void slice_part(const float* HWY_RESTRICT x, size_t h, Floats (&slices)[kSlices]) {
  const FloatTag floats;
  if constexpr (kOrder == ColumnOrder::kNatural) {
    for (size_t s = 0; s < kSlices; ++s) slices[s] = hn::LoadU(floats, x + kDotLanes * s + kPartLanes * h);
  } else if constexpr (kOrder == ColumnOrder::kPairs) {
    for (size_t s = 0; s < kSlices; s += 2) {
      const float* pairs = x + kDotLanes * s + 2 * kPartLanes * h;
      const auto lower = hn::LoadU(floats, pairs);
      const auto upper = hn::LoadU(floats, pairs + kPartLanes);
      slices[s] = hn::ConcatEven(floats, upper, lower);
      slices[s + 1] = hn::ConcatOdd(floats, upper, lower);
    }
  } else {
    const float* words = x + kSlices * kPartLanes * h;
    Floats lower[4], upper[4];  // [k]: columns 4 i + k
    hn::LoadInterleaved4(floats, words, lower[0], lower[1], lower[2], lower[3]);
    hn::LoadInterleaved4(floats, words + 4 * kPartLanes, upper[0], upper[1], upper[2], upper[3]);
    for (size_t k = 0; k < 4; ++k) {
      slices[k] = hn::ConcatEven(floats, upper[k], lower[k]);
      slices[k + 4] = hn::ConcatOdd(floats, upper[k], lower[k]);
    }
  }
}
#endif

// `bytes` of a row's codes to a group's, with zeros behind them. In whole vectors where a machine can mask a
// load: the group is read again in the same ones at once, and would wait for smaller stores.
template <size_t kGroupBytes>
HWY_INLINE const uint8_t* copy_rest(const uint8_t* codes, size_t bytes, uint8_t (&copy)[kGroupBytes]) {
#if HWY_TARGET <= HWY_AVX3
  const hn::CappedTag<uint8_t, 64> tag;
  for (size_t at = 0; at < kGroupBytes; at += 64) {
    const size_t left = at < bytes ? bytes - at : 0;
    hn::Store(hn::MaskedLoad(hn::FirstN(tag, left), tag, codes + at), tag, copy + at);
  }
#else
  std::memset(copy, 0, kGroupBytes);
  std::memcpy(copy, codes, bytes);
#endif
  return copy;
}

// ---- rows of weights. group(g) is a whole group, rest(g, cols, copy) one of fewer columns, which are copied
// to where zeros are. A group's part(h) decodes exactly, without the scale; scale(h), where weights have any,
// is that of each lane.

#if HWY_TARGET == HWY_SCALAR

// Column by column, by way of what decodes whole rows.
template <WeightFormat kFormat>
class ScalarRow {
 public:
  static constexpr ColumnOrder kOrder = column_order(kFormat);
  static constexpr size_t kGroupBytes = 4 * kGroupCols;
  class Group {
   public:
    explicit Group(const uint8_t* values) : values_(reinterpret_cast<const float*>(values)) {}
    const uint8_t* codes() const { return reinterpret_cast<const uint8_t*>(values_); }
    void part(size_t h, Floats (&slices)[kSlices]) const { slice_part<kOrder>(values_, h, slices); }

   private:
    const float* values_;
  };

  ScalarRow(const WeightMatrix& w, size_t row) : values_(groups_of(w.cols) * kGroupCols) {
    decode_row(w, static_cast<uint32_t>(row), values_.data());
  }
  Group group(size_t g) const { return Group(reinterpret_cast<const uint8_t*>(&values_[g * kGroupCols])); }
  Group rest(size_t g, size_t, uint8_t (&)[kGroupBytes]) const { return group(g); }

 private:
  std::vector<float> values_;
};

using F32Row = ScalarRow<WeightFormat::kF32>;
using BF16Row = ScalarRow<WeightFormat::kBF16>;
using FP8Row = ScalarRow<WeightFormat::kFP8>;
using MXFP4Row = ScalarRow<WeightFormat::kMXFP4>;

#else

// A vector of codes, which the compiler is not to load again for its second use: two loads of a line that is
// still on its way are far slower than one (MXFP4 on Zen 5: 14 GB/s instead of 23).
HWY_INLINE Words load_once(const uint8_t* codes) {
  const WordTag words;
  const hn::Repartition<uint8_t, WordTag> bytes;
  auto loaded = hn::BitCast(words, hn::LoadU(bytes, codes));
#if HWY_TARGET <= HWY_AVX3
  asm("" : "+v"(loaded.raw));
#endif
  return loaded;
}

class F32Row {
 public:
  static constexpr ColumnOrder kOrder = ColumnOrder::kNatural;
  static constexpr size_t kGroupBytes = 4 * kGroupCols;
  class Group {
   public:
    explicit Group(const uint8_t* codes) : codes_(codes) {}
    const uint8_t* codes() const { return codes_; }
    HWY_INLINE void part(size_t h, Floats (&slices)[kSlices]) const {
      slice_part<kOrder>(reinterpret_cast<const float*>(codes_), h, slices);
    }

   private:
    const uint8_t* codes_;
  };

  F32Row(const WeightMatrix& w, size_t row)
      : codes_(reinterpret_cast<const uint8_t*>(w.values) + row * w.cols * 4) {}
  HWY_INLINE Group group(size_t g) const { return Group(codes_ + g * kGroupBytes); }
  Group rest(size_t g, size_t cols, uint8_t (&copy)[kGroupBytes]) const {
    return Group(copy_rest(codes_ + g * kGroupBytes, cols * 4, copy));
  }

 private:
  const uint8_t* codes_;
};

class BF16Row {
 public:
  static constexpr ColumnOrder kOrder = ColumnOrder::kPairs;
  static constexpr size_t kGroupBytes = 2 * kGroupCols;
  class Group {
   public:
    explicit Group(const uint8_t* codes) : codes_(codes) {}
    const uint8_t* codes() const { return codes_; }
    HWY_INLINE void part(size_t h, Floats (&slices)[kSlices]) const {
      const FloatTag floats;
      const WordTag words;
      for (size_t s = 0; s < kSlices; s += 2) {
        const auto both = load_once(codes_ + 2 * kDotLanes * s + 4 * kPartLanes * h);
        slices[s] = hn::BitCast(floats, hn::ShiftLeft<16>(both));
        slices[s + 1] = hn::BitCast(floats, hn::And(both, hn::Set(words, 0xffff0000U)));
      }
    }

   private:
    const uint8_t* codes_;
  };

  BF16Row(const WeightMatrix& w, size_t row)
      : codes_(reinterpret_cast<const uint8_t*>(w.values) + row * w.cols * 2) {}
  HWY_INLINE Group group(size_t g) const { return Group(codes_ + g * kGroupBytes); }
  Group rest(size_t g, size_t cols, uint8_t (&copy)[kGroupBytes]) const {
    return Group(copy_rest(codes_ + g * kGroupBytes, cols * 2, copy));
  }

 private:
  const uint8_t* codes_;
};

// E4M3 by way of half floats, which machines widen: there the seven bits of a magnitude mean 2^-8 of what
// they mean here, subnormals included. NaN alone, all seven bits, has to be put in. (To shift them into a
// float32's place is less work, but leaves subnormal numbers, each of which costs some machines a hundred
// cycles.) Machines that look bytes up among 128 take a magnitude's bf16 number, of the same value, from a
// table.
class FP8Row {
 public:
  static constexpr ColumnOrder kOrder = ColumnOrder::kPairs;
  static constexpr size_t kGroupBytes = kGroupCols;
  class Group {
   public:
    HWY_INLINE Group(const uint8_t* codes, float scale) : codes_(codes), scale_(0x1p8F * scale) {}
    const uint8_t* codes() const { return codes_; }

#if HWY_TARGET <= HWY_AVX3_DL
    HWY_INLINE void part(size_t, Floats (&slices)[kSlices]) const {
      look_up(codes_, slices);
      look_up(codes_ + 64, slices + 4);
    }
#else
    HWY_INLINE void part(size_t h, Floats (&slices)[kSlices]) const {
      // As many half words as there are lanes, or twice as many, of which the upper half are the next
      // block's.
      constexpr size_t kBlocks = kPartLanes == kDotLanes ? 2 : 1;
      const CodesTag codes_tag;
      Codes both[kSlices / 2 / kBlocks];
      for (size_t i = 0; i < std::size(both); ++i) {
        both[i] = hn::LoadU(
            codes_tag, reinterpret_cast<const int16_t*>(codes_) + kDotLanes * kBlocks * i + kPartLanes * h);
      }
      const bool has_nan = any_nan(both);
      for (size_t i = 0; i < std::size(both); ++i) {
        Codes even = bits_of(hn::ShiftLeft<8>(both[i]));
        Codes odd = bits_of(both[i]);
        if (HWY_UNLIKELY(has_nan)) {
          even = with_nan(even);
          odd = with_nan(odd);
        }
        widen(codes_tag, even, slices + 2 * kBlocks * i);
        widen(codes_tag, odd, slices + 2 * kBlocks * i + 1);
      }
    }
#endif

    HWY_INLINE Floats scale(size_t) const {
      return hn::Set(FloatTag(), scale_);
    }

   private:
#if HWY_TARGET <= HWY_AVX3_DL
    // 64 codes to four slices. Both bytes of a code's bf16 number are looked up, without its sign, and put
    // side by side; that is done in quarters of a vector, so that the codes of its lower half go to their
    // lower halves first.
    static HWY_INLINE void look_up(const uint8_t* codes, Floats* slices) {
      const auto lower_halves = _mm512_setr_epi64(0, 4, 1, 5, 2, 6, 3, 7);
      const auto magnitudes = _mm512_permutexvar_epi64(lower_halves, load_once(codes).raw);
      const auto low = look_up_bytes(kBF16OfE4M3.low, magnitudes);
      const auto high = look_up_bytes(kBF16OfE4M3.high, magnitudes);
      constexpr int kOrAnd = 0xf8;  // high | (codes & 0x80)
      const auto signed_high =
          _mm512_ternarylogic_epi32(high, magnitudes, _mm512_set1_epi8(static_cast<char>(0x80)), kOrAnd);
      widen(_mm512_unpacklo_epi8(low, signed_high), slices);
      widen(_mm512_unpackhi_epi8(low, signed_high), slices + 2);
    }

    static HWY_INLINE __m512i look_up_bytes(const uint8_t (&table)[128], __m512i codes) {
      return _mm512_permutex2var_epi8(_mm512_load_si512(table), codes, _mm512_load_si512(table + 64));
    }

    // Of two bf16 numbers a word.
    static HWY_INLINE void widen(__m512i both, Floats* slices) {
      slices[0] = Floats{_mm512_castsi512_ps(_mm512_slli_epi32(both, 16))};
      slices[1] = Floats{_mm512_castsi512_ps(_mm512_and_si512(both, _mm512_set1_epi32(-0x10000)))};
    }
#else
    using HalfTag = hn::Rebind<int16_t, FloatTag>;
    using CodesTag = std::conditional_t<kPartLanes == kDotLanes, hn::Twice<HalfTag>, HalfTag>;
    using Codes = hn::Vec<CodesTag>;

    // Of the codes in the upper bytes. Shifting extends the sign into bit 14, where it is masked out.
    static HWY_INLINE Codes bits_of(Codes codes_above) {
      return hn::And(hn::ShiftRight<1>(codes_above), hn::Set(CodesTag(), static_cast<int16_t>(0xbf80)));
    }

    // To slices[0], and of two blocks also to slices[2].
    template <class Tag>
    static HWY_INLINE void widen(Tag, hn::Vec<Tag> bits, Floats* slices) {
      const hn::Rebind<hwy::float16_t, FloatTag> half_floats;
      if constexpr (hn::MaxLanes(Tag()) == hn::MaxLanes(HalfTag())) {
        slices[0] = hn::PromoteTo(FloatTag(), hn::BitCast(half_floats, bits));
      } else {
        const HalfTag halves;
        slices[0] = hn::PromoteTo(FloatTag(), hn::BitCast(half_floats, hn::LowerHalf(halves, bits)));
        slices[2] = hn::PromoteTo(FloatTag(), hn::BitCast(half_floats, hn::UpperHalf(halves, bits)));
      }
    }

    // Doubled, both codes of NaN are the largest there is.
    template <size_t kCount>
    static HWY_INLINE bool any_nan(const Codes (&both)[kCount]) {
      const hn::Repartition<uint8_t, CodesTag> bytes;
      auto largest = hn::Zero(bytes);
      for (const Codes& codes : both) {
        const auto code_bytes = hn::BitCast(bytes, codes);
        largest = hn::Max(largest, hn::Add(code_bytes, code_bytes));
      }
      return !hn::AllFalse(bytes, hn::Eq(largest, hn::Set(bytes, 0xfe)));
    }

    static Codes with_nan(Codes bits) {
      const CodesTag tag;
      const auto magnitude = hn::Set(tag, 0x3f80);
      return hn::IfThenElse(hn::Eq(hn::And(bits, magnitude), magnitude), hn::Set(tag, 0x7e00), bits);
    }
#endif

    const uint8_t* codes_;
    float scale_;
  };

  FP8Row(const WeightMatrix& w, size_t row)
      : codes_(reinterpret_cast<const uint8_t*>(w.values) + row * w.cols),
        scales_(reinterpret_cast<const uint8_t*>(w.scales) + row / kFP8BlockSize * groups_of(w.cols)) {
    static_assert(kFP8BlockSize == kGroupCols);
  }
  HWY_INLINE Group group(size_t g) const {
    return {codes_ + g * kGroupBytes, kE8M0Values[scales_[g]]};
  }
  Group rest(size_t g, size_t cols, uint8_t (&copy)[kGroupBytes]) const {
    return {copy_rest(codes_ + g * kGroupBytes, cols, copy), kE8M0Values[scales_[g]]};
  }

 private:
  const uint8_t* codes_;
  const uint8_t* scales_;
};

// Of each lane in part h, of a group's four blocks with the scales' codes `codes`. The code 0 means 2^-127, a
// subnormal number; 255, NaN, becomes infinity.
HWY_INLINE Floats mxfp4_scales(uint32_t codes, size_t h) {
  alignas(64) static constexpr uint8_t kBlockOfLane[64] = {
      0x80, 0x80, 0, 0x80, 0x80, 0x80, 0, 0x80, 0x80, 0x80, 0, 0x80, 0x80, 0x80, 0, 0x80,
      0x80, 0x80, 1, 0x80, 0x80, 0x80, 1, 0x80, 0x80, 0x80, 1, 0x80, 0x80, 0x80, 1, 0x80,
      0x80, 0x80, 2, 0x80, 0x80, 0x80, 2, 0x80, 0x80, 0x80, 2, 0x80, 0x80, 0x80, 2, 0x80,
      0x80, 0x80, 3, 0x80, 0x80, 0x80, 3, 0x80, 0x80, 0x80, 3, 0x80, 0x80, 0x80, 3, 0x80};
  const WordTag words;
  const hn::Repartition<uint8_t, FloatTag> bytes;
  const auto block_of_lane = hn::Load(bytes, kBlockOfLane + 4 * kPartLanes * h);
  const auto scales = hn::TableLookupBytesOr0(hn::BitCast(bytes, hn::Set(words, codes)), block_of_lane);
  const auto exponents = hn::ShiftLeft<7>(hn::BitCast(words, scales));
  return hn::BitCast(FloatTag(), hn::Max(exponents, hn::Set(words, 0x00400000U)));
}

class MXFP4Row {
 public:
  static constexpr ColumnOrder kOrder = ColumnOrder::kNibbles;
  static constexpr size_t kGroupBytes = kGroupCols / 2;
  class Group {
   public:
    HWY_INLINE Group(const uint8_t* codes, uint32_t scales) : codes_(codes), scales_(scales) {}
    const uint8_t* codes() const { return codes_; }

    HWY_INLINE void part(size_t h, Floats (&slices)[kSlices]) const {
      decode(load_once(codes_ + 4 * kPartLanes * h), slices);
    }

    // A part's codes.
    static HWY_INLINE void decode(Words words, Floats (&slices)[kSlices]) {
#if HWY_TARGET <= HWY_AVX3
      look_up(words.raw, slices);
      look_up(_mm512_srli_epi16(words.raw, 4), slices + 1);
      look_up(_mm512_srli_epi16(words.raw, 8), slices + 2);
      look_up(_mm512_srli_epi16(words.raw, 12), slices + 3);
#else
      slices[0] = value(words);
      slices[1] = value(hn::ShiftRight<4>(words));
      slices[2] = value(hn::ShiftRight<8>(words));
      slices[3] = value(hn::ShiftRight<12>(words));
      slices[4] = value(hn::ShiftRight<16>(words));
      slices[5] = value(hn::ShiftRight<20>(words));
      slices[6] = value(hn::ShiftRight<24>(words));
      slices[7] = value(hn::ShiftRight<28>(words));
#endif
    }

    HWY_INLINE Floats scale(size_t h) const {
      return mxfp4_scales(scales_, h);
    }

   private:
#if HWY_TARGET <= HWY_AVX3
    // Of the lowest four bits of each word to slices[0], and of each word's upper half to slices[4], whose
    // values are looked up as bf16 numbers, for which Highway has nothing. There the machine looks at five
    // bits, so that the table has them twice.
    static HWY_INLINE void look_up(__m512i words, Floats* slices) {
      alignas(64) static constexpr float kValues[16] = {0.0F,  0.5F,  1.0F,  1.5F,  2.0F,  3.0F,
                                                        4.0F,  6.0F,  -0.0F, -0.5F, -1.0F, -1.5F,
                                                        -2.0F, -3.0F, -4.0F, -6.0F};
      alignas(64) static constexpr uint16_t kBF16[32] = {
          0x0000, 0x3f00, 0x3f80, 0x3fc0, 0x4000, 0x4040, 0x4080, 0x40c0, 0x8000, 0xbf00, 0xbf80,
          0xbfc0, 0xc000, 0xc040, 0xc080, 0xc0c0, 0x0000, 0x3f00, 0x3f80, 0x3fc0, 0x4000, 0x4040,
          0x4080, 0x40c0, 0x8000, 0xbf00, 0xbf80, 0xbfc0, 0xc000, 0xc040, 0xc080, 0xc0c0};
      constexpr __mmask32 kUpperHalves = 0xaaaaaaaa;
      slices[0] = Floats{_mm512_permutexvar_ps(words, _mm512_load_ps(kValues))};
      slices[4] = Floats{
          _mm512_castsi512_ps(_mm512_maskz_permutexvar_epi16(kUpperHalves, words, _mm512_load_si512(kBF16)))};
    }
#else
    // Of the code in a lane's lowest four bits; what lies above them is ignored.
    static HWY_INLINE Floats value(Words code) {
      const FloatTag floats;
      const WordTag words;
      const auto sign = hn::BitCast(floats, hn::And(hn::ShiftLeft<28>(code), hn::Set(words, 0x80000000U)));
      const auto magnitude = hn::And(code, hn::Set(words, 7U));
      if constexpr (kPartLanes == 8) {
        alignas(32) static constexpr float kValues[8] = {0.0F, 0.5F, 1.0F, 1.5F, 2.0F, 3.0F, 4.0F, 6.0F};
        const auto table = hn::Load(floats, kValues);
        return hn::Xor(hn::TableLookupLanes(table, hn::IndicesFromVec(floats, magnitude)), sign);
      } else {  // two exponent bits and one of mantissa: 2^-126 of what they mean in a float's fields
        const auto bits = hn::BitCast(floats, hn::ShiftLeft<22>(magnitude));
        return hn::Xor(hn::Mul(bits, hn::Set(floats, 0x1p126F)), sign);
      }
    }
#endif

    const uint8_t* codes_;
    uint32_t scales_;
  };

  MXFP4Row(const WeightMatrix& w, size_t row)
      : codes_(reinterpret_cast<const uint8_t*>(w.values) + row * w.cols / 2),
        scales_(reinterpret_cast<const uint8_t*>(w.scales) + row * (w.cols / kMXFP4BlockSize)) {}
  HWY_INLINE Group group(size_t g) const {
    uint32_t scales;
    std::memcpy(&scales, scale_codes(g), sizeof(scales));
    return {codes_ + g * kGroupBytes, scales};
  }
  const uint8_t* scale_codes(size_t g) const {
    return scales_ + 4 * g;
  }
  Group rest(size_t g, size_t cols, uint8_t (&copy)[kGroupBytes]) const {
    uint32_t scales = 0x7f7f7f7f;  // 1, for blocks that there are not
    for (size_t block = 0; block < cols / kMXFP4BlockSize; ++block) {
      const size_t bit = 8 * block;
      scales = (scales & ~(0xffU << bit)) | uint32_t{scales_[4 * g + block]} << bit;
    }
    return {copy_rest(codes_ + g * kGroupBytes, cols / 2, copy), scales};
  }

 private:
  const uint8_t* codes_;
  const uint8_t* scales_;
};

#endif

template <class Row>
constexpr bool weight_has_scales = requires(typename Row::Group group) {
  group.scale(size_t{});
};

// What a lane gains of a group: `products` of its slices.
template <class Group>
HWY_INLINE Floats add_group([[maybe_unused]] const Group& group, [[maybe_unused]] size_t h, Floats products,
                            Floats sum) {
  if constexpr (requires { group.scale(h); }) {
    return hn::MulAdd(products, group.scale(h), sum);
  } else {
    return hn::Add(products, sum);
  }
}

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
