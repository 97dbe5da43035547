#include "kv/sequence_state.h"

#include <algorithm>

#include "numerics/rows.h"

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
  return rows * element_bytes(shape->row_format) + blocks * sizeof(float);
}

// Like a normalised row: uniform, of unit variance. Any bits will do, so a congruential generator does.
void fill_row(std::span<float> row, uint64_t& random) {
  for (float& value : row) {
    random = random * 6364136223846793005U + 1442695040888963407U;
    value = (static_cast<float>(random >> 40) * 0x1p-23F - 1) * 1.7320508F;
  }
}

void fill_row(RowFormat format, uint32_t width, std::byte* row, uint64_t& random) {
  std::vector<float> values(width);
  fill_row(values, random);
  encode_row(format, values, row);
}

void pretend_blocks(std::optional<CompressorState>& state, uint64_t tokens, uint64_t& random) {
  if (!state) return;
  const CompressorShape& shape = state->shape();
  for (uint64_t block = 0; block <= tokens / shape.ratio; ++block) {
    // The inputs of the last two blocks are what closing the next one needs.
    for (uint32_t i = 0; i < shape.ratio && block + 2 > tokens / shape.ratio; ++i) {
      fill_row({state->pending_kv(i), shape.input_width()}, random);
      fill_row({state->pending_gate(i), shape.input_width()}, random);
    }
    if (block == tokens / shape.ratio) return;  // the open one
    fill_row(shape.row_format, shape.row_width, state->rows().append(), random);
    state->close_block();
  }
}

// The inputs of an open block and, where blocks overlap, of the one before.
uint64_t open_bytes(const std::optional<CompressorShape>& shape) {
  if (!shape) return 0;
  return uint64_t{shape->overlapping ? 4U : 2U} * shape->ratio * shape->input_width() * sizeof(float);
}

void add_layout(const std::optional<CompressorState>& state, std::vector<uint32_t>& numbers) {
  if (!state) {
    numbers.push_back(0);
    return;
  }
  const CompressorShape& shape = state->shape();
  numbers.insert(numbers.end(), {shape.ratio, shape.row_width, shape.input_width(),
                                 static_cast<uint32_t>(shape.row_format), state->input_element_bytes()});
}

void resume_rows(std::optional<CompressorState>& state, uint64_t position) {
  if (state) state->rows().resize(position / state->shape().ratio);
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
    state.layers_.push_back({WindowRing(shape.window, shape.row_width, shape.row_format),
                             std::move(compressor), std::move(indexer)});
  }
  return state;
}

uint64_t SequenceState::bytes_when_full(std::span<const LayerStateShape> layers, uint64_t context_tokens) {
  uint64_t bytes = 0;
  for (const LayerStateShape& shape : layers) {
    bytes += uint64_t{shape.window} * shape.row_width * element_bytes(shape.row_format);
    bytes += sluice::bytes_when_full(shape.compressor, context_tokens);
    bytes += sluice::bytes_when_full(shape.indexer, context_tokens);
  }
  return bytes;
}

void SequenceState::pretend(uint64_t tokens, uint64_t seed) {
  uint64_t random = seed;
  for (LayerState& layer : layers_) {
    WindowRing& window = layer.window;
    for (uint64_t back = 1; back <= std::min<uint64_t>(tokens, window.window()); ++back)
      fill_row(window.format(), window.width(), window.row(tokens - back), random);
    pretend_blocks(layer.compressor, tokens, random);
    pretend_blocks(layer.indexer, tokens, random);
  }
  position_ = tokens;
}

void SequenceState::clear() {
  position_ = 0;
  for (LayerState& layer : layers_) {
    if (layer.compressor) layer.compressor->clear();
    if (layer.indexer) layer.indexer->clear();
  }
}

std::vector<std::span<std::byte>> SequenceState::changing_bytes() {
  std::vector<std::span<std::byte>> runs;
  if (position_ == 0) return runs;
  for (LayerState& layer : layers_) {
    runs.push_back(layer.window.bytes(position_));
    if (layer.compressor) layer.compressor->open_bytes(position_, runs);
    if (layer.indexer) layer.indexer->open_bytes(position_, runs);
  }
  return runs;
}

std::vector<std::span<std::byte>> SequenceState::settled_bytes(uint64_t position) {
  std::vector<std::span<std::byte>> runs;
  for (LayerState& layer : layers_) {
    for (auto* state : {&layer.compressor, &layer.indexer}) {
      if (!*state || position < (*state)->shape().ratio) continue;
      runs.push_back((*state)->rows().bytes(position / (*state)->shape().ratio));
    }
  }
  return runs;
}

uint64_t SequenceState::most_changing_bytes(std::span<const LayerStateShape> layers) {
  uint64_t bytes = 0;
  for (const LayerStateShape& shape : layers) {
    bytes += uint64_t{shape.window} * shape.row_width * element_bytes(shape.row_format);
    bytes += open_bytes(shape.compressor) + open_bytes(shape.indexer);
  }
  return bytes;
}

std::vector<uint32_t> SequenceState::layout() const {
  std::vector<uint32_t> numbers;
  for (const LayerState& layer : layers_) {
    numbers.insert(numbers.end(), {layer.window.window(), layer.window.width(),
                                   static_cast<uint32_t>(layer.window.format())});
    add_layout(layer.compressor, numbers);
    add_layout(layer.indexer, numbers);
  }
  return numbers;
}

void SequenceState::resume(uint64_t position) {
  position_ = position;
  for (LayerState& layer : layers_) {
    resume_rows(layer.compressor, position);
    resume_rows(layer.indexer, position);
  }
}

}  // namespace sluice
