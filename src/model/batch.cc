#include "model/batch.h"

#include <algorithm>

namespace sluice {

void Batch::add(const Chunk& chunk) {
  const auto number = static_cast<uint32_t>(chunks_.size());
  chunks_.push_back(chunk);
  first_rows_.push_back(rows_.size());
  errors_.emplace_back();
  for (size_t t = 0; t < chunk.tokens(); ++t)
    rows_.push_back({chunk.ids[t], number, chunk.first_position + t});
}

bool Batch::is_observed() const {
  return std::ranges::any_of(chunks_, [](const Chunk& chunk) { return chunk.observer != nullptr; });
}

void Batch::fail(size_t chunk, const Error& error) {
  if (errors_[chunk]) return;
  errors_[chunk] = error;
  ++failed_;
}

void Batch::fail_cancelled() {
  for (size_t i = 0; i < chunks_.size(); ++i) {
    if (!errors_[i] && chunks_[i].cancel.stop_requested())
      fail(i, Error{ErrorCode::kCancelled, "cancelled in the middle of a pass"});
  }
}

Status Batch::status(size_t chunk) const {
  if (!errors_[chunk]) return {};
  return tl::unexpected(*errors_[chunk]);
}

}  // namespace sluice
