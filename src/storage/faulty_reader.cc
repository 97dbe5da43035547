#include "storage/faulty_reader.h"

#include <algorithm>
#include <cerrno>
#include <iterator>
#include <utility>

#include "storage/read_progress.h"

namespace sluice {
namespace {

constexpr std::byte kRubbish{0xEE};
// Of operations drawn at random.
constexpr size_t kRandomInterruptions = 3;
constexpr size_t kRandomStallAnswers = 8;

void fill_with_rubbish(std::span<std::byte> bytes) {
  std::ranges::fill(bytes, kRubbish);
}

}  // namespace

// An operation whose system calls are played: each is a read of the inner reader, whose outcome is then
// replaced.
struct FaultyReader::SpoiltOp {
  ReadOp op;
  ReadProgress progress;
  Trouble trouble;
  size_t calls = 0;

  // What the call that moved so many bytes says instead.
  int64_t outcome(uint64_t moved_bytes) {
    if (calls == trouble.calls.size()) return static_cast<int64_t>(moved_bytes);
    switch (trouble.calls[calls++]) {
      case CallFault::kDeviceError:
        return -EIO;
      case CallFault::kGone:
        return -ENODEV;
      case CallFault::kInterrupted:
        return -EINTR;
      case CallFault::kBusy:
        return -EAGAIN;
      case CallFault::kHalf:
        return static_cast<int64_t>(std::max<uint64_t>(1, moved_bytes / 2));
      case CallFault::kEndOfFile:
        const uint64_t end_bytes = op.offset_bytes + op.needed_bytes / 2;
        return static_cast<int64_t>(end_bytes - std::min(end_bytes, progress.next_offset_bytes()));
    }
    return -EIO;
  }
};

FaultyReader::FaultyReader(std::unique_ptr<Reader> inner, std::vector<std::string> file_names)
    : file_names_(std::move(file_names)), inner_(std::move(inner)) {}

FaultyReader::~FaultyReader() {
  std::vector<ReadOp> ops;
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
    holding_ = false;
    std::ranges::move(stalled_, std::back_inserter(held_));
    stalled_.clear();
    ops = admit(std::exchange(held_, {}));
  }
  inner_->submit(std::move(ops));
}

void FaultyReader::submit(std::vector<ReadOp> ops) {
  {
    const std::lock_guard lock(mutex_);
    std::vector<Arrival> arrivals;
    for (ReadOp& op : ops) {
      Trouble trouble = next_trouble(op);
      const size_t stall_answers = trouble.stall_answers;
      op = counted(std::move(op));
      const bool is_spoilt = !trouble.calls.empty() || trouble.flipped_bit;
      if (is_spoilt) op = spoilt(std::move(op), std::move(trouble));
      arrivals.push_back({std::move(op), stall_answers});
    }
    if (order_) std::shuffle(arrivals.begin(), arrivals.end(), *order_);
    if (holding_) {
      std::ranges::move(arrivals, std::back_inserter(held_));
      return;
    }
    ops = admit(std::move(arrivals));
  }
  inner_->submit(std::move(ops));
}

FaultyReader::Trouble FaultyReader::next_trouble(const ReadOp& op) {
  const uint64_t number = submitted_++;
  Trouble drawn = draw_trouble(op);
  if (vanished_.contains(op.file)) return {{CallFault::kGone}, std::nullopt, 0};
  const auto scripted = script_.find(number);
  return scripted == script_.end() ? drawn : scripted->second;
}

// Draws as often whatever comes of it, so that what meets one operation does not change the next one's lot.
FaultyReader::Trouble FaultyReader::draw_trouble(const ReadOp& op) {
  double lot = std::uniform_real_distribution<double>(0, 1)(chance_);
  const uint64_t bit = chance_() % (op.needed_bytes * 8);
  const auto falls_on = [&lot](double rate) {
    lot -= rate;
    return lot < 0 && lot >= -rate;
  };
  Trouble trouble;
  if (falls_on(rates_.device_errors)) trouble.calls = {CallFault::kDeviceError, CallFault::kDeviceError};
  if (falls_on(rates_.hiccups)) trouble.calls = {CallFault::kDeviceError};
  if (falls_on(rates_.interruptions)) {
    for (size_t i = 0; i < kRandomInterruptions; ++i) {
      trouble.calls.insert(trouble.calls.end(),
                           {CallFault::kInterrupted, CallFault::kHalf, CallFault::kBusy});
    }
  }
  if (falls_on(rates_.early_ends)) trouble.calls = {CallFault::kEndOfFile, CallFault::kEndOfFile};
  if (falls_on(rates_.stalls)) trouble.stall_answers = kRandomStallAnswers;
  if (falls_on(rates_.flipped_bits)) trouble.flipped_bit = bit;
  return trouble;
}

// Lets in what may begin at once; the rest stalls. Something is always under way while something stalls.
std::vector<ReadOp> FaultyReader::admit(std::vector<Arrival> arrivals) {
  std::vector<ReadOp> ops;
  for (Arrival& arrival : arrivals) {
    if (arrival.stall_answers > 0 && !ending_) {
      stalled_.push_back(std::move(arrival));
    } else {
      ops.push_back(std::move(arrival.op));
    }
  }
  under_way_ += ops.size();
  std::ranges::move(take_due(), std::back_inserter(ops));
  return ops;
}

