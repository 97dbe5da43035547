#include "cli/telemetry_file.h"

#include <cerrno>
#include <nlohmann/json.hpp>

#include "base/fail.h"
#include "cli/json_output.h"

namespace sluice {
namespace {

nlohmann::ordered_json to_json(const TelemetrySample& sample) {
  return {{"phase", engine_phase_name(sample.phase)},
          {"at_ns", sample.at_ns},
          {"interval_ns", sample.interval_ns},
          {"tokens", sample.tokens},
          {"tokens_per_second", sample.tokens_per_second()},
          {"hit_rate", sample.hit_rate()},
          {"bytes_per_token", sample.bytes_per_token()},
          {"read_bytes_per_second", sample.read_bytes_per_second()},
          {"device_bytes_per_second", sample.device_bytes_per_second()},
          {"device_busy_share", sample.device_busy_share()},
          {"queue_depth", sample.queue_depth()},
          {"waiting_share", sample.waiting_share()},
          {"counters", sluice::to_json(sample.spent)}};
}

}  // namespace

Result<TelemetryFile> TelemetryFile::create(const std::filesystem::path& path) {
  std::ofstream file(path, std::ios::trunc);
  if (!file) return fail(ErrorCode::kIo, "{}: cannot be written: {}", path.string(), errno_text(errno));
  return TelemetryFile(path, std::move(file));
}

void TelemetryFile::write(const TelemetrySample& sample) {
  file_ << json_line(to_json(sample)) << std::flush;
}

Status TelemetryFile::finish() {
  file_.close();
  if (file_) return {};
  return fail(ErrorCode::kIo, "{}: not all telemetry could be written: is the disk full?", path_.string());
}

}  // namespace sluice
