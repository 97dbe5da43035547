// The figures of a sluice server in the terminal's last row, while it answers.
#pragma once

#include <string_view>

#include "cli/http_client.h"
#include "cli/status_line.h"
#include "server/sse_parser.h"

namespace sluice {

class ServerLiveRow {
 public:
  // `output` must outlive this object.
  explicit ServerLiveRow(Output& output);

  // The call that brings the figures, to be made beside another one. Holds a reference to this object. A
  // server that has none of them, or says something else, leaves the row empty.
  HttpCall call();

 private:
  Status push(std::string_view bytes);

  StatusLine line_;
  SseParser events_;
};

// What an event "sample" of /v1/sluice/live says. kCorrupt, naming the field, for what is none.
Result<TelemetrySample> parse_live_sample(std::string_view json);

}  // namespace sluice
