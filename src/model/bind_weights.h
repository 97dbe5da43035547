// The release's name map: which tensors a DeepSeek-V4 checkpoint holds, under which names.
#pragma once

#include <array>
#include <cstddef>
#include <span>
#include <vector>

#include "checkpoint/checkpoint.h"
#include "experts/catalog.h"
#include "experts/expert_store.h"
#include "model/weight_binder.h"
#include "model/weights.h"

namespace sluice {

// Every dense tensor, in the binder's order. Errors name file, tensor, found and expected.
Result<ModelWeights> bind_weights(const ModelConfig& config, WeightBinder& binder);

// How the routed experts are stored: where (for the rooms that move bytes) and as what (for the arithmetic).
// The model's MTP layers follow its ordinary layers.
class ExpertStorage {
 public:
  // Checks every expert's tensors against the configuration. kCorrupt and kNotFound name file and tensor.
  static Result<ExpertStorage> locate(const Checkpoint& checkpoint);

  const ExpertCatalog& catalog() const { return catalog_; }
  // The matrices of expert `index` (ExpertCatalog::index) over its parts' bytes.
  ExpertMatrices view(uint32_t index, const ExpertLease& lease) const;

 private:
  static constexpr size_t kMatrices = 3;  // w1, w3, w2: gate and up first, they are needed first

  explicit ExpertStorage(ExpertCatalog catalog) : catalog_(std::move(catalog)) {}

  ExpertCatalog catalog_;
  std::array<WeightMatrix, kMatrices> shapes_;                // rows and cols only
  std::vector<std::array<WeightFormat, kMatrices>> formats_;  // [expert_count]
};

}  // namespace sluice
