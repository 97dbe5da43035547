#include "storage/ring_buffers.h"

#include <liburing.h>

#include <algorithm>
#include <functional>
#include <utility>

namespace sluice {

void RingBuffers::reset(io_uring& ring, std::vector<std::span<std::byte>> buffers) {
  if (has_table_) ::io_uring_unregister_buffers(ring_);
  ring_ = &ring;
  registered_ = 0;
  std::ranges::sort(buffers, std::less<>(), [](const auto& buffer) { return buffer.data(); });
  buffers.resize(std::min(buffers.size(), kMaxBuffers));
  buffers_.clear();
  for (const std::span<std::byte> buffer : buffers) buffers_.push_back({buffer});
  has_table_ = !buffers_.empty() &&
               ::io_uring_register_buffers_sparse(ring_, static_cast<unsigned>(buffers_.size())) == 0;
  may_add_ = has_table_;
}

std::optional<uint16_t> RingBuffers::place_of(std::span<const std::byte> into) {
  const auto after = std::ranges::upper_bound(buffers_, into.data(), std::less<>(),
                                              [](const Buffer& buffer) { return buffer.bytes.data(); });
  if (after == buffers_.begin()) return std::nullopt;
  const Buffer& buffer = *std::prev(after);
  if (into.data() + into.size() > buffer.bytes.data() + buffer.bytes.size()) return std::nullopt;
  const auto place = static_cast<uint16_t>(&buffer - buffers_.data());
  if (!buffer.is_registered && !add(place)) return std::nullopt;
  return place;
}

bool RingBuffers::add(uint16_t place) {
  if (!may_add_) return false;
  const std::span<std::byte> bytes = buffers_[place].bytes;
  const iovec memory{bytes.data(), bytes.size()};
  const __u64 tag = 0;  // nobody wants to hear when the kernel lets go of it
  may_add_ = ::io_uring_register_buffers_update_tag(ring_, place, &memory, &tag, 1) == 1;
  buffers_[place].is_registered = may_add_;
  registered_ += may_add_ ? 1 : 0;
  return may_add_;
}

}  // namespace sluice
