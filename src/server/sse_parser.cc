#include "server/sse_parser.h"

#include <utility>

#include "base/fail.h"

namespace sluice {
namespace {

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

}  // namespace

Result<std::vector<SseEvent>> SseParser::push(std::string_view bytes) {
  std::vector<SseEvent> events;
  while (!bytes.empty() || refused_) {
    if (std::exchange(skips_line_feed_, false) && bytes.front() == '\n') {
      bytes.remove_prefix(1);
      continue;
    }
    const size_t end = bytes.find_first_of("\r\n");
    const std::string_view piece = bytes.substr(0, end);
    refused_ |= line_.size() + piece.size() + event_.name.size() + event_.data.size() > limit_bytes_;
    if (refused_) {
      return fail(ErrorCode::kCorrupt, "an event has more than {} bytes", limit_bytes_);
    }
    line_ += piece;
    if (end == std::string_view::npos) break;
    skips_line_feed_ = bytes[end] == '\r';
    bytes.remove_prefix(end + 1);
    end_line(events);
  }
  return events;
}

void SseParser::end_line(std::vector<SseEvent>& events) {
  const std::string whole = std::exchange(line_, {});
  std::string_view line = whole;
  if (std::exchange(first_line_, false) && line.starts_with(kByteOrderMark))
    line.remove_prefix(kByteOrderMark.size());
  if (!line.empty()) return take_field(line);
  // An event without data is none, whatever its name.
  SseEvent event = std::exchange(event_, {});
  if (std::exchange(has_data_, false)) events.push_back(std::move(event));
}

void SseParser::take_field(std::string_view line) {
  const size_t colon = line.find(':');
  const std::string_view field = line.substr(0, colon);
  std::string_view value = colon == std::string_view::npos ? std::string_view() : line.substr(colon + 1);
  if (value.starts_with(' ')) value.remove_prefix(1);
  if (field == "event") event_.name = value;
  if (field != "data") return;
  if (std::exchange(has_data_, true)) event_.data += '\n';
  event_.data += value;
}

}  // namespace sluice
