// The reader for kernels with io_uring: one thread keeps many reads in flight.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <thread>
#include <vector>

#include "base/file.h"
#include "sluice/result.h"
#include "storage/file_set.h"
#include "storage/read_progress.h"
#include "storage/reader.h"
#include "storage/ring_buffers.h"

struct io_uring;  // liburing.h

namespace sluice {

// One thread owns the ring: it hands over what was submitted, all of it with one system call that also waits
// for the next read to end, and calls every `done`. Were the submitting threads to enter the kernel, it would
// take back what is still queued for a thread when that thread ends.
class UringReader final : public Reader {
 public:
  // Plenty for a disk, which a few large reads keep busy; few enough that what was asked for first comes
  // first.
  static constexpr size_t kDefaultDepth = 64;
  static constexpr size_t kMaxDepth = 4096;

  // `depth` (1 ... kMaxDepth) reads are in flight at once; further ones wait in order of submission.
  // kUnsupported, saying why in words that stand well after a colon, when this process may not use io_uring.
  static Result<std::unique_ptr<UringReader>> create(std::shared_ptr<const FileSet> files, size_t depth);
  ~UringReader() override;

  void submit(std::vector<ReadOp> ops) override;
  void will_read_into(std::vector<std::span<std::byte>> buffers) override;
  size_t alignment_bytes() const override { return files_->alignment_bytes(); }

 private:
  struct RingCloser {
    void operator()(io_uring* ring) const;
  };
  struct Flight {
    ReadOp op;
    ReadProgress progress;
  };

  UringReader(std::shared_ptr<const FileSet> files, size_t depth);
  Status open_ring();
  void register_files();
  void wake();

  // All of these run on the ring's thread.
  void run();
  bool take_submitted();
  void start_flights();
  void start(ReadOp op);
  void ask(uint32_t flight);
  void ask_for_wake();
  void enter();
  void take_completed();
  void advance(uint32_t flight, int32_t outcome);

  std::shared_ptr<const FileSet> files_;
  const size_t depth_;
  File wake_event_;  // an eventfd: what the ring's thread reads from in order to be woken
  std::unique_ptr<io_uring, RingCloser> ring_;
  bool files_are_registered_ = false;

  std::mutex mutex_;
  // Guarded by mutex_.
  std::vector<ReadOp> submitted_;
  bool is_asleep_ = false;
  bool is_ending_ = false;

  // Of the ring's thread.
  std::deque<ReadOp> waiting_;
  std::vector<std::optional<Flight>> flights_;  // [depth], by the number that the kernel hands back
  std::vector<uint32_t> free_flights_;
  uint64_t wake_count_ = 0;  // what the kernel reads from wake_event_ lands here
  bool is_listening_ = false;
  RingBuffers buffers_;  // reset by whoever calls will_read_into, while this thread has nothing to do

  std::thread thread_;
};

}  // namespace sluice
