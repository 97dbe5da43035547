#include "storage/faulty_reader.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "base/fail.h"

namespace sluice {

FaultyReader::FaultyReader(std::unique_ptr<Reader> inner, std::vector<std::string> file_names)
    : file_names_(std::move(file_names)), inner_(std::move(inner)) {}

FaultyReader::~FaultyReader() {
  release();
}

void FaultyReader::submit(std::vector<ReadOp> ops) {
  {
    const std::lock_guard lock(mutex_);
    for (ReadOp& op : ops) {
      const Fault fault = draw_fault(op);
      ++submitted_;
      if (fault != Fault::kNone) op = spoil(std::move(op), fault);
    }
    if (order_) std::shuffle(ops.begin(), ops.end(), *order_);
    if (holding_) {
      std::move(ops.begin(), ops.end(), std::back_inserter(held_));
      return;
    }
  }
  inner_->submit(std::move(ops));
}

FaultyReader::Fault FaultyReader::draw_fault(const ReadOp& op) {
  const bool unlucky = std::uniform_real_distribution<double>(0, 1)(chance_) < probability_;
  if (vanished_.contains(op.file)) return Fault::kVanished;
  if (failing_.contains(submitted_)) return Fault::kDeviceError;
  if (short_.contains(submitted_)) return Fault::kShort;
  return unlucky ? Fault::kDeviceError : Fault::kNone;
}

// The inner reader still does the work, so that the answer comes from a thread of its own and never inside
// submit.
ReadOp FaultyReader::spoil(ReadOp op, Fault fault) const {
  std::string cause;
  switch (fault) {
    case Fault::kNone:
      return op;
    case Fault::kDeviceError:
      cause = errno_text(EIO);
      break;
    case Fault::kVanished:
      cause = errno_text(ENODEV);
      break;
    case Fault::kShort:
      cause = fmt::format("the file ends at byte {}, at least {} bytes were expected",
                          op.offset_bytes + op.needed_bytes / 2, op.offset_bytes + op.needed_bytes);
      break;
  }
  Error error{ErrorCode::kIo, fmt::format("{}: read of {} bytes at byte {}: {}", file_names_[op.file],
                                          op.into.size(), op.offset_bytes, cause)};
  op.done = [into = op.into, error = std::move(error), done = std::move(op.done)](const Result<uint64_t>&) {
    std::fill(into.begin(), into.end(), std::byte{0xEE});
    done(tl::unexpected(error));
  };
  return op;
}

void FaultyReader::fail_op(uint64_t number) {
  const std::lock_guard lock(mutex_);
  failing_.insert(number);
}

void FaultyReader::shorten_op(uint64_t number) {
  const std::lock_guard lock(mutex_);
  short_.insert(number);
}

void FaultyReader::vanish_file(uint32_t file) {
  const std::lock_guard lock(mutex_);
  vanished_.insert(file);
}

void FaultyReader::restore_file(uint32_t file) {
  const std::lock_guard lock(mutex_);
  vanished_.erase(file);
}

void FaultyReader::fail_randomly(uint64_t seed, double probability) {
  const std::lock_guard lock(mutex_);
  chance_.seed(seed);
  probability_ = probability;
}

void FaultyReader::shuffle(uint64_t seed) {
  const std::lock_guard lock(mutex_);
  order_.emplace(seed);
}

void FaultyReader::hold() {
  const std::lock_guard lock(mutex_);
  holding_ = true;
}

void FaultyReader::release() {
  std::vector<ReadOp> ops;
  {
    const std::lock_guard lock(mutex_);
    holding_ = false;
    ops.swap(held_);
  }
  inner_->submit(std::move(ops));
}

uint64_t FaultyReader::submitted() const {
  const std::lock_guard lock(mutex_);
  return submitted_;
}

}  // namespace sluice
