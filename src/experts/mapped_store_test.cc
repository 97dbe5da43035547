#include "experts/mapped_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fcntl.h>
#include <unistd.h>

#include <filesystem>
#include <vector>

#include "base/file.h"
#include "experts/test_experts.h"

namespace sluice {
namespace {

using testing::AllOf;
using testing::HasSubstr;

void drop_from_page_cache(const TestExperts& experts) {
  for (const FileSpec& spec : experts.files()) {
    const auto file = File::open_read(spec.path);
    ASSERT_TRUE(file.has_value());
    ASSERT_EQ(::fdatasync(file->descriptor()), 0);
    ASSERT_EQ(::posix_fadvise(file->descriptor(), 0, 0, POSIX_FADV_DONTNEED), 0);
  }
}

TEST(MappedStore, CountsAsMissesWhatThePageCacheDoesNotHold) {
  TestExperts experts;
  const auto store = experts.open(options_of(StreamMode::kMmap, 0));
  drop_from_page_cache(experts);
  ask_and_take(experts, *store, 0, {2});
  const StreamCounters counters = store->counters();
  if (counters.hits == 1) GTEST_SKIP() << "this file system is memory itself";
  EXPECT_EQ(counters.misses, 1u);
  EXPECT_EQ(counters.reads, 1u);
  EXPECT_EQ(counters.read_bytes, experts.catalog().expert_bytes(2));
}

TEST(MappedStore, AFileCutShortFailsTheExpertsInItUntilItIsRestored) {
  TestExperts experts;
  const auto store = experts.open(options_of(StreamMode::kMmap, 0));
  ask_and_take(experts, *store, 0, {0, 1, 2, 3, 4, 5, 6, 7});  // also when all of it is mapped already
  const ExpertCatalog catalog = experts.catalog();
  std::filesystem::resize_file(experts.files()[2].path, 1);
  size_t failed = 0;
  for (uint32_t id = 0; id < TestExperts::kExperts; ++id) {
    const bool lies_there =
        std::ranges::any_of(catalog.parts(id), [](const Extent& part) { return part.file == 2; });
    ExpertRequest request = request_or_die(*store, 0, {id});
    const auto arrival = request.next();
    ASSERT_EQ(arrival.has_value(), !lies_there) << id;
    if (arrival) {
      EXPECT_TRUE(experts.holds(arrival->lease, 0, id));
      continue;
    }
    ++failed;
    EXPECT_EQ(arrival.error().code, ErrorCode::kIo);
    EXPECT_THAT(arrival.error().message,
                AllOf(HasSubstr("layer 0, expert " + std::to_string(id)), HasSubstr("part-2.bin")));
    EXPECT_EQ(request.remaining(), 0u);
  }
  ASSERT_GT(failed, 0u);
  EXPECT_EQ(store->counters().failed_reads, failed);
  experts.restore(2);
  ask_and_take(experts, *store, 0, {0, 1, 2, 3, 4, 5, 6, 7});
}

TEST(MappedStore, WhatAWishBringsIsCountedOnce) {
  TestExperts experts;
  ExpertStoreOptions options = options_of(StreamMode::kMmap, 0);
  options.prefetch = PrefetchMode::kLikely;
  drop_from_page_cache(experts);
  const auto store = experts.open(options);
  const std::vector<uint32_t> ids{1, 2};
  store->prefetch(0, ids, Foresight::kCertain, false);
  const uint64_t wished = store->counters().prefetched_bytes;
  if (wished == 0) GTEST_SKIP() << "this file system is memory itself";
  EXPECT_EQ(store->counters().read_bytes, wished);
  store->prefetch(0, ids, Foresight::kLikely, false);
  ask_and_take(experts, *store, 0, {1, 2});
  EXPECT_EQ(store->counters().prefetched_bytes, wished);
  EXPECT_EQ(store->counters().prefetch_useful_bytes, wished);
  EXPECT_EQ(store->counters().read_bytes, wished);
}

TEST(MappedStore, VerifiedReadsFindADamagedExpert) {
  TestExperts experts;
  ExpertStoreOptions options = options_of(StreamMode::kMmap, 0);
  const auto digests = digests_of(experts);
  digests->set(5, digests->digest(5) + 1);
  options.digests = digests;
  drop_from_page_cache(experts);
  const auto store = experts.open(options);
  ExpertRequest request = request_or_die(*store, 0, {5});
  const auto arrival = request.next();
  if (store->counters().hits == 1) GTEST_SKIP() << "this file system is memory itself";
  ASSERT_FALSE(arrival);
  EXPECT_EQ(arrival.error().code, ErrorCode::kCorrupt);
  EXPECT_THAT(arrival.error().message, testing::HasSubstr("layer 0, expert 5"));
}

}  // namespace
}  // namespace sluice
