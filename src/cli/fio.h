// The yardstick for reading: what fio, the usual program for that, gets from the same files.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sluice/result.h"

namespace sluice {

struct FioRead {
  uint32_t file = 0;  // index into the job's files
  uint64_t offset_bytes = 0;
  uint64_t size_bytes = 0;
};

struct FioJob {
  std::vector<std::filesystem::path> files;
  std::vector<FioRead> reads;  // at least one; aligned, within the files, none longer than 4 GB
  size_t depth = 1;
  bool direct = true;         // past the page cache
  bool uses_io_uring = true;  // otherwise Linux' older asynchronous reads
};

struct FioFigures {
  double bytes_per_second = 0;
  uint64_t median_latency_ns = 0;
  uint64_t p99_latency_ns = 0;
};

// Runs fio: these reads, in this order, into huge pages as Sluice's own. kNotFound when it is not installed
// or a file is not there; kIo with the end of what it said when it fails. A Ctrl-C at the terminal ends it
// early.
Result<FioFigures> run_fio(const FioJob& job);

// The arguments that say this, the program's name first; `log` is a file with fio_log's text.
std::vector<std::string> fio_arguments(const FioJob& job, const std::string& log);

// The reads as fio's "I/O log" of version 2, for files of these names, which have no white space.
std::string fio_log(std::span<const FioRead> reads, std::span<const std::string> names);

// What fio reports with --output-format=json, perhaps after warnings. kIo when that is not what it is.
Result<FioFigures> parse_fio_report(std::string_view report);

}  // namespace sluice
