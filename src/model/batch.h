// The tokens that go through the layers together.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <stop_token>
#include <vector>

#include "sluice/result.h"

namespace sluice {

class ForwardObserver;

// Consecutive tokens of one sequence.
struct Chunk {
  std::span<const int32_t> ids;         // [tokens]
  uint64_t first_position = 0;          // in the sequence
  ForwardObserver* observer = nullptr;  // of its tokens; may be null
  std::stop_token cancel = {};
  size_t tokens() const { return ids.size(); }
};

// Chunks of different sequences, end to end: arrays of a forward pass have a row for each token. What a row
// comes to depends on its own sequence alone. Not thread safe, but may be read by many.
class Batch {
 public:
  Batch() = default;
  explicit Batch(const Chunk& chunk) { add(chunk); }
  void add(const Chunk& chunk);

  std::span<const Chunk> chunks() const { return chunks_; }
  size_t first_row(size_t chunk) const { return first_rows_[chunk]; }
  size_t rows() const { return rows_.size(); }
  int32_t id(size_t row) const { return rows_[row].id; }
  uint64_t position(size_t row) const { return rows_[row].position; }
  size_t chunk_of(size_t row) const { return rows_[row].chunk; }
  // Null when nobody looks at the row.
  ForwardObserver* observer(size_t row) const { return chunks_[rows_[row].chunk].observer; }
  bool is_observed() const;
  // Whether some chunk has several tokens: then its experts are swept over, not kept.
  bool is_sweep() const { return rows_.size() > chunks_.size(); }

  // A chunk whose expert could not be read, or that is wanted no more, goes on without experts: nobody looks
  // at what comes of it. Only the first error is kept.
  void fail(size_t chunk, const Error& error);
  // Fails with kCancelled whom its `cancel` asks to stop.
  void fail_cancelled();
  bool has_failed(size_t chunk) const { return errors_[chunk].has_value(); }
  bool all_failed() const { return failed_ == chunks_.size(); }
  Status status(size_t chunk) const;

 private:
  struct Row {
    int32_t id;
    uint32_t chunk;
    uint64_t position;
  };

  std::vector<Chunk> chunks_;
  std::vector<size_t> first_rows_;            // [chunks]
  std::vector<std::optional<Error>> errors_;  // [chunks]
  std::vector<Row> rows_;
  size_t failed_ = 0;  // chunks
};

}  // namespace sluice
