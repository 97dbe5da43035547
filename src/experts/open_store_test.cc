#include "experts/open_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <stop_token>
#include <vector>

#include "experts/slot_layout.h"
#include "experts/test_experts.h"

namespace sluice {
namespace {

using testing::AllOf;
using testing::HasSubstr;

constexpr size_t kAllExperts = size_t{TestExperts::kLayers} * TestExperts::kExperts;

Error error_of_opening(const TestExperts& experts, const ExpertStoreOptions& options) {
  const auto store = open_expert_store(options, experts.catalog(), experts.files());
  if (store.has_value()) ADD_FAILURE() << "it opened";
  return store.has_value() ? Error{} : store.error();
}

TEST(StreamModeName, IsWhatUsersWrite) {
  EXPECT_STREQ(stream_mode_name(StreamMode::kResident), "resident");
  EXPECT_STREQ(stream_mode_name(StreamMode::kMmap), "mmap");
  EXPECT_STREQ(stream_mode_name(StreamMode::kDirect), "direct");
}

TEST(OpenExpertStore, ResidentReadsEverythingOnceWithProgressAndNothingLater) {
  TestExperts experts;
  ExpertStoreOptions options;
  options.mode = StreamMode::kResident;
  std::vector<uint64_t> seen;
  options.progress = [&](uint64_t done_bytes, uint64_t total_bytes) {
    EXPECT_EQ(total_bytes, experts.catalog().total_bytes());
    seen.push_back(done_bytes);
  };
  const auto store = experts.open(options);
  EXPECT_TRUE(std::ranges::is_sorted(seen));
  EXPECT_EQ(seen.size(), kAllExperts);
  EXPECT_EQ(seen.back(), experts.catalog().total_bytes());
  EXPECT_EQ(store->capacity_slots(), kAllExperts);

  // No disk from here on: not even a lost file is noticed.
  for (const FileSpec& file : experts.files()) std::filesystem::resize_file(file.path, 0);
  const StreamCounters loaded = store->counters();
  EXPECT_GE(loaded.read_bytes, experts.catalog().total_bytes());
  EXPECT_EQ(loaded.misses, 0u);
  EXPECT_EQ(loaded.wait_ns, 0u);
  for (uint32_t layer = 0; layer < TestExperts::kLayers; ++layer) {
    ask_and_take(experts, *store, layer, {0, 1, 2, 3, 4, 5, 6, 7});
  }
  EXPECT_EQ((store->counters() - loaded).hits, kAllExperts);
  EXPECT_EQ((store->counters() - loaded).reads, 0u);
}

TEST(OpenExpertStore, ResidentThatCannotBeReadDoesNotOpen) {
  TestExperts experts;
  auto reader = experts.faulty_reader(2);
  reader->fail_op(40);
  ExpertStoreOptions options;
  options.mode = StreamMode::kResident;
  const auto store = open_expert_store_on_reader(options, experts.catalog(), std::move(reader));
  ASSERT_FALSE(store.has_value());
  EXPECT_EQ(store.error().code, ErrorCode::kIo);
  EXPECT_THAT(store.error().message, AllOf(HasSubstr("layer "), HasSubstr("part-")));
}

TEST(OpenExpertStore, LoadingCanBeCancelled) {
  TestExperts experts;
  std::stop_source source;
  ExpertStoreOptions options;
  options.mode = StreamMode::kResident;
  options.cancel = source.get_token();
  size_t calls = 0;
  options.progress = [&](uint64_t, uint64_t) {
    if (++calls == 3) source.request_stop();
  };
  EXPECT_EQ(error_of_opening(experts, options).code, ErrorCode::kCancelled);
  EXPECT_EQ(calls, 3u);
}

TEST(OpenExpertStore, TooLittleIsRefusedAndTheLeastThatWorksIsNamed) {
  TestExperts experts;
  EXPECT_EQ(error_of_opening(experts, options_of(StreamMode::kDirect, 0)).code, ErrorCode::kOutOfBudget);
  EXPECT_EQ(error_of_opening(experts, options_of(StreamMode::kResident, kAllExperts - 1)).code,
            ErrorCode::kOutOfBudget);

  const uint64_t slot_bytes = experts.open(options_of(StreamMode::kDirect, 1))->capacity_bytes();
  ExpertStoreOptions options;
  options.capacity_bytes = slot_bytes - 1;
  const Error error = error_of_opening(experts, options);
  EXPECT_EQ(error.code, ErrorCode::kOutOfBudget);
  EXPECT_THAT(error.message, HasSubstr(std::to_string(slot_bytes) + " bytes in all"));
}

TEST(OpenExpertStore, BytesBuyAsManySlotsAsFitAndNoMoreThanThereAreExperts) {
  TestExperts experts;
  const uint64_t slot_bytes = experts.open(options_of(StreamMode::kDirect, 1))->capacity_bytes();
  ExpertStoreOptions options;
  options.capacity_bytes = 3 * slot_bytes - 1;
  EXPECT_EQ(experts.open(options)->capacity_slots(), 2u);
  EXPECT_EQ(experts.open(options)->capacity_bytes(), 2 * slot_bytes);
  options.capacity_bytes = 1000 * slot_bytes;
  EXPECT_EQ(experts.open(options)->capacity_slots(), kAllExperts);
}

TEST(OpenExpertStore, TheLeastThatIsNamedWorks) {
  TestExperts experts;
  for (const StreamMode mode : {StreamMode::kResident, StreamMode::kMmap, StreamMode::kDirect}) {
    const auto store = experts.open(options_of(mode, min_slots(mode, experts.catalog())));
    EXPECT_EQ(ask_and_take(experts, *store, 2, {7, 1, 4}).size(), 3u);
  }
}

TEST(OpenExpertStore, RefusesContradictionsAndForeignExtents) {
  TestExperts experts;
  ExpertStoreOptions options;
  EXPECT_EQ(error_of_opening(experts, options).code, ErrorCode::kInvalidArgument);
  options.capacity_slots = 4;
  options.capacity_bytes = 1 << 20;
  EXPECT_EQ(error_of_opening(experts, options).code, ErrorCode::kInvalidArgument);
  options = options_of(StreamMode::kDirect, 4);
  options.read_threads = 0;
  EXPECT_EQ(error_of_opening(experts, options).code, ErrorCode::kInvalidArgument);

  options = options_of(StreamMode::kDirect, 4);
  for (const Extent& bad : {Extent{3, 0, 1}, Extent{1, experts.files()[1].size_bytes, 1}}) {
    const auto store = open_expert_store(options, *ExpertCatalog::create(1, 1, 1, {bad}), experts.files());
    ASSERT_FALSE(store.has_value());
    EXPECT_EQ(store.error().code, ErrorCode::kInvalidArgument);
    EXPECT_THAT(store.error().message, HasSubstr("layer 0, expert 0"));
  }
}

TEST(OpenExpertStore, AMissingOrWrongFileIsNamed) {
  TestExperts experts;
  std::filesystem::resize_file(experts.files()[1].path, 5);
  for (const StreamMode mode : {StreamMode::kResident, StreamMode::kMmap, StreamMode::kDirect}) {
    const Error error = error_of_opening(experts, options_of(mode, kAllExperts));
    EXPECT_EQ(error.code, ErrorCode::kCorrupt);
    EXPECT_THAT(error.message, HasSubstr("part-1.bin"));
  }
  std::filesystem::remove(experts.files()[1].path);
  EXPECT_EQ(error_of_opening(experts, options_of(StreamMode::kDirect, kAllExperts)).code,
            ErrorCode::kNotFound);
}

}  // namespace
}  // namespace sluice
