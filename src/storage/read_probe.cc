#include "storage/read_probe.h"

#include <time.h>

#include <algorithm>
#include <cassert>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "base/fail.h"
#include "base/memory.h"
#include "storage/read_draw.h"

namespace sluice {
namespace {

using Clock = std::chrono::steady_clock;

constexpr auto kProgressEvery = std::chrono::milliseconds(100);

uint64_t nanoseconds(Clock::duration duration) {
  return static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::nanoseconds>(duration).count());
}

uint64_t process_cpu_ns() {
  timespec used{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
  return static_cast<uint64_t>(used.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(used.tv_nsec);
}

Status check(const FileSet& files, std::span<const Extent> extents) {
  if (extents.empty()) return fail(ErrorCode::kInvalidArgument, "there is nothing to read at random");
  for (const Extent& extent : extents) {
    if (extent.file >= files.count()) {
      return fail(ErrorCode::kInvalidArgument, "file number {} of a set of {}", extent.file, files.count());
    }
    const uint64_t size_bytes = files.size_bytes(extent.file);
    if (extent.size_bytes == 0 || extent.size_bytes > size_bytes ||
        extent.offset_bytes > size_bytes - extent.size_bytes) {
      return fail(ErrorCode::kInvalidArgument,
                  "{}: {} bytes at byte {} are not a read of the file's {} bytes", files.name(extent.file),
                  extent.size_bytes, extent.offset_bytes, size_bytes);
    }
  }
  return {};
}

// The reads of one probe: each that ends begins the next one, on the reader's thread, until time is up.
// Shared with the answers, the last of which may still be leaving when the probe has returned.
class Probe : public std::enable_shared_from_this<Probe> {
 public:
  Probe(Reader& reader, std::span<const Extent> extents, const ProbeOptions& options)
      : reader_(reader),
        options_(options),
        draw_(extents, options.block_bytes, reader.alignment_bytes(), options.seed) {}

  Status make_room() {
    const size_t alignment_bytes = reader_.alignment_bytes();
    room_bytes_ = draw_.largest_bytes();
    SLUICE_ASSIGN(memory_, MappedMemory::allocate(options_.depth * room_bytes_ + alignment_bytes));
    // The kernel finds the pages now, not while time is taken.
    std::ranges::fill(memory_.bytes(), std::byte{1});
    const auto address = reinterpret_cast<uintptr_t>(memory_.data());
    first_room_ = memory_.data() + (round_up(address, alignment_bytes) - address);
    return {};
  }

  // Where the reads go, one at a time in each.
  std::vector<std::span<std::byte>> rooms() const {
    std::vector<std::span<std::byte>> rooms;
    for (size_t room = 0; room < options_.depth; ++room)
      rooms.emplace_back(first_room_ + room * room_bytes_, room_bytes_);
    return rooms;
  }

  Result<ProbeFigures> run() {
    const uint64_t cpu_before_ns = process_cpu_ns();
    start_ = Clock::now();
    std::vector<ReadOp> ops;
    {
      const std::lock_guard lock(mutex_);
      for (size_t room = 0; room < options_.depth; ++room) ops.push_back(next_op(room));
    }
    reader_.submit(std::move(ops));
    wait();
    if (error_) return tl::unexpected(std::move(*error_));
    if (options_.cancel.stop_requested()) return fail(ErrorCode::kCancelled, "measuring was cancelled");
    return figures(process_cpu_ns() - cpu_before_ns);
  }

 private:
  // REQUIRES mutex_.
  ReadOp next_op(size_t room) {
    const DrawnRead read = draw_.next();
    const std::span into(first_room_ + room * room_bytes_, read.size_bytes);
    ++in_flight_;
    return {read.file, read.offset_bytes, into, read.needed_bytes,
            [probe = shared_from_this(), room, wanted = read.wanted_bytes, began = Clock::now()](
                const Result<uint64_t>& moved) { probe->on_done(room, wanted, began, moved); }};
  }

  void on_done(size_t room, uint64_t wanted_bytes, Clock::time_point began, const Result<uint64_t>& moved) {
    const Clock::time_point now = Clock::now();
    std::vector<ReadOp> ops;
    {
      const std::lock_guard lock(mutex_);
      --in_flight_;
      end_ = std::max(end_, now);  // answers may overtake each other on their way here
      if (moved) {
        latencies_ns_.push_back(nanoseconds(now - began));
        wanted_bytes_ += wanted_bytes;
        read_bytes_ += *moved;
      } else if (!error_) {
        error_ = moved.error();
      }
      if (!error_ && now - start_ < options_.limit && !options_.cancel.stop_requested()) {
        ops.push_back(next_op(room));
      } else if (in_flight_ == 0) {
        all_ended_.notify_all();
      }
    }
    reader_.submit(std::move(ops));
  }

  void wait() {
    std::unique_lock lock(mutex_);
    while (!all_ended_.wait_for(lock, kProgressEvery, [this] { return in_flight_ == 0; })) {
      if (!options_.on_progress) continue;
      lock.unlock();
      options_.on_progress(Clock::now() - start_);
      lock.lock();
    }
  }

  ProbeFigures figures(uint64_t cpu_ns) {
    std::ranges::sort(latencies_ns_);
    const size_t reads = latencies_ns_.size();
    return {reads,
            wanted_bytes_,
            read_bytes_,
            std::max<uint64_t>(1, nanoseconds(end_ - start_)),
            cpu_ns,
            latencies_ns_[(reads - 1) / 2],
            latencies_ns_[(reads - 1) * 99 / 100]};
  }

  Reader& reader_;
  const ProbeOptions& options_;
  uint64_t room_bytes_ = 0;
  MappedMemory memory_;
  std::byte* first_room_ = nullptr;
  Clock::time_point start_;

  std::mutex mutex_;
  std::condition_variable all_ended_;
  // Guarded by mutex_.
  ReadDraw draw_;
  size_t in_flight_ = 0;
  Clock::time_point end_;
  std::vector<uint64_t> latencies_ns_;
  uint64_t wanted_bytes_ = 0;
  uint64_t read_bytes_ = 0;
  std::optional<Error> error_;
};

}  // namespace

Result<ProbeFigures> probe_reads(Reader& reader, const FileSet& files, std::span<const Extent> extents,
                                 const ProbeOptions& options) {
  assert(options.depth >= 1);
  SLUICE_TRY(check(files, extents));
  const auto probe = std::make_shared<Probe>(reader, extents, options);
  SLUICE_TRY(probe->make_room());
  reader.will_read_into(probe->rooms());
  auto figures = probe->run();
  reader.will_read_into({});
  return figures;
}

Result<ProbeFigures> probe_files(std::span<const FileSpec> specs, std::span<const Extent> extents,
                                 ReaderKind kind, const ProbeOptions& options) {
  SLUICE_ASSIGN(auto opened, FileSet::open(specs, FileAccess::kDirect));
  const auto files = std::make_shared<const FileSet>(std::move(opened));
  SLUICE_ASSIGN(const ChosenReader chosen, choose_reader(files, {kind, options.depth, options.depth}));
  return probe_reads(*chosen.reader, *files, extents, options);
}

}  // namespace sluice
