// The yardstick for reading: what fio, the usual program for that, gets from the same files.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "sluice/result.h"

namespace sluice {

struct FioJob {
  std::vector<std::filesystem::path> files;
  uint64_t block_bytes = 0;  // a multiple of what direct reads must be aligned to; no larger than any file
  size_t depth = 1;
  std::chrono::milliseconds duration{1000};
  bool direct = true;         // past the page cache
  bool uses_io_uring = true;  // otherwise Linux' older asynchronous reads
};

struct FioFigures {
  double bytes_per_second = 0;
  uint64_t median_latency_ns = 0;
  uint64_t p99_latency_ns = 0;
};

// Runs fio: random reads of blocks, in huge pages as Sluice's own. kNotFound when it is not installed; kIo
// with the end of what it said when it fails. A Ctrl-C at the terminal ends it early.
Result<FioFigures> run_fio(const FioJob& job);

// The arguments that say this, the program's name first.
std::vector<std::string> fio_arguments(const FioJob& job);

// What fio reports with --output-format=json, perhaps after warnings. kIo when that is not what it is.
Result<FioFigures> parse_fio_report(std::string_view report);

}  // namespace sluice
