#include "server/live_view.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "text/python_json.h"

namespace sluice {
namespace {

using testing::HasSubstr;

// The examples of RFC 4648, section 10.
TEST(Base64, IsThatOfTheStandard) {
  const auto of = [](std::string_view text) { return base64({text.begin(), text.end()}); };
  EXPECT_EQ(of(""), "");
  EXPECT_EQ(of("f"), "Zg==");
  EXPECT_EQ(of("fo"), "Zm8=");
  EXPECT_EQ(of("foo"), "Zm9v");
  EXPECT_EQ(of("foobar"), "Zm9vYmFy");
  EXPECT_EQ(base64({0xfb, 0xff}), "+/8=");
}

TEST(LiveView, ChangesSayWhatWasLeftOut) {
  std::vector<uint8_t> before(1000);
  std::vector<uint8_t> after = before;
  EXPECT_TRUE(changes_between(before, after).empty());
  after[0] = 7;
  after[2] = 8;
  after[999] = 9;  // 996 = 7 * 128 + 100 were left out
  EXPECT_EQ(changes_between(before, after), (std::vector<uint8_t>{0, 7, 1, 8, 100 | 0x80, 7, 9}));
}

ExpertMap map_of_two_layers() {
  return {.layers = 2,
          .experts_per_layer = 4,
          .places = std::vector(8, ExpertPlace::kDevice),
          .uses = std::vector<uint32_t>(8)};
}

TEST(LiveView, AByteSaysPlaceUseAndHeat) {
  ExpertMap map = map_of_two_layers();
  map.places[1] = ExpertPlace::kReading;
  map.places[2] = ExpertPlace::kMemory;
  map.uses = {1, 0, 2, 1, 0, 0, 0, 0};  // the first layer's mean is 1
  LiveView view({});
  EXPECT_EQ(view.first_frame(map), base64({3 << 3, 1, 4 << 3 | 2, 3 << 3, 0, 0, 0, 0}));
  map.uses[4] = 1;  // four times its layer's mean
  // Seven bytes stay.
  EXPECT_THAT(view.sample({}, map), HasSubstr("\"changes\":\"" + base64({4, 5 << 3 | 4}) + "\""));
  EXPECT_THAT(view.sample({}, map), HasSubstr("\"changes\":\"" + base64({4, 5 << 3}) + "\""));
  EXPECT_THAT(view.sample({}, map), HasSubstr("\"changes\":\"\""));
}

TEST(LiveView, HeatIsForgotten) {
  ExpertMap map = map_of_two_layers();
  map.uses = {1024, 0, 0, 0, 0, 0, 0, 0};
  LiveView view({});
  view.first_frame(map);
  map.uses[1] = 256;
  // Two half lives later the first one's 1024 count for 256, as many as the other's: both twice the mean.
  EXPECT_THAT(view.sample({.generated_tokens = 2048}, map),
              HasSubstr("\"changes\":\"" + base64({0, 4 << 3, 0, 4 << 3 | 4}) + "\""));
}

TEST(LiveView, ASampleHasWhatHappenedSinceTheOneBefore) {
  const ExpertMap map = map_of_two_layers();
  LiveView view({.counters = {.hits = 10, .misses = 5}, .generated_tokens = 100});
  view.first_frame(map);
  view.sample({.counters = {.hits = 12, .misses = 5}, .generated_tokens = 101}, map);
  const auto sample = parse_json(view.sample(
      {.counters = {.hits = 15, .misses = 9, .read_bytes = 77}, .generated_tokens = 104, .running = 1}, map));
  ASSERT_TRUE(sample.has_value());
  for (const auto& [name, value] : std::initializer_list<std::pair<const char*, int64_t>>{
           {"hits", 3}, {"misses", 4}, {"read_bytes", 77}, {"tokens", 3}, {"running", 1}, {"waiting", 0}}) {
    const JsonValue* found = sample->find(name);
    ASSERT_NE(found, nullptr) << name;
    EXPECT_EQ(found->text, std::to_string(value)) << name;
  }
}

}  // namespace
}  // namespace sluice
