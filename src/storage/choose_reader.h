// Which reader this machine allows.
#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include "sluice/result.h"
#include "sluice/streaming.h"
#include "storage/file_set.h"
#include "storage/pread_pool.h"
#include "storage/reader.h"
#include "storage/uring_reader.h"

namespace sluice {

struct ReaderOptions {
  ReaderKind kind = ReaderKind::kAuto;
  size_t pread_threads = PreadPool::kDefaultThreads;  // >= 1
  size_t uring_depth = UringReader::kDefaultDepth;    // 1 ... UringReader::kMaxDepth
};

struct ChosenReader {
  std::unique_ptr<Reader> reader;
  ReaderKind kind = ReaderKind::kAuto;  // kUring or kPread
  // For people: "io_uring, 64 in flight, past the page cache"
  // or "pread on 8 threads, past the page cache: io_uring is not permitted here (EPERM)".
  std::string description;
};

// kInvalidArgument when a number of the options is out of range; kUnsupported when kUring was asked for and
// this process may not use it. kAuto then takes kPread.
Result<ChosenReader> choose_reader(std::shared_ptr<const FileSet> files, const ReaderOptions& options);

}  // namespace sluice
