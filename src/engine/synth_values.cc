#include "engine/synth_values.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <memory>

namespace sluice {
namespace {

constexpr size_t kWordBytes = sizeof(uint64_t);
constexpr double kMxfp4MeanSquare = 8.5625;  // of 0, .5, 1, 1.5, 2, 3, 4, 6
constexpr double kFp8MeanSquare = 0.7133;    // of the codes 0x20 ... 0x3f
constexpr int kScaleBias = 127;

uint64_t mixed(uint64_t z) {
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
  return z ^ (z >> 31);
}

// In [-1, 1).
float symmetric16(uint64_t word, unsigned which) {
  return static_cast<float>(static_cast<int16_t>(word >> (16 * which) & 0xffff)) * 0x1p-15F;
}
float symmetric32(uint64_t word, unsigned which) {
  return static_cast<float>(static_cast<int32_t>(word >> (32 * which) & 0xffffffff)) * 0x1p-31F;
}

uint64_t bf16_bits(float value) {
  return std::bit_cast<uint32_t>(value) >> 16;
}

MakeWords scales(RandomWords random, uint64_t cols, double mean_square, float gain) {
  const double right = std::log2(gain) - 0.5 * std::log2(mean_square * static_cast<double>(cols));
  const auto above = static_cast<uint64_t>(kScaleBias + static_cast<int>(std::ceil(right)));
  constexpr uint64_t kOnes = 0x0101010101010101U;
  return [=](uint64_t first_word, std::span<uint64_t> words) {
    for (size_t i = 0; i < words.size(); ++i) words[i] = above * kOnes - (random.at(first_word + i) & kOnes);
  };
}

}  // namespace

RandomWords::RandomWords(uint64_t seed, std::string_view name) {
  uint64_t hash = 0xcbf29ce484222325U;
  for (const char c : name) hash = (hash ^ static_cast<uint8_t>(c)) * 0x100000001b3U;
  key_ = mixed(hash ^ mixed(seed + 0x9e3779b97f4a7c15U));
}

void make_bytes(const MakeWords& make, uint64_t offset_bytes, std::span<std::byte> into) {
  uint64_t block[512];
  while (!into.empty()) {
    const uint64_t first_word = offset_bytes / kWordBytes;
    const size_t skipped_bytes = offset_bytes % kWordBytes;
    const size_t count_bytes = std::min(into.size(), sizeof(block) - skipped_bytes);
    make(first_word, std::span(block, (skipped_bytes + count_bytes + kWordBytes - 1) / kWordBytes));
    std::memcpy(into.data(), reinterpret_cast<const std::byte*>(block) + skipped_bytes, count_bytes);
    into = into.subspan(count_bytes);
    offset_bytes += count_bytes;
  }
}

MakeWords mxfp4_codes(RandomWords random) {
  return [=](uint64_t first_word, std::span<uint64_t> words) {
    for (size_t i = 0; i < words.size(); ++i) words[i] = random.at(first_word + i);
  };
}

MakeWords fp8_codes(RandomWords random) {
  // The exponent's two highest bits are 0 and 1: no NaN and no subnormal number, of which trained weights
  // have one in thousands, and some kernels take longer for them.
  constexpr uint64_t kBelowTwo = 0xbfbfbfbfbfbfbfbfU;
  constexpr uint64_t kFromAnEighth = 0x2020202020202020U;
  return [=](uint64_t first_word, std::span<uint64_t> words) {
    for (size_t i = 0; i < words.size(); ++i)
      words[i] = (random.at(first_word + i) & kBelowTwo) | kFromAnEighth;
  };
}

MakeWords mxfp4_scales(RandomWords random, uint64_t cols, float gain) {
  return scales(random, cols, kMxfp4MeanSquare, gain);
}

MakeWords fp8_scales(RandomWords random, uint64_t cols, float gain) {
  return scales(random, cols, kFp8MeanSquare, gain);
}

MakeWords bf16_values(RandomWords random, float mean, float spread) {
  return [=](uint64_t first_word, std::span<uint64_t> words) {
    for (size_t i = 0; i < words.size(); ++i) {
      const uint64_t word = random.at(first_word + i);
      words[i] = 0;
      for (unsigned which = 0; which < 4; ++which) {
        words[i] |= bf16_bits(mean + spread * symmetric16(word, which)) << (16 * which);
      }
    }
  };
}

MakeWords f32_values(RandomWords random, float mean, float spread) {
  return [=](uint64_t first_word, std::span<uint64_t> words) {
    for (size_t i = 0; i < words.size(); ++i) {
      const uint64_t word = random.at(first_word + i);
      words[i] = 0;
      for (unsigned which = 0; which < 2; ++which) {
        const uint64_t bits = std::bit_cast<uint32_t>(mean + spread * symmetric32(word, which));
        words[i] |= bits << (32 * which);
      }
    }
  };
}

MakeWords bf16_topic_rows(RandomWords topic_random, RandomWords own_random, uint64_t cols, uint64_t topics,
                          float shared, float own) {
  const uint64_t row_words = cols / 4;
  return [=](uint64_t first_word, std::span<uint64_t> words) {
    for (size_t i = 0; i < words.size(); ++i) {
      const uint64_t at = first_word + i;
      const uint64_t topic = topic_random.at(at / row_words % topics * row_words + at % row_words);
      const uint64_t self = own_random.at(at);
      words[i] = 0;
      for (unsigned which = 0; which < 4; ++which) {
        const float value =
            kUnitSpread * (shared * symmetric16(topic, which) + own * symmetric16(self, which));
        words[i] |= bf16_bits(value) << (16 * which);
      }
    }
  };
}

MakeWords ready_bytes(std::vector<std::byte> bytes) {
  const auto held = std::make_shared<const std::vector<std::byte>>(std::move(bytes));
  return [held](uint64_t first_word, std::span<uint64_t> words) {
    const uint64_t begin_bytes = std::min<uint64_t>(first_word * kWordBytes, held->size());
    const uint64_t count_bytes = std::min<uint64_t>(words.size_bytes(), held->size() - begin_bytes);
    std::ranges::fill(words, 0);
    if (count_bytes > 0) std::memcpy(words.data(), held->data() + begin_bytes, count_bytes);
  };
}

}  // namespace sluice
