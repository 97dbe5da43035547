// How bytes leave the disk: many reads in flight, each of them answered once. What stands behind it (threads
// with pread, a ring of the kernel, a double that injects faults) is nobody's business above.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "sluice/result.h"

namespace sluice {

// One read. Offset, size and address of `into` are multiples of the reader's alignment_bytes(); `into` stays
// valid until `done` is called.
struct ReadOp {
  uint32_t file = 0;          // index into the file set that the reader was made for
  uint64_t offset_bytes = 0;  // from the start of the file
  std::span<std::byte> into;  // filled from its front
  uint64_t needed_bytes = 0;  // 1 ... into.size(): so many must arrive; the rest may lie past the end
  // Takes the bytes that arrived (needed_bytes ... into.size()), or the error, which names the file and the
  // offset.
  std::function<void(Result<uint64_t>)> done;
};

// Thread rule: submit may be called from any thread, also from within `done`. The queue has no limit of its
// own: every operation brings its destination, so that the callers' buffers bound it.
class Reader {
 public:
  // Waits until every operation has been answered. No submit may come from outside by then.
  virtual ~Reader() = default;

  // Starts all of `ops` and returns without waiting for them. Each op's `done` is called exactly once, on a
  // thread of the reader, never inside submit. Operations may end in any order. Interrupted and short reads
  // are continued; an error of the device is tried again once, then reported, as is a file that ends before
  // needed_bytes.
  virtual void submit(std::vector<ReadOp> ops) = 0;

  // Names the memory that reads will go to again and again, in pieces that do not overlap: a reader may have
  // the kernel keep it ready. Reads may go elsewhere too. The memory must stay until the reader ends or is
  // told of other memory (which may be none). Nothing may be in flight or submitted meanwhile.
  // NOLINTNEXTLINE(performance-unnecessary-value-param): readers that need it keep it
  virtual void will_read_into(std::vector<std::span<std::byte>> /*buffers*/) {}

  // What offsets, sizes and addresses must be multiples of: a power of two, 1 when anything goes.
  virtual size_t alignment_bytes() const = 0;
};

}  // namespace sluice
