#include "base/read_memory.h"

#include <atomic>

namespace sluice {
namespace {

constexpr size_t kGrainWords = 1 << 15;  // 256 KiB

// In four chains of additions, which never wait for each other.
uint64_t sum_of(const uint64_t* words, size_t count) {
  uint64_t first = 0, second = 0, third = 0, fourth = 0;
  size_t i = 0;
  for (; i + 4 <= count; i += 4) {
    first += words[i];
    second += words[i + 1];
    third += words[i + 2];
    fourth += words[i + 3];
  }
  for (; i < count; ++i) first += words[i];
  return first + second + third + fourth;
}

}  // namespace

uint64_t read_memory(ThreadPool& pool, std::span<const std::byte> bytes) {
  const auto* const words = reinterpret_cast<const uint64_t*>(bytes.data());
  std::atomic<uint64_t> sum = 0;
  pool.parallel_for(bytes.size() / sizeof(uint64_t), kGrainWords,
                    [&](size_t begin, size_t end) { sum += sum_of(words + begin, end - begin); });
  return sum;
}

}  // namespace sluice
