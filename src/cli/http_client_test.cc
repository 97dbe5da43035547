#include "cli/http_client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sluice {
namespace {

using ::testing::HasSubstr;

TEST(ServerAddress, IsWhatPeopleWriteForAServer) {
  for (const char* text : {"http://127.0.0.1:8080", "127.0.0.1:8080", "http://127.0.0.1:8080/",
                           "http://127.0.0.1:8080/v1", "http://127.0.0.1:8080/v1/"})
    EXPECT_EQ(server_address(text).value(), "http://127.0.0.1:8080");
  EXPECT_EQ(server_address("[::1]:80").value(), "http://[::1]:80");
  EXPECT_EQ(server_address("https://host/some/where/v1").value(), "https://host/some/where");
}

TEST(ServerAddress, IsRefusedInWords) {
  for (const char* text : {"", "ftp://host", "file:///etc/passwd", "http://", "http://a b",
                           "http://me:secret@host", "http://host?x=1", "http://host:99999"}) {
    const auto address = server_address(text);
    ASSERT_FALSE(address) << text << " became " << *address;
    EXPECT_EQ(address.error().code, ErrorCode::kInvalidArgument);
    EXPECT_THAT(address.error().message, HasSubstr(text));
  }
}

TEST(HttpClient, SendsNoKeyThatWouldBeAnotherHeader) {
  EXPECT_FALSE(HttpClient::make("host", "key\r\nX: y"));
  EXPECT_FALSE(HttpClient::make("host", "a key"));
  EXPECT_TRUE(HttpClient::make("host", "key").value().has_key());
}

TEST(HttpClient, SaysWhoDoesNotAnswer) {
  const auto client = HttpClient::make("http://127.0.0.1:1", "").value();
  const auto reply = client.make_call({.path = "/"}, {});
  ASSERT_FALSE(reply);
  EXPECT_EQ(reply.error().code, ErrorCode::kIo);
  EXPECT_THAT(reply.error().message, HasSubstr("http://127.0.0.1:1 does not answer: "));
}

}  // namespace
}  // namespace sluice
