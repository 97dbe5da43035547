#include "server/http_parser.h"

#include <gtest/gtest.h>

namespace sluice {
namespace {

using State = HttpParser::State;

constexpr HttpLimits kLimits{.header_bytes = 200, .body_bytes = 10};

// Fed in pieces of `step` bytes until nothing more is wanted; how many were taken.
size_t feed(HttpParser& parser, std::string_view bytes, size_t step) {
  size_t taken = 0;
  while (taken < bytes.size() && (parser.state() == State::kHead || parser.state() == State::kBody)) {
    taken += parser.push(bytes.substr(taken, step));
  }
  return taken;
}

int refusal_of(std::string_view bytes, size_t step = 1000) {
  HttpParser parser(kLimits);
  feed(parser, bytes, step);
  return parser.state() == State::kRefused ? parser.refusal().status : 0;
}

TEST(HttpParser, ReadsARequestHoweverItIsCut) {
  const std::string_view first =
      "POST /v1/x?a=b#c HTTP/1.1\r\nHost: localhost\r\nX-Two-Words:  a b \r\nContent-Length: 5\r\n\r\nhello";
  const std::string both = std::string(first) + "GET / HTTP/1.0\r\n\r\n";
  for (size_t step = 1; step <= both.size(); ++step) {
    HttpParser parser(kLimits);
    EXPECT_TRUE(parser.idle());
    EXPECT_EQ(feed(parser, both, step), first.size()) << step;
    ASSERT_EQ(parser.state(), State::kComplete);
    const HttpRequest& request = parser.request();
    EXPECT_EQ(request.method, "POST");
    EXPECT_EQ(request.path, "/v1/x");
    EXPECT_EQ(request.body, "hello");
    ASSERT_NE(request.header("x-two-words"), nullptr);
    EXPECT_EQ(*request.header("x-two-words"), "a b ");
    EXPECT_EQ(request.header("X-Two-Words"), nullptr);
    EXPECT_TRUE(request.keep_alive && request.chunked_answer);
    parser.reset();
    EXPECT_TRUE(parser.idle());
    feed(parser, both.substr(first.size()), step);
    ASSERT_EQ(parser.state(), State::kComplete);
    EXPECT_EQ(parser.request().method, "GET");
    EXPECT_FALSE(parser.request().keep_alive || parser.request().chunked_answer);
  }
}

TEST(HttpParser, ReadsChunks) {
  HttpParser parser(kLimits);
  feed(parser,
       "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nT: v\r\n\r\n",
       1);
  ASSERT_EQ(parser.state(), State::kComplete);
  EXPECT_EQ(parser.request().body, "abcde");
  EXPECT_EQ(parser.request().headers.size(), 1U);  // what follows a body is none
}

TEST(HttpParser, HoldsItsLimits) {
  const std::string head = "POST / HTTP/1.1\r\n";
  for (const size_t step : {1U, 7U, 1000U}) {
    EXPECT_EQ(refusal_of(head + "Content-Length: 10\r\n\r\n", step), 0);
    EXPECT_EQ(refusal_of(head + "Content-Length: 11\r\n\r\n", step), 413);
    EXPECT_EQ(refusal_of(head + "Transfer-Encoding: chunked\r\n\r\n6\r\nabcdef\r\n5\r\nabcde\r\n", step),
              413);
    EXPECT_EQ(refusal_of(head + "X: " + std::string(300, 'x'), step), 431);
    EXPECT_EQ(refusal_of("GET /" + std::string(300, 'x'), step), 431);
    const auto head_of = [](size_t bytes) {
      return "GET / HTTP/1.1\r\nX: " + std::string(bytes - 23, 'x') + "\r\n\r\n";
    };
    EXPECT_EQ(head_of(200).size(), 200U);
    EXPECT_EQ(refusal_of(head_of(200), step), 0);
    EXPECT_EQ(refusal_of(head_of(201), step), 431);
  }
}

TEST(HttpParser, RefusesWhatIsNoRequest) {
  for (const std::string_view bytes :
       {"HELLO\r\n\r\n", "\x16\x03\x01", "GET / HTTP/2.0\r\n\r\n", "GET / HTTP/1.1\r\nno colon\r\n\r\n",
        "POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        "POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        "POST / HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n"}) {
    EXPECT_EQ(refusal_of(bytes), 400) << bytes;
  }
}

TEST(HttpParser, SaysWhenTheClientWaits) {
  HttpParser parser(kLimits);
  feed(parser, "POST / HTTP/1.1\r\nExpect: 100-Continue\r\nContent-Length: 2\r\n\r\n", 1000);
  EXPECT_EQ(parser.state(), State::kBody);
  EXPECT_TRUE(parser.expects_continue());
  parser.push("a");
  EXPECT_FALSE(parser.expects_continue());
}

TEST(HttpMessage, NobodyAddsALineToAHead) {
  const HttpResponse response{.headers = {{"X-Name", "a\r\nX-Injected: b\nc"}}, .body = "12"};
  EXPECT_EQ(
      http_head(response, BodyFraming::kLength, true),
      "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\nConnection: keep-alive\r\n"
      "X-Content-Type-Options: nosniff\r\nX-Name: a  X-Injected: b c\r\n\r\n");
  EXPECT_EQ(http_chunk("0123456789abcdef"), "10\r\n0123456789abcdef\r\n");
}

}  // namespace
}  // namespace sluice
