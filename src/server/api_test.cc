#include "server/api.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/openapi.h"
#include "text/python_json.h"

namespace sluice {
namespace {

// That every path of it answers is tests/server's business.
TEST(Openapi, DescribesWhatThereIsAndNothingElse) {
  const auto document = parse_json(openapi_json());
  ASSERT_TRUE(document.has_value()) << document.error().message;
  const JsonValue* paths = document->find("paths");
  ASSERT_NE(paths, nullptr);
  std::vector<std::string> described;
  for (size_t i = 0; i < paths->keys.size(); ++i) {
    for (const std::string& method : paths->items[i].keys) described.push_back(method + " " + paths->keys[i]);
  }
  std::vector<std::string> handled;
  for (const Api::Route& route : Api::routes()) {
    handled.push_back((std::string(route.method) == "GET" ? "get " : "post ") + std::string(route.path));
  }
  EXPECT_THAT(described, ::testing::UnorderedElementsAreArray(handled));
}

}  // namespace
}  // namespace sluice
