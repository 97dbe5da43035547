// Where every expert's bytes lie: the only thing that the model tells this room about itself.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/extent.h"
#include "sluice/result.h"

namespace sluice {

// What a router names: an expert of a layer.
struct ExpertId {
  uint32_t layer = 0;
  uint32_t expert = 0;
  bool operator==(const ExpertId&) const = default;
};

// Layers × experts × parts → extent. Every layer has the same number of experts, every expert the same number
// of parts; what a part is and why they stand in this order, only the model knows. Immutable: any thread may
// read it.
class ExpertCatalog {
 public:
  // `extents` [layers, experts_per_layer, parts_per_expert]. kInvalidArgument when a dimension is 0, the
  // number of extents is another one, an extent runs past 2^63, or all of an expert's are empty.
  // A single empty one is a part that this expert has not.
  static Result<ExpertCatalog> create(uint32_t layers, uint32_t experts_per_layer, uint32_t parts_per_expert,
                                      std::vector<Extent> extents);

  uint32_t layers() const { return layers_; }
  uint32_t experts_per_layer() const { return experts_per_layer_; }
  uint32_t parts_per_expert() const { return parts_per_expert_; }

  // All experts of all layers are numbered 0 ... expert_count() - 1, layer by layer.
  uint32_t expert_count() const { return layers_ * experts_per_layer_; }
  uint32_t index(ExpertId id) const { return id.layer * experts_per_layer_ + id.expert; }
  ExpertId id(uint32_t index) const { return {index / experts_per_layer_, index % experts_per_layer_}; }

  // The parts of one expert, in the model's order. REQUIRES index < expert_count().
  std::span<const Extent> parts(uint32_t index) const {
    return std::span(extents_).subspan(size_t{index} * parts_per_expert_, parts_per_expert_);
  }
  // The bytes of one expert's parts, nothing of alignment.
  uint64_t expert_bytes(uint32_t index) const;
  uint64_t total_bytes() const;

 private:
  ExpertCatalog() = default;

  uint32_t layers_ = 0;
  uint32_t experts_per_layer_ = 0;
  uint32_t parts_per_expert_ = 0;
  std::vector<Extent> extents_;  // [layers, experts_per_layer, parts_per_expert]
};

}  // namespace sluice
