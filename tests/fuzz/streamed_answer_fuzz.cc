// What a server might send to `sluice chat --connect`: the same events however the bytes are cut, and an
// answer or an error of each. The first byte says how they are cut.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>
#include <vector>

#include "cli/server_live_row.h"
#include "cli/streamed_answer.h"
#include "server/sse_parser.h"

namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

std::vector<sluice::SseEvent> events_of(std::string_view bytes, size_t step) {
  sluice::SseParser parser(size_t{1} << 30);
  std::vector<sluice::SseEvent> events;
  for (; !bytes.empty(); bytes.remove_prefix(std::min(step, bytes.size()))) {
    auto read = parser.push(bytes.substr(0, step));
    require(read.has_value());
    for (auto& event : *read) events.push_back(std::move(event));
  }
  return events;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  const auto events = events_of(bytes, 1 + data[0] % 16U);
  require(events == events_of(bytes, size));
  (void)sluice::SseParser(8).push(bytes);
  sluice::StreamedAnswer answer;
  size_t shown_bytes = 0;
  for (const auto& event : events) {
    (void)sluice::parse_live_sample(event.data);
    const auto parts = answer.take(event.data);
    if (!parts) break;
    for (const auto& part : *parts) shown_bytes += part.text.size();
  }
  require(shown_bytes == answer.message().content.size() + answer.message().reasoning_content.size());
  (void)sluice::error_message_of(bytes);
  return 0;
}
