// What a compressor remembers between tokens: the open block, the block before it, and the rows it has
// closed.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "kv/row_store.h"
#include "sluice/result.h"

namespace sluice {

// How a compressor folds tokens into rows (deepseek-v4.md, Compressor).
struct CompressorShape {
  uint32_t ratio = 0;                      // tokens a block
  uint32_t row_width = 0;                  // d
  bool overlapping = false;                // ratio 4: inputs are 2d wide, and a row mixes two blocks
  RowFormat row_format = RowFormat::kF32;  // inputs are float32
  uint32_t input_width() const { return overlapping ? 2 * row_width : row_width; }
  bool operator==(const CompressorShape&) const = default;
};

class CompressorState {
 public:
  // Room for the rows of `context_tokens` tokens.
  static Result<CompressorState> create(const CompressorShape& shape, uint64_t context_tokens);

  const CompressorShape& shape() const { return shape_; }
  // Inputs of the open block: token `index` < ratio. Both [input_width]; gates include the position's bias.
  float* pending_kv(uint32_t index) { return pending_kv_.data() + size_t{index} * shape_.input_width(); }
  float* pending_gate(uint32_t index) { return pending_gate_.data() + size_t{index} * shape_.input_width(); }
  // Overlapping only: the same inputs of the block closed last. Meaningful once rows().size() > 0.
  const float* previous_kv(uint32_t index) const {
    return previous_kv_.data() + size_t{index} * shape_.input_width();
  }
  const float* previous_gate(uint32_t index) const {
    return previous_gate_.data() + size_t{index} * shape_.input_width();
  }

  // After the open block's row was appended: it becomes the previous one.
  void close_block();

  RowStore& rows() { return rows_; }
  const RowStore& rows() const { return rows_; }
  void clear() { rows_.clear(); }

  // After `tokens` tokens: where the inputs stand that the blocks still to be closed need. Runs are added to
  // `runs`, in a fixed order; their places hold until close_block().
  void open_bytes(uint64_t tokens, std::vector<std::span<std::byte>>& runs);
  uint32_t input_element_bytes() const { return sizeof(float); }
  uint64_t reserved_bytes() const;

 private:
  CompressorShape shape_;
  RowStore rows_;                                   // [blocks closed, row_width]
  std::vector<float> pending_kv_, pending_gate_;    // [ratio, input_width]
  std::vector<float> previous_kv_, previous_gate_;  // [ratio, input_width], overlapping only
};

}  // namespace sluice
