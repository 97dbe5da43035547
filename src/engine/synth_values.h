// Seeded values for synthetic tensors, made anywhere in any order: a byte depends on the seed, the tensor's
// name and its place alone.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string_view>
#include <vector>

namespace sluice {

inline constexpr float kUnitSpread = 1.7320508F;  // uniform in ± this has variance 1

// Random access to an endless sequence of random 64-bit words (splitmix64 over a counter).
class RandomWords {
 public:
  RandomWords(uint64_t seed, std::string_view name);

  uint64_t at(uint64_t index) const {
    uint64_t z = key_ + (index + 1) * 0x9e3779b97f4a7c15U;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
    return z ^ (z >> 31);
  }

 private:
  uint64_t key_;
};

// Writes the 8-byte words [first_word, first_word + words.size()) of a tensor; thread-safe.
using MakeWords = std::function<void(uint64_t first_word, std::span<uint64_t> words)>;

// Bytes [offset_bytes, offset_bytes + into.size()) of a tensor made of such words.
void make_bytes(const MakeWords& make, uint64_t offset_bytes, std::span<std::byte> into);

// The makers. The mean squares are those of the decoded values before scales.
MakeWords mxfp4_codes(RandomWords random);  // all 16 codes alike
MakeWords fp8_codes(RandomWords random);    // magnitudes from 1/8 to 2, either sign
// E8M0 scales that give a product over `cols` codes with inputs of unit variance about the variance gain²:
// half of them the power of two below what is right, half of them the one above.
MakeWords mxfp4_scales(RandomWords random, uint64_t cols, float gain);
MakeWords fp8_scales(RandomWords random, uint64_t cols, float gain);
// Uniform in mean ± spread.
MakeWords bf16_values(RandomWords random, float mean, float spread);
MakeWords f32_values(RandomWords random, float mean, float spread);
// Rows of `cols` values (a multiple of 4), `shared` times what all rows r with the same r % topics have in
// common plus `own` times what is the row's own, both of unit variance.
MakeWords bf16_topic_rows(RandomWords topic_random, RandomWords own_random, uint64_t cols, uint64_t topics,
                          float shared, float own);
// Bytes that were made beforehand.
MakeWords ready_bytes(std::vector<std::byte> bytes);

}  // namespace sluice
