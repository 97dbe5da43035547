#include "base/read_memory.h"

#include <gtest/gtest.h>

#include <vector>

namespace sluice {
namespace {

TEST(ReadMemory, ReadsEveryWordOnceWhateverTheThreads) {
  constexpr size_t kWords = 100'003;  // several ranges, and a rest
  std::vector<uint64_t> words(kWords);
  for (size_t i = 0; i < kWords; ++i) words[i] = i << 32;
  const auto bytes = std::as_bytes(std::span(words));
  constexpr uint64_t kSum = (kWords * (kWords - 1) / 2) << 32;
  for (const size_t threads : {1U, 3U}) {
    ThreadPool pool(threads);
    EXPECT_EQ(read_memory(pool, bytes), kSum);
    EXPECT_EQ(read_memory(pool, bytes.first(bytes.size() - 1)), kSum - words.back());
    EXPECT_EQ(read_memory(pool, {}), 0U);
  }
}

}  // namespace
}  // namespace sluice