std::vector<ReadOp> FaultyReader::take_due() {
  const bool none_moves = under_way_ == 0;
  std::vector<ReadOp> ops;
  std::vector<Arrival> left;
  for (Arrival& stalled : stalled_) {
    if (stalled.stall_answers == 0 || (none_moves && ops.empty())) {
      ops.push_back(std::move(stalled.op));
    } else {
      left.push_back(std::move(stalled));
    }
  }
  stalled_ = std::move(left);
  under_way_ += ops.size();
  return ops;
}

ReadOp FaultyReader::counted(ReadOp op) {
  op.done = [this, done = std::move(op.done)](Result<uint64_t> moved) {
    done(std::move(moved));
    on_answered();
  };
  return op;
}

void FaultyReader::on_answered() {
  std::vector<ReadOp> ops;
  {
    const std::lock_guard lock(mutex_);
    --under_way_;
    for (Arrival& stalled : stalled_) {
      if (stalled.stall_answers > 0) --stalled.stall_answers;
    }
    ops = take_due();
  }
  if (!ops.empty()) inner_->submit(std::move(ops));
}

ReadOp FaultyReader::spoilt(ReadOp op, Trouble trouble) {
  const ReadProgress progress(op.offset_bytes, op.into, op.needed_bytes, inner_->alignment_bytes());
  return next_call(std::make_shared<SpoiltOp>(SpoiltOp{std::move(op), progress, std::move(trouble)}));
}

ReadOp FaultyReader::next_call(std::shared_ptr<SpoiltOp> spoilt) {
  const auto& [op, progress, trouble, calls] = *spoilt;
  const uint64_t done_bytes = progress.next_offset_bytes() - op.offset_bytes;
  ReadOp call{op.file, progress.next_offset_bytes(), progress.next_into(), op.needed_bytes - done_bytes, {}};
  call.done = [this, spoilt = std::move(spoilt)](const Result<uint64_t>& moved) { on_called(spoilt, moved); };
  return call;
}

void FaultyReader::on_called(const std::shared_ptr<SpoiltOp>& spoilt, const Result<uint64_t>& moved) {
  if (!moved) {
    spoilt->op.done(moved);
    return;
  }
  const int64_t outcome = spoilt->outcome(*moved);
  const size_t good_bytes = outcome < 0 ? 0 : static_cast<size_t>(outcome);
  fill_with_rubbish(spoilt->progress.next_into().subspan(good_bytes));
  if (!spoilt->progress.advance(outcome)) {
    std::vector<ReadOp> again;
    again.push_back(next_call(spoilt));
    inner_->submit(std::move(again));
    return;
  }
  finish(*spoilt);
}

void FaultyReader::finish(SpoiltOp& spoilt) const {
  const ReadOp& op = spoilt.op;
  auto result = spoilt.progress.result(file_names_[op.file]);
  if (!result) fill_with_rubbish(op.into);
  if (result && spoilt.trouble.flipped_bit) {
    const uint64_t bit = *spoilt.trouble.flipped_bit % (op.needed_bytes * 8);
    op.into[bit / 8] ^= std::byte{1} << (bit % 8);
  }
  op.done(std::move(result));
}

void FaultyReader::fail_op(uint64_t number) {
  const std::lock_guard lock(mutex_);
  script_[number].calls = {CallFault::kDeviceError, CallFault::kDeviceError};
}

void FaultyReader::fail_op_once(uint64_t number) {
  const std::lock_guard lock(mutex_);
  script_[number].calls = {CallFault::kDeviceError};
}

void FaultyReader::interrupt_op(uint64_t number, size_t times) {
  const std::lock_guard lock(mutex_);
  auto& calls = script_[number].calls;
  calls.clear();
  for (size_t i = 0; i < times; ++i) {
    calls.insert(calls.end(), {CallFault::kInterrupted, CallFault::kHalf, CallFault::kBusy});
  }
}

void FaultyReader::shorten_op(uint64_t number) {
  const std::lock_guard lock(mutex_);
  script_[number].calls = {CallFault::kEndOfFile, CallFault::kEndOfFile};
}

void FaultyReader::flip_bit(uint64_t number, uint64_t bit) {
  const std::lock_guard lock(mutex_);
  script_[number].flipped_bit = bit;
}

void FaultyReader::stall_op(uint64_t number, size_t answers) {
  const std::lock_guard lock(mutex_);
  script_[number].stall_answers = answers;
}

void FaultyReader::vanish_file(uint32_t file) {
  const std::lock_guard lock(mutex_);
  vanished_.insert(file);
}

void FaultyReader::restore_file(uint32_t file) {
  const std::lock_guard lock(mutex_);
  vanished_.erase(file);
}

void FaultyReader::spoil_randomly(uint64_t seed, const FaultRates& rates) {
  const std::lock_guard lock(mutex_);
  chance_.seed(seed);
  rates_ = rates;
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
    ops = admit(std::exchange(held_, {}));
  }
  inner_->submit(std::move(ops));
}

uint64_t FaultyReader::submitted() const {
  const std::lock_guard lock(mutex_);
  return submitted_;
}

}  // namespace sluice
