// Server-sent events read back: from bytes as they come to events.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "sluice/result.h"

namespace sluice {

struct SseEvent {
  std::string name{};  // of its "event:" line; empty without one
  std::string data{};  // of its "data:" lines, joined by line breaks

  bool operator==(const SseEvent&) const = default;
};

// What the WHATWG's HTML standard, section 9.2, makes of a stream, but for "id:" and "retry:", which are
// ignored: nothing is taken up again here. The events do not depend on where the bytes were cut. Not thread
// safe.
class SseParser {
 public:
  // `limit_bytes`: the most that an event that is not whole yet may come to.
  explicit SseParser(size_t limit_bytes) : limit_bytes_(limit_bytes) {}

  // The events that became whole, in order. An event that the stream ends in is none. kCorrupt, and again
  // for whatever follows, when one is larger than the limit.
  Result<std::vector<SseEvent>> push(std::string_view bytes);

 private:
  void end_line(std::vector<SseEvent>& events);
  void take_field(std::string_view line);

  size_t limit_bytes_;
  std::string line_;  // what there is of it
  SseEvent event_;
  bool has_data_ = false;
  bool skips_line_feed_ = false;  // the last byte was a carriage return
  bool first_line_ = true;
  bool refused_ = false;
};

}  // namespace sluice
