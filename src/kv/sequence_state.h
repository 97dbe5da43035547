// Everything a model remembers of one sequence. K and V are one tensor here, stored once.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "kv/compressor_state.h"
#include "kv/window_ring.h"
#include "sluice/result.h"

namespace sluice {

// What one layer keeps.
struct LayerStateShape {
  uint32_t window = 0;                        // tokens
  uint32_t row_width = 0;                     // head_dim
  std::optional<CompressorShape> compressor;  // layers with a compress ratio
  std::optional<CompressorShape> indexer;     // ratio 4: the keys that blocks are chosen by
  RowFormat row_format = RowFormat::kF32;     // of the window
};

struct LayerState {
  WindowRing window;
  std::optional<CompressorState> compressor;
  std::optional<CompressorState> indexer;
};

// Belongs to one sequence and is used by one thread at a time. Movable.
class SequenceState {
 public:
  // An empty sequence with room for `context_tokens` tokens. Address space is reserved here, memory is used
  // as the sequence grows. kOutOfBudget when the system refuses.
  static Result<SequenceState> create(std::span<const LayerStateShape> layers, uint64_t context_tokens);

  // Bytes that such a state takes when its context is full.
  static uint64_t bytes_when_full(std::span<const LayerStateShape> layers, uint64_t context_tokens);

  uint64_t position() const { return position_; }  // tokens taken in: the position of the next one
  uint64_t context_tokens() const { return context_tokens_; }
  LayerState& layer(size_t index) { return layers_[index]; }
  void advance(uint64_t tokens) { position_ += tokens; }
  // Fills an empty sequence with random rows, as if it had taken in `tokens`: to measure what a long context
  // costs without computing it. REQUIRES tokens <= context_tokens().
  void pretend(uint64_t tokens, uint64_t seed);
  // Back to an empty sequence; the address space stays reserved.
  void clear();

  // What it remembers, as bytes where they stand, in an order that layout() and the position settle. Those
  // that the next tokens write over: windows and open blocks.
  std::vector<std::span<std::byte>> changing_bytes();
  // Those of its first `position` tokens that stay as they are until clear(): rows of closed blocks. REQUIRES
  // position <= position(), or that this is where resume(position) will find them.
  std::vector<std::span<std::byte>> settled_bytes(uint64_t position);
  // The most bytes that changing_bytes() has.
  static uint64_t most_changing_bytes(std::span<const LayerStateShape> layers);
  // Numbers that say what the bytes are, the formats of rows among them: two states understand each other's
  // bytes if these are equal.
  std::vector<uint32_t> layout() const;
  // The sequence has `position` tokens from now on, and changing_bytes() and settled_bytes(position) say
  // where the caller puts what it remembers of them. REQUIRES position <= context_tokens().
  void resume(uint64_t position);

 private:
  std::vector<LayerState> layers_;
  uint64_t position_ = 0;
  uint64_t context_tokens_ = 0;
};

}  // namespace sluice
