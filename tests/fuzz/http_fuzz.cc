// HTTP requests from any bytes, however they arrive: the same requests, within their limits. The first byte
// says how the bytes are cut.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "server/access.h"
#include "server/http_parser.h"

namespace {

constexpr sluice::HttpLimits kLimits{.header_bytes = 512, .body_bytes = 256};

void require(bool holds) {
  if (!holds) std::abort();
}

// Every request as text, and how it ended.
std::vector<std::string> requests_of(std::string_view bytes, size_t step) {
  using State = sluice::HttpParser::State;
  sluice::HttpParser parser(kLimits);
  std::vector<std::string> seen;
  while (!bytes.empty()) {
    const size_t taken = parser.push(bytes.substr(0, step));
    require(taken <= bytes.size());
    bytes.remove_prefix(taken);
    if (parser.state() == State::kRefused) {
      seen.push_back(std::to_string(parser.refusal().status));
      return seen;
    }
    const sluice::HttpRequest& request = parser.request();
    require(request.body.size() <= kLimits.body_bytes);
    if (parser.state() != State::kComplete) continue;
    std::string text = request.method + " " + request.path + " " + request.body;
    for (const auto& header : request.headers) text += "|" + header.name + ":" + header.value;
    seen.push_back(text);
    (void)sluice::check_access({.api_key = "k", .cors_origin = "http://a"}, request);
    const std::string head =
        sluice::http_head({.headers = request.headers}, sluice::BodyFraming::kChunked, true);
    require(head.find("\r\n\r\n") == head.size() - 4);
    parser.reset();
  }
  return seen;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  require(requests_of(bytes, 1 + data[0] % 32U) == requests_of(bytes, size));
  return 0;
}
