#include "cli/live_figures.h"

#include <CLI/CLI.hpp>

namespace sluice {

void add_live_options(CLI::App& app, LiveOptions& options) {
  app.add_flag("--live", options.live, "figures in the terminal's last row while text is generated");
  app.add_option("--telemetry", options.telemetry_file, "write a JSON line of figures for every token")
      ->type_name("FILE");
}

Result<LiveFigures> LiveFigures::start(const LiveOptions& options, Console& console, const Engine& engine) {
  LiveFigures figures(engine);
  if (!options.telemetry_file.empty()) {
    SLUICE_ASSIGN(figures.file_, TelemetryFile::create(options.telemetry_file));
  }
  if (options.live && !console.quiet)
    figures.line_ = std::make_unique<StatusLine>(console.err, options.after);
  return figures;
}

void LiveFigures::on_tokens(EnginePhase phase, uint64_t tokens) {
  if (!line_ && !file_) return;
  const TelemetrySample sample = meter_.take(phase, tokens, engine_->counters());
  if (file_) file_->write(sample);
  if (line_) line_->update(sample);
}

Status LiveFigures::finish() {
  line_.reset();
  return file_ ? file_->finish() : Status();
}

}  // namespace sluice
