// What the bytes of a checkpoint are for.
#pragma once

#include <array>
#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "checkpoint/tensor.h"

namespace sluice {

enum class WeightKind {
  kEmbedding,
  kHead,
  kAttention,
  kCompressor,
  kIndexer,
  kRouter,
  kRouterTable,  // hash layers: the experts of every token id
  kSharedExpert,
  kHyperConnection,
  kNorm,
  kRoutedExpert,
  kMtp,              // the MTP layers' own weights, but for:
  kMtpRoutedExpert,  //
  kOther,            // tensors that no DeepSeek-V4 has
};
inline constexpr size_t kWeightKinds = 14;

const char* weight_kind_name(WeightKind kind);  // "routed experts"

// By the name map of the releases.
WeightKind weight_kind_of(std::string_view tensor_name);

struct WeightCount {
  uint64_t tensors = 0;
  uint64_t bytes = 0;
  std::set<std::string> formats;  // "MXFP4", "FP8", "BF16", ...; scales count as their matrix's
};

struct WeightCensus {
  std::array<WeightCount, kWeightKinds> kinds;
  const WeightCount& of(WeightKind kind) const { return kinds[static_cast<size_t>(kind)]; }
};

WeightCensus count_weights(const std::vector<TensorInfo>& tensors);

}  // namespace sluice
