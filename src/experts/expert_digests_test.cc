#include "experts/expert_digests.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "experts/digest_experts.h"
#include "experts/test_experts.h"

namespace sluice {
namespace {

using ::testing::HasSubstr;

ExpertDigests some_digests() {
  ExpertDigests digests(2, 3);
  for (uint32_t expert = 0; expert < 6; ++expert) digests.set(expert, 0x1234567890abcdefU * (expert + 1));
  return digests;
}

TEST(ExpertDigests, AreReadBackFromTheirFile) {
  const TempDir folder;
  const auto path = folder.write("digests.bin", std::vector<std::byte>{}).path;
  ASSERT_TRUE(some_digests().save(path).has_value());
  const auto again = ExpertDigests::load(path);
  ASSERT_TRUE(again.has_value()) << again.error().message;
  EXPECT_EQ(*again, some_digests());
}

TEST(ExpertDigests, AFileWithAnyByteChangedOrMissingIsRefused) {
  const std::vector<std::byte> file = some_digests().serialise();
  ASSERT_TRUE(ExpertDigests::parse(file, "digests").has_value());
  for (size_t at = 0; at < file.size(); ++at) {
    auto changed = file;
    changed[at] ^= std::byte{0x10};
    const auto parsed = ExpertDigests::parse(changed, "digests");
    ASSERT_FALSE(parsed.has_value()) << at;
    EXPECT_EQ(parsed.error().code, ErrorCode::kCorrupt);
    EXPECT_THAT(parsed.error().message, HasSubstr("digests: "));
    EXPECT_FALSE(ExpertDigests::parse(std::span(file).first(at), "digests").has_value()) << at;
  }
}

TEST(ExpertDigests, SeeOneFlippedBitAndNameTheExpert) {
  const TestExperts experts;
  const auto digests = digest_experts(experts.catalog(), experts.files(), {});
  ASSERT_TRUE(digests.has_value()) << digests.error().message;
  auto store = experts.open(options_of(StreamMode::kDirect, 4));
  ASSERT_NE(store, nullptr);
  ExpertRequest request = request_or_die(*store, 2, {5});
  const auto arrival = request.next();
  ASSERT_TRUE(arrival.has_value());
  std::vector<std::vector<std::byte>> bytes;
  for (size_t part = 0; part < TestExperts::kParts; ++part) {
    const auto held = arrival->lease->part(part);
    bytes.emplace_back(held.begin(), held.end());
  }
  const std::vector<std::span<const std::byte>> parts(bytes.begin(), bytes.end());
  const uint32_t expert = experts.catalog().index({2, 5});
  EXPECT_TRUE(digests->check(expert, parts).has_value());
  bytes[3].back() ^= std::byte{1};
  const Status damaged = digests->check(expert, parts);
  ASSERT_FALSE(damaged.has_value());
  EXPECT_EQ(damaged.error().code, ErrorCode::kCorrupt);
  EXPECT_THAT(damaged.error().message, HasSubstr("layer 2, expert 5"));
}

TEST(ExpertDigests, DoNotDependOnTheNumberOfThreads) {
  const TestExperts experts;
  DigestOptions one;
  one.threads = 1;
  uint64_t done_bytes = 0, total_bytes = 0;
  one.on_progress = [&](uint64_t done, uint64_t total) { done_bytes = done, total_bytes = total; };
  const auto digests = digest_experts(experts.catalog(), experts.files(), one);
  ASSERT_TRUE(digests.has_value());
  EXPECT_EQ(*digests, digest_experts(experts.catalog(), experts.files(), {}).value());
  EXPECT_EQ(done_bytes, total_bytes);
  EXPECT_EQ(total_bytes, experts.catalog().total_bytes());
}

TEST(ExpertDigests, OfAnotherModelAreRefused) {
  const Status other = some_digests().check_geometry(TestExperts().catalog());
  ASSERT_FALSE(other.has_value());
  EXPECT_THAT(other.error().message, HasSubstr("2 layers of 3 experts"));
}

TEST(DigestExperts, EndsWhenItIsCancelled) {
  const TestExperts experts;
  std::stop_source asked;
  asked.request_stop();
  DigestOptions options;
  options.cancel = asked.get_token();
  const auto digests = digest_experts(experts.catalog(), experts.files(), options);
  ASSERT_FALSE(digests.has_value());
  EXPECT_EQ(digests.error().code, ErrorCode::kCancelled);
}

}  // namespace
}  // namespace sluice
