#include "cli/weight_census.h"

namespace sluice {
namespace {

bool contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

std::string format_name(DType dtype) {
  if (dtype == DType::kI8) return "MXFP4";
  if (dtype == DType::kF8E4M3) return "FP8";
  return dtype_name(dtype);
}

// Of a layer's tensor, its prefix "layers.N." taken away.
WeightKind kind_in_layer(std::string_view name) {
  if (name.starts_with("hc_")) return WeightKind::kHyperConnection;
  if (name.starts_with("attn.indexer.")) return WeightKind::kIndexer;
  if (name.starts_with("attn.compressor.")) return WeightKind::kCompressor;
  if (name.starts_with("ffn.experts.")) return WeightKind::kRoutedExpert;
  if (name.starts_with("ffn.shared_experts.")) return WeightKind::kSharedExpert;
  if (name == "ffn.gate.tid2eid") return WeightKind::kRouterTable;
  if (name.starts_with("ffn.gate.")) return WeightKind::kRouter;
  if (contains(name, "norm.weight")) return WeightKind::kNorm;
  if (name.starts_with("attn.")) return WeightKind::kAttention;
  return WeightKind::kOther;
}

}  // namespace

const char* weight_kind_name(WeightKind kind) {
  constexpr std::array<const char*, kWeightKinds> kNames = {
      "embedding",          "output head", "attention",      "compressors",
      "indexers",           "routers",     "hash tables",    "shared experts",
      "hyper-connections",  "norms",       "routed experts", "MTP, dense",
      "MTP routed experts", "unknown"};
  return kNames[static_cast<size_t>(kind)];
}

WeightKind weight_kind_of(std::string_view name) {
  if (name == "embed.weight") return WeightKind::kEmbedding;
  if (name.starts_with("head.")) return WeightKind::kHead;
  if (name == "norm.weight") return WeightKind::kNorm;
  if (name.starts_with("hc_head")) return WeightKind::kHyperConnection;
  if (name.starts_with("mtp."))
    return contains(name, ".ffn.experts.") ? WeightKind::kMtpRoutedExpert : WeightKind::kMtp;
  if (!name.starts_with("layers.")) return WeightKind::kOther;
  name.remove_prefix(std::string_view("layers.").size());
  const size_t dot = name.find('.');
  return dot == std::string_view::npos ? WeightKind::kOther : kind_in_layer(name.substr(dot + 1));
}

WeightCensus count_weights(const std::vector<TensorInfo>& tensors) {
  WeightCensus census;
  for (const TensorInfo& tensor : tensors) {
    WeightCount& count = census.kinds[static_cast<size_t>(weight_kind_of(tensor.name))];
    ++count.tensors;
    count.bytes += tensor.extent.size_bytes;
    if (tensor.dtype != DType::kF8E8M0) count.formats.insert(format_name(tensor.dtype));
  }
  return census;
}

}  // namespace sluice
