// The reader that runs everywhere: threads that call pread.
#pragma once

#include <memory>
#include <vector>

#include "storage/file_set.h"
#include "storage/io_threads.h"
#include "storage/reader.h"

namespace sluice {

class PreadPool final : public Reader {
 public:
  static constexpr size_t kDefaultThreads = 8;

  // `threads` (>= 1) reads are in flight at once; further ones wait their turn in order of submission.
  PreadPool(std::shared_ptr<const FileSet> files, size_t threads);

  void submit(std::vector<ReadOp> ops) override;
  size_t alignment_bytes() const override { return files_->alignment_bytes(); }

 private:
  std::shared_ptr<const FileSet> files_;
  IoThreads threads_;  // last: its end waits for the reads, which use what stands above
};

}  // namespace sluice
