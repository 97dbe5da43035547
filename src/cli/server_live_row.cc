#include "cli/server_live_row.h"

#include <charconv>

#include "base/fail.h"
#include "text/python_json.h"

namespace sluice {
namespace {

constexpr size_t kMaxEventBytes = 4 << 20;  // a map of all experts is one event

}  // namespace

Result<TelemetrySample> parse_live_sample(std::string_view json) {
  SLUICE_ASSIGN(const JsonValue values, parse_json(json));
  TelemetrySample sample;
  const std::pair<const char*, uint64_t*> fields[] = {{"interval_ns", &sample.interval_ns},
                                                      {"tokens", &sample.tokens},
                                                      {"hits", &sample.spent.hits},
                                                      {"misses", &sample.spent.misses},
                                                      {"read_bytes", &sample.spent.read_bytes},
                                                      {"read_busy_ns", &sample.spent.read_busy_ns},
                                                      {"wait_ns", &sample.spent.wait_ns}};
  for (const auto& [name, into] : fields) {
    const JsonValue* value = values.find(name);
    const std::string_view text = value == nullptr ? std::string_view() : value->text;
    const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), *into);
    if (value == nullptr || !value->is(JsonValue::Kind::kNumber) || error != std::errc() ||
        stop != text.data() + text.size())
      return fail(ErrorCode::kCorrupt, "{}: a whole number was expected", name);
  }
  return sample;
}

ServerLiveRow::ServerLiveRow(Output& output) : line_(output, kLiveAfter), events_(kMaxEventBytes) {}

HttpCall ServerLiveRow::call() {
  return {.path = "/v1/sluice/live", .on_bytes = [this](std::string_view bytes) { return push(bytes); }};
}

Status ServerLiveRow::push(std::string_view bytes) {
  SLUICE_ASSIGN(const auto events, events_.push(bytes));
  for (const SseEvent& event : events) {
    if (event.name != "sample") continue;
    SLUICE_ASSIGN(const TelemetrySample sample, parse_live_sample(event.data));
    line_.update(sample);
  }
  return {};
}

}  // namespace sluice
