#include "cli/find_model.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sluice {
namespace {

using ::testing::HasSubstr;

const std::filesystem::path kTinyModel = SLUICE_SOURCE_DIR "/models/tiny-v4";

TEST(FindModel, PrefersTheOptionToTheEnvironmentToWhatIsInstalled) {
  EXPECT_EQ(find_model({"/from/option", "/from/environment", {kTinyModel}}).value(), "/from/option");
  EXPECT_EQ(find_model({"", "/from/environment", {kTinyModel}}).value(), "/from/environment");
  EXPECT_EQ(find_model({"", "", {"/nothing/here", kTinyModel, "/nor/here"}}).value(), kTinyModel);
}

TEST(FindModel, SaysWhereItLookedAndWhatToDo) {
  const auto found = find_model({"", "", {"/nothing/here", "/nor/here"}});
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().code, ErrorCode::kNotFound);
  EXPECT_THAT(found.error().message, HasSubstr("/nothing/here"));
  EXPECT_THAT(found.error().message, HasSubstr("/nor/here"));
  EXPECT_THAT(found.error().message, HasSubstr("SLUICE_MODEL"));
  EXPECT_THAT(found.error().message, HasSubstr("-m FOLDER"));
}

TEST(FindModel, FindsTheSourcesModelFromABuildFolder) {
  EXPECT_THAT(places_of_this_process("").installed, ::testing::Contains(kTinyModel));
}

}  // namespace
}  // namespace sluice
