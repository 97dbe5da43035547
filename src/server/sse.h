// Server-sent events: the framing of streamed answers.
#pragma once

#include <string>
#include <string_view>

namespace sluice {

// One event: an "event:" line unless `name` is empty, then a "data:" line for each line of `data`, and the
// empty line that ends it. REQUIRES: no line break in `name`.
std::string sse_event(std::string_view data, std::string_view name = {});

}  // namespace sluice
