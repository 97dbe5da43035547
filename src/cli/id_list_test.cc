#include "cli/id_list.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sluice {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(IdList, ReadsIdsAsPeopleAndJsonWriteThem) {
  EXPECT_THAT(parse_ids("54 347\n93\n", 2048).value(), ElementsAre(54, 347, 93));
  EXPECT_THAT(parse_ids("[54, 347,93]", 2048).value(), ElementsAre(54, 347, 93));
  EXPECT_TRUE(parse_ids(" \n", 2048).value().empty());
}

TEST(IdList, RefusesWhatIsNoIdOfTheVocabulary) {
  for (const char* text : {"-1", "7x", "1.5", "2048", "99999999999999999999"}) {
    const auto ids = parse_ids(text, 2048);
    ASSERT_FALSE(ids) << text;
    EXPECT_EQ(ids.error().code, ErrorCode::kInvalidArgument);
    EXPECT_THAT(ids.error().message, HasSubstr(text));
  }
}

}  // namespace
}  // namespace sluice
