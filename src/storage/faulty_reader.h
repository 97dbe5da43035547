// The double of the storage that fails on demand: stands in front of any reader and spoils, holds back or
// reorders chosen operations. For tests, of these rooms and of the whole engine.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "storage/reader.h"

namespace sluice {

// What becomes of operations drawn at random: the share of each fault. Together at most 1.
struct FaultRates {
  double device_errors = 0;  // as fail_op
  double hiccups = 0;        // as fail_op_once
  double interruptions = 0;  // as interrupt_op, a few times
  double early_ends = 0;     // as shorten_op
  double stalls = 0;         // as stall_op, for a few answers
  double flipped_bits = 0;   // as flip_bit, anywhere
};

// Operations are numbered from 0 in the order of submission. What happens to an operation is decided when it
// is submitted, by the script alone: the same submissions under the same script meet the same faults.
//
// Faults of single system calls (an interruption, a short read, an EIO) go through the same ReadProgress as a
// real reader's: what it continues or tries again ends well, with bytes that were really read again from
// where it said; what it gives up ends with its error, on a thread of the reader, the destination filled with
// rubbish. Thread rule: everything may be called from any thread.
class FaultyReader final : public Reader {
 public:
  // `file_names`: what messages call the files, by index.
  FaultyReader(std::unique_ptr<Reader> inner, std::vector<std::string> file_names);
  // Lets go of what is held or stalled, and waits.
  ~FaultyReader() override;

  void submit(std::vector<ReadOp> ops) override;
  void will_read_into(std::vector<std::span<std::byte>> buffers) override {
    inner_->will_read_into(std::move(buffers));
  }
  size_t alignment_bytes() const override { return inner_->alignment_bytes(); }

  // Operation `number` ends with EIO, also when tried again.
  void fail_op(uint64_t number);
  // Operation `number` meets EIO at first.
  void fail_op_once(uint64_t number);
  // Operation `number` meets EINTR, a read that stops half way and EAGAIN, all of this `times` times.
  void interrupt_op(uint64_t number, size_t times);
  // Operation `number` finds the end of the file half way to what it needs.
  void shorten_op(uint64_t number);
  // Operation `number` brings its bytes with one bit wrong, and nobody says so. Bits are counted within the
  // needed bytes, and again from the front beyond them.
  void flip_bit(uint64_t number, uint64_t bit);
  // Operation `number` begins only after so many others were answered, or when nothing else is under way.
  void stall_op(uint64_t number, size_t answers);
  // Every operation on `file` fails, as if its device had gone, until restore_file.
  void vanish_file(uint32_t file);
  void restore_file(uint32_t file);
  // From now on operations meet faults at these rates, drawn from `seed`. Of EIO alone: fail_randomly.
  void spoil_randomly(uint64_t seed, const FaultRates& rates);
  void fail_randomly(uint64_t seed, double probability) { spoil_randomly(seed, {probability}); }
  // From now on the operations of each submission start in an order drawn from `seed`.
  void shuffle(uint64_t seed);
  // Operations submitted from now on wait inside, unanswered, until release().
  void hold();
  void release();

  // Operations seen so far: the number of the next one.
  uint64_t submitted() const;

 private:
  // What a system call is made to say.
  enum class CallFault { kDeviceError, kGone, kInterrupted, kBusy, kHalf, kEndOfFile };
  // What becomes of one operation.
  struct Trouble {
    std::vector<CallFault> calls;  // its first ones; those that follow are left alone
    std::optional<uint64_t> flipped_bit;
    size_t stall_answers = 0;
  };
  struct SpoiltOp;
  struct Arrival {
    ReadOp op;
    size_t stall_answers = 0;  // that it still waits for
  };

  // These REQUIRE mutex_.
  Trouble next_trouble(const ReadOp& op);
  Trouble draw_trouble(const ReadOp& op);
  std::vector<ReadOp> admit(std::vector<Arrival> arrivals);
  std::vector<ReadOp> take_due();

  ReadOp counted(ReadOp op);
  ReadOp spoilt(ReadOp op, Trouble trouble);
  ReadOp next_call(std::shared_ptr<SpoiltOp> spoilt);
  void on_called(const std::shared_ptr<SpoiltOp>& spoilt, const Result<uint64_t>& moved);
  void finish(SpoiltOp& spoilt) const;
  void on_answered();

  std::vector<std::string> file_names_;
  mutable std::mutex mutex_;
  // All guarded by mutex_.
  uint64_t submitted_ = 0;
  std::map<uint64_t, Trouble> script_;  // by operation
  std::set<uint32_t> vanished_;
  FaultRates rates_;
  std::mt19937_64 chance_;
  std::optional<std::mt19937_64> order_;
  bool holding_ = false;
  bool ending_ = false;
  std::vector<Arrival> held_;
  std::vector<Arrival> stalled_;  // oldest first
  size_t under_way_ = 0;          // neither held nor stalled nor answered

  std::unique_ptr<Reader> inner_;  // last: its end waits for the operations, which use what stands above
};

}  // namespace sluice
