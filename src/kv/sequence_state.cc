#include "kv/sequence_state.h"

namespace sluice {
namespace {

Result<std::optional<CompressorState>> create_optional(const std::optional<CompressorShape>& shape,
                                                       uint64_t context_tokens) {
  std::optional<CompressorState> state;
  if (shape) {
    SLUICE_ASSIGN(state, CompressorState::create(*shape, context_tokens));
  }
  return state;
}

uint64_t bytes_when_full(const std::optional<CompressorShape>& shape, uint64_t context_tokens) {
  if (!shape) return 0;
  const uint64_t rows = context_tokens / shape->ratio * shape->row_width;
  const uint64_t blocks = uint64_t{shape->overlapping ? 4U : 2U} * shape->ratio * shape->input_width();
  return (rows + blocks) * sizeof(float);
}

}  // namespace

Result<SequenceState> SequenceState::create(std::span<const LayerStateShape> layers,
                                            uint64_t context_tokens) {
  SequenceState state;
  state.context_tokens_ = context_tokens;
  state.layers_.reserve(layers.size());
  for (const LayerStateShape& shape : layers) {
    SLUICE_ASSIGN(auto compressor, create_optional(shape.compressor, context_tokens));
    SLUICE_ASSIGN(auto indexer, create_optional(shape.indexer, context_tokens));
    state.layers_.push_back(
        {WindowRing(shape.window, shape.row_width), std::move(compressor), std::move(indexer)});
  }
  return state;
}

uint64_t SequenceState::bytes_when_full(std::span<const LayerStateShape> layers, uint64_t context_tokens) {
  uint64_t bytes = 0;
  for (const LayerStateShape& shape : layers) {
    bytes += uint64_t{shape.window} * shape.row_width * sizeof(float);
    bytes += sluice::bytes_when_full(shape.compressor, context_tokens);
    bytes += sluice::bytes_when_full(shape.indexer, context_tokens);
  }
  return bytes;
}

void SequenceState::clear() {
  position_ = 0;
  for (LayerState& layer : layers_) {
    if (layer.compressor) layer.compressor->clear();
    if (layer.indexer) layer.indexer->clear();
  }
}

}  // namespace sluice
