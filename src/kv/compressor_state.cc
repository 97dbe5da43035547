#include "kv/compressor_state.h"

namespace sluice {

Result<CompressorState> CompressorState::create(const CompressorShape& shape, uint64_t context_tokens) {
  CompressorState state;
  state.shape_ = shape;
  SLUICE_ASSIGN(state.rows_,
                RowStore::create(context_tokens / shape.ratio, shape.row_width, shape.row_format));
  const size_t block_floats = size_t{shape.ratio} * shape.input_width();
  state.pending_kv_.resize(block_floats);
  state.pending_gate_.resize(block_floats);
  if (shape.overlapping) {
    state.previous_kv_.resize(block_floats);
    state.previous_gate_.resize(block_floats);
  }
  return state;
}

void CompressorState::close_block() {
  if (!shape_.overlapping) return;
  pending_kv_.swap(previous_kv_);
  pending_gate_.swap(previous_gate_);
}

void CompressorState::open_bytes(uint64_t tokens, std::vector<std::span<std::byte>>& runs) {
  const auto add = [&](std::vector<float>& inputs, uint64_t count) {
    const std::span<float> used = std::span(inputs).first(count * shape_.input_width());
    if (!used.empty()) runs.push_back(std::as_writable_bytes(used));
  };
  add(pending_kv_, tokens % shape_.ratio);
  add(pending_gate_, tokens % shape_.ratio);
  if (!shape_.overlapping || tokens < shape_.ratio) return;
  add(previous_kv_, shape_.ratio);
  add(previous_gate_, shape_.ratio);
}

uint64_t CompressorState::reserved_bytes() const {
  const size_t floats =
      pending_kv_.size() + pending_gate_.size() + previous_kv_.size() + previous_gate_.size();
  return rows_.reserved_bytes() + floats * sizeof(float);
}

}  // namespace sluice
