// The double of the storage that fails on demand: stands in front of any reader and spoils, holds back or
// reorders chosen operations. For tests, of these rooms and of the whole engine.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "storage/reader.h"

namespace sluice {

// Operations are numbered from 0 in the order of submission. What happens to an operation is decided when it
// is submitted, by the script alone: the same submissions under the same script meet the same faults. A
// spoilt operation ends with an error worded as a real reader's, on a thread of the reader, its destination
// filled with rubbish. Thread rule: everything may be called from any thread.
class FaultyReader final : public Reader {
 public:
  // `file_names`: what messages call the files, by index.
  FaultyReader(std::unique_ptr<Reader> inner, std::vector<std::string> file_names);
  // Lets go of what is held, and waits.
  ~FaultyReader() override;

  void submit(std::vector<ReadOp> ops) override;
  size_t alignment_bytes() const override { return inner_->alignment_bytes(); }

  // Operation `number` ends with EIO.
  void fail_op(uint64_t number);
  // Operation `number` finds the end of the file half way to what it needs.
  void shorten_op(uint64_t number);
  // Every operation on `file` fails, as if its device had gone, until restore_file.
  void vanish_file(uint32_t file);
  void restore_file(uint32_t file);
  // From now on every operation fails with EIO with this probability (0 ends it), drawn from `seed`.
  void fail_randomly(uint64_t seed, double probability);
  // From now on the operations of each submission start in an order drawn from `seed`.
  void shuffle(uint64_t seed);
  // Operations submitted from now on wait inside, unanswered, until release().
  void hold();
  void release();

  // Operations seen so far: the number of the next one.
  uint64_t submitted() const;

 private:
  enum class Fault { kNone, kDeviceError, kShort, kVanished };

  Fault draw_fault(const ReadOp& op);  // REQUIRES mutex_
  ReadOp spoil(ReadOp op, Fault fault) const;

  std::vector<std::string> file_names_;
  mutable std::mutex mutex_;
  // All guarded by mutex_.
  uint64_t submitted_ = 0;
  std::set<uint64_t> failing_;
  std::set<uint64_t> short_;
  std::set<uint32_t> vanished_;
  double probability_ = 0;
  std::mt19937_64 chance_;
  std::optional<std::mt19937_64> order_;
  bool holding_ = false;
  std::vector<ReadOp> held_;

  std::unique_ptr<Reader> inner_;  // last: its end waits for the operations, which use what stands above
};

}  // namespace sluice
