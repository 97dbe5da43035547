#include "experts/catalog.h"

#include <limits>
#include <utility>

#include "base/fail.h"

namespace sluice {
namespace {
constexpr uint64_t kMaxOffsetBytes = uint64_t{1} << 63;  // what the system can address in a file
}

Result<ExpertCatalog> ExpertCatalog::create(uint32_t layers, uint32_t experts_per_layer,
                                            uint32_t parts_per_expert, std::vector<Extent> extents) {
  const uint64_t experts = uint64_t{layers} * experts_per_layer;
  if (experts == 0 || parts_per_expert == 0 || experts >= std::numeric_limits<uint32_t>::max()) {
    return fail(ErrorCode::kInvalidArgument, "expert catalog: {} layers of {} experts of {} parts", layers,
                experts_per_layer, parts_per_expert);
  }
  if (extents.size() / parts_per_expert != experts || extents.size() % parts_per_expert != 0) {
    return fail(ErrorCode::kInvalidArgument,
                "expert catalog: {} extents were given for {} layers of {} experts of {} parts",
                extents.size(), layers, experts_per_layer, parts_per_expert);
  }
  ExpertCatalog catalog;
  catalog.layers_ = layers;
  catalog.experts_per_layer_ = experts_per_layer;
  catalog.parts_per_expert_ = parts_per_expert;
  catalog.extents_ = std::move(extents);
  for (size_t i = 0; i < catalog.extents_.size(); ++i) {
    const Extent& extent = catalog.extents_[i];
    const auto index = static_cast<uint32_t>(i / parts_per_expert);
    const bool is_endless =
        extent.size_bytes >= kMaxOffsetBytes || extent.offset_bytes >= kMaxOffsetBytes - extent.size_bytes;
    if (!is_endless && catalog.expert_bytes(index) > 0) continue;
    const ExpertId id = catalog.id(index);
    return fail(ErrorCode::kInvalidArgument,
                "expert catalog: layer {}, expert {}, part {}: {} bytes at byte {}", id.layer, id.expert,
                i % parts_per_expert, extent.size_bytes, extent.offset_bytes);
  }
  return catalog;
}

uint64_t ExpertCatalog::expert_bytes(uint32_t index) const {
  uint64_t bytes = 0;
  for (const Extent& part : parts(index)) bytes += part.size_bytes;
  return bytes;
}

uint64_t ExpertCatalog::total_bytes() const {
  uint64_t bytes = 0;
  for (const Extent& part : extents_) bytes += part.size_bytes;
  return bytes;
}

}  // namespace sluice
