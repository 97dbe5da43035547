// --live and --telemetry: what the engine does, shown and written down while it does it.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "cli/console.h"
#include "cli/status_line.h"
#include "cli/telemetry_file.h"
#include "sluice/engine.h"

namespace sluice {

struct LiveOptions {
  bool live = false;
  StatusLine::Clock::duration after{};  // when the row begins to show
  std::string telemetry_file{};         // empty: none
};

// Declares --live and --telemetry. `options` must live as long as `app`.
void add_live_options(CLI::App& app, LiveOptions& options);

// One thread at a time.
class LiveFigures {
 public:
  // Both must outlive this object. kIo when the telemetry file cannot be written.
  static Result<LiveFigures> start(const LiveOptions& options, Console& console, const Engine& engine);

  // Tokens have gone through the model since the last call.
  void on_tokens(EnginePhase phase, uint64_t tokens);
  // Gives the terminal's row back. kIo when the file could not be written to its end.
  Status finish();

 private:
  explicit LiveFigures(const Engine& engine) : engine_(&engine), meter_(engine.counters()) {}

  const Engine* engine_;
  TelemetryMeter meter_;
  std::unique_ptr<StatusLine> line_;
  std::optional<TelemetryFile> file_;
};

}  // namespace sluice
