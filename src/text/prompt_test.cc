#include "text/prompt.h"

#include <gtest/gtest.h>

namespace sluice {
namespace {

TEST(Prompt, MarksExactlyWhatIsUntrusted) {
  Prompt prompt;
  prompt.append_template("<a>");
  prompt.append_untrusted("one");
  prompt.append_untrusted("two");
  prompt.append_template("<b>");
  prompt.append_untrusted("");
  prompt.append_untrusted("x");
  EXPECT_EQ(prompt.text, "<a>onetwo<b>x");
  EXPECT_EQ(prompt.untrusted, (std::vector<TextRange>{{3, 9}, {12, 13}}));
}

}  // namespace
}  // namespace sluice
