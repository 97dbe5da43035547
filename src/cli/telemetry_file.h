// A file of JSON lines, one for every token: what the engine did for it.
#pragma once

#include <filesystem>
#include <fstream>

#include "engine/telemetry.h"
#include "sluice/result.h"

namespace sluice {

// Every line is written at once, so that a program can follow the file. One thread at a time.
class TelemetryFile {
 public:
  // Replaces the file. kIo, naming it, when it cannot be written.
  static Result<TelemetryFile> create(const std::filesystem::path& path);

  void write(const TelemetrySample& sample);
  // kIo when a line could not be written; nothing was written after it.
  Status finish();

 private:
  TelemetryFile(std::filesystem::path path, std::ofstream file)
      : path_(std::move(path)), file_(std::move(file)) {}

  std::filesystem::path path_;
  std::ofstream file_;
};

}  // namespace sluice
