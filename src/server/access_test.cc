#include "server/access.h"

#include <gtest/gtest.h>

namespace sluice {
namespace {

HttpRequest request(std::vector<HttpHeader> headers) {
  return {.method = "POST", .path = "/v1/messages", .headers = std::move(headers)};
}

int status_of(const AccessRules& rules, std::vector<HttpHeader> headers) {
  const auto refusal = check_access(rules, request(std::move(headers)));
  return refusal ? refusal->status : 0;
}

TEST(Access, AKeyMustBeTheKey) {
  const AccessRules rules{.api_key = "secret"};
  EXPECT_EQ(status_of(rules, {}), 401);
  EXPECT_EQ(status_of(rules, {{"authorization", "Bearer secret"}}), 0);
  EXPECT_EQ(status_of(rules, {{"x-api-key", "secret"}}), 0);
  EXPECT_EQ(status_of(rules, {{"authorization", "Basic secret"}}), 401);
  EXPECT_EQ(status_of(rules, {{"x-api-key", "secret "}}), 401);
}

TEST(Access, ComparesLikeEquality) {
  const std::vector<std::string> texts{"", "a", "ab", "abc", "abd", {'a', '\0', 'b'}, {'a', '\0', 'c'}};
  for (const std::string& one : texts) {
    for (const std::string& other : texts) {
      EXPECT_EQ(equal_in_constant_time(one, other), one == other) << one << " and " << other;
    }
  }
}

TEST(Access, ThisMachineHasItsOwnNames) {
  for (const char* host : {"localhost", "localhost:1", "127.0.0.1:80", "127.9.9.9", "[::1]:80", "[::1]"}) {
    EXPECT_EQ(status_of({}, {{"host", host}}), 0) << host;
  }
  for (const char* host : {"evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "127.evil",
                           "0.0.0.0", "[::2]", "[", ""}) {
    EXPECT_EQ(status_of({}, {{"host", host}}), 403) << host;
    EXPECT_EQ(status_of({.loopback = false}, {{"host", host}}), 0) << host;
  }
}

TEST(Access, PagesNeedTheSameOriginOrLeave) {
  const std::vector<HttpHeader> same{{"host", "localhost:80"}, {"origin", "http://localhost:80"}};
  const std::vector<HttpHeader> other{{"host", "localhost:80"}, {"origin", "http://localhost:81"}};
  EXPECT_EQ(status_of({}, same), 0);
  EXPECT_EQ(status_of({}, other), 403);
  EXPECT_EQ(status_of({.cors_origin = "http://localhost:81"}, other), 0);
  EXPECT_EQ(status_of({.cors_origin = "http://localhost:8"}, other), 403);
  EXPECT_EQ(status_of({.cors_origin = "*"}, other), 0);
  EXPECT_EQ(allowed_origin({.cors_origin = "*"}, request(same)), "*");
  EXPECT_EQ(allowed_origin({}, request(same)), std::nullopt);
}

}  // namespace
}  // namespace sluice
